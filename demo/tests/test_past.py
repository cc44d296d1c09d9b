"""The past that a demo is given is what the simulated carrier would have told, had the portal been there."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
import time_machine

from demo.past import CYCLES, SEED, remember
from sims.models import SimUsage
from sims.selectors.usage import history
from simulator.fleet import Fleet

NOW = datetime(2026, 11, 22, 15, 30, tzinfo=UTC)


@pytest.mark.django_db
def test_days_and_cycles_add_up_to_what_the_carrier_tells(make_sim, viewer):
    fleet, cycle = Fleet(SEED, 40, NOW.timestamp()), datetime(2026, 11, 1, tzinfo=UTC)
    known = {}
    for index in range(40):
        used = fleet.usage(index, fleet.bits(index), NOW.timestamp())
        giccid = fleet.giccid(index)
        known[giccid] = index
        make_sim(giccid=giccid, data_usage=used, cycle_start=cycle, observed_at=NOW)
    with time_machine.travel(NOW, tick=False):
        written = remember(40, now=NOW.timestamp())
        assert written == SimUsage.objects.count() > 20
        assert remember(40, now=NOW.timestamp()) == 0
        sims = [row.sim for row in SimUsage.objects.select_related("sim")]
        histories = [(sim, history(viewer, sim, since=date(2026, 5, 1))) for sim in sims]
    for sim, past in histories:
        index = known[sim.giccid]
        running = sum(day.used or 0 for day in past.days if day.day >= cycle.date())
        assert abs(running - (sim.data_usage or 0)) <= (sim.data_usage or 0) // 100 + 1
        *over, _running = past.cycles
        assert len(over) <= CYCLES
        for closed in over:
            days = [day.used or 0 for day in past.days if (day.day.year, day.day.month) == (2026, closed.start.month)]
            assert sum(days) == closed.used
            assert closed.quota == fleet.plan(index).data_quota
