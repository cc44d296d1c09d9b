"""Kinds that the carrier takes one by one: a few operations of a job at a time go to the single engine."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from core.queue import enqueue
from operations.models import BatchJob, Operation
from operations.services import engine
from operations.services.jobs.chunks import AT_CARRIER, lock_job
from operations.services.transitions import State

IN_FLIGHT = 8
"""Operations of one job under way at a time: enough to use up the call budget, few enough to stop at once."""


def feed(job: BatchJob) -> int:
    """Make so many waiting operations due that :data:`IN_FLIGHT` are under way; answers how many."""
    with transaction.atomic():
        # Locked: two at once would give out twice as many.
        locked = lock_job(job.pk)
        if locked.state != BatchJob.State.RUNNING or locked.cancelled_at is not None:
            return 0
        rows = Operation.objects.filter(job=job)
        under_way = rows.filter(state__in=AT_CARRIER).count()
        under_way += rows.filter(state=State.QUEUED, next_attempt_at__isnull=False).count()
        pks = _make_due(job.pk, IN_FLIGHT - under_way)
    return _hand_over(pks)


def run(operation_id: int) -> None:
    """Take an operation of a job as far as it goes now; when that ends it, the next one gets its place."""
    before = _open_state(operation_id)
    engine.advance(operation_id)
    if before is None or _open_state(operation_id) is not None:
        return
    job_id = Operation.objects.values_list("job_id", flat=True).get(pk=operation_id)
    runs = BatchJob.objects.filter(pk=job_id, state=BatchJob.State.RUNNING, cancelled_at=None)
    if job_id is not None and runs.exists():
        _hand_over(_make_due(job_id, 1))


def _open_state(operation_id: int) -> str | None:
    rows = Operation.objects.filter(pk=operation_id, state__in=Operation.OPEN_STATES)
    return rows.values_list("state", flat=True).first()


def _make_due(job_id: int, count: int) -> list[int]:
    if count <= 0:
        return []
    waiting = Operation.objects.filter(job=job_id, state=State.QUEUED, next_attempt_at=None, chunk=None)
    pks = list(waiting.order_by("pk").values_list("pk", flat=True)[:count])
    now = timezone.now()
    return [pk for pk in pks if waiting.filter(pk=pk).update(next_attempt_at=now)]


def _hand_over(pks: list[int]) -> int:
    from operations import job_tasks  # the tasks call this module

    for pk in pks:
        if not enqueue(job_tasks.run_bulk_operation, pk):
            break
    return len(pks)
