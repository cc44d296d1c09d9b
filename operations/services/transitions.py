"""How an operation's row goes from state to state: only by a conditional UPDATE on the state it came from."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Case, Value, When
from django.utils import timezone
from django.utils.translation import gettext as _

from core import audit, events
from operations.kinds import KINDS
from operations.models import Operation, OperationAttempt
from sims.models import Sim, TimelineEvent
from sims.services.timeline import operation_told, record_operations
from sims.services.timeline_store import Told
from smarthub import Lane, errors
from smarthub.transport import BUDGET_PATIENCE

State = Operation.State
Outcome = TimelineEvent.Outcome

READ_BACK_DELAYS = (1, 2, 3, 6, 8, 10)
"""Seconds from one reading to the next; the last repeats. A request that was lost may still land in that time."""

NOT_THERE_AFTER = 4
"""Readings without the change before it is certainly not there: 12 seconds."""

FRESH = timedelta(seconds=60)
"""A SIM that was read so long ago at most is not read again before a change that waited for the carrier is sent."""

OUTCOMES = {
    State.ACCEPTED: Outcome.SUCCESS,
    State.DONE: Outcome.SUCCESS,
    State.FAILED: Outcome.FAILED,
    State.EXPIRED: Outcome.FAILED,
    State.NEEDS_ATTENTION: Outcome.UNCLEAR,
}


def lane_of(operation: Operation) -> Lane:
    """The lane of the call budget that its calls wait in: what belongs to a job lets people's clicks go first."""
    return Lane.AGENT if operation.job_id is None else Lane.BULK


def is_fresh(sim: Sim) -> bool:
    """Whether the mirror's row is as the carrier had it a moment ago."""
    return timezone.now() - sim.observed_at < FRESH


def lease(lane: Lane = Lane.AGENT) -> timedelta:
    """How long a claim holds: never less than one call may take, with its wait for the budget in the bulk lane."""
    config = settings.CONFIG
    one_call = config["SMARTHUB_CONNECT_TIMEOUT"] + config["SMARTHUB_READ_TIMEOUT"] + 1
    if lane != Lane.AGENT:
        one_call += BUDGET_PATIENCE[lane]
    return timedelta(seconds=max(config["OPERATION_LEASE"], one_call))


def claim(operation_id: int) -> Operation | None:
    """Take a row that is due; ``None`` when it is not, or somebody else was faster.

    The claim moves ``next_attempt_at`` to the end of the lease: whoever dies with it leaves a row that is due then.
    """
    now = timezone.now()
    ends = {lane: now + lease(lane) for lane in (Lane.AGENT, Lane.BULK)}
    until = Case(When(job__isnull=True, then=Value(ends[Lane.AGENT])), default=Value(ends[Lane.BULK]))
    due = Operation.objects.filter(pk=operation_id, next_attempt_at__lte=now)
    if not due.update(lease_until=until, next_attempt_at=until):
        return None
    operation = Operation.objects.select_related("sim__plan", "actor").get(pk=operation_id)
    return operation if operation.lease_until == ends[lane_of(operation)] else None


def move(operation: Operation, to: str, *, any_lease: bool = False, **fields: Any) -> bool:
    """Bring the row from the state that ``operation`` holds to ``to``; ``False`` when it is not there any more.

    Without ``any_lease`` the claim must still be ours: a worker that lost it changes nothing. Unless given,
    the lease ends and nothing more is due.
    """
    values = {"lease_until": None, "next_attempt_at": None, **fields}
    rows = Operation.objects.filter(pk=operation.pk, state=operation.state)
    if not any_lease:
        rows = rows.filter(lease_until=operation.lease_until)
    if not rows.update(state=to, **values):
        return False
    operation.state = to
    for name, value in values.items():
        setattr(operation, name, value)
    return True


def start_attempt(operation: Operation, step: str) -> OperationAttempt:
    """Write down a step before it is taken; a reading that somebody began and never ended is over by that."""
    operation.attempts.filter(step=OperationAttempt.Step.READ_BACK, finished_at__isnull=True).update(
        finished_at=timezone.now(),
        outcome=operation.state,
        code="worker_lost",
        detail=_("The process that read it stopped before it noted an answer."),
    )
    return OperationAttempt.objects.create(operation=operation, step=step, started_at=timezone.now())


def end_attempt(
    attempt: OperationAttempt, *, outcome: str, status: int | None = None, code: str = "", detail: str = ""
) -> None:
    """Write down how it went, unless somebody did."""
    OperationAttempt.objects.filter(pk=attempt.pk, finished_at__isnull=True).update(
        finished_at=timezone.now(), outcome=outcome, status=status, code=code[:80], detail=detail
    )


