"""How readings of a cycle's usage become usage by day: the arithmetic, without a database.

The carrier tells one growing number a billing cycle. What it grew between two readings is spread evenly over the time
between them, to the days and, for the newest day, to its hours; nothing is lost or made up by rounding.

* The number of another, later cycle begins at zero: the new number counts from the start of that cycle. What was used
  between the last reading and the end of the old cycle nobody can tell; the old cycle's total is its last reading.
* A lower number in the same cycle is no usage, and counting goes on once the highest is passed again: so an answer
  from a lagging server changes nothing. After :data:`BELIEVED` the lower number is believed to be a correction and
  counted from.
* An estimate is a day within which nobody read the SIM.

Times are Unix times in whole seconds, days are numbered from 1970-01-01 and are days in UTC, as are the carrier's
months and cycles: the history of a SIM can't be cut anew for each reader's zone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median_low

from sims.services.usage.packing import MOST, Cycle, pack, unpack

DAY, HOUR = 86400, 3600
BELIEVED = DAY
"""Seconds after which a number that fell within its cycle is taken for a correction."""
USUAL_DAYS, LEAST_DAYS = 14, 7
"""The usual day is the median of that many last days, when at least so many are known."""


@dataclass
class Reading:
    """What changed between two readings of a SIM. A cycle is told by its start, 0 where the carrier tells none."""

    before_at: int
    at: int
    before: int
    used: int
    before_cycle: int
    cycle: int
    before_quota: int | None = None


@dataclass
class History:
    """The columns of ``SimUsage``. The days are unpacked when somebody looks at them: most readings do not, for
    they only add to the newest day."""

    since: int
    day: int
    counted: int
    cycle: int = 0
    fell_at: int = 0
    usual: int = -1
    hours: list[int] = field(default_factory=lambda: [0] * 24)
    packed_days: bytes = b""
    cycles: list[Cycle] = field(default_factory=list)
    _days: list[int] | None = None

    @property
    def days(self) -> list[int]:
        """From ``since`` to the day before ``day``: bytes times two, plus one for an estimate."""
        if self._days is None:
            self._days = unpack(self.packed_days)
        return self._days

    @days.setter
    def days(self, days: list[int]) -> None:
        self._days = days

    def days_packed(self) -> bytes:
        """The days as a column."""
        return self.packed_days if self._days is None else pack(self._days)

    @property
    def today(self) -> int:
        """Bytes of the newest day so far."""
        return sum(self.hours)


def begin(reading: Reading, known_since: int) -> History:
    """The history of a SIM whose usage moves for the first time; until then it stood still, since ``known_since``."""
    day = reading.before_at // DAY
    since = max(min(known_since // DAY, day), day - USUAL_DAYS)
    history = History(since=since, day=since, counted=_sane(reading.before), cycle=reading.before_cycle)
    still(history, day)
    return history


def still(history: History, day: int) -> None:
    """Nothing was used up to the beginning of ``day``."""
    if day > history.day:
        _spread(history, 0, day * DAY, day * DAY, day)


def add(history: History, reading: Reading) -> None:
    """Count a reading in. An older cycle's number changes nothing."""
    used = _sane(reading.used)
    if reading.cycle and history.cycle and reading.cycle < history.cycle:
        return
    start = reading.before_at
    if _turned(history, reading.cycle, used):
        history.cycles.append(Cycle((history.cycle or start) // DAY, history.counted, reading.before_quota))
        history.counted = history.fell_at = 0
        start = max(start, reading.cycle)
    history.cycle = reading.cycle or history.cycle
    if used < history.counted:
        history.fell_at = history.fell_at or reading.at
        if reading.at - history.fell_at >= BELIEVED:
            history.counted = min(_sane(reading.before), used)
            history.fell_at = 0
    else:
        history.fell_at = 0
    grown = max(0, used - history.counted)
    history.counted += grown
    _spread(history, grown, start, reading.at, reading.before_at // DAY)


def _sane(number: int) -> int:
    return min(max(number, 0), MOST)


def _turned(history: History, cycle: int, used: int) -> bool:
    if cycle and history.cycle:
        return cycle > history.cycle
    # The carrier does not say which cycle it tells of: less than half is a new one, a little less a correction.
    return used * 2 < history.counted


def _spread(history: History, grown: int, start: int, end: int, read_on: int) -> None:
    """Spread ``grown`` bytes evenly from ``start`` to ``end`` and make ``end``'s day the newest.

    ``read_on`` is the day of the reading before: what falls on a day between the two is an estimate.
    """
    end = max(end, history.day * DAY)
    start = min(max(start, history.day * DAY), end)
    length = max(end - start, 1)
    newest, given = max(history.day, end // DAY), 0
    for day in range(history.day, newest):
        part = grown * (min(max((day + 1) * DAY - start, 0), length)) // length - given
        given += part
        estimate = day > read_on and bool(part)
        history.days.append((history.today + part) << 1 | estimate)
        history.hours = [0] * 24
    if newest > history.day:
        history.day = newest
        history.usual = _usual(history.days)
    start, rest = max(start, newest * DAY), grown - given
    length, given = max(end - start, 1), 0
    for hour in range(start % DAY // HOUR, (end - newest * DAY) // HOUR + 1):
        edge = newest * DAY + (hour + 1) * HOUR
        part = rest * min(edge - start, length) // length - given if edge < end else rest - given
        given += part
        history.hours[min(hour, 23)] += part


def _usual(days: list[int]) -> int:
    last = [day >> 1 for day in days[-USUAL_DAYS:]]
    return median_low(last) if len(last) >= LEAST_DAYS else -1
