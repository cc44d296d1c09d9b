"""A person decides what the portal can't find out."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from core import audit
from operations import selectors
from operations.errors import Conflict
from operations.kinds import KINDS
from operations.models import Operation, OperationAttempt
from operations.services.jobs.counts import recount
from operations.services.requests import check_permission
from operations.services.transitions import Outcome, State, move, tell_timeline
from sims.services.refresh import request_refresh
from staff.models import User


def settle_operation(*, operation: Operation, happened: bool, actor: User, reason: str) -> Operation:
    """End an operation that needs attention as ``done`` or ``failed``, by the word of ``actor``.

    Raises :class:`Operation.DoesNotExist` out of scope, :class:`operations.errors.NotAllowed` without the
    permission of the operation's kind, :class:`Conflict` when it does not need attention (any more).
    """
    operation = selectors.get_operation(actor, operation.pk)
    check_permission(actor, KINDS[operation.kind])
    if operation.state != State.NEEDS_ATTENTION:
        raise Conflict(_("This operation does not need a decision any more."), operation)
    to = State.DONE if happened else State.FAILED
    said = _("It happened") if happened else _("It did not happen")
    message = _("%(who)s decided: %(what)s.") % {"who": actor.get_username(), "what": said.lower()}
    now = timezone.now()
    with transaction.atomic():
        if not move(operation, to, any_lease=True, message=message, finished_at=now):
            raise Conflict(_("This operation does not need a decision any more."), operation)
        OperationAttempt.objects.create(
            operation=operation,
            step=OperationAttempt.Step.PERSON,
            started_at=now,
            finished_at=now,
            outcome=to,
            detail=f"{message} {reason}",
        )
        outcome = Outcome.SUCCESS if happened else Outcome.FAILED
        tell_timeline(operation, outcome, settled_by=actor.get_username(), settled_reason=reason)
        audit.record(
            action="operation.settled",
            actor=actor,
            target=operation,
            account_name=operation.sim.account_id,
            before={"state": State.NEEDS_ATTENTION},
            after={"state": to},
            reason=reason,
            ticket=operation.ticket,
        )
    if operation.job is not None:
        # After the transaction: everybody locks the job before its operations.
        recount(operation.job)
    request_refresh(operation.sim)
    return operation
