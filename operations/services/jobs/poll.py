"""Following a submitted chunk until the carrier's job ends, whatever its answers look like."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta

import structlog
from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from operations.models import BatchChunk
from operations.services.jobs import submit
from operations.services.jobs.chunks import AT_CARRIER, keep, move_chunk, operations_of
from operations.services.jobs.readback_many import ClaimLost
from operations.services.jobs.settle import ALL_SUCCEEDED, End, Items, give_up, settle
from operations.services.transitions import State
from operations.wording import explain
from sims.services.carrier import get_client
from smarthub import Lane, contract, errors
from smarthub.contract import ItemStatus, JobStatus

log = structlog.get_logger(__name__)

POLL_DELAYS = (1, 2, 4, 8, 15, 30)
"""Seconds from one poll to the next; the last repeats."""

UNREAD_DELAY_MOST = 60.0
_MOST_PAGES = 2_000


def poll(chunk: BatchChunk) -> None:
    """Ask for the carrier's job of the chunk once, and settle its SIMs when it has ended. The claim is ours."""
    if chunk.operations.filter(state=State.SENDING).exists():
        submit.note_accepted(chunk)
    try:
        told = _ask(chunk)
    except ClaimLost:
        return
    except errors.SmartHubError as error:
        told = _unanswered(chunk, error)
    except Exception:
        # A fault of ours must not leave the chunk to a claim that runs out, again and again and without a word.
        log.exception("chunk.poll_failed", chunk=chunk.pk)
        told = _unanswered(chunk, errors.Transient("internal_error"))
    if told is not None:
        _settle(chunk, *told)


def _ask(chunk: BatchChunk) -> tuple[End, Items] | None:
    """How the job ended and what it says of each SIM; ``None`` while it goes on, with the next look noted."""
    job = get_client(Lane.BULK).get_batch_job(chunk.carrier_job_id)
    end = _end(chunk, job)
    if end is not None:
        return end, _items(chunk, job)
    wait = POLL_DELAYS[min(chunk.polls, len(POLL_DELAYS) - 1)]
    later = timezone.now() + timedelta(seconds=wait)
    move_chunk(chunk, chunk.state, next_step_at=later, polls=chunk.polls + 1, finished_at=None, message="")
    return None


def _unanswered(chunk: BatchChunk, error: errors.SmartHubError) -> tuple[End, Items] | None:
    """What it means that the job can't be read; ``None`` when only that it is to be asked again."""
    if isinstance(error, errors.Rejected) and "missing" in error.codes:
        return End.GONE, {}
    if _is_overdue(chunk) and not isinstance(error, errors.CarrierAway):
        return End.OVERDUE, {}
    _unread(chunk, error)
    return None


def find_out(chunk: BatchChunk) -> None:
    """Look at the SIMs of a chunk whose submit has no clear answer: they tell what became of it."""
    _settle(chunk, End.IN_DOUBT, {})


def _settle(chunk: BatchChunk, end: End, items: Items) -> None:
    try:
        settle(chunk, end, items)
    except ClaimLost:
        log.info("chunk.claim_lost", chunk=chunk.pk)
    except errors.SmartHubError as error:
        _not_settled(chunk, items, error)
    except Exception:
        log.exception("chunk.settle_failed", chunk=chunk.pk)
        _not_settled(chunk, items, errors.Transient("internal_error"))


def _not_settled(chunk: BatchChunk, items: Items, error: errors.SmartHubError) -> None:
    """The SIMs could not be read: again later, but not longer than a job may take to end."""
    now = timezone.now()
    since = max(chunk.submitted_at or now, chunk.finished_at or chunk.submitted_at or now)
    in_time = now - since <= timedelta(seconds=settings.CONFIG["BATCH_POLL_DEADLINE"])
    # While the carrier is away nobody was asked, and nothing is given up for that.
    if in_time or isinstance(error, errors.CarrierAway):
        _unread(chunk, error)
        return
    try:
        give_up(chunk, items, explain(error))
    except ClaimLost:
        log.info("chunk.claim_lost", chunk=chunk.pk)
    except errors.CarrierAway as away:
        _unread(chunk, away)


def _unread(chunk: BatchChunk, error: errors.SmartHubError) -> None:
    """A reading failed, which says nothing of the SIMs: again later."""
    now = timezone.now()
    age = (now - (chunk.submitted_at or now)).total_seconds()
    seconds = max(min(UNREAD_DELAY_MOST, max(1.0, age / 4)), min(error.retry_after or 0.0, 300.0))
    if isinstance(error, errors.CarrierAway):
        # It is asked for again soon after the carrier is back, but not by everybody in the same second.
        seconds = (error.retry_after or 1.0) * random.uniform(1.0, 2.0)  # noqa: S311 - spreads load, guards nothing
    message = _("Its state could not be read. %(why)s") % {"why": explain(error)}
    move_chunk(chunk, chunk.state, next_step_at=now + timedelta(seconds=seconds), message=message)


def _end(chunk: BatchChunk, job: contract.BatchJob) -> End | None:
    """How the carrier's job ended; ``None`` while it goes on. A status unknown to us is told by its counts."""
    if job.status == JobStatus.COMPLETED:
        return End.COMPLETED
    if job.status == JobStatus.FAILED:
        return End.BROKE
    known = job.status in (JobStatus.PENDING, JobStatus.RUNNING)
    if not known and job.total and (job.succeeded or 0) + (job.failed or 0) >= job.total:
        return End.COMPLETED
    return End.OVERDUE if _is_overdue(chunk) else None


def _is_overdue(chunk: BatchChunk) -> bool:
    deadline = timedelta(seconds=settings.CONFIG["BATCH_POLL_DEADLINE"])
    return chunk.submitted_at is not None and timezone.now() - chunk.submitted_at > deadline


def _items(chunk: BatchChunk, job: contract.BatchJob) -> Items:
    """What the job says of each SIM. One that all succeeded in is taken at its word: the SIMs are read anyway."""
    waiting = operations_of(chunk, AT_CARRIER)
    first = waiting.first()
    shows_at_once = first is not None and first.params.get("effective") != contract.Effective.NEXT_CYCLE
    whole = job.status == JobStatus.COMPLETED and job.total and job.succeeded == job.total and not job.failed
    if whole and shows_at_once and waiting.count() == job.total:
        return ALL_SUCCEEDED
    items: dict[str, contract.BatchItem] = {}
    for page in _pages(chunk, job, lambda: keep(chunk)):
        for item in page:
            known = items.get(item.giccid)
            # Named twice: that it succeeded once is what can be seen in the SIM.
            if known is None or known.status != ItemStatus.SUCCESS:
                items[item.giccid] = item
    return items


def _pages(chunk: BatchChunk, job: contract.BatchJob, go_on: Callable[[], bool]) -> list[list[contract.BatchItem]]:
    client = get_client(Lane.BULK)
    pages = [list(job.data or ())]
    size = job.size
    while not job.is_last and len(pages) < _MOST_PAGES:
        if not go_on():
            raise ClaimLost
        job = client.get_batch_job(chunk.carrier_job_id, page=len(pages), size=size)
        pages.append(list(job.data or ()))
    return pages
