"""The page of one operation: its state as it goes on, every step, and a person's word where one is needed."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from core.htmx import render_fragment, stop_polling, wants_fragment
from operations.errors import Conflict, NotAllowed
from operations.forms import SettleForm
from operations.kinds import KINDS
from operations.models import Operation
from operations.selectors_jobs import list_jobs
from operations.services.jobs import rules
from operations.services.jobs.forms import ReasonForm
from operations.services.settle import settle_operation
from operations.services.waiting import steering
from operations.tables import live_badge
from operations.views.pages import operation_context, operation_or_404

TEMPLATE = "operations/detail.html"


def detail_context(
    request: HttpRequest,
    operation: Operation,
    form: SettleForm | None = None,
    *,
    refuse_form: BaseForm | None = None,
) -> dict[str, Any]:
    """What the page shows; ``form`` and ``refuse_form`` are those that came back with errors."""
    kind = KINDS[operation.kind]
    attempts = list(operation.attempts.all())
    unfinished = sum(attempt.finished_at is None for attempt in attempts)
    needs_person = operation.state == Operation.State.NEEDS_ATTENTION
    may_settle = needs_person and request.user.has_perm(kind.permission)
    waits = operation.state == Operation.State.AWAITING_APPROVAL
    why_not = rules.deciding_at_all(operation.actor_id, operation.kind, request.user) if waits else None
    return {
        **operation_context(operation),
        "job": list_jobs(request.user).filter(pk=operation.job_id).first() if operation.job_id else None,
        "attempts": attempts,
        "version": f"{operation.state}-{len(attempts)}-{unfinished}-{operation.readbacks}-{operation.carrier_code}",
        "is_live": operation.state in Operation.OPEN_STATES,
        "settle_form": (form or SettleForm(auto_id="settle_%s")) if may_settle else None,
        "waits": waits,
        "why_not_decide": str(why_not or ""),
        "refuse_form": (refuse_form or ReasonForm(auto_id="refuse_%s")) if waits and why_not is None else None,
        "may_steer": operation.waits_for_carrier and steering(operation, request.user) is None,
        "may_withdraw": waits and operation.actor_id == request.user.pk,
    }


@require_safe
@permission_required("operations.view_operation", raise_exception=True)
def detail(request: HttpRequest, pk: int) -> HttpResponse:
    """The page; for htmx its live part, 204 while ``?version=`` is still the newest, 286 once it has ended."""
    operation = operation_or_404(request, pk)
    context = detail_context(request, operation)
    if wants_fragment(request) and context["is_live"] and request.GET.get("version") == context["version"]:
        return HttpResponse(status=204)
    response = render_fragment(request, TEMPLATE, "live", context)
    return stop_polling(response) if wants_fragment(request) and not context["is_live"] else response


@require_safe
@permission_required("operations.view_operation", raise_exception=True)
def badge(request: HttpRequest, pk: int) -> HttpResponse:
    """The state's badge for a row of a list."""
    operation = operation_or_404(request, pk)
    response = HttpResponse(live_badge(operation))
    return response if operation.state in Operation.OPEN_STATES else stop_polling(response)


@require_POST
@permission_required("operations.view_operation", raise_exception=True)
def settle(request: HttpRequest, pk: int) -> HttpResponse:
    """A person says whether it happened (``happened`` is ``yes`` or ``no``, with ``reason``): 303 to the page."""
    operation = operation_or_404(request, pk)
    if not request.user.has_perm(KINDS[operation.kind].permission):
        raise PermissionDenied
    form = SettleForm(request.POST, auto_id="settle_%s")
    if not form.is_valid():
        return render_fragment(request, TEMPLATE, "live", detail_context(request, operation, form), status=422)
    try:
        settle_operation(
            operation=operation,
            happened=form.cleaned_data["happened"],
            actor=request.user,  # type: ignore[arg-type]  # signed in
            reason=form.cleaned_data["reason"],
        )
    except NotAllowed as error:
        raise PermissionDenied from error
    except Conflict as error:
        operation.refresh_from_db()
        context = {**detail_context(request, operation), "conflict": str(error)}
        return render_fragment(request, TEMPLATE, "live", context, status=409)
    messages.success(request, _("The operation is settled."))
    response = redirect("operations:detail", pk)
    response.status_code = 303
    return response
