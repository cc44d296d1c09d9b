"""Taking readings into the history, in the transaction of the mirror that brings them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.conf import settings

from core.bulk import among
from core.events import Happening, emit_many
from sims.models import Sim, SimUsage
from sims.services.usage.days import History, Reading, add, begin
from sims.services.usage.rows import read_locked, store, to_date


@dataclass(frozen=True)
class Moved:
    """A SIM whose usage or cycle a reading changed: the row as it is to be, and what it held before."""

    sim: Sim
    before_at: datetime
    at: datetime
    before: dict[str, Any]
    """Columns of the row before, those that the reading told."""

    def reading(self) -> Reading:
        """In the terms of :mod:`~sims.services.usage.days`."""
        return Reading(
            before_at=int(self.before_at.timestamp()),
            at=int(self.at.timestamp()),
            before=self.before["data_usage"],
            used=self.sim.data_usage or 0,
            before_cycle=_seconds(self.before.get("cycle_start")),
            cycle=_seconds(self.sim.cycle_start),
            before_quota=self.before.get("data_quota"),
        )


def has_moved(sim: Sim, before: dict[str, Any]) -> bool:
    """Whether usage by day follows from a reading: both it and the one before tell the usage, and they differ."""
    old = before.get("data_usage")
    if old is None or sim.data_usage is None:
        return False
    return bool(old != sim.data_usage or before.get("cycle_start") != sim.cycle_start)


def record(moved: Sequence[Moved]) -> None:
    """Take the readings in: one query and one statement, however many they are. The SIMs are locked by the caller.

    A SIM whose day is far above its usual one has that noted in ``usage_jump_on`` (not stored here) and is told
    about, once a day.
    """
    if not moved:
        return
    by_id = {item.sim.pk: item for item in moved}
    known = read_locked(SimUsage.objects.filter(among("sim_id", sorted(by_id))))
    taken: dict[int, History] = {}
    jumps: list[Happening] = []
    for sim_id in sorted(by_id):
        item = by_id[sim_id]
        reading, history = item.reading(), known.get(sim_id)
        if history is None:
            if not reading.used > reading.before and not (reading.before and reading.cycle != reading.before_cycle):
                continue
            history = begin(reading, int(item.sim.first_seen_at.timestamp()))
        add(history, reading)
        taken[sim_id] = history
        if _has_jumped(history) and item.sim.usage_jump_on != to_date(history.day):
            jumps.append(_jump(item, history))
    store(taken)
    emit_many(jumps)


def _has_jumped(history: History) -> bool:
    factor = settings.CONFIG["USAGE_JUMP_FACTOR"]
    if factor <= 0 or history.usual < 0:
        return False
    today = history.today
    return bool(today >= settings.CONFIG["USAGE_JUMP_LEAST"] and today > history.usual * factor)


def _jump(item: Moved, history: History) -> Happening:
    sim, day = item.sim, to_date(history.day)
    sim.usage_jump_on = day
    return Happening(
        kind="usage_jump",
        key=f"usage_jump:{sim.giccid}:{day.isoformat()}",
        at=item.at,
        sim_id=sim.pk,
        account_name=sim.account_id,
        value=round(history.today / history.usual, 1) if history.usual else None,
        detail={"used": history.today, "usual": history.usual, "day": day.isoformat()},
    )


def _seconds(moment: datetime | None) -> int:
    return int(moment.astimezone(UTC).timestamp()) if moment else 0
