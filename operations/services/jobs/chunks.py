"""Rows of chunks: how a job's operations are put into them, and how a chunk goes from state to state.

A chunk's operations have no ``next_attempt_at`` of their own: the chunk is due in their place.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Max, QuerySet
from django.utils import timezone

from operations.models import BatchChunk, BatchJob, Operation
from operations.services.transitions import State, lease
from smarthub import Lane
from smarthub.contract import BatchKind

ChunkState = BatchChunk.State

BATCH_KINDS: dict[str, BatchKind] = {
    Operation.Kind.ACTIVATE: BatchKind.ACTIVATE,
    Operation.Kind.SUSPEND: BatchKind.DEACTIVATE,
    Operation.Kind.RETIRE: BatchKind.RETIRE,
    Operation.Kind.CHANGE_PLAN: BatchKind.SERVICE_PACKAGE,
}
"""Kinds of change that the carrier takes as batch jobs; the others are sent one by one."""

AT_CARRIER = (State.SENDING, State.ACCEPTED, State.UNKNOWN)
"""States of an operation of which the carrier may know."""

_READ_AT_ONCE = 5_000
_SIM_COLUMNS = (
    "sim__giccid",
    "sim__observed_at",
    "sim__status",
    "sim__missing_since",
    "sim__account_id",
    "sim__plan_id",
    "sim__cycle_end",
)


def claim_chunk(chunk_id: int) -> BatchChunk | None:
    """Take a chunk that is due; ``None`` when it is not, or somebody else was faster. As for operations."""
    now = timezone.now()
    until = now + lease(Lane.BULK)
    due = BatchChunk.objects.filter(pk=chunk_id, next_step_at__lte=now).exclude(state=ChunkState.DONE)
    if not due.update(lease_until=until, next_step_at=until):
        return None
    chunk = BatchChunk.objects.select_related("job").get(pk=chunk_id)
    return chunk if chunk.lease_until == until else None


def move_chunk(chunk: BatchChunk, to: str, **fields: Any) -> bool:
    """Bring the row from the state that ``chunk`` holds to ``to``; ``False`` when the claim is not ours any more.

    Unless given, the lease ends and nothing more is due.
    """
    values = {"lease_until": None, "next_step_at": None, **fields}
    rows = BatchChunk.objects.filter(pk=chunk.pk, state=chunk.state, lease_until=chunk.lease_until)
    if not rows.update(state=to, **values):
        return False
    chunk.state = to
    for name, value in values.items():
        setattr(chunk, name, value)
    return True


def keep(chunk: BatchChunk) -> bool:
    """Hold the claim for longer before one more call; ``False`` when it was lost, and with it the right to go on."""
    until = timezone.now() + lease(Lane.BULK)
    return move_chunk(chunk, chunk.state, lease_until=until, next_step_at=until)


def operations_of(chunk: BatchChunk, states: Sequence[str]) -> QuerySet[Operation]:
    """The chunk's operations in one of ``states`` with what of their SIMs a step needs, in the order of giccid."""
    rows = Operation.objects.filter(chunk=chunk, state__in=states).select_related("sim")
    columns = [field.attname for field in Operation._meta.concrete_fields]
    return rows.only(*columns, *_SIM_COLUMNS).order_by("sim__giccid")


def make_chunks(job: BatchJob, *, rest: bool = True) -> int:
    """Put the job's queued operations that are in no chunk yet into chunks of equal parameters; answers how many.

    Without ``rest`` only full chunks are made, because more operations are to come. One short transaction for each
    chunk: killed in between, the next call goes on with the rest.
    """
    size = max(1, settings.CONFIG["BATCH_CHUNK_SIZE"])
    groups: dict[str, list[int]] = defaultdict(list)
    made = 0
    for pk, params in _unassigned(job):
        key = repr(sorted(params.items()))
        groups[key].append(pk)
        if len(groups[key]) == size:
            made += _make_chunk(job, groups.pop(key))
    for pks in groups.values() if rest else ():
        made += _make_chunk(job, pks)
    return made


def _unassigned(job: BatchJob) -> Iterator[tuple[int, dict[str, Any]]]:
    last = 0
    while True:
        rows = Operation.objects.filter(job=job, state=State.QUEUED, chunk=None, pk__gt=last).order_by("pk")
        page = list(rows.values_list("pk", "params")[:_READ_AT_ONCE])
        yield from page
        if len(page) < _READ_AT_ONCE:
            return
        last = page[-1][0]


def _make_chunk(job: BatchJob, pks: list[int]) -> int:
    with transaction.atomic():
        lock_job(job.pk)
        chunk = add_chunk(job, len(pks))
        taken = Operation.objects.filter(pk__in=pks, state=State.QUEUED, chunk=None).update(chunk=chunk)
        if not taken:
            chunk.delete()
            return 0
        if taken < len(pks):
            BatchChunk.objects.filter(pk=chunk.pk).update(size=taken)
    return 1


def add_chunk(job: BatchJob, size: int) -> BatchChunk:
    """One more chunk of the job, waiting; the job is locked."""
    number = BatchChunk.objects.filter(job=job).aggregate(last=Max("number"))["last"] or 0
    return BatchChunk.objects.create(job=job, number=number + 1, size=size)


def lock_job(job_id: int) -> BatchJob:
    """The job's row, locked until the transaction ends (PostgreSQL; SQLite has one writer anyway)."""
    return BatchJob.objects.select_for_update(no_key=True).get(pk=job_id)


def release_chunks(job: BatchJob) -> list[int]:
    """Make waiting chunks due, as many as may be open at a time; answers their ids."""
    with transaction.atomic():
        if lock_job(job.pk).state != BatchJob.State.RUNNING:
            return []
        chunks = BatchChunk.objects.filter(job=job).exclude(state=ChunkState.DONE)
        free = settings.CONFIG["BATCH_OPEN_CHUNKS"] - chunks.filter(next_step_at__isnull=False).count()
        waiting = chunks.filter(state=ChunkState.WAITING, next_step_at=None).order_by("number")
        ids = list(waiting.values_list("pk", flat=True)[: max(0, free)])
        BatchChunk.objects.filter(pk__in=ids, state=ChunkState.WAITING).update(next_step_at=timezone.now())
    return ids


def close_empty_chunks(job: BatchJob) -> int:
    """End the waiting chunks of a cancelled job that hold nothing to send any more; answers how many."""
    waiting = BatchChunk.objects.filter(job=job, state=ChunkState.WAITING)
    with_work = Operation.objects.filter(job=job, state=State.QUEUED, chunk__isnull=False)
    return waiting.exclude(pk__in=with_work.values("chunk_id")).update(
        state=ChunkState.DONE, next_step_at=None, lease_until=None, finished_at=timezone.now()
    )
