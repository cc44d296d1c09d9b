"""Handing a chunk in as a batch job of the carrier: what is written before, and what follows of each answer."""

from __future__ import annotations

import random
from contextlib import suppress
from datetime import timedelta
from typing import Any

import structlog
from django.db import transaction
from django.db.models import F, Min, Value
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext as _

from operations.kinds import KINDS
from operations.models import BatchChunk, BatchJob, Operation, OperationAttempt
from operations.services.allowed import why_not_for
from operations.services.jobs.chunks import (
    BATCH_KINDS,
    ChunkState,
    lock_job,
    move_chunk,
    operations_of,
)
from operations.services.jobs.finish import Conclusion, conclude_many
from operations.services.jobs.readback_many import ClaimLost
from operations.services.jobs.refused import end_attempts, refuse, unsent
from operations.services.transitions import State, is_fresh, lease
from operations.wording import explain, no_clear_answer
from sims.services.carrier import get_client
from sims.services.mirror import Source
from sims.services.refresh import read_sims
from smarthub import Lane, errors

log = structlog.get_logger(__name__)

FIRST_LOOK = timedelta(seconds=1)
LONGEST_WAIT = 60.0
_ID_LENGTH = BatchChunk._meta.get_field("carrier_job_id").max_length or 0


def submit(chunk: BatchChunk) -> None:
    """Hand in a chunk that waits, if its job still runs. The claim is ours; it is given back with the next step."""
    if chunk.job.cancelled_at is not None:
        cancel_queued(chunk)
        move_chunk(chunk, ChunkState.DONE, finished_at=timezone.now())
        return
    _drop_forbidden(chunk)
    try:
        # Waited for before the rows say that it is submitted: of a carrier that is away nothing is in doubt.
        client = get_client(Lane.BULK).with_turn()
    except errors.Transient as error:
        _not_now(chunk, error)
        return
    payload = _start(chunk)
    if payload is None:
        return
    try:
        job_id = client.submit_batch(**payload)
    except errors.SmartHubError as error:
        _answered(chunk, error)
        return
    except Exception:
        # A fault of ours: whether the request left before it, nobody can tell here.
        log.exception("chunk.submit_failed", chunk=chunk.pk)
        _answered(chunk, errors.OutcomeUnknown("internal_error"))
        return
    store_carrier_job(chunk, job_id)


def mark_lost(chunk: BatchChunk) -> None:
    """Whoever submitted it is gone without a word: what became of it is unknown from now on."""
    in_doubt(chunk, "worker_lost", no_clear_answer("worker_lost"), wait=timedelta(0))
    log.warning("chunk.lost", chunk=chunk.pk)


def store_carrier_job(chunk: BatchChunk, job_id: str) -> None:
    """Keep the carrier's id before anything else, whoever has the claim by now; then the operations are accepted."""
    if len(job_id) > _ID_LENGTH:
        _answered(chunk, errors.OutcomeUnknown("unreadable"))
        return
    rows = BatchChunk.objects.filter(
        pk=chunk.pk,
        submits=chunk.submits,
        carrier_job_id="",
        state__in=(ChunkState.SUBMITTING, ChunkState.UNKNOWN),
    )
    stored = rows.update(
        carrier_job_id=job_id,
        state=ChunkState.SUBMITTED,
        polls=0,
        message="",
        lease_until=None,
        next_step_at=timezone.now() + FIRST_LOOK,
    )
    if stored:
        note_accepted(chunk)


def note_accepted(chunk: BatchChunk) -> None:
    """Bring the operations of a chunk whose job the carrier took to ``accepted``; again changes nothing."""
    now = timezone.now()
    message = _("The carrier took it as part of a batch job.")
    rows = Operation.objects.filter(chunk=chunk, state__in=(State.SENDING, State.UNKNOWN))
    with transaction.atomic():
        pks = list(rows.order_by("pk").values_list("pk", flat=True))
        Operation.objects.filter(pk__in=pks, state__in=(State.SENDING, State.UNKNOWN)).update(
            state=State.ACCEPTED, accepted_at=now, lease_until=None, readbacks=0, carrier_code="", message=message
        )
        end_attempts(pks, outcome=State.ACCEPTED, status=200)


def in_doubt(chunk: BatchChunk, code: str, message: str, *, wait: timedelta) -> bool:
    """The submit has no clear answer: the SIMs tell what became of it."""
    with transaction.atomic():
        later = timezone.now() + wait
        if not move_chunk(chunk, ChunkState.UNKNOWN, next_step_at=later, message=message, polls=0):
            return False
        pks = list(chunk.operations.filter(state=State.SENDING).values_list("pk", flat=True))
        Operation.objects.filter(pk__in=pks, state=State.SENDING).update(
            state=State.UNKNOWN, lease_until=None, readbacks=0, carrier_code=code[:80], message=message
        )
        end_attempts(pks, outcome=State.UNKNOWN, code=code, detail=message)
    return True


def cancel_queued(chunk: BatchChunk) -> int:
    """End those operations of the chunk that are to be sent, now that the job is cancelled."""
    queued = operations_of(chunk, [State.QUEUED])
    message = _("The job was cancelled; the change is not at the carrier.")
    return conclude_many([Conclusion(op, State.CANCELLED, message) for op in queued], of=[State.QUEUED])


