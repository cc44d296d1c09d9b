"""Working off the inbox: claim, act, note how it went. Any worker may die at any point.

A push is claimed by a conditional UPDATE with a lease. Handlers are idempotent, so a push whose worker died is
simply done again when its lease has run out.
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db.models import F, Q
from django.utils import timezone

from core.pushes import PushEvent, PushProblem, handlers_for
from notifications.models import Push
from notifications.services import reading
from sims.models import Sim

log = structlog.get_logger(__name__)

PROBLEM_ATTEMPTS = 3
"""Tries of a push that can't be used as it is: its SIM or message may become known within minutes, rarely later."""
FIRST_RETRY_SECONDS = 10
LONGEST_RETRY_SECONDS = 3600
OPEN = (Push.State.RECEIVED, Push.State.FAILED)


def process(push_id: int, attempt: int | None = None) -> str:
    """Do the push ``push_id`` and answer its state after that, or an empty text when there is nothing to do.

    ``attempt`` is how many attempts there were when the caller decided to have it done: a second message about
    the same attempt does nothing. Errors of handlers are noted in the row and tried again later; only a database
    that is away comes through as an exception, and the lease sees to the rest.
    """
    push = _claim(push_id, attempt)
    if push is None:
        return ""
    if push.attempts > _most_attempts():
        return _park(push, "The last attempt did not end: its worker was killed.")
    try:
        told = reading.read(reading.parse_text(push.body), push.path_kind)
    except reading.NotAPush as problem:
        return _park(push, str(problem))
    _note_reading(push, told)
    if not handlers_for(told.kind):
        return _finish(push, Push.State.IGNORED, problem=_no_handler(told.kind))
    original = _done_copy(push)
    if original is not None:
        return _finish(push, Push.State.DONE, result=f"copy of #{original}")
    return _act(push, told)


def lease_seconds() -> int:
    """How long a claimed push belongs to its worker: longer than two calls to the carrier may take."""
    return int(2 * settings.CONFIG["SMARTHUB_READ_TIMEOUT"] + 30)


def _claim(push_id: int, attempt: int | None) -> Push | None:
    now = timezone.now()
    until = now + timedelta(seconds=lease_seconds())
    free = Push.objects.filter(Q(lease_until__isnull=True) | Q(lease_until__lte=now), pk=push_id, state__in=OPEN)
    if attempt is not None:
        free = free.filter(attempts=attempt)
    if not free.update(attempts=F("attempts") + 1, lease_until=until, next_attempt_at=until):
        return None
    return Push.objects.get(pk=push_id)


def _act(push: Push, told: reading.Reading) -> str:
    event = PushEvent(
        push_id=push.pk,
        kind=told.kind,
        giccid=told.giccid,
        account_name=told.account_name,
        event_time=told.event_time or push.received_at,
        key=told.key,
        body=told.body,
    )
    try:
        results = [handler(event) for handler in handlers_for(told.kind)]
    except PushProblem as problem:
        return _retry_or_park(push, str(problem), most=min(PROBLEM_ATTEMPTS, _most_attempts()))
    except Exception as error:  # noqa: BLE001 - whatever a handler stumbles over, the push is kept and tried again
        # The text of an error may quote the push, which may hold personal data: the log gets the class alone.
        log.warning("push.failed", push=push.pk, kind=told.kind, error=type(error).__name__, attempt=push.attempts)
        wrong = f"{type(error).__name__}: {error}"
        return _retry_or_park(push, wrong, most=_most_attempts(), wait=getattr(error, "retry_after", None))
    return _finish(push, Push.State.DONE, result="; ".join(result for result in results if result))


def _note_reading(push: Push, told: reading.Reading) -> None:
    """Fill the columns from the body again: the reading may have learnt something since the push came.

    A SIM that the mirror knows tells its account itself, so that nobody sees a push by what its sender claims.
    """
    account = told.account_name
    if told.giccid:
        known = Sim.objects.filter(giccid=told.giccid).values_list("account_id", flat=True).first()
        account = known or account
    noted = {"kind": told.kind, "giccid": told.giccid, "key": told.key, "account_name": account}
    changed = [name for name, value in noted.items() if getattr(push, name) != value]
    for name in changed:
        setattr(push, name, noted[name])
    if changed:
        push.save(update_fields=changed)


def _done_copy(push: Push) -> int | None:
    """Number of an earlier push that said the same and is done.

    Kind and giccid are compared too: an event id that a sender uses twice for different things hides nothing.
    """
    return (
        Push.objects.filter(
            source_id=push.source_id,
            key=push.key,
            kind=push.kind,
            giccid=push.giccid,
            state=Push.State.DONE,
            pk__lt=push.pk,
        )
        .order_by("pk")
        .values_list("pk", flat=True)
        .first()
    )


def _most_attempts() -> int:
    most: int = settings.CONFIG["PUSH_ATTEMPTS"]
    return most


def _no_handler(kind: str) -> str:
    if not kind:
        return "It does not say what kind of event it is."
    return f"The portal does not know what to do with {kind}."


def _finish(push: Push, state: str, *, result: str = "", problem: str = "") -> str:
    return _write(push, state, next_attempt_at=None, result=result, problem=problem)


def _park(push: Push, problem: str) -> str:
    return _write(push, Push.State.DEAD, next_attempt_at=None, problem=problem)


def _retry_or_park(push: Push, problem: str, *, most: int, wait: float | None = None) -> str:
    if push.attempts >= most:
        return _park(push, problem)
    return _write(
        push, Push.State.FAILED, next_attempt_at=timezone.now() + _back_off(push.attempts, wait), problem=problem
    )


def _back_off(attempts: int, wait: float | None) -> timedelta:
    """10 s, 30 s, 90 s … an hour at most, never less than the carrier asked for, spread so that a crowd disperses."""
    seconds = min(FIRST_RETRY_SECONDS * 3 ** (attempts - 1), LONGEST_RETRY_SECONDS)
    spread = random.uniform(1.0, 1.2)  # noqa: S311 - spreads load, guards nothing
    return timedelta(seconds=max(seconds * spread, min(wait or 0, LONGEST_RETRY_SECONDS)))


def _write(push: Push, state: str, *, next_attempt_at: datetime | None, result: str = "", problem: str = "") -> str:
    """Give the push back in its new state, if it is still ours."""
    finished = None if state == Push.State.FAILED else timezone.now()
    ours = Push.objects.filter(pk=push.pk, attempts=push.attempts, lease_until=push.lease_until, state__in=OPEN)
    written = ours.update(
        state=state,
        next_attempt_at=next_attempt_at,
        lease_until=None,
        finished_at=finished,
        result=_storable(result),
        problem=_storable(problem),
    )
    return str(state) if written else ""


def _storable(text: str) -> str:
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()[:2000]
