"""Keeping whether the carrier answers: each call says it, a row every few seconds holds it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import structlog
from django.db import DatabaseError, IntegrityError, connection
from django.db.models import Q
from django.utils import timezone

from sims.models import CarrierLink

log = structlog.get_logger(__name__)

EVERY = 5.0
"""Seconds between two writes of a process while nothing changes."""
AT_LEAST = 1.0
"""Seconds between an answer that was written and a failure: what comes in between is not worth a word. The answer that
ends a failure always is, for who reads the row would take the carrier for away until the next call."""
CALM_AFTER = timedelta(minutes=2)
"""Without a 429 for so long, the next one is the beginning of something new."""

NO_ANSWER, REFUSED_KEY, SLOWED = "no_answer", "refused_key", "slowed"

_lock = threading.Lock()
_elsewhere = threading.local()
_written: tuple[str, float] | None = None


def problem_of(status: int | None) -> str:
    """What an HTTP status says of the link; empty where the carrier did its part, be it by saying no."""
    if status is None:
        return NO_ANSWER
    if status == 401:
        return REFUSED_KEY
    return f"status {status}" if status >= 500 else ""


def note(problem: str, *, slowed: bool = False) -> None:
    """Tell of a call: it was answered (empty), or what was wrong; ``slowed``: the answer was to slow down. Mostly does
    nothing; never raises.

    Inside :func:`told_to` another function is told. Inside a transaction nothing is written: the one row would be
    held until its end, and all workers wait for it.
    """
    told_to = getattr(_elsewhere, "tell", None)
    if told_to is not None:
        told_to(problem, slowed)
        return
    if connection.in_atomic_block or not _is_due(SLOWED if slowed else problem):
        return
    try:
        store(problem, slowed=slowed)
    except DatabaseError as error:
        log.warning("link.not_stored", error=type(error).__name__)


@contextmanager
def told_to(tell: Callable[[str, bool], None]) -> Iterator[None]:
    """For a thread that is not to open a connection to the database: its calls are told to ``tell``, which is to see
    that :func:`note` gets them."""
    _elsewhere.tell = tell
    try:
        yield
    finally:
        _elsewhere.tell = None


def store(problem: str, *, slowed: bool = False) -> None:
    """Write it down now."""
    now = timezone.now()
    row = CarrierLink.objects.filter(pk=CarrierLink.ONLY)
    values: dict[str, Any] = {}
    if problem:
        values = {"failed_at": now, "problem": problem}
        row.filter(failing_since=None).update(failing_since=now)
        known = row.update(**values)
        values["failing_since"] = now
    else:
        values = {"answered_at": now, "failing_since": None, "problem": ""}
        if slowed:
            row.filter(Q(slowed_at=None) | Q(slowed_at__lt=now - CALM_AFTER)).update(slowed_since=now)
            values["slowed_at"] = now
        known = row.update(**values)
        if slowed:
            values["slowed_since"] = now
    if not known:
        try:
            CarrierLink.objects.create(pk=CarrierLink.ONLY, **values)
        except IntegrityError:
            log.debug("link.another_was_first")


def forget() -> None:
    """Have the next call written down whatever this process has written before."""
    global _written
    with _lock:
        _written = None


def _is_due(problem: str) -> bool:
    global _written
    now = time.monotonic()
    with _lock:
        if _written is not None:
            before, at = _written
            ends_a_failure = not problem and before not in ("", SLOWED)
            if not ends_a_failure and now - at < (EVERY if before == problem else AT_LEAST):
                return False
        _written = (problem, now)
    return True
