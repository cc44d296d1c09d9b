"""What becomes of each SIM of a chunk: decided by the carrier's word on it, by reading it, and by waiting."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from django.conf import settings
from django.db import transaction
from django.db.models import F, Max
from django.utils import timezone
from django.utils.translation import gettext as _

from operations.kinds import KINDS
from operations.models import BatchChunk, Operation
from operations.readings import Verdict
from operations.services.jobs.chunks import AT_CARRIER, ChunkState, keep, move_chunk, operations_of
from operations.services.jobs.finish import Conclusion, conclude_many
from operations.services.jobs.readback_many import ClaimLost, Seen, look, look_at_what_can_be_read
from operations.services.jobs.submit import cancel_queued
from operations.services.scheduled import CHECK_AFTER
from operations.services.transitions import Outcome, State, read_back_delay
from operations.wording import explain_item
from smarthub import contract
from smarthub.contract import ItemStatus

MOST_SUBMITS = 5
"""Submits without any sign of them after which a person is asked."""

CHECKS_A_SECOND = 2.0
"""Plans of the next cycle are looked at one by one when it has begun; no more than so many a second of one job."""

Items = Mapping[str, contract.BatchItem]


class _AllSucceeded(dict[str, contract.BatchItem]):
    """The word of a job in which every item succeeded, without asking for them page by page."""

    def get(self, giccid: str, default: object = None) -> contract.BatchItem:
        return contract.BatchItem(giccid=giccid, status=ItemStatus.SUCCESS)


ALL_SUCCEEDED: Items = _AllSucceeded()


class End(StrEnum):
    """How the carrier's job stands when its SIMs are looked at."""

    COMPLETED = "completed"
    BROKE = "broke"
    """Its status is ``FAILED``: it broke off somewhere."""
    GONE = "gone"
    """The carrier does not know it, such as after a restart: it may run, have run, or never run."""
    OVERDUE = "overdue"
    """It does not end in time."""
    IN_DOUBT = "in_doubt"
    """The submit had no clear answer, so its id is not known."""


def settle(chunk: BatchChunk, end: End, items: Items) -> None:
    """Conclude what can be told of the chunk's SIMs now and give the claim back with the next look, or ended.

    Raises errors of ``smarthub.errors`` when SIMs can't be read and ``ClaimLost``; what was told before is stored.
    """
    started = timezone.now()
    if chunk.finished_at is None and end != End.IN_DOUBT and not _note_end(chunk, started):
        raise ClaimLost
    operations = list(operations_of(chunk, AT_CARRIER))
    quiet = _quiet_for(chunk, started) >= timedelta(seconds=settings.CONFIG["BATCH_LOST_SUBMIT_AFTER"])
    tries = max((operation.readbacks for operation in operations), default=0) + 1
    last_try = tries >= settings.CONFIG["OPERATION_READBACK_TRIES"]
    decide = end == End.OVERDUE or (quiet and end != End.COMPLETED) or (end == End.COMPLETED and (last_try or quiet))
    seen = look(operations, thorough=decide, go_on=lambda: keep(chunk))
    ended: list[Conclusion] = []
    left: list[Operation] = []
    for operation in operations:
        conclusion = _told(chunk, operation, items.get(operation.sim.giccid), seen[operation.pk])
        if conclusion is None:
            left.append(operation)
        else:
            ended.append(conclusion)
    conclude_many(ended, of=AT_CARRIER)
    progress = any(conclusion.to == State.DONE for conclusion in ended)
    if left and decide and (end == End.OVERDUE or end == End.COMPLETED or not progress):
        left = _decide(chunk, end, items, left, seen, quiet=quiet, last_try=last_try)
    _go_on(chunk, left, tries)


def give_up(chunk: BatchChunk, items: Items, why: str) -> None:
    """The SIMs could not be read for too long: conclude what can be told, the rest goes to a person. ``ClaimLost``."""
    operations = list(operations_of(chunk, AT_CARRIER))
    seen = look_at_what_can_be_read(operations, go_on=lambda: keep(chunk))
    message = _("Whether the change arrived could not be read for a long time. %(why)s") % {"why": why}
    ended: list[Conclusion] = []
    for operation in operations:
        found = seen.get(operation.pk) or Seen(Verdict.UNCLEAR)
        told = _told(chunk, operation, items.get(operation.sim.giccid), found)
        ended.append(told or Conclusion(operation, State.NEEDS_ATTENTION, message, code="not_read"))
    conclude_many(ended, of=AT_CARRIER)
    _go_on(chunk, [], 0)


def _note_end(chunk: BatchChunk, now: datetime) -> bool:
    """Keep when the carrier's job was seen to have ended: waits for a last sign of it begin then."""
    return move_chunk(
        chunk, chunk.state, finished_at=now, lease_until=chunk.lease_until, next_step_at=chunk.next_step_at
    )


def _quiet_for(chunk: BatchChunk, now: datetime) -> timedelta:
    """For how long nothing was seen of the job: since its submit, its end, and the last SIM that turned out done."""
    done = chunk.operations.filter(state=State.DONE, finished_at__gte=chunk.submitted_at or now)
    last = done.aggregate(last=Max("finished_at"))["last"]
    known = [moment for moment in (chunk.submitted_at, chunk.finished_at, last) if moment is not None]
    return now - max(known) if known else timedelta(0)


