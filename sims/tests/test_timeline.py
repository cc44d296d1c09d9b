"""What four sources tell ends in one timeline, in the database as in theory."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sims.models import RatePlan, Sim, TimelineEvent
from sims.services import timeline
from smarthub.contract import ChangeEntry

pytestmark = pytest.mark.django_db

START = datetime(2026, 11, 1, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def entry(sim: Sim, seconds: float, before: str | None, after: str, **fields: Any) -> ChangeEntry:
    return ChangeEntry(
        giccid=sim.giccid,
        type=fields.get("type", "LOCAL_STATUS"),
        created_time=at(seconds),
        original=before,
        target=after,
        status=fields.get("status", "SUCCESS"),
    )


def operation(sim: Sim, number: int, seconds: float, before: str, after: str, **fields: Any) -> TimelineEvent:
    values: dict[str, Any] = {"kind": "status", "outcome": "success", "actor": None, "reason": "why", "ticket": "T-1"}
    return timeline.record_operation(
        sim=sim, operation_id=number, at=at(seconds), from_value=before, to_value=after, **{**values, **fields}
    )


def push(sim: Sim, key: str, seconds: float, before: str, after: str, **fields: Any) -> int:
    return timeline.record_push(
        sim=sim,
        from_value=before,
        to_value=after,
        push_key=key,
        push_time=at(seconds),
        **{"kind": "status", **fields},
    )


def reading(sim: Sim, since: float, seconds: float, before: str, after: str, **fields: Any) -> int:
    told = timeline.observed(
        sim, fields.pop("kind", "status"), after=at(since), at=at(seconds), from_value=before, to_value=after, **fields
    )
    return timeline.record_observed([told])


def test_operation_log_push_and_reading_are_one_entry_with_all_four_in_it(make_sim, agent):
    sim = make_sim()
    operation(sim, 7, 3, "ACTIVATED", "DEACTIVATED", actor=agent, detail={"answer": "ok"})
    reading(sim, -600, 5, "ACTIVATED", "DEACTIVATED")
    push(sim, "p1", 1, "ACTIVATED", "DEACTIVATED")
    timeline.record_log_entries([entry(sim, 0, "ACTIVATED", "DEACTIVATED")])
    event = TimelineEvent.objects.get()
    assert (event.at, event.log_time, event.push_key, event.push_time) == (at(0), at(0), "p1", at(1))
    assert (event.operation_id, event.actor, event.reason, event.ticket) == (7, agent, "why", "T-1")
    assert (event.observed_after, event.observed_at, event.detail) == (at(-600), at(5), {"answer": "ok"})


def test_each_told_twice_is_no_news(make_sim):
    sim = make_sim()
    for _ in range(2):
        operation(sim, 7, 3, "A", "B", detail={"changes": (1, 2)})
        news = [
            reading(sim, -600, 5, "A", "B"),
            push(sim, "p1", 1, "A", "B"),
            timeline.record_log_entries([entry(sim, 0, "A", "B"), entry(sim, 0, "A", "B")]),
        ]
    assert news == [0, 0, 0]
    assert TimelineEvent.objects.count() == 1


def test_an_operation_told_again_takes_its_new_outcome(make_sim):
    sim = make_sim()
    operation(sim, 7, 3, "A", "B", outcome="unclear")
    event = operation(sim, 7, 99, "A", "B", outcome="failed", detail={"code": "illegal_status"})
    assert (event.outcome, event.at, event.detail) == ("failed", at(3), {"code": "illegal_status"})


def test_an_operation_that_failed_leaves_the_event_of_somebody_else(make_sim):
    sim = make_sim()
    operation(sim, 7, 3, "A", "B", outcome="unclear")
    timeline.record_log_entries([entry(sim, 0, "A", "B")])
    assert TimelineEvent.objects.count() == 1
    operation(sim, 7, 3, "A", "B", outcome="failed")
    assert sorted(TimelineEvent.objects.values_list("outcome", "operation_id")) == [("failed", 7), ("success", None)]


def test_entries_swap_places_when_a_nearer_one_comes(make_sim):
    sim = make_sim()
    operation(sim, 1, 2, "A", "B")
    timeline.record_log_entries([entry(sim, 20, "A", "B")])
    operation(sim, 2, 22, "A", "B")
    timeline.record_log_entries([entry(sim, 0, "A", "B")])
    rows = TimelineEvent.objects.order_by("at").values_list("operation_id", "log_time")
    assert list(rows) == [(1, at(0)), (2, at(20))]


def test_a_log_entry_whose_result_changes_is_the_same_event(make_sim):
    sim = make_sim()
    timeline.record_log_entries([entry(sim, 0, "A", "B", status="FAILED")])
    timeline.record_log_entries([entry(sim, 0, "A", "B", status="SUCCESS")])
    assert TimelineEvent.objects.get().outcome == "success"


def test_a_plan_scheduled_for_the_next_cycle_is_one_entry_with_its_effect(make_sim):
    sim = make_sim()
    month = 86400 * 20
    detail = {"effective_at": at(month)}
    operation(sim, 1, 0, "P1", "P2", kind="plan", outcome="scheduled", detail=detail)
    assert TimelineEvent.objects.get().outcome == "scheduled"
    timeline.record_log_entries([entry(sim, month + 9, "P1", "P2", type="SERVICE_PACKAGE")])
    event = operation(sim, 1, 0, "P1", "P2", kind="plan", outcome="success", detail=detail)
    assert TimelineEvent.objects.count() == 1
    assert (event.at, event.outcome) == (at(month + 9), "success")


def test_an_empty_original_is_a_purchase_unless_the_plan_is_a_basic_one(make_sim):
    sim = make_sim()
    RatePlan.objects.create(code="EU-1G-M", kind="BASIC")
    timeline.record_log_entries(
        [
            entry(sim, 0, None, "TOPUP", type="SERVICE_PACKAGE"),
            entry(sim, 1, "", "EU-1G-M", type="SERVICE_PACKAGE"),
            entry(sim, 2, "EU-1G-M", "EU-2G-M", type="SERVICE_PACKAGE"),
        ]
    )
    kinds = TimelineEvent.objects.order_by("at").values_list("kind", flat=True)
    assert list(kinds) == ["subscription", "plan", "plan"]


def test_a_type_of_entry_unknown_to_us_is_kept(make_sim):
    timeline.record_log_entries([entry(make_sim(), 0, "a", "b", type="MSISDN_CHANGE")])
    event = TimelineEvent.objects.get()
    assert (event.kind, event.subject, event.from_value, event.to_value) == ("notification", "MSISDN_CHANGE", "a", "b")


def test_entries_of_unknown_sims_are_left_out_and_stay_untold(make_sim):
    sim = make_sim()
    stranger = Sim(giccid="8986019999999999999")
    entries = [entry(sim, 0, "A", "B"), entry(stranger, 0, "A", "B")]
    assert timeline.record_log_entries(entries) == 1
    assert timeline.untold_entries(entries) == entries[1:]


def test_the_state_is_as_old_as_the_log_says(make_sim):
    sim = make_sim(status="DEACTIVATED", status_changed_at=at(500))
    reading(sim, -500, 500, "ACTIVATED", "DEACTIVATED")
    timeline.record_log_entries([entry(sim, 100, "ACTIVATED", "DEACTIVATED")])
    sim.refresh_from_db()
    assert sim.status_changed_at == at(100)


def test_a_plain_event_is_there_once_for_each_push(make_sim):
    sim = make_sim()
    first = timeline.record_plain(sim=sim, kind="sms", at=at(0), push_key="p1", detail={"n": 1})
    again = timeline.record_plain(sim=sim, kind="sms", at=at(0), push_key="p1", detail={"n": 2})
    assert first.pk == again.pk
    timeline.record_plain(sim=sim, kind="sms", at=at(0))
    assert TimelineEvent.objects.count() == 2


def test_texts_that_no_column_takes_are_told_all_the_same(make_sim):
    sim = make_sim()
    operation(sim, 1, 0, "A" * 900, "B" * 900, reason="nul \x00", detail={"x": "\x00\ud800"})
    push(sim, "k" * 900, 0, "E" * 900, "D\x00", kind="apn", subject="apn" * 900)
    timeline.record_log_entries([entry(sim, 0, "3" * 90, "4" * 90, type="IMEI_CHANGE")])
    assert TimelineEvent.objects.count() == 3


@pytest.mark.django_db(transaction=True)
def test_four_sources_that_tell_at_the_same_moment_make_one_event(make_sim):
    sims = [make_sim() for _ in range(4)]
    start = threading.Barrier(4)
    failures: list[BaseException] = []

    def tell(work: Callable[[Sim, int], object]) -> None:
        try:
            start.wait(10)
            for number, sim in enumerate(sims):
                work(sim, number)
        except BaseException as error:  # noqa: BLE001 - told by the assertion below
            failures.append(error)
        finally:
            connection.close()

    sources: list[Callable[[Sim, int], object]] = [
        lambda sim, number: operation(sim, number + 1, 3, "A", "B"),
        lambda sim, number: push(sim, "p1", 1, "A", "B"),
        lambda sim, number: reading(sim, -600, 5, "A", "B"),
        lambda sim, number: timeline.record_log_entries([entry(s, 0, "A", "B") for s in sims[::-1]]),
    ]
    threads = [threading.Thread(target=tell, args=(work,)) for work in sources]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert TimelineEvent.objects.count() == len(sims)
    assert all(len(event.tellings) == 4 for event in TimelineEvent.objects.all())


@st.composite
def arrivals(draw: st.DrawFn) -> tuple[list[tuple[str, tuple[Any, ...]]], list[tuple[datetime, str, str, int | None]]]:
    """A history A→B→A→B… told by all sources with skewed clocks, in a random order and partly twice."""
    skew = draw(st.floats(-4, 4))
    count = draw(st.integers(1, 5))
    step = draw(st.integers(10, 200))
    told: list[tuple[str, tuple[Any, ...]]] = []
    value, truth = "A", []
    for number in range(count):
        target = draw(st.sampled_from([v for v in "ABC" if v != value]))
        moment = number * step
        told.append(("log", (moment, value, target)))
        ours = draw(st.booleans())
        if ours:
            told.append(("operation", (number + 1, moment + skew, value, target)))
        if draw(st.booleans()):
            told.append(("push", (f"p{number}", moment + 0.5, value, target)))
        if draw(st.booleans()):
            told.append(("reading", (moment - step / 2 + skew, moment + step / 4 + skew, value, target)))
        truth.append((at(moment), value, target, number + 1 if ours else None))
        value = target
    doubled = told + draw(st.lists(st.sampled_from(told), max_size=4))
    return draw(st.permutations(doubled)), truth


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(arrivals())
def test_any_order_of_arrival_ends_in_the_true_history(make_sim, arriving):
    told, truth = arriving
    sim = make_sim()
    for source, values in told:
        if source == "log":
            timeline.record_log_entries([entry(sim, *values)])
        elif source == "operation":
            operation(sim, sim.pk * 100 + values[0], *values[1:])
        elif source == "push":
            push(sim, *values)
        else:
            reading(sim, *values)
    rows = TimelineEvent.objects.filter(sim=sim).order_by("at")
    found = [
        (row.log_time, row.from_value, row.to_value, row.operation_id and row.operation_id - sim.pk * 100)
        for row in rows
    ]
    assert found == truth
