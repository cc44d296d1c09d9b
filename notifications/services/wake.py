"""Waking a worker for the inbox: one cheap signal for however many pushes, instead of a message for each.

A push is a committed row that is due; a worker that drains the inbox takes all that are. So it is enough that a drain
begins after the last row was committed. The first push after a pause signals at once. Those that follow within
:data:`PAUSE` share one signal at its end, and no signal is sent while one waits in the queue: the drain that will take
it deletes the mark before it looks. A signal that is lost with its process or its broker costs seconds: beat starts a
drain by itself.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress

import redis
from django.core.cache import cache

from core.queue import enqueue

PAUSE = 0.1
"""Seconds between two signals of a process."""
BROKER_PAUSE = 5.0
"""Seconds without a try after the broker was away, so that no push waits for it."""
_MARK = "inbox-signalled"
_MARK_LASTS = 5
"""Seconds after which a signal that nobody took is sent again: its message may be lost."""

_lock = threading.Lock()
_not_before = 0.0
_timer: threading.Timer | None = None


def wake() -> None:
    """Have a drain begin soon. Never raises and never waits for a broker that is known to be away."""
    global _not_before, _timer
    with _lock:
        now = time.monotonic()
        wait = _not_before - now
        if wait > 0:
            if _timer is None:
                _timer = threading.Timer(wait, _signal_late)
                _timer.daemon = True
                _timer.start()
            return
        _not_before = now + PAUSE
    _signal()


def forget() -> None:
    """As in a new process: no signal is waited with, none is on its way."""
    global _not_before, _timer
    with _lock:
        if _timer is not None:
            _timer.cancel()
        _timer, _not_before = None, 0.0


def begin_drain() -> None:
    """To be called by a drain before it looks: what is committed from now on needs a signal of its own."""
    with suppress(redis.RedisError, OSError):
        cache.delete(_MARK)


def _signal_late() -> None:
    global _not_before, _timer
    with _lock:
        _timer = None
        _not_before = time.monotonic() + PAUSE
    _signal()


def _signal() -> None:
    global _not_before
    from notifications.tasks import drain_inbox  # the tasks import the services

    try:
        is_first = cache.add(_MARK, 1, timeout=_MARK_LASTS)
    except (redis.RedisError, OSError):
        is_first = True
    if is_first and not enqueue(drain_inbox):
        _not_before = time.monotonic() + BROKER_PAUSE
