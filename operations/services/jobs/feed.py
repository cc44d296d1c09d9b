"""Kinds that the carrier takes one by one: a few operations of a job at a time go to the single engine."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from core.queue import enqueue
from operations.kinds import KINDS
from operations.models import BatchJob, Operation
from operations.services import engine
from operations.services.jobs.chunks import AT_CARRIER, lock_job
from operations.services.transitions import State

IN_FLIGHT = 8
"""Operations of one job under way at a time: enough to use up the call budget, few enough to stop at once."""

DOUBTFUL = 8
"""Sendings in a row without a clear answer, each a person's work, after which a job tries one at a time."""

TRY_AGAIN = timedelta(seconds=60)
"""From one such try to the next."""


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
        pks = _make_due(job.pk, _room(job, under_way))
    return _hand_over(pks)


def run(operation_id: int) -> None:
    """Take an operation of a job as far as it goes now; when that ends it, the next one gets its place."""
    before = _open_state(operation_id)
    engine.advance(operation_id)
    if before is None or _open_state(operation_id) is not None:
        return
    runs = BatchJob.objects.filter(operations=operation_id, state=BatchJob.State.RUNNING, cancelled_at=None)
    job = runs.first()
    if job is not None and stands_off_since(job) is None:
        _hand_over(_make_due(job.pk, 1))


def stands_off_since(job: BatchJob) -> datetime | None:
    """When the newest of :data:`DOUBTFUL` sendings in a row got no clear answer; ``None`` while the carrier answers.

    Always ``None`` for kinds of which the SIM tells whether they arrived: doubt costs nobody anything there.
    """
    if KINDS[job.kind].can_be_read_back:
        return None
    rows = Operation.objects.filter(job=job)
    first = _waiting(job.pk).order_by("pk").values_list("pk", flat=True).first()
    if first is None:
        return None
    ended = rows.filter(pk__lt=first, sends__gt=0).exclude(state__in=Operation.OPEN_STATES).order_by("-pk")
    newest = list(ended.values_list("state", "carrier_code", "first_sent_at")[:DOUBTFUL])
    # A worker that died says nothing of the carrier.
    unclear = [at for state, code, at in newest if state == State.NEEDS_ATTENTION and code != "worker_lost" and at]
    return max(unclear) if len(unclear) == DOUBTFUL else None


def _room(job: BatchJob, under_way: int) -> int:
    since = stands_off_since(job)
    if since is None:
        return IN_FLIGHT - under_way
    return 1 if not under_way and timezone.now() >= since + TRY_AGAIN else 0


def _open_state(operation_id: int) -> str | None:
    rows = Operation.objects.filter(pk=operation_id, state__in=Operation.OPEN_STATES)
    return rows.values_list("state", flat=True).first()


def _make_due(job_id: int, count: int) -> list[int]:
    if count <= 0:
        return []
    waiting = _waiting(job_id)
    pks = list(waiting.order_by("pk").values_list("pk", flat=True)[:count])
    now = timezone.now()
    return [pk for pk in pks if waiting.filter(pk=pk).update(next_attempt_at=now)]


def _waiting(job_id: int) -> QuerySet[Operation]:
    return Operation.objects.filter(job=job_id, state=State.QUEUED, next_attempt_at=None, chunk=None)


def _hand_over(pks: list[int]) -> int:
    from operations import job_tasks  # the tasks call this module

    for pk in pks:
        if not enqueue(job_tasks.run_bulk_operation, pk):
            break
    return len(pks)
