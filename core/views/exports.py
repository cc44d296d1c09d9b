"""A person's downloads that are made in the background."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from core import exports
from core.htmx import render_fragment
from core.models import Export
from core.spreadsheets import CONTENT_TYPES, Table

PAGE = "core/exports.html"
_MOST = 50


@require_GET
def mine(request: HttpRequest) -> HttpResponse:
    """The list; the rows alone for htmx, which asks again while one is being made."""
    rows = list(exports.exports_of(request.user)[:_MOST])
    live = any(export.state in Export.OPEN_STATES for export in rows)
    days = max(1, exports.kept_for().days)
    return render_fragment(request, PAGE, "rows", {"exports": rows, "is_live": live, "days": days})


@require_GET
def fetch(request: HttpRequest, pk: int) -> FileResponse:
    """The file, for its owner who still may have it; 404 for everybody else."""
    export = _own_or_404(request, pk)
    try:
        path = exports.file_of(export, request.user)
    except exports.NotAvailable as refusal:
        raise Http404(str(refusal)) from None
    return FileResponse(
        path.open("rb"), as_attachment=True, filename=export.file_name, content_type=CONTENT_TYPES[export.format]
    )


@require_POST
def remove(request: HttpRequest, pk: int) -> HttpResponse:
    """Take one's own download away before its time."""
    exports.remove(_own_or_404(request, pk))
    messages.success(request, _("The download was removed."))
    return redirect("exports")


def offer(request: HttpRequest, table: Table, total: int) -> HttpResponse:
    """What a view answers to a GET for a file that is too large for a request: a button that has it made."""
    context = {"title": table.title, "total": total, "days": max(1, exports.kept_for().days)}
    return render(request, "core/export_offer.html", context)


def begin(request: HttpRequest, name: str, params: dict[str, Any], *, format_: str) -> HttpResponse:
    """What a view answers to that button: the file is made, and the page of downloads shows how far it is."""
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
