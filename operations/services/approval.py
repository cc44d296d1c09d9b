"""The second person: approving and refusing jobs and single operations of others (design, section 6)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, TypeVar

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from core import audit
from core.queue import enqueue_on_commit
from operations import selectors, selectors_jobs, tasks
from operations.errors import Conflict, Invalid, NotAllowed
from operations.models import BatchJob, Operation, OperationAttempt
from operations.services.jobs import rules
from operations.services.jobs.confirm import going_on, wake
from operations.services.jobs.forms import ReasonForm
from operations.services.transitions import move
from staff.models import User

Wish = TypeVar("Wish", BatchJob, Operation)

State = Operation.State


def approve(wish: Wish, actor: User) -> Wish:
    """Let it go on. Raises ``NotAllowed`` (role, or one's own) and ``Conflict`` (it does not wait any more)."""
    if isinstance(wish, BatchJob):
        return _approve_job(wish, actor)
    return _approve_operation(wish, actor)


def refuse(wish: Wish, actor: User, reason: str) -> Wish:
    """End it as ``cancelled``; ``reason`` is required (``Invalid``). Else as :func:`approve`."""
    if isinstance(wish, BatchJob):
        job = selectors_jobs.get_job(actor, wish.pk)
        rules.require(rules.deciding, job, actor)
        return _refuse_job(job, actor, _read_reason(reason))
    operation = selectors.get_operation(actor, wish.pk)
    _check_decision(operation, actor)
    reason = _read_reason(reason)
    message = _("Refused by %(who)s: %(reason)s") % {"who": actor.get_username(), "reason": reason}
    _end_operation(operation, State.CANCELLED, message, "operation.refused", actor, reason)
    return operation


def withdraw(operation: Operation, actor: User) -> Operation:
    """Who asked for a single operation takes the wish back while it waits; ``cancelled``."""
    operation = selectors.get_operation(actor, operation.pk)
    if operation.actor_id != actor.pk:
        raise NotAllowed(_("Only who asked for it can take it back."))
    message = _("Taken back by %(who)s.") % {"who": actor.get_username()}
    _end_operation(operation, State.CANCELLED, message, "operation.withdrawn", actor, "")
    return operation


def lapse_job(job_id: int) -> bool:
    """For ``run_job``: an ``awaiting_approval`` job whose time has run out becomes ``cancelled``."""
    now = timezone.now()
    message = _("Nobody approved it in time, so it lapsed.")
    with transaction.atomic():
        rows = BatchJob.objects.filter(pk=job_id, state=BatchJob.State.AWAITING_APPROVAL, approval_lapses_at__lte=now)
        if not rows.update(
            state=BatchJob.State.CANCELLED, message=message, finished_at=now, next_step_at=None, lease_until=None
        ):
            return False
        _tell_job(BatchJob.objects.get(pk=job_id), None, "job.lapsed", "")
    return True


def lapse_operation(operation: Operation) -> bool:
    """For the engine: a claimed operation that nobody approved in time becomes ``expired``."""
    if operation.expires_at is not None and operation.expires_at > timezone.now():
        return move(operation, operation.state, next_attempt_at=operation.expires_at)
    message = _("Nobody approved it in time, so it lapsed.")
    try:
        _end_operation(operation, State.EXPIRED, message, "operation.expired", None, "")
    except Conflict:
        return False
    return True


def _approve_job(job: BatchJob, actor: User) -> BatchJob:
    job = selectors_jobs.get_job(actor, job.pk)
    rules.require(rules.deciding, job, actor)
    now = timezone.now()
    values: dict[str, Any] = {"decided_by": actor, "decided_at": now, **going_on(job.scheduled_for, now)}
    with transaction.atomic():
        rows = BatchJob.objects.filter(pk=job.pk, state=BatchJob.State.AWAITING_APPROVAL, approval_lapses_at__gt=now)
        if not rows.update(**values):
            raise Conflict(_("This job does not wait for an approval any more."))
        _tell_job(job, actor, "job.approved", "", state=values["state"])
        wake(values["state"], job.pk)
    job.refresh_from_db()
    return job


def _refuse_job(job: BatchJob, actor: User, reason: str) -> BatchJob:
    now = timezone.now()
    message = _("Refused by %(who)s: %(reason)s") % {"who": actor.get_username(), "reason": reason}
    with transaction.atomic():
        rows = BatchJob.objects.filter(pk=job.pk, state=BatchJob.State.AWAITING_APPROVAL)
        if not rows.update(
            state=BatchJob.State.CANCELLED,
            decided_by=actor,
            decided_at=now,
            decision_reason=reason,
            message=message,
            finished_at=now,
            next_step_at=None,
            lease_until=None,
        ):
            raise Conflict(_("This job does not wait for an approval any more."))
        _tell_job(job, actor, "job.refused", reason)
    job.refresh_from_db()
    return job


def _approve_operation(operation: Operation, actor: User) -> Operation:
    operation = selectors.get_operation(actor, operation.pk)
    _check_decision(operation, actor)
    now = timezone.now()
    message = _("Approved by %(who)s.") % {"who": actor.get_username()}
    with transaction.atomic():
        rows = Operation.objects.filter(pk=operation.pk, state=State.AWAITING_APPROVAL, expires_at__gt=now)
        if not rows.update(
            state=State.QUEUED,
            next_attempt_at=now,
            lease_until=None,
            expires_at=now + timedelta(seconds=settings.CONFIG["OPERATION_EXPIRES_AFTER"]),
            message=message,
        ):
            raise _not_waiting(operation)
        _note(operation, State.QUEUED, message)
        _tell_operation(operation, actor, "operation.approved", State.QUEUED, "")
        enqueue_on_commit(tasks.run_operation, operation.pk)
    operation.refresh_from_db()
    return operation


def _end_operation(operation: Operation, to: str, message: str, action: str, actor: User | None, reason: str) -> None:
    """Nothing was ever sent, so the timeline has nothing to tell."""
    now = timezone.now()
    with transaction.atomic():
        rows = Operation.objects.filter(pk=operation.pk, state=State.AWAITING_APPROVAL)
        if not rows.update(state=to, message=message, finished_at=now, next_attempt_at=None, lease_until=None):
            raise _not_waiting(operation)
        if actor is not None:
            _note(operation, to, message)
        _tell_operation(operation, actor, action, to, reason)
    operation.refresh_from_db()


def _check_decision(operation: Operation, actor: User) -> None:
    refusal = rules.deciding_at_all(operation.actor_id, operation.kind, actor)
    if refusal is not None:
        raise refusal
    if operation.state != State.AWAITING_APPROVAL:
        raise _not_waiting(operation)


def _not_waiting(operation: Operation) -> Conflict:
    return Conflict(_("This operation does not wait for an approval any more."), operation)


def _read_reason(reason: str) -> str:
    form = ReasonForm({"reason": reason})
    if not form.is_valid():
        raise Invalid(form)
    text: str = form.cleaned_data["reason"]
    return text


def _note(operation: Operation, to: str, message: str) -> None:
    """The decision is a step of the operation, as a person's word on its end is."""
    now = timezone.now()
    OperationAttempt.objects.create(
        operation=operation,
        step=OperationAttempt.Step.PERSON,
        started_at=now,
        finished_at=now,
        outcome=to,
        detail=message,
    )


def _tell_operation(operation: Operation, actor: User | None, action: str, to: str, reason: str) -> None:
    audit.record(
        action=action,
        actor=actor,
        target=operation,
        account_name=operation.sim.account_id,
        before={"state": State.AWAITING_APPROVAL},
        after={"state": to, "kind": operation.kind, "giccid": operation.sim.giccid},
        reason=reason or operation.reason,
        ticket=operation.ticket,
    )


def _tell_job(
    job: BatchJob, actor: User | None, action: str, reason: str, *, state: str = BatchJob.State.CANCELLED
) -> None:
    audit.record(
        action=action,
        actor=actor,
        target=job,
        before={"state": BatchJob.State.AWAITING_APPROVAL},
        after={"state": state, "kind": job.kind, "sims": job.eligible},
        reason=reason or job.reason,
        ticket=job.ticket,
    )