def conclude(
    operation: Operation,
    to: str,
    *,
    message: str,
    code: str = "",
    outcome: str | None = None,
    any_lease: bool = False,
    **fields: Any,
) -> bool:
    """Bring the row to a result, with its timeline and audit entries, all or nothing.

    ``outcome`` is the timeline's, where it is not the usual one of the state.
    """
    now = timezone.now()
    came_from = operation.state
    values = {"message": message, "carrier_code": code[:80], "finished_at": now, **fields}
    with transaction.atomic():
        if not move(operation, to, any_lease=any_lease, **values):
            return False
        tell_timeline(operation, outcome or OUTCOMES[State(to)])
        audit.record(
            action=f"operation.{to}",
            actor=None,
            target=operation,
            account_name=operation.sim.account_id,
            before={"state": came_from},
            after={"state": to, "code": operation.carrier_code, "message": message},
            reason=operation.reason,
            ticket=operation.ticket,
        )
        tell_who_looks([operation])
    return True


def tell_who_looks(operations: Sequence[Operation]) -> None:
    """Tell of those among ``operations`` that need a person now, in the caller's transaction: only a person can settle
    them, or they expired, and whoever asked has to ask again. Of the latter in a job its own end tells."""
    now = timezone.now()
    events.emit_many(
        [
            events.Happening(
                kind="operation_needs_attention",
                key=str(operation.pk) if operation.state == State.NEEDS_ATTENTION else f"{operation.pk} expired",
                at=now,
                sim_id=operation.sim_id,
                account_name=operation.sim.account_id,
                detail={
                    "operation_id": operation.pk,
                    "operation": str(operation.get_kind_display()),
                    "message": operation.message,
                },
            )
            for operation in operations
            if operation.state == State.NEEDS_ATTENTION
            or (operation.state == State.EXPIRED and operation.job_id is None)
        ]
    )


def tell_timeline(operation: Operation, outcome: str, **detail: Any) -> None:
    """Write the operation into its SIM's timeline; once more only brings its entry up to date."""
    record_operations([told_of(operation, outcome, **detail)])


def told_of(operation: Operation, outcome: str, *, at: datetime | None = None, **detail: Any) -> Told:
    """What :func:`tell_timeline` tells; ``at`` is the time of the change where it is known better than by the
    last sending, the one that the carrier may have done something about."""
    values = KINDS[operation.kind].timeline(operation)
    return operation_told(
        sim_id=operation.sim_id,
        kind=values.kind,
        operation_id=operation.pk,
        at=at or operation.last_sent_at or operation.first_sent_at or timezone.now(),
        from_value=values.from_value,
        to_value=values.to_value,
        subject=values.subject,
        outcome=outcome,
        actor_id=operation.actor_id,
        reason=operation.reason,
        ticket=operation.ticket,
        detail={
            **values.detail,
            "operation_kind": operation.kind,
            "operation_state": operation.state,
            "answer": operation.message,
            "code": operation.carrier_code,
            **({"job": operation.job_id} if operation.job_id else {}),
            **({"effective_at": operation.effective_at.isoformat()} if operation.effective_at else {}),
            **detail,
        },
    )


def read_back_delay(tries: int) -> timedelta:
    """The wait after so many readings."""
    return timedelta(seconds=READ_BACK_DELAYS[min(tries, len(READ_BACK_DELAYS) - 1)])


def send_again_delay(tries: int, error: errors.SmartHubError) -> timedelta:
    """The wait before the next sending: doubling to a minute, spread, and not before the carrier wants it.

    A call that our own budget held back has troubled nobody; it is an agent's, who waits, so it comes again soon.
    """
    tries = min(tries, 2) if isinstance(error, errors.BudgetDenied) else tries
    retry_after = error.retry_after
    spread = random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing
    return timedelta(seconds=max(min(60.0, 2.0 ** min(tries, 6)) * spread, min(retry_after or 0.0, 300.0)))


def look_again_delay(operation: Operation, now: datetime, retry_after: float | None) -> timedelta:
    """The wait after a reading that failed: a quarter of the operation's age, so an outage is not hammered."""
    age = (now - (operation.first_sent_at or operation.created_at)).total_seconds()
    return timedelta(seconds=max(min(60.0, max(2.0, age / 4)), min(retry_after or 0.0, 300.0)))
