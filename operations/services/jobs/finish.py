"""Results in bulk: many operations to their ends with a fixed number of queries, and the end of a job."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from core import audit
from core.events import Happening, emit
from operations.models import BatchJob, BatchLine, Operation, OperationAttempt
from operations.services.jobs.chunks import close_empty_chunks
from operations.services.jobs.counts import recount
from operations.services.transitions import OUTCOMES, State, tell_who_looks, told_of
from sims.services.timeline import record_operations

log = structlog.get_logger(__name__)

AT_ONCE = 250
"""Operations in one transaction: short enough that on SQLite, with its one writer, nobody waits long."""


@dataclass(frozen=True)
class Conclusion:
    """The end of one operation. ``changed_at`` is the carrier's time of the change, where it told one."""

    operation: Operation
    to: str
    message: str
    code: str = ""
    changed_at: datetime | None = None
    outcome: str | None = None
    effective_at: datetime | None = None
    next_attempt_at: datetime | None = None

    @property
    def values(self) -> tuple[Any, ...]:
        """What is written into the row; equal ones are written together."""
        return (self.to, self.message, self.code[:80], self.effective_at, self.next_attempt_at)


def conclude_many(conclusions: Sequence[Conclusion], *, of: Sequence[str]) -> int:
    """Bring operations that are in one of the states ``of`` to their ends, with timeline and audit; answers how many.

    One that is in another state by now is left alone. Each transaction takes :data:`AT_ONCE` with a number of
    queries that does not depend on how many these are.
    """
    ordered = sorted(conclusions, key=lambda conclusion: conclusion.operation.pk)
    return sum(_conclude(ordered[n : n + AT_ONCE], of) for n in range(0, len(ordered), AT_ONCE))


def _conclude(conclusions: Sequence[Conclusion], of: Sequence[str]) -> int:
    now = timezone.now()
    by_pk = {conclusion.operation.pk: conclusion for conclusion in conclusions}
    with transaction.atomic():
        rows = Operation.objects.select_for_update(no_key=True, of=("self",)).filter(pk__in=by_pk, state__in=of)
        came_from = dict(rows.order_by("pk").values_list("pk", "state"))
        groups: dict[tuple[Any, ...], list[int]] = defaultdict(list)
        for pk in came_from:
            groups[by_pk[pk].values].append(pk)
        for (to, message, code, effective_at, next_attempt_at), pks in groups.items():
            Operation.objects.filter(pk__in=pks).update(
                state=to,
                message=message,
                carrier_code=code,
                finished_at=None if to == State.NEEDS_ATTENTION else now,
                effective_at=effective_at,
                next_attempt_at=next_attempt_at,
                lease_until=None,
            )
            attempts = OperationAttempt.objects.filter(operation__in=pks, finished_at__isnull=True)
            attempts.update(finished_at=now, outcome=to, code=code, detail=message)
        taken = [by_pk[pk] for pk in came_from]
        for conclusion in taken:
            operation = conclusion.operation
            operation.state, operation.message, operation.carrier_code = conclusion.values[:3]
            operation.effective_at = conclusion.effective_at
        _tell(taken)
        _audit(taken, came_from)
        tell_who_looks([conclusion.operation for conclusion in taken])
    return len(taken)


def _tell(conclusions: Sequence[Conclusion]) -> None:
    record_operations(
        [
            told_of(item.operation, item.outcome or OUTCOMES[State(item.to)], at=item.changed_at)
            for item in conclusions
            # What was cancelled unsent never was a change; one sent before may yet show, and is told.
            if item.to != State.CANCELLED
        ]
    )


def _audit(conclusions: Sequence[Conclusion], came_from: dict[int, str]) -> None:
    groups: dict[tuple[str, str, str], list[audit.Acted]] = defaultdict(list)
    for item in conclusions:
        operation = item.operation
        after = {"state": item.to, "code": item.code, "message": item.message, "job": operation.job_id}
        acted = audit.Acted(operation.pk, operation.sim.account_id, {"state": came_from[operation.pk]}, after)
        groups[item.to, operation.reason, operation.ticket].append(acted)
    for (to, reason, ticket), acts in groups.items():
        audit.record_many(
            action=f"operation.{to}", actor=None, model=Operation, acted=acts, reason=reason, ticket=ticket
        )


def end_if_over(job: BatchJob) -> bool:
    """End the job when nothing of it is open any more; answers whether it has ended (now or before).

    ``cancelled`` after a cancel; ``done`` when all that was sent succeeded; ``failed`` when nothing did and nothing
    is left in doubt; else ``done_with_failures``.
    """
    if job.state not in (BatchJob.State.RUNNING, BatchJob.State.PAUSED):
        return job.state in BatchJob.FINAL_STATES
    if job.held_at is None and BatchLine.objects.filter(job=job, eligible=True, operation=None).exists():
        return False
    if Operation.objects.filter(job=job, state__in=Operation.OPEN_STATES).exists():
        return False
    close_empty_chunks(job)
    recount(job)
    state, message = _end_of(job)
    now = timezone.now()
    with transaction.atomic():
        rows = BatchJob.objects.filter(pk=job.pk, state__in=(BatchJob.State.RUNNING, BatchJob.State.PAUSED))
        ended = rows.update(state=state, message=message, finished_at=now, next_step_at=None, lease_until=None)
        if ended:
            audit.record(
                action=f"job.{state}",
                actor=None,
                target=job,
                after={"succeeded": job.succeeded, "failed": job.failed, "unknown": job.unknown},
                reason=job.reason,
                ticket=job.ticket,
            )
            if state in (BatchJob.State.DONE_WITH_FAILURES, BatchJob.State.FAILED):
                _tell_failures(job, now)
    job.refresh_from_db()
    log.info("job.ended", job=job.pk, state=job.state, succeeded=job.succeeded, failed=job.failed)
    return True


def _tell_failures(job: BatchJob, at: datetime) -> None:
    """Tell that the job ended with failures. One of several accounts is for those who may see all of them."""
    accounts = list(job.accounts.values_list("account_name", flat=True)[:2])
    counts = {"succeeded": job.succeeded, "failed": job.failed, "unknown": job.unknown}
    emit(
        Happening(
            kind="job_ended",
            key=str(job.pk),
            at=at,
            account_name=accounts[0] if len(accounts) == 1 else "",
            value=job.failed + job.unknown,
            detail={"job": job.pk, **counts},
        )
    )


def _end_of(job: BatchJob) -> tuple[str, str]:
    if job.cancelled_at is not None:
        return BatchJob.State.CANCELLED, _("Cancelled. What the carrier had by then was followed to its end.")
    if not job.failed and not job.unknown:
        return BatchJob.State.DONE, ""
    if job.succeeded or job.unknown:
        return BatchJob.State.DONE_WITH_FAILURES, ""
    first = Operation.objects.filter(job=job, state=State.FAILED).order_by("pk").values_list("message", flat=True)
    return BatchJob.State.FAILED, _("No SIM was changed. %(why)s") % {"why": first.first() or ""}
