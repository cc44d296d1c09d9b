"""Working off the inbox: claim, act, note how it went. Any worker may die at any point.

Pushes are claimed in batches by a conditional UPDATE with a lease. Handlers are idempotent, so a push whose worker
died is simply done again when its lease has run out. What handlers need of the carrier is asked for once for the
whole batch (:func:`core.pushes.prepare`): many pushes about one SIM are one reading, and so are a hundred SIMs.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from core.events import Happening, emit_many
from core.metrics import observe_push
from core.pushes import PushEvent, PushProblem, handlers_for, prepare
from notifications.models import Push
from notifications.services import reading
from notifications.services.outcome import Outcome, write_outcomes
from sims.models import Sim

log = structlog.get_logger(__name__)

BATCH = 100
"""Pushes claimed at once: as many SIMs as one list call of the carrier takes."""
PROBLEM_ATTEMPTS = 3
"""Tries of a push that can't be used as it is: its SIM or message may become known within minutes, rarely later."""
FIRST_RETRY_SECONDS = 10
LONGEST_RETRY_SECONDS = 3600
OPEN = (Push.State.RECEIVED, Push.State.FAILED)

Identity = tuple[int, str, str, str]


def process(push_id: int, attempt: int | None = None) -> str:
    """Do the push ``push_id`` and answer its state after that, or an empty text when there is nothing to do.

    ``attempt`` is how many attempts there were when the caller decided to have it done: a second message about
    the same attempt does nothing. Errors of handlers are noted in the row and tried again later; only a database
    that is away comes through as an exception, and the lease sees to the rest.
    """
    free = _free(timezone.now()).filter(pk=push_id)
    claimed = _claim(free if attempt is None else free.filter(attempts=attempt))
    return _work(claimed).get(push_id, "")


def process_batch() -> int:
    """Do what is due, at most :data:`BATCH` pushes, those waiting longest first; answers how many it took on."""
    now = timezone.now()
    due = _free(now).filter(next_attempt_at__lte=now).order_by("next_attempt_at", "pk")
    # One whose worker died may be what it died of: alone it can't take others along, again and again.
    claimed = _claim(due.filter(lease_until__isnull=False)[:1])
    if not claimed:
        claimed = _claim(due.filter(lease_until__isnull=True)[:BATCH])
    _work(claimed)
    return len(claimed)


def lease_seconds() -> int:
    """How long a claimed push belongs to its worker: longer than two calls to the carrier may take."""
    return int(2 * settings.CONFIG["SMARTHUB_READ_TIMEOUT"] + 30)


def _free(now: datetime) -> QuerySet[Push]:
    return Push.objects.filter(Q(lease_until__isnull=True) | Q(lease_until__lte=now), state__in=OPEN)


def _claim(wanted: QuerySet[Push]) -> list[Push]:
    """Make these pushes ours, as far as nobody else is faster; in the order they came."""
    now = timezone.now()
    until = now + timedelta(seconds=lease_seconds())
    with transaction.atomic():
        ids = list(wanted.select_for_update(skip_locked=True).values_list("pk", flat=True))
        if not ids:
            return []
        _free(now).filter(pk__in=ids).update(attempts=F("attempts") + 1, lease_until=until, next_attempt_at=until)
    return list(Push.objects.filter(pk__in=ids, lease_until=until).order_by("pk"))


def _work(pushes: Sequence[Push]) -> dict[int, str]:
    """Do claimed pushes; answers their states by id, without those that were not ours any more."""
    if not pushes:
        return {}
    began = time.monotonic()
    outcomes: dict[int, Outcome] = {}
    events: dict[int, PushEvent] = {}
    for push in pushes:
        outcome = _read(push)
        if isinstance(outcome, Outcome):
            outcomes[push.pk] = outcome
        else:
            events[push.pk] = outcome
    concerned = [push for push in pushes if push.pk in events]
    _note_readings(concerned, events)
    originals = _originals(concerned)
    fresh = [events[push.pk] for push in concerned if not _original(push, originals)]
    prepared = prepare(fresh)
    for push in concerned:
        if time.monotonic() - began > lease_seconds() / 2:
            # The carrier is slow: what is left goes back, before somebody else takes it for lost.
            outcomes[push.pk] = Outcome(Push.State.RECEIVED, next_attempt_at=timezone.now(), given_back=True)
            continue
        original = _original(push, originals)
        if original is not None:
            outcomes[push.pk] = Outcome(Push.State.DONE, result=f"copy of #{original}")
            continue
        event = events[push.pk]
        if push.pk in prepared:
            event = replace(event, prepared=True, trouble=prepared[push.pk])
        outcomes[push.pk] = _act(push, event)
        if outcomes[push.pk].state == Push.State.DONE:
            originals.setdefault(_identity(push), push.pk)
    with transaction.atomic():
        states = write_outcomes(pushes, outcomes)
        _tell_dead([push for push in pushes if states.get(push.pk) == Push.State.DEAD])
    now = timezone.now()
    for push in pushes:
        observe_push(outcome=states.get(push.pk, "lost"), seconds=(now - push.received_at).total_seconds())
    return states


