"""Which events a rule is for, how they are spaced, and when it keeps quiet."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notifications.models import Rule
from notifications.services.matching import Facts, Spacing, matches, quiet_end

FACTS = Facts("USAGE", "acme", "EU-1G", frozenset({"fleet", "straße"}), 120.0)


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({}, True),
        ({"kinds": ["OTHER", "USAGE"]}, True),
        ({"kinds": ["OTHER"]}, False),
        ({"kinds": []}, False),
        ({"accounts": ["acme", "else"]}, True),
        ({"accounts": ["else"]}, False),
        ({"plans": ["EU-1G"]}, True),
        ({"plans": ["EU-2G"]}, False),
        ({"tags": ["other", "Fleet"]}, True),
        ({"tags": ["STRASSE"]}, False),
        ({"tags": ["other"]}, False),
        ({"threshold": 120}, True),
        ({"threshold": 120.5}, False),
        ({"accounts": ["acme"], "plans": ["EU-1G"], "tags": ["fleet"], "threshold": 1}, True),
        ({"accounts": ["acme"], "plans": ["EU-1G"], "tags": ["none"], "threshold": 1}, False),
    ],
)
def test_every_condition_has_to_hold(conditions, expected):
    assert matches(Rule(**{"kinds": ["USAGE"], **conditions}), FACTS) is expected


def test_what_an_event_does_not_say_meets_no_condition_on_it():
    nothing = Facts("USAGE")
    assert matches(Rule(kinds=["USAGE"]), nothing)
    for condition in ({"accounts": ["acme"]}, {"plans": ["EU-1G"]}, {"tags": ["fleet"]}, {"threshold": 0}):
        assert not matches(Rule(kinds=["USAGE"], **condition), nothing)


START = datetime(2026, 3, 1, tzinfo=UTC)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.sampled_from([None, 1, 2]), st.integers(0, 500)), max_size=30), st.integers(0, 120))
def test_taken_events_of_a_sim_are_a_period_apart_and_none_is_left_out_without_a_neighbour(events, seconds):
    spacing = Spacing(seconds)
    taken: list[tuple[int | None, int]] = []
    for sim, second in events:
        near = [at for other, at in taken if other == sim and abs(at - second) < seconds]
        wanted = sim is None or not near
        assert spacing.take(sim, START + timedelta(seconds=second)) is wanted
        if wanted:
            taken.append((sim, second))


def rule(start: str, end: str, zone: str = "Europe/Berlin", severity: str = "warning") -> Rule:
    return Rule(
        quiet_from=time.fromisoformat(start),
        quiet_until=time.fromisoformat(end),
        quiet_zone=zone,
        severity=severity,
    )


def berlin(text: str, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Berlin"), fold=fold)


@pytest.mark.parametrize(
    ("start", "end", "at", "expected"),
    [
        # Within a day, and over midnight; the start is quiet, the end is not.
        ("12:00", "14:00", berlin("2026-01-10 12:00"), berlin("2026-01-10 14:00")),
        ("12:00", "14:00", berlin("2026-01-10 14:00"), None),
        ("12:00", "14:00", berlin("2026-01-10 11:59:59.999"), None),
        ("22:00", "06:00", berlin("2026-01-10 23:30"), berlin("2026-01-11 06:00")),
        ("22:00", "06:00", berlin("2026-01-10 02:00"), berlin("2026-01-10 06:00")),
        ("22:00", "06:00", berlin("2026-01-10 12:00"), None),
        # The night in which the clock goes from 2 to 3: it ends an hour earlier in truth, at the same time by clock.
        ("22:00", "06:00", berlin("2026-03-28 23:00"), datetime(2026, 3, 29, 4, tzinfo=UTC)),
        # Its end is jumped over: quiet ends with the jump.
        ("22:00", "02:30", berlin("2026-03-29 01:45"), datetime(2026, 3, 29, 1, tzinfo=UTC)),
        ("22:00", "02:30", berlin("2026-03-29 03:10"), None),
        # The night in which the hour from 2 to 3 comes twice.
        ("22:00", "06:00", berlin("2026-10-24 23:00"), datetime(2026, 10, 25, 5, tzinfo=UTC)),
        ("22:00", "02:30", berlin("2026-10-25 02:10"), datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        ("22:00", "02:30", berlin("2026-10-25 02:10", fold=1), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)),
        ("02:30", "02:45", berlin("2026-10-25 02:31", fold=1), datetime(2026, 10, 25, 1, 45, tzinfo=UTC)),
    ],
)
def test_quiet_hours_are_by_the_clock_on_the_wall(start, end, at, expected):
    assert quiet_end(rule(start, end), at) == expected


@settings(deadline=None, max_examples=150)
@given(
    st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC", ""]),
    st.times(),
    st.times(),
    st.integers(0, 366 * 86400).map(lambda second: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=second)),
)
def test_quiet_hours_end_at_the_first_moment_that_is_not_quiet(zone, start, end, at):
    quiet = Rule(quiet_from=start.replace(microsecond=0), quiet_until=end.replace(microsecond=0), quiet_zone=zone)
    ends = quiet_end(quiet, at)
    if ends is None:
        return
    assert at < ends <= at + timedelta(hours=26)
    assert quiet_end(quiet, ends) is None
    second = timedelta(seconds=1)
    assert ends - second < at or quiet_end(quiet, ends - second) == ends


def test_the_gravest_severity_knows_no_quiet_hours_nor_does_a_rule_without_them():
    night = berlin("2026-01-10 23:30")
    assert quiet_end(rule("22:00", "06:00", severity="critical"), night) is None
    assert quiet_end(Rule(), night) is None
    assert quiet_end(rule("22:00", "22:00"), night) is None
    assert quiet_end(rule("22:00", "06:00", zone="Mars/Base"), datetime(2026, 1, 1, 23, tzinfo=UTC)) is not None
