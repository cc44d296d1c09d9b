"""The steps of jobs and chunks, and finding those that are due. Everything is rows, as for single operations."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import structlog
from django.db.models import Case, F, Value, When
from django.utils import timezone

from core.queue import enqueue
from operations import job_tasks
from operations.models import BatchChunk, BatchJob, Operation
from operations.services import approval, away
from operations.services.engine import mark_lost as mark_operation_lost
from operations.services.jobs import confirm, feed, plan, poll, submit
from operations.services.jobs.chunks import BATCH_KINDS, ChunkState, claim_chunk, make_chunks, release_chunks
from operations.services.jobs.counts import recount
from operations.services.jobs.finish import end_if_over
from operations.services.transitions import State, claim, lease
from smarthub import Lane

log = structlog.get_logger(__name__)

JobState = BatchJob.State

BATCH = 100
"""Rows of each sort that one dispatch hands over."""

LOOK_AGAIN = timedelta(seconds=2)
"""How often a running job is looked at, besides each time that a part of it ends."""

HOLD_AT_ONCE = 5_000
"""Lines that get their operations between two signs of life."""

_SHORT = 10.0
"""Waits up to so many seconds are given to the queue; longer ones are left to the dispatcher."""


def run_job(job_id: int) -> None:
    """Take a job as far as it goes now. Harmless for one that is not due, and as often as one likes."""
    state = BatchJob.objects.filter(pk=job_id).values_list("state", flat=True).first()
    if state == JobState.PLANNED:
        plan.make_plan(job_id)
    elif state == JobState.AWAITING_APPROVAL:
        approval.lapse_job(job_id)
    elif state == JobState.SCHEDULED:
        if confirm.start_scheduled(job_id):
            enqueue(job_tasks.run_job, job_id)
    elif state in (JobState.RUNNING, JobState.PAUSED):
        job = _claim_job(job_id)
        if job is not None:
            _run(job)


def step_chunk(chunk_id: int) -> None:
    """Take a chunk one step further. Harmless for one that is not due, and as often as one likes."""
    chunk = claim_chunk(chunk_id)
    if chunk is None:
        return
    _STEPS[ChunkState(chunk.state)](chunk)
    chunk = BatchChunk.objects.select_related("job").get(pk=chunk_id)
    recount(chunk.job)
    if chunk.state == ChunkState.DONE:
        wake(chunk.job_id)
    elif chunk.next_step_at is not None:
        wait = (chunk.next_step_at - timezone.now()).total_seconds()
        if wait <= _SHORT:
            enqueue(job_tasks.step_chunk, chunk_id, countdown=max(0.0, wait))


def wake(job_id: int) -> None:
    """Have the job looked at now: part of it has ended, or somebody wants something else of it."""
    BatchJob.objects.filter(pk=job_id, state__in=(JobState.RUNNING, JobState.PAUSED)).update(
        next_step_at=timezone.now()
    )
    enqueue(job_tasks.run_job, job_id)


def dispatch() -> int:
    """Hand over what is due of jobs, :data:`BATCH` of each sort at most; answers how many. As for operations."""
    now = timezone.now()
    jobs = BatchJob.objects.filter(next_step_at__lte=now).order_by("next_step_at")
    chunks = BatchChunk.objects.filter(next_step_at__lte=now).order_by("next_step_at")
    operations = away.may_go_on(Operation.objects.filter(next_attempt_at__lte=now, job__isnull=False))
    due = [(job_tasks.step_chunk, pk) for pk in chunks.values_list("pk", flat=True)[:BATCH]]
    due += [(job_tasks.run_job, pk) for pk in jobs.values_list("pk", flat=True)[:BATCH]]
    for pk, state in operations.order_by("next_attempt_at").values_list("pk", "state")[:BATCH]:
        if state == State.SENDING:
            # Told here, too: while the broker is away, people should see that it is being looked into.
            operation = claim(pk)
            if operation is not None and operation.state == State.SENDING:
                mark_operation_lost(operation)
        due.append((job_tasks.run_bulk_operation, pk))
    handed = 0
    for task, pk in due:
        if not enqueue(task, pk):
            break
        handed += 1
    return handed


def _claim_job(job_id: int) -> BatchJob | None:
    now = timezone.now()
    until = now + lease(Lane.BULK)
    due = BatchJob.objects.filter(pk=job_id, next_step_at__lte=now)
    if not due.update(lease_until=until, next_step_at=until):
        return None
    job = BatchJob.objects.get(pk=job_id)
    return job if job.lease_until == until else None


def _keep_job(job: BatchJob) -> bool:
    until = timezone.now() + lease(Lane.BULK)
    rows = BatchJob.objects.filter(pk=job.pk, lease_until=job.lease_until)
    if not rows.update(lease_until=until, next_step_at=until):
        return False
    job.lease_until = until
    return True


def _run(job: BatchJob) -> None:
    while job.cancelled_at is not None and not confirm.cancel_unsent(job.pk, most=HOLD_AT_ONCE):
        if not _keep_job(job):
            return
    while job.state == JobState.RUNNING and job.cancelled_at is None:
        # What is held goes on its way while the rest of a large job is still being held.
        held = job.held_at is not None or confirm.hold_sims(job.pk, most=HOLD_AT_ONCE)
        if not _keep_job(job):
            return
        _send_some(job, all_held=held)
        if held:
            break
        job.refresh_from_db(fields=["state", "held_at", "cancelled_at"])
    job.refresh_from_db(fields=["state", "held_at", "cancelled_at"])
    recount(job)
    if not end_if_over(job):
        _look_later(job)


def _send_some(job: BatchJob, *, all_held: bool) -> None:
    if job.kind not in BATCH_KINDS:
        feed.feed(job)
        return
    make_chunks(job, rest=all_held)
    for chunk_id in release_chunks(job):
        enqueue(job_tasks.step_chunk, chunk_id)


def _look_later(job: BatchJob) -> None:
    """Due again in a moment, unless somebody made it due at once meanwhile."""
    later = timezone.now() + LOOK_AGAIN
    again = Case(When(next_step_at=job.lease_until, then=Value(later)), default=F("next_step_at"))
    if BatchJob.objects.filter(pk=job.pk, lease_until=job.lease_until).update(lease_until=None, next_step_at=again):
        enqueue(job_tasks.run_job, job.pk, countdown=LOOK_AGAIN.total_seconds())


_STEPS: dict[ChunkState, Callable[[BatchChunk], None]] = {
    ChunkState.WAITING: submit.submit,
    ChunkState.SUBMITTING: submit.mark_lost,
    ChunkState.SUBMITTED: poll.poll,
    ChunkState.UNKNOWN: poll.find_out,
}
