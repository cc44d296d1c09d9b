"""The simulated clock, the carrier's way to write times, and billing cycles."""

import re
import threading
import time
from datetime import UTC, datetime
from functools import lru_cache

DAY = 86_400
HISTORY_DAYS = 30

_MINUTES = tuple(f"{n // 60:02d}:{n % 60:02d}" for n in range(1440))
_SECONDS = tuple(f":{n:02d}+0000" for n in range(60))
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(Z|[+-]\d\d:?\d\d)")


@lru_cache(maxsize=4096)
def _date(day: int) -> str:
    return datetime.fromtimestamp(day * DAY, UTC).strftime("%Y-%m-%d")


def format_time(moment: float) -> str:
    """A Unix time as the carrier writes it (documented): ``2018-10-10T10:32:50+0000``."""
    day, second = divmod(int(moment), DAY)
    return f"{_date(day)}T{_MINUTES[second // 60]}{_SECONDS[second % 60]}"


def parse_time(text: str) -> float:
    """The Unix time of a carrier time; ``Z`` and ``+08:00`` are read too. ValueError when it is none."""
    match = _TIME.fullmatch(text)
    if not match:
        raise ValueError("not a time of the form yyyy-MM-dd'T'HH:mm:ssZ")
    return datetime.strptime(match[1] + match[2], "%Y-%m-%dT%H:%M:%S%z").timestamp()


@lru_cache(maxsize=4096)
def _cycle_of_day(day: int) -> tuple[int, int]:
    first = datetime.fromtimestamp(day * DAY, UTC).replace(day=1)
    after = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
    return int(first.timestamp()), int(after.timestamp())


def cycle_of(moment: float) -> tuple[int, int]:
    """Start and end (Unix times) of the billing cycle that holds the moment: a calendar month in UTC."""
    return _cycle_of_day(int(moment) // DAY)


def month_bounds(text: str) -> tuple[int, int]:
    """Start and end of a month given as ``YYYY-MM``. ValueError when it is none."""
    if not re.fullmatch(r"\d{4}-\d\d", text):
        raise ValueError("not a month of the form YYYY-MM")
    return cycle_of(datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC).timestamp())


class Clock:
    """Simulated time: start + elapsed wall time x speed (+ what it was advanced by)."""

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = self._given = speed
        self._lock = threading.Lock()
        self._simulated = self._wall = 0.0
        self.restart()

    def now(self) -> float:
        """The simulated Unix time, with fractions of a second."""
        return self._simulated + (time.time() - self._wall) * self.speed

    def restart(self, at: float | None = None) -> None:
        """Go on from ``at``, or from the wall clock's time, at the speed of the beginning."""
        with self._lock:
            self.speed = self._given
            self._wall = time.time()
            self._simulated = self._wall if at is None else at

    def run_at(self, speed: float) -> None:
        """Go on from now at another speed; at 0 the time stands still."""
        with self._lock:
            self._simulated, self._wall, self.speed = self.now(), time.time(), speed

    def advance(self, seconds: float) -> float:
        """Jump forward; gives the new time. ValueError for a step back: the past has been answered already."""
        if seconds < 0:
            raise ValueError("the clock only goes forward")
        with self._lock:
            self._simulated += seconds
        return self.now()
