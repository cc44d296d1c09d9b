"""A circuit breaker for the way to the carrier, kept in Valkey for all processes.

Closed, calls leave. After so many failures in a row, with no answer in between, it opens: calls end at once with
:class:`~smarthub.errors.CarrierAway`, without having left. While it is open one caller at a time is given the right to
probe; the first answer closes it. A carrier that says no (4xx) answers.

Where Valkey is away it behaves as closed: the breaker saves time, it guards nothing.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import redis

CLOSED, OPEN, PROBE = 0, 1, 2

_FORGOTTEN_AFTER = 120
"""Seconds without a further failure after which earlier ones count no more."""
_KEPT_FOR = 7 * 86_400

# State (hash): `round`, a number that each answer after failures raises; `failures` in this round and when the last of
# them was (`failed_at`); while open, `opened_at` and `probe_at`, when the next probe may leave.
_ADMIT = """
local t = redis.call('TIME')
local now = tonumber(t[1]) + tonumber(t[2]) / 1000000
local found = redis.call('HMGET', KEYS[1], 'round', 'failures', 'opened_at', 'probe_at')
local round, failures = found[1] or '0', found[2] or '0'
if not found[3] then return {0, round, failures, '0'} end
local wait = tonumber(found[4]) - now
-- A clock that was set back must not hold the probe up.
if wait > tonumber(ARGV[1]) then wait = 0 end
if wait > 0 then return {1, round, failures, string.format('%.3f', wait)} end
redis.call('HSET', KEYS[1], 'probe_at', string.format('%.6f', now + tonumber(ARGV[1])))
return {2, round, failures, '0'}
"""

# ARGV: round of the call, failures that open, seconds to the next probe. Answers 1 when this failure opened it.
_FAILED = """
local t = redis.call('TIME')
local now = tonumber(t[1]) + tonumber(t[2]) / 1000000
local found = redis.call('HMGET', KEYS[1], 'round', 'failures', 'failed_at', 'opened_at')
-- A call that left before the carrier last answered tells of a time that is over.
if (found[1] or '0') ~= ARGV[1] or found[4] then return 0 end
local failures = tonumber(found[2] or '0') + 1
if found[3] and now - tonumber(found[3]) > tonumber(ARGV[4]) then failures = 1 end
redis.call('HSET', KEYS[1], 'failures', failures, 'failed_at', string.format('%.6f', now))
redis.call('EXPIRE', KEYS[1], ARGV[5])
if failures < tonumber(ARGV[2]) then return 0 end
redis.call('HSET', KEYS[1], 'opened_at', string.format('%.6f', now),
  'probe_at', string.format('%.6f', now + tonumber(ARGV[3])))
return 1
"""

# Answers 1 when this answer closed it.
_ANSWERED = """
local found = redis.call('HMGET', KEYS[1], 'failures', 'opened_at')
if not found[1] and not found[2] then return 0 end
redis.call('HDEL', KEYS[1], 'failures', 'failed_at', 'opened_at', 'probe_at')
redis.call('HINCRBY', KEYS[1], 'round', 1)
redis.call('EXPIRE', KEYS[1], ARGV[1])
return found[2] and 1 or 0
"""


@dataclass(frozen=True, slots=True)
class Admission:
    """What a caller may do: `CLOSED` (call), `PROBE` (make one cheap read first) or `OPEN` (nothing for `wait` s)."""

    state: int
    round: str = "0"
    after_failures: bool = False
    """Calls before this one failed, so that its answer is news."""
    wait: float = 0.0


class Breaker:
    """Opens after `failures` calls in a row without an answer; 0 never opens and asks nobody.

    While it is open one probe may leave each `probe_every` seconds, over all processes that share Valkey and prefix.
    """

    def __init__(
        self,
        redis_client: redis.Redis,
        *,
        failures: int = 5,
        probe_every: float = 10.0,
        key_prefix: str = "smarthub:breaker",
    ) -> None:
        self.failures = failures
        self.probe_every = probe_every
        self._key = f"{{{key_prefix}}}:state"
        self._redis = redis_client
        self._admit = redis_client.register_script(_ADMIT)
        self._failed = redis_client.register_script(_FAILED)
        self._answered = redis_client.register_script(_ANSWERED)

    def admit(self) -> Admission:
        """Ask before a call. An answer `PROBE` is given to one caller: the next one gets it `probe_every` s later."""
        found = self._run(self._admit, [self.probe_every])
        if found is None:
            return Admission(CLOSED)
        failures, wait = (_text(value) for value in found[2:4])
        return Admission(int(found[0]), _text(found[1]), failures != "0", float(wait))

    def failed(self, admission: Admission) -> bool:
        """The call got no answer, or one of 500 and above; whether the breaker opened by that."""
        args = [admission.round, self.failures, self.probe_every, _FORGOTTEN_AFTER, _KEPT_FOR]
        return bool(self._run(self._failed, args))

    def answered(self, admission: Admission) -> bool:
        """The carrier answered, be it with a no; whether the breaker closed by that."""
        if admission.state == CLOSED and not admission.after_failures:
            return False
        return bool(self._run(self._answered, [_KEPT_FOR]))

    def opened_at(self) -> datetime | None:
        """Since when it is open; `None` while calls may leave. Takes no probe."""
        if not self.failures:
            return None
        with suppress(redis.RedisError, OSError):
            at: Any = self._redis.hget(self._key, "opened_at")
            return datetime.fromtimestamp(float(at), UTC) if at else None
        return None

    def _run(self, script: Any, args: list[Any]) -> Any:
        if not self.failures:
            return None
        with suppress(redis.RedisError, OSError):
            return script(keys=[self._key], args=args)
        return None


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
