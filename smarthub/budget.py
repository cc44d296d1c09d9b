"""One call budget for all processes, kept in Valkey, with lanes: the agent never waits behind a sync."""

import math
import os
import random
import threading
import time
import uuid
from contextlib import suppress
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import redis

from smarthub.budget_script import PENALISE, STATE, TAKE
from smarthub.errors import BudgetDenied, BudgetUnavailable


class Lane(StrEnum):
    """Who asks, the most urgent first: `AGENT > PUSH > BULK > SYNC`."""

    AGENT = "agent"
    PUSH = "push"
    BULK = "bulk"
    SYNC = "sync"

    @property
    def rank(self) -> int:
        """1 for the most urgent lane, 4 for the least."""
        return list(Lane).index(self) + 1

    def __gt__(self, other: object) -> bool:
        """Whether this lane goes before the other."""
        return self.rank < other.rank if isinstance(other, Lane) else NotImplemented

    def __lt__(self, other: object) -> bool:
        """Whether this lane waits for the other."""
        return self.rank > other.rank if isinstance(other, Lane) else NotImplemented

    def __ge__(self, other: object) -> bool:
        """Whether this lane goes before the other or is the same."""
        return self.rank <= other.rank if isinstance(other, Lane) else NotImplemented

    def __le__(self, other: object) -> bool:
        """Whether this lane waits for the other or is the same."""
        return self.rank >= other.rank if isinstance(other, Lane) else NotImplemented


# A waiter asks again at least this often, and falls out when it has not been heard of for `_TIME_TO_LIVE`
# (seconds): so long can a killed process hold up its own lane and the lower ones.
_ASK_AGAIN = 0.5
_TIME_TO_LIVE = 2.0
_LOWER_BY = 0.5
_LONGEST_PAUSE = 300.0


class Budget:
    """At most `rate` calls a second over all processes that share the Valkey and the prefix.

    In any window of W seconds at most `rate * W + burst` calls pass. While somebody waits in a higher lane,
    lower lanes get nothing; within a lane first come, first served. After `penalise` the rate is lower and
    recovers evenly, a full recovery taking `recovery_seconds`.

    `rate` None or 0 means no limit; then Valkey is not asked at all.
    """

    def __init__(
        self,
        redis_client: redis.Redis,
        rate: float | None = 10.0,
        key_prefix: str = "smarthub:budget",
        *,
        burst: int | None = None,
        recovery_seconds: float = 60.0,
    ) -> None:
        """`rate` in calls per second; `burst` defaults to a fifth of a second's calls, at least 2."""
        if rate is not None and (rate < 0 or not math.isfinite(rate)):
            raise ValueError("rate is calls per second, not negative")
        self.rate = float(rate) if rate else None
        self.burst = burst or max(2, math.ceil((rate or 0) / 5))
        self._recovery = recovery_seconds
        # Braces keep all keys in one slot of a cluster.
        base = f"{{{key_prefix}}}"
        names = ["state", *(f"wait:{lane}" for lane in Lane), *(f"expiry:{lane}" for lane in Lane), "used"]
        self._keys = [f"{base}:{name}" for name in names]
        self._redis = redis_client
        self._take = redis_client.register_script(TAKE)
        self._penalise = redis_client.register_script(PENALISE)
        self._state = redis_client.register_script(STATE)

    def acquire(self, lane: Lane, timeout: float = 10.0) -> None:
        """Wait for the right to make one call; `timeout` in seconds, 0 asks once.

        Raises BudgetDenied when the time is over and BudgetUnavailable when Valkey is away.
        """
        if self.rate is None:
            return
        deadline = time.monotonic() + timeout
        waiter = f"{os.getpid()}-{threading.get_ident()}-{uuid.uuid4().hex[:12]}"
        ticket = ""
        registered = False
        try:
            while True:
                left = deadline - time.monotonic()
                may_wait = left > 0
                granted, hint, ticket = self._ask(lane, waiter, ticket, register=may_wait)
                if granted:
                    registered = False
                    return
                registered = registered or may_wait
                if not may_wait:
                    raise BudgetDenied("budget")
                jitter = random.uniform(0.0, 0.002)  # noqa: S311 # keeps waiters from asking in step
                time.sleep(max(0.001, min(hint, _ASK_AGAIN, left) + jitter))
        finally:
            if registered:
                self._withdraw(lane, waiter)

    def penalise(self, retry_after: float | None) -> None:
        """After a 429: halve the rate (not below a twentieth) and pause everybody for `retry_after` seconds.

        The pause is capped at five minutes, None is no pause. Raises BudgetUnavailable.
        """
        if self.rate is None:
            return
        pause = min(max(retry_after or 0.0, 0.0), _LONGEST_PAUSE)
        self._run(self._penalise, [self.rate, self._recovery, pause, _LOWER_BY, self.rate / 20])

    def state(self) -> dict[str, Any]:
        """What the budget does now. Raises BudgetUnavailable.

        `rate` and `set_rate` in calls per second (None: no limit), `paused_until` (aware UTC or None),
        `waiting` per lane, `used` and `used_by_lane`: calls in the last 60 s.
        """
        lanes = [str(lane) for lane in Lane]
        if self.rate is None:
            nothing = dict.fromkeys(lanes, 0)
            return {
                "rate": None,
                "set_rate": None,
                "paused_until": None,
                "waiting": nothing,
                "used": 0,
                "used_by_lane": dict(nothing),
            }
        found = self._run(self._state, [self.rate, self._recovery])
        paused = float(found[1])
        used = [int(count) for count in found[6:10]]
        return {
            "rate": float(found[0]),
            "set_rate": self.rate,
            "paused_until": datetime.fromtimestamp(paused, UTC) if paused else None,
            "waiting": dict(zip(lanes, (int(count) for count in found[2:6]), strict=True)),
            "used": sum(used),
            "used_by_lane": dict(zip(lanes, used, strict=True)),
        }

    def _ask(self, lane: Lane, waiter: str, ticket: str, *, register: bool) -> tuple[bool, float, str]:
        granted, hint, ticket_now = self._run(
            self._take,
            [
                lane.rank,
                waiter,
                ticket,
                self.rate,
                self.burst,
                _TIME_TO_LIVE,
                int(register),
                self._recovery,
            ],
        )
        if int(granted):
            return True, 0.0, ""
        text = ticket_now.decode() if isinstance(ticket_now, bytes) else str(ticket_now)
        return False, float(hint), text

    def _withdraw(self, lane: Lane, waiter: str) -> None:
        # Where Valkey is away meanwhile, the registration expires by itself.
        with suppress(redis.RedisError, OSError):
            self._redis.zrem(self._keys[lane.rank], waiter)
            self._redis.zrem(self._keys[4 + lane.rank], waiter)

    def _run(self, script: Any, args: list[Any]) -> Any:
        with suppress(redis.RedisError, OSError):
            return script(keys=self._keys, args=args)
        # Raised without its cause: that may name the address of Valkey with its password.
        raise BudgetUnavailable("budget_unavailable")
