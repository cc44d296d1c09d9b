"""Events brought before the rules: each taken once, spaced, grouped and counted right, whoever dies or competes."""

from __future__ import annotations

import threading
from collections import defaultdict
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from notifications.models import Delivery, Event, Notification, NotificationItem, Rule
from notifications.services import firing, proposals, trial
from notifications.tests.rule_helpers import DEVICE, USAGE, make_event, make_rule
from sims.models import SimTag, Tag
from sims.models.tag import tag_key

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_rules(db: None) -> None:
    """Without those that a portal begins with."""
    Rule.objects.all().delete()


def lines() -> list[tuple[str, int, int]]:
    return list(Notification.objects.order_by("pk").values_list("account_name", "events", "sims"))


def test_one_line_for_the_sims_of_an_account_within_the_window(make_sim):
    rule = make_rule(group_within=3600, severity="critical")
    sims = [make_sim(), make_sim(), make_sim(account="other")]
    first = make_event(sims[0], ago=4000)
    others = [make_event(sim, ago=3999) for sim in sims] + [make_event(sims[1], ago=3000)]
    late = make_event(sims[0], ago=100)
    assert firing.apply_due() == 6
    assert sorted(lines()) == [("example_account", 1, 1), ("example_account", 4, 2), ("other", 1, 1)]
    old = Notification.objects.get(events=4)
    assert (old.rule, old.kind, old.severity, old.first_at) == (rule, USAGE, "critical", first.recorded_at)
    assert not old.joins
    assert Notification.objects.get(items__event=late).joins
    assert set(old.items.values_list("event_id", flat=True)) == {first.pk, *(event.pk for event in others)} - {
        event.pk for event in others if event.account_name == "other"
    }
    assert not Event.objects.filter(next_attempt_at__isnull=False).exists()


def test_an_event_told_again_joins_its_line_and_a_closed_line_is_left_alone(make_sim):
    make_rule()
    sim = make_sim()
    for _ in range(2):
        firing.apply(make_event(sim).pk)
    assert lines() == [("example_account", 2, 1)]
    Notification.objects.update(state="closed", joins=False)
    firing.apply(make_event(sim).pk)
    assert lines() == [("example_account", 2, 1), ("example_account", 1, 1)]
    # Closed by a hand that forgot to end it: new events do not vanish in it either.
    Notification.objects.update(state="closed")
    firing.apply(make_event(sim).pk)
    assert len(lines()) == 3


def test_a_line_for_each_event_where_the_rule_says_so(make_sim):
    make_rule(group_within=0)
    sim = make_sim()
    for _ in range(3):
        make_event(sim)
    firing.apply_due()
    assert lines() == [("example_account", 1, 1)] * 3


def test_a_line_for_each_also_of_events_that_were_numbered_in_another_order_than_recorded(make_sim):
    make_rule(group_within=0)
    sims = [make_sim() for _ in range(3)]
    for sim, ago in zip(sims, (0, 0.02, 0.01), strict=True):
        make_event(sim, ago=ago)
    firing.apply_due()
    assert [line.events for line in Notification.objects.all()] == [1, 1, 1]


def test_done_once_however_often_it_is_asked_for(make_sim):
    make_rule()
    event = make_event(make_sim())
    assert firing.apply(event.pk)
    assert not firing.apply(event.pk)
    # Somebody has it done anew: no rule takes it twice.
    Event.objects.update(next_attempt_at=timezone.now())
    assert firing.apply(event.pk)
    assert lines() == [("example_account", 1, 1)]


def test_whatever_goes_wrong_nothing_is_half_done_and_other_events_go_on(make_sim, monkeypatch):
    make_rule(operation_kind="suspend")
    good, bad = make_sim(), make_sim()
    events = [make_event(sim) for sim in (good, bad, good)]

    real = proposals.propose

    def propose(rule: Rule, event: Event, item: NotificationItem) -> Any:
        if event.sim_id == bad.pk:
            raise RuntimeError("killed here")
        return real(rule, event, item)

    monkeypatch.setattr(proposals, "propose", propose)
    before = timezone.now()
    firing.apply_due()
    assert lines() == [("example_account", 2, 1)]
    assert Event.objects.filter(pk=events[1].pk, next_attempt_at__gt=before).exists(), "it comes again later"
    monkeypatch.setattr(proposals, "propose", real)
    Event.objects.filter(pk=events[1].pk).update(next_attempt_at=before)
    firing.apply_due()
    assert lines() == [("example_account", 3, 2)]


def test_at_most_one_per_sim_by_the_time_it_happened(make_sim):
    make_rule(once_per=3600)
    sim, other = make_sim(), make_sim()
    now = timezone.now()
    for minutes in (0, -59, -60, -90, -121, -10):
        firing.apply(make_event(sim, at=now + timedelta(minutes=minutes)).pk)
    firing.apply(make_event(other, at=now).pk)
    firing.apply(make_event(at=now).pk)
    firing.apply(make_event(at=now).pk)
    taken = NotificationItem.objects.filter(sim=sim).values_list("at", flat=True)
    assert sorted((at - now) / timedelta(minutes=1) for at in taken) == [-121, -60, 0]
    assert NotificationItem.objects.exclude(sim=sim).count() == 3, "without a SIM each counts"


def test_tags_and_plans_are_asked_of_the_sim(make_sim):
    sims = [make_sim(plan="EU-1G"), make_sim(plan="EU-2G"), make_sim(plan="EU-1G")]
    tag = Tag.objects.create(name="Straße", key=tag_key("Straße"))
    for sim in sims[:2]:
        SimTag.objects.create(sim=sim, tag=tag)
    make_rule(tags=["STRASSE", "none"], plans=["EU-1G"])
    for sim in sims:
        make_event(sim)
    firing.apply_due()
    assert NotificationItem.objects.get().sim == sims[0]