def _tell_dead(pushes: Sequence[Push]) -> None:
    """Tell of pushes that were given up. Not why: the words may quote the push, which is there to be looked at."""
    now = timezone.now()
    emit_many(
        [
            Happening(
                kind="push_dead",
                key=f"{push.pk} {now.isoformat()}",
                at=now,
                account_name=push.account_name,
                detail={"push_kind": push.kind, "attempts": push.attempts, "source_id": push.source_id},
                push_id=push.pk,
            )
            for push in pushes
        ]
    )


def _read(push: Push) -> PushEvent | Outcome:
    """What the push says, or how it ends when nothing can be done with it."""
    if push.attempts > _most_attempts():
        return _park("The last attempt did not end: its worker was killed.")
    try:
        told = reading.read(reading.parse_text(push.body), push.path_kind)
    except reading.NotAPush as problem:
        return _park(str(problem))
    return PushEvent(
        push_id=push.pk,
        kind=told.kind,
        giccid=told.giccid,
        account_name=told.account_name,
        event_time=told.event_time or push.received_at,
        key=told.key,
        body=told.body,
        received_at=push.received_at,
    )


def _act(push: Push, event: PushEvent) -> Outcome:
    handlers = handlers_for(event.kind)
    if not handlers:
        return Outcome(Push.State.IGNORED, problem=_no_handler(event.kind))
    try:
        results = [handler(event) for handler in handlers]
    except PushProblem as problem:
        return _retry_or_park(push, str(problem), most=min(PROBLEM_ATTEMPTS, _most_attempts()))
    except Exception as error:  # noqa: BLE001 - whatever a handler stumbles over, the push is kept and tried again
        # The text of an error may quote the push, which may hold personal data: the log gets the class alone.
        log.warning("push.failed", push=push.pk, kind=event.kind, error=type(error).__name__, attempt=push.attempts)
        wrong = f"{type(error).__name__}: {error}"
        return _retry_or_park(push, wrong, most=_most_attempts(), wait=getattr(error, "retry_after", None))
    return Outcome(Push.State.DONE, result="; ".join(result for result in results if result))


def _note_readings(pushes: Iterable[Push], events: dict[int, PushEvent]) -> None:
    """Fill the columns from the bodies again: the reading may have learnt something since the pushes came.

    A SIM that the mirror knows tells its account itself, so that nobody sees a push by what its sender claims.
    """
    giccids = {event.giccid for event in events.values() if event.giccid}
    accounts = dict(Sim.objects.filter(giccid__in=giccids).values_list("giccid", "account_id"))
    for push in pushes:
        event = events[push.pk]
        account = accounts.get(event.giccid) or event.account_name
        noted = {"kind": event.kind, "giccid": event.giccid, "key": event.key, "account_name": account}
        changed = [name for name, value in noted.items() if getattr(push, name) != value]
        for name in changed:
            setattr(push, name, noted[name])
        if changed:
            push.save(update_fields=changed)


def _identity(push: Push) -> Identity:
    """Kind and giccid count too: an event id that a sender uses twice for different things hides nothing."""
    return (push.source_id, push.key, push.kind, push.giccid)


def _originals(pushes: Sequence[Push]) -> dict[Identity, int]:
    """The earliest push that is done, for each that these may be copies of."""
    done = Push.objects.filter(
        source_id__in={push.source_id for push in pushes},
        key__in={push.key for push in pushes},
        state=Push.State.DONE,
    )
    found: dict[Identity, int] = {}
    for source_id, key, kind, giccid, pk in done.values_list("source_id", "key", "kind", "giccid", "pk"):
        identity = (source_id, key, kind, giccid)
        found[identity] = min(pk, found.get(identity, pk))
    return found


def _original(push: Push, originals: dict[Identity, int]) -> int | None:
    """Number of an earlier push that said the same and is done."""
    number = originals.get(_identity(push))
    return number if number is not None and number < push.pk else None


def _most_attempts() -> int:
    most: int = settings.CONFIG["PUSH_ATTEMPTS"]
    return most


def _no_handler(kind: str) -> str:
    if not kind:
        return "It does not say what kind of event it is."
    return f"The portal does not know what to do with {kind}."


def _park(problem: str) -> Outcome:
    return Outcome(Push.State.DEAD, problem=problem)


def _retry_or_park(push: Push, problem: str, *, most: int, wait: float | None = None) -> Outcome:
    if push.attempts >= most:
        return _park(problem)
    return Outcome(Push.State.FAILED, problem=problem, next_attempt_at=timezone.now() + _back_off(push.attempts, wait))


def _back_off(attempts: int, wait: float | None) -> timedelta:
    """10 s, 30 s, 90 s … an hour at most, never less than the carrier asked for, spread so that a crowd disperses."""
    seconds = min(FIRST_RETRY_SECONDS * 3 ** (attempts - 1), LONGEST_RETRY_SECONDS)
    spread = random.uniform(1.0, 1.2)  # noqa: S311 - spreads load, guards nothing
    return timedelta(seconds=max(seconds * spread, min(wait or 0, LONGEST_RETRY_SECONDS)))