def _drop_forbidden(chunk: BatchChunk) -> None:
    """End those that are not allowed (any more). After a submit in doubt the carrier was asked, not the mirror."""
    now = timezone.now()
    ended = []
    queued = list(operations_of(chunk, [State.QUEUED]))
    if any(operation.waits_for_carrier and not is_fresh(operation.sim) for operation in queued):
        # Others may have changed them at the carrier meanwhile. What can't be read is checked as it was.
        with suppress(errors.SmartHubError):
            read_sims([operation.sim.giccid for operation in queued], lane=Lane.BULK, source=Source.READ_BACK)
        queued = list(operations_of(chunk, [State.QUEUED]))
    not_theirs: dict[str, str] = {}
    for account in {operation.sim.account_id for operation in queued}:
        not_theirs[account] = why_not_for(chunk.job.actor, chunk.job.kind, account)
    for operation in queued:
        if operation.expires_at is not None and operation.expires_at <= now:
            message = _("It could not be sent in time, so it was not sent.")
            ended.append(Conclusion(operation, State.EXPIRED, message))
        else:
            sentence = not_theirs[operation.sim.account_id]
            if not sentence and not operation.sends:
                kind = KINDS[operation.kind]
                sentence = kind.refusal(operation.sim) or kind.conflict(operation.sim, operation.params)
            if sentence:
                message = _("Not sent: %(reason)s") % {"reason": sentence}
                ended.append(Conclusion(operation, State.FAILED, message, code="not_sent"))
    conclude_many(ended, of=[State.QUEUED])


def _not_now(chunk: BatchChunk, error: errors.Transient) -> None:
    """It was not even tried: no turn in the budget was free, or the carrier is away."""
    wait = max(2.0, error.retry_after or 0.0) * random.uniform(1.0, 1.5)  # noqa: S311 - spreads load, guards nothing
    message = explain(error)
    if isinstance(error, errors.CarrierAway) and chunk.message != message:
        # Once: so that each SIM's page says why it waits, and is looked at before it is sent.
        chunk.operations.filter(state=State.QUEUED).update(carrier_code=error.code, message=message)
    later = timezone.now() + timedelta(seconds=wait)
    move_chunk(chunk, ChunkState.WAITING, next_step_at=later, message=message)


def _start(chunk: BatchChunk) -> dict[str, Any] | None:
    """Write down that it is being submitted; answers what to send, or ``None`` when it is not to be."""
    now = timezone.now()
    until = now + lease(Lane.BULK)
    with transaction.atomic():
        # Locked, so that a pause or cancel comes before the sending or after it, not in between.
        job = lock_job(chunk.job_id)
        if job.state != BatchJob.State.RUNNING or job.cancelled_at is not None:
            again = now if job.cancelled_at is not None else None
            move_chunk(chunk, ChunkState.WAITING, next_step_at=again)
            return None
        operations = list(operations_of(chunk, [State.QUEUED]))
        if not operations:
            move_chunk(chunk, ChunkState.DONE, finished_at=now)
            return None
        taken = move_chunk(
            chunk,
            ChunkState.SUBMITTING,
            lease_until=until,
            next_step_at=until,
            submits=F("submits") + 1,
            submitted_at=now,
            finished_at=None,
            carrier_job_id="",
            message="",
        )
        if not taken:
            return None
        chunk.refresh_from_db(fields=["submits"])
        pks = [operation.pk for operation in operations]
        Operation.objects.filter(pk__in=pks, state=State.QUEUED).update(
            state=State.SENDING,
            lease_until=until,
            sends=F("sends") + 1,
            first_sent_at=Coalesce(F("first_sent_at"), Value(now)),
            last_sent_at=now,
        )
        step = OperationAttempt.Step.SEND
        OperationAttempt.objects.bulk_create(OperationAttempt(operation_id=pk, step=step, started_at=now) for pk in pks)
    return _payload(operations)


def _payload(operations: list[Operation]) -> dict[str, Any]:
    kind = BATCH_KINDS[operations[0].kind]
    payload: dict[str, Any] = {"kind": kind, "giccids": [operation.sim.giccid for operation in operations]}
    if "plan" in operations[0].params:
        payload |= {"plan": operations[0].params["plan"], "effective": operations[0].params["effective"]}
    return payload


def _answered(chunk: BatchChunk, error: errors.SmartHubError) -> None:
    """The carrier said no, later, or nothing clear."""
    message = explain(error)
    if isinstance(error, errors.Rejected):
        _refused(chunk, error, message)
    elif isinstance(error, errors.Transient):
        _later(chunk, error, message)
    else:
        in_doubt(chunk, error.code, message, wait=FIRST_LOOK)
    log.info("chunk.answered", chunk=chunk.pk, state=chunk.state, code=error.code)


def _refused(chunk: BatchChunk, error: errors.Rejected, message: str) -> None:
    try:
        refuse(chunk, error, message)
    except errors.SmartHubError as unread:
        # Whether the submit before this one landed can't be read now: the SIMs are looked at until it can.
        in_doubt(chunk, unread.code, explain(unread), wait=FIRST_LOOK)
    except ClaimLost:
        log.info("chunk.claim_lost", chunk=chunk.pk)


def _later(chunk: BatchChunk, error: errors.Transient, message: str) -> None:
    """It certainly did not arrive: wait the longer, the longer this goes on, and not less than the carrier wants."""
    now = timezone.now()
    since = chunk.operations.filter(state=State.SENDING).aggregate(first=Min("first_sent_at"))["first"] or now
    seconds = min(LONGEST_WAIT, max(1.0, (now - since).total_seconds() / 4))
    wait = timedelta(seconds=max(seconds, min(error.retry_after or 0.0, 300.0)))
    with transaction.atomic():
        back = move_chunk(chunk, ChunkState.WAITING, next_step_at=now + wait, submits=F("submits") - 1, message=message)
        if back:
            unsent(chunk, error, message)
