"""Gives a demo the past that it was not there to read: usage by day and closed billing cycles of the simulated fleet.

The simulated carrier's usage is a function of seed and time, so what a portal would have read at the end of each day
can be worked out afterwards. Done once, after the first complete walk; a SIM that has a history already keeps it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC
from statistics import median_low
from typing import TYPE_CHECKING

from simulator.clock import DAY, cycle_of
from simulator.fleet import HOUR, Fleet

if TYPE_CHECKING:
    from sims.models import Sim
    from sims.services.usage.days import History

SEED = 1
"""Of the simulator that a demo starts."""
CYCLES = 6
"""Closed cycles that are made up for."""
MOST = 20_000
"""SIMs that get a past: some seconds' work."""
_CHUNK = 250


def remember(size: int, *, now: float | None = None) -> int:
    """Write the past of the SIMs of a fleet of ``size``; answers how many had one to write."""
    from django.db import transaction

    from sims.models import SimUsage
    from sims.services.usage.rows import store

    fleet = Fleet(SEED, size, time.time() if now is None else now)
    written = 0
    for page in _pages():
        # Worked out before the database is held up.
        found = {sim.pk: past for sim in page if (past := _past(fleet, sim)) is not None}
        with transaction.atomic():
            known = set(SimUsage.objects.filter(pk__in=found).values_list("pk", flat=True))
            store({pk: past for pk, past in found.items() if pk not in known})
        written += len(found) - len(known)
    return written


def _pages() -> Iterator[list[Sim]]:
    """The SIMs whose usage the carrier tells, some at a time."""
    from sims.models import Sim

    sims = Sim.objects.filter(data_usage__isnull=False, cycle_start__isnull=False, usage__isnull=True)
    after, left = 0, MOST
    while left > 0 and (page := list(sims.filter(pk__gt=after).order_by("pk")[: min(_CHUNK, left)])):
        yield page
        after, left = page[-1].pk, left - len(page)


def _past(fleet: Fleet, sim: Sim) -> History | None:
    """The history that readings at midnight would have made; ``None`` for a SIM that the seed does not know, and for
    one that has used nothing in all that time."""
    from sims.services.usage.days import USUAL_DAYS, History
    from sims.services.usage.packing import Cycle

    index = fleet.index(sim.giccid)
    if index is None or sim.cycle_start is None:
        return None
    bits, at = fleet.bits(index), sim.observed_at.astimezone(UTC).timestamp()
    activated = fleet.times(index, bits).activated
    cycles: list[Cycle] = []
    first = int(sim.cycle_start.timestamp())
    for _number in range(CYCLES):
        start, end = cycle_of(first - 1)
        if activated is None or activated >= end:
            break
        total = fleet.usage(index, bits, end - 1)
        cycles.insert(0, Cycle(start // DAY, total, fleet.plan(index).data_quota))
        first = start
    today = int(at) // DAY
    days = list(_days(fleet, index, bits, first // DAY, today))
    if not any(days):
        return None
    hours = [_used(fleet, index, bits, today * DAY + hour * HOUR, HOUR) for hour in range(int(at) % DAY // HOUR + 1)]
    history = History(
        since=first // DAY,
        day=today,
        counted=max(sim.data_usage or 0, 0),
        cycle=int(sim.cycle_start.timestamp()),
        usual=median_low([day >> 1 for day in days[-USUAL_DAYS:]]),
        hours=[*hours, *[0] * (24 - len(hours))],
        cycles=cycles,
    )
    history.days = days
    return history


def _days(fleet: Fleet, index: int, bits: int, first: int, today: int) -> Iterator[int]:
    """Each day from ``first`` to the one before ``today`` as a history has it: bytes times two."""
    before = 0
    for day in range(first, today):
        if cycle_of(day * DAY)[0] == day * DAY:
            before = 0
        used = fleet.usage(index, bits, (day + 1) * DAY - 1)
        yield max(0, used - before) << 1
        before = used


def _used(fleet: Fleet, index: int, bits: int, start: int, length: int) -> int:
    """Bytes used from ``start`` on for so many seconds, which lie within one cycle."""
    before = fleet.usage(index, bits, start) if start > cycle_of(start)[0] else 0
    return max(0, fleet.usage(index, bits, start + length - 1) - before)
