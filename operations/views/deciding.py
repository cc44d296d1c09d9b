"""The buttons of a single operation that waits: for approval (Approve, Refuse), or to be sent (Extend); Cancel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from core.htmx import render_fragment
from operations.errors import Conflict, Invalid, NotAllowed
from operations.models import Operation
from operations.services import waiting
from operations.services.approval import approve as approve_wish
from operations.services.approval import refuse as refuse_wish
from operations.services.approval import withdraw
from operations.views.detail import TEMPLATE, detail_context
from operations.views.pages import operation_or_404
from staff.sudo import sudo_required


@require_POST
@permission_required("operations.view_operation", raise_exception=True)
@sudo_required
def approve(request: HttpRequest, pk: int) -> HttpResponse:
    """Let somebody else's wish go on: 303 to its page; 403, 404 or 409 otherwise."""
    user: Any = request.user
    return _decide(request, pk, lambda operation: approve_wish(operation, user), _("Approved."))


@require_POST
@permission_required("operations.view_operation", raise_exception=True)
def refuse(request: HttpRequest, pk: int) -> HttpResponse:
    """End somebody else's wish, with ``reason``: 303 to its page; 403, 404, 409, or 422 without a reason."""
    user: Any = request.user
    reason = request.POST.get("reason", "")
    return _decide(request, pk, lambda operation: refuse_wish(operation, user, reason), _("Refused."))


@require_POST
@permission_required("operations.view_operation", raise_exception=True)
def cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """Take one's own wish back while it waits, be it for approval or to be sent; a supervisor cancels what waits to be
    sent, too: 303 to its page; 403, 404 or 409 otherwise."""
    user: Any = request.user

    def act(operation: Operation) -> Operation:
        waits_for_approval = operation.state == Operation.State.AWAITING_APPROVAL
        return withdraw(operation, user) if waits_for_approval else waiting.cancel(operation, user)

    return _decide(request, pk, act, _("Taken back."))


@require_POST
@permission_required("operations.view_operation", raise_exception=True)
def extend(request: HttpRequest, pk: int) -> HttpResponse:
    """Let an operation that waits to be sent wait for longer: 303 to its page; 403, 404 or 409 otherwise."""
    user: Any = request.user
    return _decide(request, pk, lambda operation: waiting.extend(operation, user), _("It waits for longer now."))


def _decide(request: HttpRequest, pk: int, act: Callable[[Operation], Operation], said: str) -> HttpResponse:
    operation = operation_or_404(request, pk)
    try:
        act(operation)
    except NotAllowed as error:
        raise PermissionDenied(str(error)) from error
    except Invalid as error:
        context = detail_context(request, operation, refuse_form=error.form)
        return render_fragment(request, TEMPLATE, "live", context, status=422)
    except Conflict as error:
        operation.refresh_from_db()
        context = {**detail_context(request, operation), "conflict": str(error)}
        return render_fragment(request, TEMPLATE, "live", context, status=409)
    messages.success(request, said)
    response = redirect("operations:detail", pk)
    response.status_code = 303
    return response
