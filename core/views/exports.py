"""Tables as files: at once, or in the background; and a person's downloads."""

from __future__ import annotations

import tempfile
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from core import audit, exports
from core.htmx import render_fragment
from core.models import Export
from core.paging import Count
from core.spreadsheets import CONTENT_TYPES, CSV, Table, csv_parts, write_xlsx

PAGE = "core/exports.html"
PARAMETER = "export"
"""Of the address of a list: the format of its file."""
_MOST = 50


@require_safe
def mine(request: HttpRequest) -> HttpResponse:
    """The list; the rows alone for htmx, which asks again while one is being made."""
    rows = list(exports.exports_of(request.user)[:_MOST])
    live = any(export.state in Export.OPEN_STATES for export in rows)
    days = max(1, exports.kept_for().days)
    return render_fragment(request, PAGE, "rows", {"exports": rows, "is_live": live, "days": days})


@require_safe
def fetch(request: HttpRequest, pk: int) -> FileResponse:
    """The file, for its owner who still may have it; 404 for everybody else."""
    export = _own_or_404(request, pk)
    try:
        path = exports.file_of(export, request.user)
    except exports.NotAvailable as refusal:
        raise Http404(str(refusal)) from None
    if request.method == "GET":
        # It was made for this person; that it left the portal is another thing, and may be more than once.
        after = {"file": export.file_name}
        audit.record(action="export.fetched", actor=export.owner, target=export, after=after)
    return FileResponse(
        path.open("rb"), as_attachment=True, filename=export.file_name, content_type=CONTENT_TYPES[export.format]
    )


@require_POST
def remove(request: HttpRequest, pk: int) -> HttpResponse:
    """Take one's own download away before its time."""
    export = _own_or_404(request, pk)
    with transaction.atomic():
        before = {"file": export.file_name, "state": export.state}
        audit.record(action="export.removed", actor=export.owner, target=export, before=before)
        exports.remove(export)
    messages.success(request, _("The download was removed."))
    return redirect("exports")


def answer(request: HttpRequest, table: Table) -> HttpResponseBase:
    """The file at once, for a page that is no list: in the format that ``?export=`` names, 400 for an unknown one."""
    return give(request, table, None)


def give(
    request: HttpRequest, table: Table, count: Count | None, *, format_: str = "", query: str | None = None
) -> HttpResponseBase:
    """What a view answers to a GET for a file: the file, where that is large an offer of it, or 400.

    ``count`` are its rows, counted up to ``exports.IN_REQUEST`` at least; without it the file comes at once.
    ``format_`` is that of ``?export=`` unless given. ``query`` stands for what of the address matters, in the trail.
    """
    format_ = format_ or request.GET.get(PARAMETER, "")
    if format_ not in exports.FORMATS:
        return _unknown_format(request, table, format_)
    if count is not None and (count.capped or count.number > exports.IN_REQUEST):
        return _offer(request, table, count)
    rows: int | None
    name = f"{table.file_name}.{format_}"
    response: StreamingHttpResponse
    if format_ == CSV:
        rows = None if count is None else count.number
        response = StreamingHttpResponse(csv_parts(table), content_type=CONTENT_TYPES[CSV])
        response["Content-Disposition"] = content_disposition_header(True, name) or ""
    else:
        file = tempfile.TemporaryFile()  # noqa: SIM115 - the response closes it
        rows = write_xlsx(table, file)
        file.seek(0)
        response = FileResponse(file, as_attachment=True, filename=name, content_type=CONTENT_TYPES[format_])
    if request.method == "GET":
        _record(request, format_, rows, query)
    return response


def _record(request: HttpRequest, format_: str, rows: int | None, query: str | None) -> None:
    """Data leaves the portal: say in the audit trail which, and to whom."""
    if query is None:
        state = request.GET.copy()
        state.pop(PARAMETER, None)
        query = state.urlencode()
    after = {"list": request.path_info, "query": query, "format": format_, "rows": rows}
    audit.record(action="export.made", actor=request.user, after=after)  # type: ignore[arg-type]  # signed in


def _unknown_format(request: HttpRequest, table: Table, format_: str) -> HttpResponse:
    state = request.GET.copy()
    known = []
    for name in exports.FORMATS:
        state[PARAMETER] = name
        known.append((name, f"{request.path}?{state.urlencode()}"))
    context = {"title": table.title, "format": format_[:20], "known": known}
    return render(request, "core/export_unknown.html", context, status=400)


def _offer(request: HttpRequest, table: Table, count: Count) -> HttpResponse:
    """For a file that is too large for a request: a button that has it made."""
    context = {"title": table.title, "count": count, "days": max(1, exports.kept_for().days)}
    return render(request, "core/export_offer.html", context)


def begin(request: HttpRequest, name: str, params: dict[str, Any], *, format_: str = "") -> HttpResponse:
    """What a view answers to that button: the file is made, and the page of downloads shows how far it is.

    The format is that of ``?export=`` unless given; 404 for an unknown one.
    """
    format_ = format_ or request.GET.get(PARAMETER, "")
    if format_ not in exports.FORMATS:
        raise Http404
    try:
        exports.request_export(request.user, name, params, format_=format_)
    except exports.NotAvailable as refusal:
        raise Http404(str(refusal)) from None
    except exports.TooManyOpen as refusal:
        messages.error(request, str(refusal))
    response = redirect("exports")
    response.status_code = 303
    return response


def _own_or_404(request: HttpRequest, pk: int) -> Export:
    try:
        return exports.exports_of(request.user).get(pk=pk)
    except (Export.DoesNotExist, OverflowError):
        raise Http404 from None
