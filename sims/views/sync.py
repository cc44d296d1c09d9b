"""The page about the sync: what was read, how fresh the mirror is, and the buttons that start a run."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from core import exports
from core.htmx import render_fragment, wants_fragment
from core.paging import BadCursor, Order, capped_count, paginate
from core.views import exports as export_views
from sims.models import SyncRun
from sims.run_files import NAME, table_of
from sims.selectors.sync import list_runs, sync_status, view_runs
from sims.services import sync

_TEMPLATE, _PARTIAL = "sims/sync.html", "sync"
_ORDER = Order("started", ("id",), descending=True)
_RUNS = 20
_STARTABLE = (SyncRun.Kind.FULL, SyncRun.Kind.CHANGES)


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("sims.view_syncrun", raise_exception=True)
def sync_page(request: HttpRequest) -> HttpResponseBase:
    """Show the page, or start a run (``kind``: full or changes) when posted to.

    Started: 303, or the fragment for htmx. One of that kind is open already: 409 and nothing is started. An unknown
    kind: 422. No permission to start: 403. With ``?export=`` the runs as a file, as for any list.
    """
    if export_views.PARAMETER in request.GET:
        if request.method == "POST":
            return export_views.begin(request, NAME, {})
        count = capped_count(list_runs(request.user), exports.IN_REQUEST)
        return export_views.give(request, table_of(request.user), count, query="")
    if request.method == "POST":
        return _start(request)
    return _show(request)


def _start(request: HttpRequest) -> HttpResponse:
    if not request.user.has_perm("sims.run_sync"):
        raise PermissionDenied
    kind = request.POST.get("kind", "")
    if kind not in _STARTABLE:
        return _show(request, status=422, problem=_("Choose what to read: all SIMs or the change logs."))
    run, is_new = sync.request(kind, user=request.user)
    if not is_new:
        return _show(
            request,
            status=409,
            problem=_("“%(kind)s” is under way already; nothing was started.") % {"kind": run.get_kind_display()},
        )
    messages.success(request, _("“%(kind)s” was started.") % {"kind": run.get_kind_display()})
    if wants_fragment(request):
        return _show(request)
    response = HttpResponseRedirect(reverse("sims:sync"))
    response.status_code = 303
    return response


def _show(request: HttpRequest, *, status: int = 200, problem: str = "") -> HttpResponse:
    try:
        page = paginate(
            list_runs(request.user),
            _ORDER,
            after=request.GET.get("after", ""),
            before=request.GET.get("before", ""),
            size=_RUNS,
        )
    except BadCursor:
        page = paginate(list_runs(request.user), _ORDER, size=_RUNS)
    state = sync_status(request.user)
    context: dict[str, Any] = {
        "status": state,
        "runs": view_runs(page.rows),
        "page": page,
        "files": [(name, f"{reverse('sims:sync')}?{export_views.PARAMETER}={name}") for name in exports.FORMATS],
        "problem": problem,
        "may_start": request.user.has_perm("sims.run_sync"),
        "open_kinds": {view.run.kind for view in state.running},
        # Looking back at old runs, nothing needs to move.
        "poll": "" if page.previous else ("every 2s" if state.running else "every 15s"),
    }
    return render_fragment(request, _TEMPLATE, _PARTIAL, context, status=status)
