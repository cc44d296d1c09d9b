"""Tellings of the same change are one event, in whatever order and how often they come."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sims.services import joining
from sims.services.joining import Event, Telling, TellingSource, join

WINDOW = timedelta(seconds=300)
START = datetime(2026, 11, 1, tzinfo=UTC)
LOG, PUSH, OPERATION, READING = (
    TellingSource.LOG,
    TellingSource.PUSH,
    TellingSource.OPERATION,
    TellingSource.READING,
)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def telling(source: TellingSource, seconds: float, change: str = "A>B", **fields: object) -> Telling:
    """``change`` is ``from>to``; an empty from is not known."""
    before, after = change.split(">")
    values: dict[str, object] = {"key": f"{source}{seconds}{change}{fields.get('subject', '')}", **fields}
    return Telling(source, time=at(seconds), from_value=before, to_value=after, **values)  # type: ignore[arg-type]


def reading(since: float, seconds: float, change: str, **fields: object) -> Telling:
    return telling(READING, seconds, change, after=at(since), **fields)


def shape(events: Iterable[Event]) -> list[tuple[str, ...]]:
    """Each event as the keys of its tellings."""
    return sorted(tuple(sorted(t.key for t in event.tellings)) for event in events)


def joined(*tellings: Telling, kind: str = "status") -> list[Event]:
    return sorted(join(kind, tellings, window=WINDOW), key=lambda event: event.at)


def test_operation_log_push_and_reading_of_one_change_are_one_event_with_the_time_of_the_log():
    (event,) = joined(telling(OPERATION, 2), telling(LOG, 0), telling(PUSH, 1), reading(-3600, 4, "A>B"))
    assert len(event.tellings) == 4
    assert (event.at, event.from_value, event.to_value, event.outcome) == (at(0), "A", "B", "success")


@pytest.mark.parametrize("seconds", [-299, 0, 299])
def test_inside_the_window_two_sources_are_one_event(seconds):
    assert len(joined(telling(LOG, 0), telling(OPERATION, seconds))) == 1


@pytest.mark.parametrize("seconds", [-301, 301])
def test_outside_the_window_they_are_two(seconds):
    assert len(joined(telling(LOG, 0), telling(OPERATION, seconds))) == 2


def test_the_time_is_that_of_the_push_before_that_of_the_operation_before_that_of_the_reading():
    assert joined(telling(OPERATION, 5), telling(PUSH, 1))[0].at == at(1)
    assert joined(telling(OPERATION, 5), reading(0, 9, "A>B"))[0].at == at(5)
    assert joined(reading(0, 9, "A>B"))[0].at == at(9)


def test_another_origin_that_both_know_is_another_event():
    assert len(joined(telling(LOG, 0, "A>B"), telling(PUSH, 1, "C>B"))) == 2
    assert len(joined(telling(LOG, 0, "A>B"), telling(PUSH, 1, ">B"))) == 1


def test_an_operation_that_happened_takes_the_change_that_came_from_elsewhere_than_the_mirror_said():
    (event,) = joined(telling(LOG, 0, "B>C"), telling(OPERATION, 2, "A>C"))
    assert event.from_value == "B"


def test_a_change_from_where_the_operation_said_is_the_better_one():
    other, own = joined(telling(LOG, 0, "B>C"), telling(LOG, 10, "A>C"), telling(OPERATION, 1, "A>C"))
    assert other.of(OPERATION) is None
    assert own.of(OPERATION) is not None


@pytest.mark.parametrize("outcome", ["unclear", "scheduled"])
def test_a_change_from_elsewhere_is_not_that_of_an_operation_that_may_not_have_happened(outcome):
    assert len(joined(telling(LOG, 0, "B>C"), telling(OPERATION, 2, "A>C", outcome=outcome))) == 2


def test_another_apn_is_another_event():
    events = joined(
        telling(OPERATION, 0, "ENABLED>DISABLED", subject="a"),
        telling(PUSH, 1, "ENABLED>DISABLED", subject="b"),
        kind="apn",
    )
    assert len(events) == 2


def test_two_entries_of_one_source_stay_two_events():
    assert len(joined(telling(LOG, 0), telling(LOG, 5), telling(PUSH, 1))) == 2


def test_back_and_forth_within_the_window_pairs_each_operation_with_its_own_entry():
    events = joined(
        telling(OPERATION, 3, "A>B", key="1"),
        telling(OPERATION, 13, "B>A", key="2"),
        telling(OPERATION, 23, "A>B", key="3"),
        telling(LOG, 0, "A>B"),
        telling(LOG, 10, "B>A"),
        telling(LOG, 20, "A>B"),
    )
    assert [event.of(OPERATION).key for event in events] == ["1", "2", "3"]  # type: ignore[union-attr]


def test_a_reading_across_several_changes_belongs_to_the_last():
    first, last = joined(reading(0, 1000, "A>C"), telling(LOG, 500, "A>B"), telling(LOG, 700, "B>C"))
    assert first.of(READING) is None
    assert last.of(READING) is not None
    assert last.from_value == "B"


def test_a_later_log_entry_takes_the_place_of_a_reading_alone():
    (before,) = joined(reading(0, 1000, "A>C"))
    (after,) = joined(reading(0, 1000, "A>C"), telling(LOG, 700, "B>C"))
    assert (before.from_value, before.at) == ("A", at(1000))
    assert (after.from_value, after.at) == ("B", at(700))


def test_a_failure_never_joins_a_success():
    events = joined(telling(LOG, 0, outcome="failed"), telling(OPERATION, 1), telling(PUSH, 1))
    assert sorted(event.outcome for event in events) == ["failed", "success"]


def test_a_failed_operation_joins_the_failed_entry_of_the_log():
    (event,) = joined(telling(LOG, 0, outcome="failed"), telling(OPERATION, 1, outcome="failed"))
    assert event.outcome == "failed"


def test_what_the_carrier_shows_makes_an_unclear_operation_a_success():
    (event,) = joined(telling(OPERATION, 0, outcome="unclear"), telling(LOG, 1))
    assert event.outcome == "success"


def test_a_scheduled_plan_change_is_one_event_with_the_entry_of_its_cycle():
    scheduled = telling(OPERATION, 0, outcome="scheduled", until=at(86400 * 20))
    (waiting,) = joined(scheduled)
    assert (waiting.outcome, waiting.at) == ("scheduled", at(0))
    (event,) = joined(scheduled, telling(LOG, 86400 * 20 + 30))
    assert (event.outcome, event.at) == ("success", at(86400 * 20 + 30))
    assert len(joined(scheduled, telling(LOG, 86400 * 10))) == 2


def test_a_scheduled_change_of_unknown_time_joins_the_first_such_entry_of_a_cycle():
    scheduled = telling(OPERATION, 0, outcome="scheduled")
    assert len(joined(scheduled, telling(LOG, 86400 * 20))) == 1
    assert len(joined(scheduled, telling(LOG, 86400 * 40))) == 2


def test_two_purchases_of_one_plan_are_two_events():
    events = joined(
        telling(LOG, 0, ">T"),
        telling(LOG, 20, ">T"),
        telling(OPERATION, 22, ">T", subject="s2"),
        reading(-100, 60, ">T", subject="s1"),
        reading(-100, 60, ">T", subject="s2"),
        kind="subscription",
    )
    assert [event.subject for event in events] == ["s1", "s2"]


def changes(**fields: list[str]) -> dict[str, object]:
    return {"detail": {"changes": fields}}


def test_custom_fields_that_two_operations_set_and_one_reading_shows_are_two_events():
    first = telling(OPERATION, 0, ">", key="1", **changes(custom1=["", "x"]))
    second = telling(OPERATION, 30, ">", key="2", **changes(custom2=["", "y"]))
    shown = reading(-60, 60, ">", **changes(custom1=["", "x"], custom2=["", "y"]))
    assert len(joined(first, second, shown, kind="custom_fields")) == 2


def test_a_custom_field_that_somebody_else_set_is_an_event_of_its_own():
    ours = telling(OPERATION, 0, ">", key="1", **changes(custom1=["", "x"]))
    shown = reading(-60, 60, ">", **changes(custom1=["", "x"], custom3=["", "z"]))
    events = joined(ours, shown, kind="custom_fields")
    assert len(events) == 2
    assert joining.untold_changes(shown, [ours]) == {"custom3": ["", "z"]}


def test_a_history_too_busy_to_align_exactly_is_joined_by_nearness():
    logs = [telling(LOG, i * 20, "A>B") for i in range(250)]
    pushes = [telling(PUSH, i * 20 + 3, "A>B") for i in range(250)]
    assert all(len(event.tellings) == 2 for event in joined(*logs, *pushes))


# Any set of tellings, however absurd: the order of arrival does not matter and nothing is lost or doubled.
SOURCES = st.sampled_from([LOG, PUSH, OPERATION])
ANY_POINT = st.builds(
    lambda source, seconds, change, outcome: telling(source, seconds, change, outcome=outcome),
    SOURCES,
    st.integers(0, 900),
    st.sampled_from(["A>B", "B>A", ">B", "B>C", "A>C"]),
    st.sampled_from(["success", "success", "failed", "unclear"]),
)
ANY_READING = st.builds(
    lambda start, length, change: reading(start, start + length, change),
    st.integers(0, 900),
    st.integers(0, 900),
    st.sampled_from(["A>B", "B>A", "A>C"]),
)


@given(st.lists(ANY_POINT | ANY_READING, max_size=14, unique_by=lambda t: t.key), st.randoms())
def test_the_order_of_arrival_never_matters(tellings, rng):
    shuffled = list(tellings)
    rng.shuffle(shuffled)
    events = join("status", tellings, window=WINDOW)
    assert shape(events) == shape(join("status", shuffled, window=WINDOW))
    assert sorted(t.key for event in events for t in event.tellings) == sorted(t.key for t in tellings)
    for event in events:
        sources = [t.source for t in event.tellings]
        assert len(sources) == len(set(sources))


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Telling], list[tuple[datetime, str, str]]]:
    """A carrier's true history and what four sources tell of it.

    Within the assumptions of the joining: the log is complete; equal transitions are further apart than twice the
    skew of the clocks (two transitions A>B have a B>… between them: 2 * 6 s > 2 * 5 s).
    """
    skew = draw(st.floats(-5, 5))
    times = sorted(draw(st.sets(st.integers(0, 400), min_size=1, max_size=12)))
    moments = [index * 6 + value for index, value in enumerate(times)]
    value, truth, told = "A", [], []
    values = [(-1000.0, "A")]
    for number, moment in enumerate(moments):
        target = draw(st.sampled_from([other for other in "ABC" if other != value]))
        change = f"{value}>{target}"
        truth.append((at(moment), value, target))
        told.append(telling(LOG, moment, change))
        if draw(st.booleans()):
            told.append(telling(PUSH, moment + draw(st.floats(0, 0.9)), change))
        if draw(st.booleans()):
            told.append(telling(OPERATION, moment + skew, change, key=str(number)))
        value = target
        values.append((moment, value))
    seen, since = "A", -500.0
    for moment in sorted(draw(st.sets(st.integers(-10, 900), max_size=8))):
        shown = [v for when, v in values if when <= moment][-1]
        if shown != seen:
            told.append(reading(since + skew, moment + skew, f"{seen}>{shown}"))
        seen, since = shown, float(moment)
    return told, truth


@settings(max_examples=150, deadline=None)
@given(histories(), st.integers(0, 2**32))
def test_a_random_history_is_told_exactly_once(history, seed):
    told, truth = history
    arriving = [replace(t) for t in told]
    random.Random(seed).shuffle(arriving)
    events = join("status", arriving, window=WINDOW)
    found = sorted((event.at, event.from_value, event.to_value) for event in events)
    assert [values for _, *values in found] == [list(values) for _, *values in truth]
    for (shown, *_values), (true, *_more) in zip(found, truth, strict=True):
        # Our own time within a second of the log's takes its place.
        assert abs((shown - true).total_seconds()) <= 1.001
    for event in events:
        operation = event.of(OPERATION)
        if operation is not None:
            assert abs((operation.time - event.at).total_seconds()) <= 5.001


def test_of_two_changes_in_one_second_each_stands_where_our_own_time_puts_it():
    """The log tells whole seconds only; an entry that only we have a time of must not come between them."""
    events = joined(
        telling(OPERATION, 10.2, "A>B"),
        telling(LOG, 10, "A>B"),
        telling(OPERATION, 10.9, "B>A"),
        telling(LOG, 10, "B>A"),
        telling(OPERATION, 10.5, "B>C", outcome=joining.FAILED),
    )
    assert [(event.to_value, event.at) for event in events] == [("B", at(10.2)), ("C", at(10.5)), ("A", at(10.9))]


@pytest.mark.parametrize(("sent", "shown"), [(9.5, 9.5), (11, 11), (11.5, 10), (8.9, 10)])
def test_our_own_time_is_believed_within_a_second_of_the_log(sent, shown):
    (event,) = joined(telling(OPERATION, sent), telling(LOG, 10))
    assert event.at == at(shown)
