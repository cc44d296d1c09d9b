"""The history of a SIM as a row, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from django.db.models import QuerySet

from core.bulk import upsert
from sims.models import SimUsage
from sims.services.usage.days import History
from sims.services.usage.packing import pack_cycles, pack_hours, unpack_cycles, unpack_hours

EPOCH = date(1970, 1, 1).toordinal()
PER_BLOCK = 192
"""SIMs whose closed months lie in one row. PostgreSQL keeps it in pieces of 2 kB, four a page: of a row of one or two
pages, what is left over of the last would be a good part."""

_COLUMNS = ("sim_id", "counted", "usual", "cycle", "fell_at", "since", "day", "hours", "days", "cycles")


def history_of(row: SimUsage) -> History:
    """The row's history, unpacked."""
    return _unpacked([getattr(row, name) for name in _COLUMNS])


def read_locked(rows: QuerySet[SimUsage]) -> dict[int, History]:
    """The histories of ``rows`` by the id of the SIM, each locked until the end of the transaction, in order of id."""
    locked = rows.select_for_update(no_key=True).order_by("sim_id")
    return {row[0]: _unpacked(row) for row in locked.values_list(*_COLUMNS)}


def store(histories: Mapping[int, History]) -> None:
    """Insert or replace rows, in one statement. The caller holds the lock on those that are there.

    Not by the ORM: a walk stores one for each SIM that used something, and making rows and an upsert of them would
    take longer than all the arithmetic.
    """
    if histories:
        rows = [_packed(sim_id, histories[sim_id]) for sim_id in sorted(histories)]
        upsert(SimUsage, _COLUMNS, rows, key="sim_id", update=_COLUMNS[1:])


def _unpacked(row: Sequence[Any]) -> History:
    _sim_id, counted, usual, cycle, fell_at, since, day, hours, days, cycles = row
    return History(
        since=since,
        day=day,
        counted=counted,
        cycle=cycle,
        fell_at=fell_at,
        usual=usual,
        hours=unpack_hours(hours),
        packed_days=bytes(days),
        cycles=unpack_cycles(cycles),
    )


def _packed(sim_id: int, history: History) -> tuple[Any, ...]:
    return (
        sim_id,
        history.counted,
        history.usual,
        history.cycle,
        history.fell_at,
        history.since,
        history.day,
        pack_hours(history.hours),
        history.days_packed(),
        pack_cycles(history.cycles),
    )


def to_date(day: int) -> date:
    """The date of a day's number."""
    return date.fromordinal(EPOCH + day)


def to_day(moment: date) -> int:
    """The number of a date."""
    return moment.toordinal() - EPOCH
