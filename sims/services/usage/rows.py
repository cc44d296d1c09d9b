"""The history of a SIM as a row, and back."""

from __future__ import annotations

from datetime import date

from sims.models import SimUsage
from sims.services.usage.days import History
from sims.services.usage.packing import pack, pack_cycles, unpack, unpack_cycles

EPOCH = date(1970, 1, 1).toordinal()
PER_BLOCK = 64
"""SIMs whose closed months lie in one row."""

COLUMNS = ("counted", "usual", "cycle", "fell_at", "since", "day", "hours", "days", "cycles")


def history_of(row: SimUsage) -> History:
    """The row's history, unpacked."""
    return History(
        since=row.since,
        day=row.day,
        counted=row.counted,
        cycle=row.cycle,
        fell_at=row.fell_at,
        usual=row.usual,
        hours=unpack(row.hours) or [0] * 24,
        days=unpack(row.days),
        cycles=unpack_cycles(row.cycles),
    )


def row_of(sim_id: int, history: History) -> SimUsage:
    """A row, not stored, that holds ``history``."""
    return SimUsage(
        sim_id=sim_id,
        counted=history.counted,
        usual=history.usual,
        cycle=history.cycle,
        fell_at=history.fell_at,
        since=history.since,
        day=history.day,
        # Before its first byte a day has no hours: most SIMs are silent most of the time.
        hours=pack(history.hours) if any(history.hours) else b"",
        days=pack(history.days),
        cycles=pack_cycles(history.cycles),
    )


def store(rows: list[SimUsage]) -> None:
    """Insert or replace the rows, in one statement. The caller holds the lock on those that are there."""
    if rows:
        SimUsage.objects.bulk_create(rows, update_conflicts=True, unique_fields=["sim"], update_fields=COLUMNS)


def to_date(day: int) -> date:
    """The date of a day's number."""
    return date.fromordinal(EPOCH + day)


def to_day(moment: date) -> int:
    """The number of a date."""
    return moment.toordinal() - EPOCH
