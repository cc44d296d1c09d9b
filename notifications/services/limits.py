"""How much one source may push, so that a flood of one neither fills the disk nor holds up the others.

Both limits are counted in the process and evened out with the other web processes now and then: exact to some seconds'
worth of pushes, and free for a push that comes alone. What is over a limit is answered 429, so the carrier sends it
again; nothing waits here.

A push counts once for each 4 kB begun: a flood of the largest bodies is a flood sooner.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

import redis
from django.conf import settings
from django.core.cache import cache

from notifications.models import Push

WINDOW = 60
"""Seconds that ``PUSH_RATE`` is counted over."""
SHARE_EVERY = 1.0
"""Seconds between two looks at what the other processes counted."""
COUNT_EVERY = 1000
"""Pushes taken by a process between two counts of the unfinished ones."""
FULL_WAIT = 10
"""Seconds after which to send again while too many pushes are unfinished."""
_UNIT = 4096


@dataclass
class _Meter:
    """What this process knows of one source in the running minute."""

    window: int = 0
    total: int = 0
    """Counted by all processes, as far as known, and by this one since."""
    unshared: int = 0
    shared_at: float = 0.0
    since_count: int = 0
    full_until: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)


_meters: dict[int, _Meter] = {}


def wait_before(source_id: int, size: int) -> int:
    """Count a push of ``size`` bytes; 0 when it may be taken, else the seconds after which to send it again."""
    meter = _meters.setdefault(source_id, _Meter())
    now = time.time()
    with meter.lock:
        if meter.full_until > now:
            return FULL_WAIT
        wait = _count(meter, source_id, now, 1 + size // _UNIT)
        if wait:
            return wait
        meter.since_count += 1
        if meter.since_count < COUNT_EVERY:
            return 0
        meter.since_count = 0
    return _look_at_backlog(meter, source_id, now)


def forget() -> None:
    """As in a new process."""
    _meters.clear()


def _count(meter: _Meter, source_id: int, now: float, weight: int) -> int:
    rate: int = settings.CONFIG["PUSH_RATE"]
    if not rate:
        return 0
    window = int(now) // WINDOW
    if window != meter.window:
        meter.window, meter.total, meter.unshared, meter.shared_at = window, 0, 0, now
    meter.total += weight
    meter.unshared += weight
    if now - meter.shared_at >= SHARE_EVERY:
        meter.shared_at = now
        _share(meter, source_id)
    if meter.total <= rate:
        return 0
    # A refused push is not stored, and the sender must be able to come back in the next minute.
    meter.total -= weight
    meter.unshared -= weight
    return max(1, WINDOW - int(now) % WINDOW)


def _share(meter: _Meter, source_id: int) -> None:
    """Tell what was counted here and learn what was counted elsewhere; alone while Valkey is away."""
    key = f"push-rate:{source_id}:{meter.window}"
    try:
        if cache.add(key, meter.unshared, timeout=2 * WINDOW):
            meter.total = meter.unshared
        else:
            meter.total = cache.incr(key, meter.unshared)
    except (redis.RedisError, OSError, ValueError):
        return
    meter.unshared = 0


def _look_at_backlog(meter: _Meter, source_id: int, now: float) -> int:
    """A worker that is away, or far behind, must not let the table grow without an end."""
    most: int = settings.CONFIG["PUSH_BACKLOG"]
    unfinished = Push.objects.filter(source_id=source_id, next_attempt_at__isnull=False)
    if not most or unfinished.order_by()[: most + 1].count() <= most:
        return 0
    meter.full_until = now + SHARE_EVERY
    meter.since_count = COUNT_EVERY
    return FULL_WAIT