def test_a_rule_that_is_off_takes_nothing_and_what_happened_meanwhile_is_over(make_sim):
    rule = make_rule(active=False)
    firing.apply(make_event(make_sim()).pk)
    Rule.objects.update(active=True)
    assert firing.apply_due() == 0
    assert not rule.notifications.exists()


def test_a_flood_takes_few_statements(make_sim):
    make_rule(once_per=1)
    make_rule(kinds=[USAGE, DEVICE], threshold=50)
    sims = [make_sim() for _ in range(5)]
    for number in range(60):
        make_event(sims[number % 5], ago=60 - number, value=number)
    with CaptureQueriesContext(connection) as queries:
        firing.apply_due()
    assert Notification.objects.count() == 2
    assert len(queries) < 30


values = st.one_of(st.none(), st.integers(0, 3).map(float))
told = st.tuples(
    st.sampled_from([USAGE, DEVICE, "push_dead"]),
    st.sampled_from([None, 0, 1, 2]),
    st.integers(0, 50),  # minutes from one recording to the next
    st.integers(-30, 30),  # minutes by which it happened earlier than it was recorded
    values,
)
conditions = st.fixed_dictionaries(
    {
        "kinds": st.lists(st.sampled_from([USAGE, DEVICE, "push_dead"]), min_size=1, max_size=3, unique=True),
        "accounts": st.sampled_from([[], ["example_account"], ["other"]]),
        "plans": st.sampled_from([[], ["EU-1G"]]),
        "tags": st.sampled_from([[], ["fleet"]]),
        "threshold": values,
        "once_per": st.sampled_from([0, 60, 1800, 7200]),
        "group_within": st.sampled_from([0, 600, 3600]),
    }
)


def _shape(pairs: list[tuple[int, int]]) -> set[frozenset[int]]:
    """Which events stand in one line."""
    grouped: dict[int, set[int]] = defaultdict(set)
    for line, event in pairs:
        grouped[line].add(event)
    return {frozenset(group) for group in grouped.values()}


def test_a_trial_shows_exactly_what_firing_makes(make_sim, viewer):
    sims = [make_sim(plan="EU-1G"), make_sim(plan="EU-2G"), make_sim(account="other", plan="EU-1G")]
    SimTag.objects.create(sim=sims[0], tag=Tag.objects.create(name="Fleet", key="fleet"))

    @settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(conditions, st.lists(told, max_size=25), st.lists(st.integers(1, 7), min_size=1, max_size=10))
    def check(fields: dict[str, Any], happened: list[Any], batches: list[int]) -> None:
        with transaction.atomic():
            rule = make_rule(**fields)
            recorded = timezone.now() - timedelta(days=5)
            for kind, sim, later, earlier, value in happened:
                recorded += timedelta(minutes=later)
                card, at = sims[sim] if sim is not None else None, recorded - timedelta(minutes=earlier)
                make_event(card, kind=kind, value=value, recorded_at=recorded, at=at)
            events = Event.objects.order_by("pk")
            foretold = [(line, event.pk) for event, line in trial.walk(rule, events)]
            told = trial.try_rule(rule, days=7, user=viewer)
            for number in batches:
                firing._apply(firing._waiting().order_by("pk")[:number], [])
            firing.apply_due()
            made = list(NotificationItem.objects.values_list("notification_id", "event_id"))
            assert _shape(made) == _shape(foretold)
            assert (told.events, told.lines) == (len(made), Notification.objects.count())
            counted = {line.pk: (line.events, line.sims) for line in Notification.objects.all()}
            for line, (number, cards) in counted.items():
                items = NotificationItem.objects.filter(notification=line)
                assert number == items.count()
                assert cards == items.exclude(sim=None).values("sim").distinct().count()
            assert told.sims == NotificationItem.objects.exclude(sim=None).values("sim").distinct().count()
            transaction.set_rollback(True)

    check()


@pytest.mark.django_db(transaction=True)
def test_workers_at_the_same_events_make_what_one_would(transactional_db, make_sim):
    rules = [make_rule(once_per=3600), make_rule(kinds=[USAGE, DEVICE], emails=["a@example.com"])]
    sims = [make_sim() for _ in range(6)]
    now = timezone.now()
    for number in range(240):
        make_event(sims[number % 6], at=now + timedelta(seconds=number))
    ids = list(Event.objects.values_list("pk", flat=True))
    start = threading.Barrier(4)
    errors: list[Exception] = []

    def work(part: int) -> None:
        try:
            start.wait(10)
            for number in range(0, 240, 40):
                for event_id in ids[number + part : number + 40 : 3]:
                    firing.apply(event_id)
                firing.apply_due(20)
        except Exception as error:  # noqa: BLE001 - the test looks at it
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(part,)) for part in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    firing.apply_due()
    assert not errors
    assert not Event.objects.filter(next_attempt_at__isnull=False).exists()
    spaced = NotificationItem.objects.filter(rule=rules[0])
    assert sorted(spaced.values_list("sim_id", flat=True)) == sorted(sim.pk for sim in sims)
    assert NotificationItem.objects.filter(rule=rules[1]).count() == 240
    assert sorted(Notification.objects.values_list("rule_id", "events", "sims")) == [
        (rules[0].pk, 6, 6),
        (rules[1].pk, 240, 6),
    ]
    assert Delivery.objects.count() == 240
