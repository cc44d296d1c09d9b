"""What a person may do with a single change that waits to be sent: take it back, or let it wait for longer."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from core import audit
from operations import selectors
from operations.errors import Conflict, NotAllowed, OperationRefused
from operations.models import Operation, OperationAttempt
from staff.models import User

State = Operation.State

_APPROVE = "operations.approve_operation"


def steering(operation: Operation, user: User | AnonymousUser) -> OperationRefused | None:
    """What stands against ``user`` cancelling or extending it; ``None`` when nothing does."""
    if operation.actor_id != user.pk and not user.has_perm(_APPROVE):
        return NotAllowed(_("Only who asked for it or a supervisor can do this."))
    if operation.state != State.QUEUED:
        return _not_waiting(operation)
    if operation.job_id is not None:
        return Conflict(_("It belongs to a batch job, which is paused and cancelled as a whole."), operation)
    return None


def cancel(operation: Operation, actor: User) -> Operation:
    """End it as ``cancelled``: it certainly is not at the carrier. Raises ``NotAllowed`` and ``Conflict``."""
    operation = _get(operation, actor)
    message = _("Cancelled by %(who)s before it was sent.") % {"who": actor.get_username()}
    now = timezone.now()
    with transaction.atomic():
        rows = Operation.objects.filter(pk=operation.pk, state=State.QUEUED)
        if not rows.update(
            state=State.CANCELLED, message=message, finished_at=now, next_attempt_at=None, lease_until=None
        ):
            raise _not_waiting(operation)
        _note(operation, State.CANCELLED, message, now)
        _tell(operation, actor, "operation.cancelled", {"state": State.CANCELLED, "message": message})
    operation.refresh_from_db()
    return operation


def extend(operation: Operation, actor: User) -> Operation:
    """Let it wait for ``OPERATION_EXPIRES_AFTER`` from now on. Raises ``NotAllowed`` and ``Conflict``."""
    operation = _get(operation, actor)
    now = timezone.now()
    until = now + timedelta(seconds=settings.CONFIG["OPERATION_EXPIRES_AFTER"])
    message = _("%(who)s let it wait for longer.") % {"who": actor.get_username()}
    with transaction.atomic():
        # What has expired has, be it that no worker has noted it yet.
        rows = Operation.objects.filter(pk=operation.pk, state=State.QUEUED, expires_at__gt=now)
        if not rows.update(expires_at=until):
            raise _not_waiting(operation)
        _note(operation, State.QUEUED, message, now)
        _tell(operation, actor, "operation.extended", {"expires_at": until.isoformat()})
    operation.refresh_from_db()
    return operation


def _get(operation: Operation, actor: User) -> Operation:
    operation = selectors.get_operation(actor, operation.pk)
    refusal = steering(operation, actor)
    if refusal is not None:
        raise refusal
    return operation


def _not_waiting(operation: Operation) -> Conflict:
    return Conflict(_("This operation does not wait any more."), operation)


def _note(operation: Operation, outcome: str, message: str, now: datetime) -> None:
    OperationAttempt.objects.create(
        operation=operation,
        step=OperationAttempt.Step.PERSON,
        started_at=now,
        finished_at=now,
        outcome=outcome,
        detail=message,
    )


def _tell(operation: Operation, actor: User, action: str, after: dict[str, str]) -> None:
    before = {"state": operation.state, "expires_at": operation.expires_at.isoformat() if operation.expires_at else ""}
    audit.record(
        action=action,
        actor=actor,
        target=operation,
        account_name=operation.sim.account_id,
        before=before,
        after=after,
        reason=operation.reason,
        ticket=operation.ticket,
    )