def _told(chunk: BatchChunk, operation: Operation, item: contract.BatchItem | None, seen: Seen) -> Conclusion | None:
    """The end of a SIM of which the carrier's word and the reading tell enough."""
    status = item.status if item is not None else None
    # After a submit in doubt the first one may have landed: then the state is wrong because the change is done.
    if item is not None and status == ItemStatus.FAILED and not (chunk.submits > 1 and seen.verdict == Verdict.YES):
        message = explain_item(item.error_code or "", item.error_message or "")
        return Conclusion(operation, State.FAILED, message, code=item.error_code or "failed")
    if KINDS[operation.kind].is_scheduled(operation):
        if status == ItemStatus.SUCCESS:
            return _scheduled(chunk, operation)
        if operation.state == State.UNKNOWN or status is None:
            # The plan of today tells nothing of the one that is to come.
            return None
    if seen.verdict != Verdict.YES:
        return None
    message = _("The carrier made the change, and the SIM shows it.")
    if status != ItemStatus.SUCCESS:
        message = _("Done. The carrier's answer was lost, but the SIM shows the change.")
    return Conclusion(operation, State.DONE, message, changed_at=seen.at)


def _scheduled(chunk: BatchChunk, operation: Operation) -> Conclusion:
    turn = operation.sim.cycle_end
    if turn is None or turn <= timezone.now():
        message = _("The carrier accepted it for the next billing cycle; it does not tell when that begins.")
        return Conclusion(operation, State.DONE, message, outcome=Outcome.SCHEDULED)
    spread = random.uniform(0, chunk.job.eligible / CHECKS_A_SECOND)  # noqa: S311 - spreads load, guards nothing
    return Conclusion(
        operation,
        State.DONE,
        _("The carrier accepted it; it takes effect with the next billing cycle."),
        outcome=Outcome.SCHEDULED,
        effective_at=turn,
        next_attempt_at=turn + CHECK_AFTER + timedelta(seconds=spread),
    )


def _decide(
    chunk: BatchChunk,
    end: End,
    items: Items,
    left: Sequence[Operation],
    seen: Mapping[int, Seen],
    *,
    quiet: bool,
    last_try: bool,
) -> list[Operation]:
    """End those that were waited for long enough, or have them submitted anew; answers whom to wait for further."""
    again: list[Operation] = []
    ended: list[Conclusion] = []
    wait: list[Operation] = []
    for operation in left:
        item = items.get(operation.sim.giccid)
        says_done = item is not None and item.status == ItemStatus.SUCCESS
        if end == End.COMPLETED and not (last_try if says_done else quiet):
            wait.append(operation)
        elif end == End.IN_DOUBT or (end == End.GONE and KINDS[operation.kind].is_scheduled(operation)):
            again.append(operation)
        else:
            ended.append(_not_there(operation, end, says_done=says_done, seen=seen[operation.pk]))
    if again and chunk.submits >= MOST_SUBMITS:
        message = _("It was handed in several times without a clear answer, and the SIM does not show the change.")
        ended += [Conclusion(operation, State.NEEDS_ATTENTION, message, code="in_doubt") for operation in again]
        again = []
    conclude_many(ended, of=AT_CARRIER)
    if again:
        _submit_again(chunk, again)
    return wait


def _not_there(operation: Operation, end: End, *, says_done: bool, seen: Seen) -> Conclusion:
    if says_done:
        message = _("The carrier accepted it, but the SIM does not show it.")
        if seen.absent:
            message = _("The carrier does not know the SIM any more.")
        return Conclusion(operation, State.NEEDS_ATTENTION, message, code="not_shown")
    if end == End.OVERDUE:
        message = _(
            "The carrier's job does not come to an end, and the SIM does not show the change. It may still come."
        )
        return Conclusion(operation, State.NEEDS_ATTENTION, message, code="job_overdue")
    if end == End.GONE:
        message = _("The carrier lost the job before this SIM's turn; the SIM is not changed.")
        return Conclusion(operation, State.FAILED, message, code="job_lost")
    if end == End.BROKE:
        message = _("The carrier's job broke off before this SIM's turn; the SIM is not changed.")
        return Conclusion(operation, State.FAILED, message, code="job_broke")
    message = _("The carrier's job ended without a word on this SIM; the SIM is not changed.")
    return Conclusion(operation, State.FAILED, message, code="job_without_result")


def _submit_again(chunk: BatchChunk, operations: Sequence[Operation]) -> None:
    """The change is certainly not there: these wait for a new submit, which changes nothing twice in any case.

    A state is only left by the first of two equal changes, and setting a plan twice is setting it once (assumed).
    """
    message = _("The change is not there; it is sent again.")
    with transaction.atomic():
        pks = [operation.pk for operation in operations]
        rows = Operation.objects.filter(pk__in=pks, state__in=AT_CARRIER)
        rows.update(state=State.QUEUED, lease_until=None, readbacks=0, message=message)


def _go_on(chunk: BatchChunk, left: Sequence[Operation], tries: int) -> None:
    """Give the claim back: to look again, to submit again, or because the chunk has ended."""
    now = timezone.now()
    if left:
        Operation.objects.filter(pk__in=[operation.pk for operation in left], state__in=AT_CARRIER).update(
            readbacks=F("readbacks") + 1
        )
        move_chunk(chunk, chunk.state, next_step_at=now + read_back_delay(tries))
        return
    if chunk.job.cancelled_at is not None:
        cancel_queued(chunk)
    if chunk.operations.filter(state=State.QUEUED).exists():
        move_chunk(chunk, ChunkState.WAITING, next_step_at=now, carrier_job_id="", finished_at=None)
    else:
        move_chunk(chunk, ChunkState.DONE, finished_at=chunk.finished_at or now, message="")
