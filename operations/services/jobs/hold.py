"""Holding the SIMs of a running job, and letting go of what was never sent.

Holding a SIM is having its one open operation, so a job and a click, or two jobs, never both have it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import OuterRef, QuerySet, Subquery
from django.utils import timezone
from django.utils.translation import gettext as _

from core import audit
from core.bulk import among, bare, insert
from operations.kinds import KINDS
from operations.models import BatchJob, BatchLine, Operation
from operations.services.jobs.counts import recount
from operations.services.jobs.eligibility import CANCELLED, OPEN, Checked, Checker
from operations.services.jobs.writing import take_verdict

HELD_AT_ONCE = 500
"""Lines of one transaction."""

_COLUMNS = ("id", "number", "sim_id", "eligible", "params")

State = BatchJob.State


def hold_sims(job_id: int, *, most: int | None = None) -> bool:
    """For ``run_job``: make the operations of a ``running`` job, each line checked again on the way.

    They are ``queued`` with ``job`` set, ``chunk`` empty and ``next_attempt_at`` empty: the engine feeds them. Short
    transactions; killed anywhere, the next call goes on. SIMs that can't be held become refused lines. At most
    ``most`` lines in one call. ``True`` when all are held (``job.held_at`` is set then).
    """
    job = BatchJob.objects.select_related("actor", "parent").get(pk=job_id)
    checker = Checker(job, job.actor)
    last = done = 0
    while most is None or done < most:
        room = HELD_AT_ONCE if most is None else min(HELD_AT_ONCE, most - done)
        with transaction.atomic():
            if not _may_hold(job):
                return job.held_at is not None
            rows = _waiting(job).filter(number__gt=last).order_by("number").values_list(*_COLUMNS)
            lines = list(bare(BatchLine, _COLUMNS, rows[:room]))
            if not lines:
                _all_held(job)
                break
            _hold(job, lines, checker)
        last = lines[-1].number
        done += len(lines)
    recount(job)
    return job.held_at is not None


def cancel_unsent(job_id: int, *, most: int | None = None) -> bool:
    """For ``run_job``: after a cancel (``job.cancelled_at``), end what was never sent; ``True`` when nothing is left.

    Lines without an operation become refused (``cancelled``), operations that wait to be sent become ``cancelled``.
    """
    job = BatchJob.objects.get(pk=job_id)
    if job.cancelled_at is None:
        return False
    done = 0
    while most is None or done < most:
        ended = _drop_lines(job) or _cancel_operations(job)
        if not ended:
            break
        done += ended
    recount(job)
    left = _waiting(job).exists() or Operation.objects.filter(job=job, state=Operation.State.QUEUED).exists()
    return not left


def _waiting(job: BatchJob) -> QuerySet[BatchLine]:
    return BatchLine.objects.filter(job=job, eligible=True, operation__isnull=True)


def _may_hold(job: BatchJob) -> bool:
    """Behind the row's lock, so that a pause or cancel comes before a part or after it."""
    row = BatchJob.objects.select_for_update(no_key=True).get(pk=job.pk)
    job.state, job.held_at, job.cancelled_at = row.state, row.held_at, row.cancelled_at
    return row.state == State.RUNNING and row.held_at is None and row.cancelled_at is None


def _all_held(job: BatchJob) -> None:
    """The plan has become operations. Where not one SIM could be held, the job ends here."""
    now = timezone.now()
    recount(job)
    job.held_at = now
    values: dict[str, object] = {"held_at": now}
    if not job.eligible:
        message = _("When the job started, none of its SIMs could be changed any more.")
        values |= {
            "state": State.FAILED,
            "message": message,
            "finished_at": now,
            "next_step_at": None,
            "lease_until": None,
        }
        audit.record(
            action="job.failed",
            actor=None,
            target=job,
            before={"state": job.state},
            after={"state": State.FAILED, "message": message},
            reason=job.reason,
            ticket=job.ticket,
        )
    BatchJob.objects.filter(pk=job.pk).update(**values)


