"""Usage by day and cycle follows from readings: whole, in any order, as often as they come, and for ever."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import count, pairwise

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import events
from sims.models import Account, Sim, SimUsage, UsageMonth
from sims.selectors import usage as selectors
from sims.services import mirror
from sims.services.mirror import Source
from sims.services.usage import archive
from sims.services.usage.packing import (
    Cycle,
    Month,
    pack,
    pack_hours,
    pack_months,
    unpack,
    unpack_hours,
    unpack_month,
    unpack_months,
)
from sims.services.usage.rows import history_of
from smarthub import contract

pytestmark = pytest.mark.django_db

MB = 1024 * 1024
START = datetime(2026, 10, 1, tzinfo=UTC)
_numbers = count(1)


def new_giccid() -> str:
    return f"8986012000000{next(_numbers):07d}"


def cycle_of(at: datetime) -> tuple[datetime, datetime]:
    start = at.replace(day=1, hour=0, minute=0, second=0)
    return start, (start + timedelta(days=32)).replace(day=1)


def read(giccid: str, used: int | None, at: datetime, *, quota: int | None = 100 * MB, cycles: bool = True) -> None:
    """The carrier, asked at ``at``, says that so much was used in the calendar month."""
    start, end = cycle_of(at)
    usage: dict[str, object] = {"dataUsage": used, "dataQuota": quota}
    if cycles:
        usage |= {"cycleStart": f"{start:%Y-%m-%dT%H:%M:%S}+0000", "cycleEnd": f"{end:%Y-%m-%dT%H:%M:%S}+0000"}
    body = {"giccid": giccid, "accountName": "example_account", "status": "ACTIVATED", "cycleUsage": usage}
    with time_machine.travel(at, tick=False):
        mirror.apply([contract.Sim.model_validate(body)], source=Source.WALK, observed_at=at)


def hours(number: float) -> datetime:
    return START + timedelta(hours=number)


def history(giccid: str, viewer, since: date, now: datetime) -> selectors.SimHistory:
    with time_machine.travel(now, tick=False):
        return selectors.history(viewer, Sim.objects.get(giccid=giccid), since=since)


def by_day(giccid: str, viewer, since: date, now: datetime) -> dict[int, int | None]:
    return {day.day.day: day.used for day in history(giccid, viewer, since, now).days}


def test_what_was_used_between_two_readings_goes_to_the_days_between_them(viewer):
    giccid = new_giccid()
    for at, used in ((6, 1000), (18, 1300), (30, 1900), (102, 3100)):
        read(giccid, used, hours(at))
    found = history(giccid, viewer, START.date(), hours(103))
    assert [day.used for day in found.days] == [600, 600, 400, 400, 100]
    assert [day.estimated for day in found.days] == [False, False, True, True, False]
    assert [day.running for day in found.days] == [False] * 4 + [True]
    # What came before the first reading nobody can tell by day; the cycle has it.
    assert (sum(day.used or 0 for day in found.days), found.cycles[-1].used) == (2100, 3100)
    assert (sum(found.hours), len(found.hours)) == (100, 8)
    assert history(giccid, viewer, date(2026, 9, 28), hours(103)).days[0].used is None


def test_a_new_cycle_begins_at_zero_and_the_old_one_keeps_its_last_reading(viewer):
    giccid, turn = new_giccid(), datetime(2026, 11, 1, tzinfo=UTC)
    read(giccid, 5000, turn - timedelta(hours=12))
    read(giccid, 6000, turn - timedelta(hours=6))
    read(giccid, 100, turn + timedelta(hours=5), quota=200 * MB)
    found = history(giccid, viewer, date(2026, 10, 31), turn + timedelta(hours=6))
    assert [(cycle.start, cycle.used, cycle.quota) for cycle in found.cycles] == [
        (date(2026, 10, 1), 6000, 100 * MB),
        (date(2026, 11, 1), 100, 200 * MB),
    ]
    assert [day.used for day in found.days] == [1000, 100]


def test_a_lower_number_is_no_usage_and_counts_only_once_it_is_believed(viewer):
    giccid = new_giccid()
    # A lagging answer and a total of nothing change no day, however often they come.
    for at, used in ((1, 1000), (2, 1500), (3, 1400), (4, 1600), (5, 0), (6, 1600), (7, 1700)):
        read(giccid, used, hours(at))
    assert by_day(giccid, viewer, START.date(), hours(8)) == {1: 700}
    # One that stays is the carrier's correction: what is used from then on counts.
    for at, used in ((30, 500), (40, 500), (55, 520), (60, 560)):
        read(giccid, used, hours(at))
    assert sum(used or 0 for used in by_day(giccid, viewer, START.date(), hours(61)).values()) == 700 + 20 + 40


def test_without_cycles_told_a_much_lower_number_is_a_new_cycle(viewer):
    giccid = new_giccid()
    for at, used in ((1, 1000), (2, 1500), (3, 1400), (4, 100), (5, 150)):
        read(giccid, used, hours(at), cycles=False)
    assert by_day(giccid, viewer, START.date(), hours(6)) == {1: 500 + 100 + 50}


growth = st.lists(st.tuples(st.integers(1, 40 * 3600), st.integers(0, 5 * 10**9)), min_size=1, max_size=12)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=growth, order=st.randoms(use_true_random=False), doubled=st.booleans())
def test_any_order_of_readings_gives_what_the_newest_of_them_say(viewer, steps, order, doubled):
    giccid, at, used, truth = new_giccid(), START + timedelta(days=20), 0, []
    for seconds, grown in steps:
        later = at + timedelta(seconds=seconds)
        used, at = grown + (used if cycle_of(later) == cycle_of(at) else 0), later
        truth.append((at, used))
    told = truth * 2 if doubled else list(truth)
    order.shuffle(told)
    for moment, value in told:
        read(giccid, value, moment)
    taken: list[tuple[datetime, int]] = []
    for moment, value in told:
        if not taken or moment > taken[-1][0]:
            taken.append((moment, value))
    expected = sum(new - (old if cycle_of(a) == cycle_of(b) else 0) for (a, old), (b, new) in pairwise(taken))
    found = history(giccid, viewer, START.date(), at)
    assert sum(day.used or 0 for day in found.days) == expected
    assert all(day.used is None or day.used >= 0 for day in found.days)
    assert found.cycles[-1].used == taken[-1][1] == truth[-1][1]


def test_silence_costs_nothing_and_is_no_gap(viewer):
    giccid = new_giccid()
    read(giccid, 1000, hours(1))
    for at in range(12, 24 * 20, 12):
        read(giccid, 1000, hours(at))
    assert not SimUsage.objects.exists()
    read(giccid, 1600, hours(24 * 20))
    # Used since the reading twelve hours ago, not spread over the silent weeks.
    used = by_day(giccid, viewer, START.date(), hours(24 * 20 + 1))
    assert (used.pop(20), set(used.values())) == (600, {0})


def test_a_chunk_takes_as_many_statements_for_many_sims_as_for_one():
    def snapshots(number: int, used: int) -> list[contract.Sim]:
        usage = {"dataUsage": used, "cycleStart": "2026-10-01T00:00:00+0000"}
        return [
            contract.Sim.model_validate(
                {"giccid": f"898601200001{n:07d}", "accountName": "a", "status": "ACTIVATED", "cycleUsage": usage}
            )
            for n in range(number)
        ]

    counted = []
    mirror.apply(snapshots(20, 10), source=Source.WALK, observed_at=hours(1))
    for number, at in ((2, 2), (20, 3)):
        with CaptureQueriesContext(connection) as queries:
            mirror.apply(snapshots(number, at * 100), source=Source.WALK, observed_at=hours(at))
        counted.append(len(queries))
    assert counted[0] == counted[1]
    assert SimUsage.objects.count() == 20


def test_closed_months_are_packed_away_and_later_thinned_without_losing_a_byte(viewer):
    busy, silent = new_giccid(), new_giccid()
    read(silent, 7, hours(0))
    read(silent, 9, hours(2))
    used = 0
    for day in range(75):
        at = START + timedelta(days=day, hours=12)
        used = day * 1000 + (used if at.day > 1 else 0)
        read(busy, used, at)
    now = START + timedelta(days=75)
    before, before_silent = (history(giccid, viewer, START.date(), now) for giccid in (busy, silent))
    with time_machine.travel(now, tick=False):
        assert archive.close_months(today=date(2026, 11, 14)) == 0
        assert archive.close_months() == 2
        assert archive.close_months() == 0
    assert history(busy, viewer, START.date(), now) == before
    assert history(silent, viewer, START.date(), now) == before_silent
    running = history_of(SimUsage.objects.get(sim__giccid=busy))
    assert len(running.days) >= 14
    # The silent one is read again after its month was closed.
    read(silent, 50, now)
    assert sum(day.used or 0 for day in history(silent, viewer, START.date(), now).days[31:]) > 0
    assert archive.thin(today=date(2027, 12, 4)) == 0
    assert archive.thin(today=date(2027, 12, 8)) == UsageMonth.objects.count() == 1
    thinned = history(busy, viewer, START.date(), now)
    assert [month.used for month in thinned.months] == [sum(day.used or 0 for day in before.days[:31])]
    assert {day.used for day in thinned.days[:31]} == {None}
    assert (thinned.days[31:], thinned.cycles) == (before.days[31:], before.cycles)


def test_a_day_far_above_the_usual_one_is_marked_and_told_once(viewer, make_user, monkeypatch):
    told: list[events.Happening] = []
    monkeypatch.setattr(events, "_listeners", [told.extend])
    giccid, used = new_giccid(), 0
    for day in range(12):
        used += MB
        read(giccid, used, START + timedelta(days=day, hours=23))
    assert told == []
    at = START + timedelta(days=12)
    for hour, burst in ((2, 4 * MB), (3, 3 * MB), (4, 30 * MB), (5, 30 * MB)):
        used += burst
        read(giccid, used, at + timedelta(hours=hour))
    [happening] = told
    sim = Sim.objects.get(giccid=giccid)
    assert (happening.kind, happening.sim_id, happening.account_name) == ("usage_jump", sim.pk, "example_account")
    assert (happening.value or 0) > 5
    assert sim.usage_jump_on == at.date()
    with time_machine.travel(at, tick=False):
        assert [found.pk for found in selectors.jumped(viewer)] == [sim.pk]
        assert not selectors.jumped(make_user("Viewer", ["another"])).exists()


def test_the_end_of_the_cycle_follows_from_the_last_seven_days(viewer):
    giccid, used = new_giccid(), 0
    for day in range(20):
        used += MB if day < 10 else 5 * MB
        read(giccid, used, START + timedelta(days=day))
    now = START + timedelta(days=19)
    found = history(giccid, viewer, START.date(), now).projection
    assert found is not None
    assert (found.used, found.a_day, found.at_end) == (60 * MB, 5 * MB, 60 * MB + 12 * 5 * MB)
    assert found.full_on == date(2026, 10, 28)
    # A new SIM has no past: the mean of its cycle so far.
    fresh = new_giccid()
    read(fresh, 10 * MB, START + timedelta(days=10))
    projection = history(fresh, viewer, START.date(), START + timedelta(days=10)).projection
    assert projection is not None
    assert (projection.a_day, projection.at_end) == (MB, 31 * MB)


def test_the_top_users_are_those_of_the_users_accounts(viewer, make_user, make_sim):
    for number in range(5):
        make_sim(account=f"account{number % 2}", data_usage=number * 100)
    make_sim(data_usage=None)
    assert [sim.data_usage for sim in selectors.top_users(viewer, limit=3)] == [400, 300, 200]
    assert [sim.data_usage for sim in selectors.top_users(viewer, account="account1")] == [300, 100]
    scoped = make_user("Viewer", ["account1"])
    assert [sim.data_usage for sim in selectors.top_users(scoped)] == [300, 100]
    hidden = Sim.objects.filter(account=Account.objects.get(name="account0")).latest("id")
    assert selectors.history(scoped, hidden, since=START.date()).days == []


@given(st.lists(st.integers(0, 2**63), max_size=300), st.integers(0, 63))
def test_packing_loses_nothing(numbers, place):
    assert unpack(pack(numbers)) == numbers
    cycles = [Cycle(20000, 2**62, None), Cycle(20031, 0, 0)]
    months = {place: Month(3, numbers, None, cycles), (place + 1) % 64: Month(0, [], 2**62, [])}
    assert unpack_months(pack_months(months)) == months
    assert unpack_month(pack_months(months), place) == months[place]
    assert unpack_month(pack_months(months), (place + 2) % 64) is None


@given(st.lists(st.integers(0, 2**40), min_size=24, max_size=24))
def test_packed_hours_keep_their_sum_and_about_their_shares(hours):
    again = unpack_hours(pack_hours(hours))
    assert sum(again) == sum(hours)
    assert all(abs(old - new) <= max(hours) / 255 * 24 + 24 for old, new in zip(hours, again, strict=True))
    assert unpack_hours(pack_hours([hour % 256 for hour in hours])) == [hour % 256 for hour in hours]
