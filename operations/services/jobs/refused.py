"""When the carrier refuses a chunk whole: the SIM or SIMs it means are found by handing in halves.

A refused call changes nothing (contract), so no SIM of a half that is handed in anew was accepted before.
"""

from __future__ import annotations

from django.db import transaction
from django.db.models import F, Value
from django.db.models.functions import Greatest
from django.utils import timezone
from django.utils.translation import gettext as _

from operations.kinds import KINDS
from operations.models import BatchChunk, Operation, OperationAttempt
from operations.readings import Verdict
from operations.services.jobs.chunks import AT_CARRIER, ChunkState, add_chunk, keep, lock_job, move_chunk, operations_of
from operations.services.jobs.finish import Conclusion, conclude_many
from operations.services.jobs.readback_many import look
from operations.services.transitions import State
from smarthub import errors

OF_SINGLE_SIMS = frozenset({404, 409, 410, 413, 422})
"""Status of a refusal that may speak of one SIM of the batch, or of their number. Any other speaks of the call."""

MOST_IN_VAIN = 20
"""Chunks of a job refused to the last SIM, before one was taken, after which no more are split: it is not the SIMs."""

_OF_ALL = frozenset({"servicePackageCode", "effective"})
"""Fields of the call that are the same for every SIM of it."""


def refuse(chunk: BatchChunk, error: errors.Rejected, message: str) -> None:
    """Split the chunk, or end its operations with the carrier's reason. Errors of a reading before it propagate."""
    if chunk.submits > 1:
        _take_what_the_one_before_did(chunk)
    sent = chunk.operations.filter(state=State.SENDING).count()
    if sent > 1 and _may_mean_one(error) and not _in_vain(chunk):
        _split(chunk, error, message)
    else:
        _end(chunk, error, message)


def unsent(chunk: BatchChunk, error: errors.SmartHubError, message: str) -> None:
    """The chunk's operations are to be sent again: that they were sent certainly did not reach anybody."""
    pks = list(chunk.operations.filter(state=State.SENDING).values_list("pk", flat=True))
    Operation.objects.filter(pk__in=pks, state=State.SENDING).update(
        state=State.QUEUED,
        lease_until=None,
        sends=Greatest(F("sends") - 1, Value(0)),
        carrier_code=error.code[:80],
        message=message,
    )
    end_attempts(pks, outcome=State.QUEUED, status=error.status, code=error.code, detail=message)


def end_attempts(pks: list[int], *, outcome: str, status: int | None = None, code: str = "", detail: str = "") -> None:
    """Write down how the sending of these operations went."""
    OperationAttempt.objects.filter(operation__in=pks, finished_at__isnull=True).update(
        finished_at=timezone.now(), outcome=outcome, status=status, code=code[:80], detail=detail
    )


def _may_mean_one(error: errors.Rejected) -> bool:
    fields = {item.field for item in error.field_errors}
    return error.status in OF_SINGLE_SIMS and not (fields and fields <= _OF_ALL)


def _in_vain(chunk: BatchChunk) -> bool:
    """Whether so much of the job was refused, and nothing taken, that splitting further only makes calls.

    Halving one chunk of n SIMs makes 2n - 1 calls at most; this bounds what a job makes that is refused altogether.
    """
    chunks = BatchChunk.objects.filter(job=chunk.job_id)
    refused = chunks.filter(state=ChunkState.DONE, carrier_job_id="", size=1).exclude(message="")
    return refused.count() >= MOST_IN_VAIN and not chunks.exclude(carrier_job_id="").exists()


def _take_what_the_one_before_did(chunk: BatchChunk) -> None:
    """A submit before this one had no clear answer: if it landed late, the refusal is because the change is there."""
    operations = [op for op in operations_of(chunk, AT_CARRIER) if not KINDS[op.kind].is_scheduled(op)]
    seen = look(operations, thorough=True, go_on=lambda: keep(chunk))
    message = _("Done. The carrier's answer was lost, but the SIM shows the change.")
    there = [op for op in operations if seen[op.pk].verdict == Verdict.YES]
    conclude_many([Conclusion(op, State.DONE, message, changed_at=seen[op.pk].at) for op in there], of=AT_CARRIER)


def _end(chunk: BatchChunk, error: errors.Rejected, message: str) -> None:
    """No SIM of it is changed. The operations end first: dying before the chunk is done costs a look at no SIM."""
    sent = operations_of(chunk, AT_CARRIER)
    conclude_many([Conclusion(op, State.FAILED, message, code=error.code) for op in sent], of=AT_CARRIER)
    move_chunk(chunk, ChunkState.DONE, finished_at=timezone.now(), message=message)


def _split(chunk: BatchChunk, error: errors.Rejected, message: str) -> None:
    """Two chunks of half the size, both to be handed in: the first at once, the second when one may be open."""
    now = timezone.now()
    with transaction.atomic():
        job = lock_job(chunk.job_id)
        pks = list(operations_of(chunk, [State.SENDING]).values_list("pk", flat=True))
        first, second = pks[: len(pks) // 2], pks[len(pks) // 2 :]
        submits = chunk.submits - 1
        if not move_chunk(
            chunk, ChunkState.WAITING, next_step_at=now, submits=submits, size=len(first), message=message
        ):
            return
        unsent(chunk, error, message)
        other = add_chunk(job, len(second))
        # What was in doubt before stays so for both: submits beyond the first are looked at with that in mind.
        BatchChunk.objects.filter(pk=other.pk).update(submits=submits)
        Operation.objects.filter(pk__in=second, chunk=chunk).update(chunk=other)