def _hold(job: BatchJob, lines: Sequence[BatchLine], checker: Checker) -> None:
    """Operations for these lines; a fixed number of queries. What is refused by now leaves the job."""
    own = job.source == BatchJob.Source.RETRY
    verdicts = checker.check([(line.sim_id or 0, line.params if own else {}) for line in lines])
    checked = dict(zip((line.pk for line in lines), verdicts, strict=True))
    sound = [line for line in lines if not checked[line.pk].code]
    # In order of the SIMs: two jobs that take the same ones wait for each other and never both at once.
    sound.sort(key=lambda line: line.sim_id or 0)
    _store(job, [checked[line.pk] for line in sound])
    sims = [line.sim_id for line in sound]
    made = dict(Operation.objects.filter(among("sim_id", sims), job=job).values_list("sim_id", "pk"))
    checker.kind.requested(_made(made, [checked[line.pk] for line in sound], job))
    held = [line for line in sound if line.sim_id in made]
    operation = Operation.objects.filter(job=job, sim_id=OuterRef("sim_id")).values("pk")[:1]
    BatchLine.objects.filter(among("id", [line.pk for line in held])).update(operation_id=Subquery(operation))
    for line in lines:
        verdict = checked[line.pk]
        if not verdict.code and line.sim_id not in made:
            verdict.code, verdict.sentence = OPEN, _("Another operation was faster.")
        if verdict.code:
            take_verdict(line, verdict, job)
    refused = [line for line in lines if not line.eligible]
    BatchLine.objects.bulk_update(refused, ["eligible", "refusal_code", "refusal"])
    audit.record_many(
        action="operation.requested",
        actor=job.actor,
        model=Operation,
        acted=[_acted(job, checked[line.pk], made[line.sim_id or 0]) for line in held],
        reason=job.reason,
        ticket=job.ticket,
    )


def _store(job: BatchJob, verdicts: Sequence[Checked]) -> None:
    """An operation for each; where another one of the SIM was faster, none."""
    before = KINDS[job.kind].before
    common = _common(job)
    columns = ("sim_id", "params", "before")
    rows = [(one.sim.id, one.params, before(one.sim)) for one in verdicts if one.sim is not None]
    try:
        with transaction.atomic():
            insert(Operation, common, columns, rows)
    except IntegrityError:
        # Seldom: somebody took one of them between the check and now.
        operations = (Operation(**common, **dict(zip(columns, row, strict=True))) for row in rows)
        Operation.objects.bulk_create(operations, ignore_conflicts=True)


def _made(keys: dict[int, int], verdicts: Sequence[Checked], job: BatchJob) -> Iterator[Operation]:
    """The operations that were stored, with their SIMs as the check read them; made only for who looks at them."""
    common = _common(job)
    for one in verdicts:
        if one.sim is not None and one.sim.pk in keys:
            yield Operation(pk=keys[one.sim.pk], sim=one.sim, params=one.params, **common)


def _common(job: BatchJob) -> dict[str, Any]:
    """What all operations of the job have in common."""
    return {
        "kind": job.kind,
        "exclusive": KINDS[job.kind].exclusive,
        "actor_id": job.actor_id,
        "reason": job.reason,
        "ticket": job.ticket,
        "request_id": job.request_id,
        "job_id": job.pk,
        "next_attempt_at": None,
    }


def _acted(job: BatchJob, checked: Checked, pk: int) -> audit.Acted:
    assert checked.sim is not None  # as above
    after = {"kind": job.kind, "giccid": checked.sim.giccid, "params": checked.params, "job": job.pk}
    return audit.Acted(pk, checked.sim.account_id, KINDS[job.kind].before(checked.sim), after)


def _drop_lines(job: BatchJob) -> int:
    """Lines that have no operation yet get none; answers how many were dropped."""
    with transaction.atomic():
        keys = list(_waiting(job).order_by("number").values_list("pk", flat=True)[:HELD_AT_ONCE])
        return BatchLine.objects.filter(pk__in=keys, operation__isnull=True).update(
            eligible=False, refusal_code=CANCELLED, refusal=_("The job was cancelled before.")
        )


def _cancel_operations(job: BatchJob) -> int:
    """Operations that wait to be sent end; answers how many. One that is taken to be sent right now goes on."""
    message = _("Not sent: the job was cancelled.")
    cancelled = Operation.State.CANCELLED
    with transaction.atomic():
        rows = Operation.objects.select_for_update(of=("self",)).filter(job=job, state=Operation.State.QUEUED)
        found = list(rows.order_by("pk").values_list("pk", "sim__account_id")[:HELD_AT_ONCE])
        Operation.objects.filter(pk__in=[pk for pk, _account in found]).update(
            state=cancelled, message=message, finished_at=timezone.now(), next_attempt_at=None, lease_until=None
        )
        audit.record_many(
            action="operation.cancelled",
            actor=None,
            model=Operation,
            acted=[
                audit.Acted(
                    pk,
                    account,
                    {"state": Operation.State.QUEUED},
                    {"state": cancelled, "message": message, "job": job.pk},
                )
                for pk, account in found
            ],
            reason=job.reason,
            ticket=job.ticket,
        )
    return len(found)
