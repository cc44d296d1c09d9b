"""Driving jobs without workers: each call is one run of a task, and waits are cut short in the rows."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

from django.db.models import F
from django.utils import timezone

from operations import job_tasks
from operations.kinds import KINDS
from operations.models import BatchAccount, BatchChunk, BatchJob, BatchLine, Operation
from operations.services.jobs.chunks import claim_chunk
from sims.models import Sim

CHANGES = {"activate": "status", "suspend": "status", "retire": "status", "change_plan": "plan"}
SUBMITS = {
    "activate": "submit_batch_activate",
    "suspend": "submit_batch_deactivate",
    "retire": "submit_batch_retire",
    "change_plan": "submit_batch_change_plan",
}
TARGETS = {"activate": "ACTIVATED", "suspend": "DEACTIVATED", "retire": "RETIRED"}


def running_job(*, kind: str, sims: list[Sim], actor: Any, params: list[dict[str, str]] | dict[str, str]) -> BatchJob:
    """A job whose plan was confirmed and whose SIMs are held, as ``confirm`` and ``hold_sims`` leave it.

    ``params`` are those of all SIMs, or a list with those of each.
    """
    now = timezone.now()
    own = params if isinstance(params, list) else [params] * len(sims)
    job = BatchJob.objects.create(
        kind=kind,
        params=own[0] if own else {},
        state=BatchJob.State.RUNNING,
        source=BatchJob.Source.TICKED,
        actor=actor,
        reason="the fleet moves",
        ticket="T-9",
        planned_at=now,
        confirmed_at=now,
        started_at=now,
        held_at=now,
        next_step_at=now,
        lines=len(sims),
        eligible=len(sims),
        pending=len(sims),
    )
    BatchAccount.objects.bulk_create(
        BatchAccount(job=job, account_name=name) for name in sorted({sim.account_id for sim in sims})
    )
    operations = [
        Operation.objects.create(
            sim=sim,
            kind=kind,
            params=values,
            actor=actor,
            reason=job.reason,
            ticket=job.ticket,
            before=KINDS[kind].before(sim),
            job=job,
            next_attempt_at=None,
        )
        for sim, values in zip(sims, own, strict=True)
    ]
    BatchLine.objects.bulk_create(
        BatchLine(job=job, number=n, outcome="found", sim=operation.sim, eligible=True, operation=operation)
        for n, operation in enumerate(operations, start=1)
    )
    return job


def make_all_due(job: BatchJob) -> None:
    """Pass the time until each next step of the job, or until the lease of a claim runs out."""
    now = timezone.now()
    BatchJob.objects.filter(pk=job.pk, next_step_at__isnull=False).update(next_step_at=now)
    BatchChunk.objects.filter(job=job, next_step_at__isnull=False).update(next_step_at=now)
    waiting = Operation.objects.filter(job=job, next_attempt_at__isnull=False, state__in=Operation.OPEN_STATES)
    waiting.update(next_attempt_at=now)


def claimed(job: BatchJob) -> BatchChunk:
    """The job's only chunk, claimed as by a worker."""
    make_all_due(job)
    chunk = claim_chunk(job.chunks.get().pk)
    assert chunk is not None
    return chunk


def pass_time(job: BatchJob, seconds: float) -> None:
    """Let the job's rows be so much older, for waits that count from what they say."""
    by = timedelta(seconds=seconds)
    BatchChunk.objects.filter(job=job).update(submitted_at=F("submitted_at") - by, finished_at=F("finished_at") - by)
    Operation.objects.filter(job=job, finished_at__isnull=False).update(finished_at=F("finished_at") - by)


def turn(job: BatchJob) -> BatchJob:
    """Every step that is due, once: the job, its chunks, its operations."""
    job_tasks.run_job(job.pk)
    now = timezone.now()
    for pk in list(BatchChunk.objects.filter(job=job, next_step_at__lte=now).values_list("pk", flat=True)):
        job_tasks.step_chunk(pk)
    due = Operation.objects.filter(job=job, next_attempt_at__lte=now, state__in=Operation.OPEN_STATES)
    for pk in list(due.values_list("pk", flat=True)):
        job_tasks.run_bulk_operation(pk)
    job.refresh_from_db()
    return job


def drive(job: BatchJob, simulator: Any, *, most: int = 60, advance: float = 6.0, ageing: float = 0.0) -> BatchJob:
    """Turn until the job has ended, skipping the waits; the carrier's clock goes on by ``advance`` a turn."""
    for _ in range(most):
        if turn(job).state in BatchJob.FINAL_STATES:
            return job
        make_all_due(job)
        if advance:
            simulator.control("POST", "clock", {"advance": advance})
        if ageing:
            pass_time(job, ageing)
    states = Counter(job.operations.values_list("state", "message"))
    raise AssertionError(f"still {job.state}: {states}, {list(job.chunks.values_list('state', 'message'))}")


def states_of(job: BatchJob) -> dict[str, int]:
    """How many operations of the job are in each state."""
    return dict(Counter(job.operations.values_list("state", flat=True)))


def changes_by_sim(simulator: Any, job: BatchJob) -> dict[str, int]:
    """How often each SIM of the job really changed at the carrier, in what the job is about."""
    giccids = set(job.operations.values_list("sim__giccid", flat=True))
    what = CHANGES[job.kind]
    return Counter(
        change["giccid"] for change in simulator.changes() if change["giccid"] in giccids and change["what"] == what
    )


def assert_true_results(simulator: Any, job: BatchJob) -> None:
    """What the job says of each SIM is what the carrier's own log says, and no SIM changed twice."""
    changes = changes_by_sim(simulator, job)
    assert all(count == 1 for count in changes.values()), changes
    for operation in job.operations.select_related("sim"):
        told = (operation.sim.giccid, operation.state, operation.message)
        if operation.state == Operation.State.DONE:
            assert operation.sim.giccid in changes, told
        elif operation.state in (Operation.State.FAILED, Operation.State.CANCELLED):
            assert operation.sim.giccid not in changes, told
        else:
            assert operation.state == Operation.State.NEEDS_ATTENTION, told
        if job.kind in TARGETS:
            true = simulator.sim(operation.sim.giccid)["status"]
            assert (operation.sim.status == true) or operation.state != Operation.State.DONE, told
