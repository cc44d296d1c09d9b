"""What is told becomes an event once, and a push of the carrier one with its figure."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from core.events import Happening, emit, emit_many
from core.pushes import PushEvent, PushProblem, handlers_for
from notifications import kinds
from notifications.models import Event, Notification, Push
from notifications.services import events
from notifications.services.carrier_events import take
from operations.models import BatchAccount, BatchJob, BatchLine, Operation
from operations.services.jobs.finish import Conclusion, conclude_many, end_if_over
from operations.services.transitions import conclude
from sims.models import RatePlan, Subscription, SyncRun
from sims.services.sync_runs import Held

pytestmark = pytest.mark.django_db


def pushed(sim, kind, **body):
    body = {"eventId": "e-1", "eventType": kind, "accountName": "claimed", "giccid": sim.giccid, **body}
    return PushEvent(
        push_id=7, kind=kind, giccid=sim.giccid, account_name="claimed", event_time=timezone.now(), key="e-1", body=body
    )


def event_of(sim, kind, **body):
    take(pushed(sim, kind, **body))
    return Event.objects.get(kind=kind, sim=sim)


class Broke(Exception):
    """The teller's own trouble."""


def test_told_twice_counts_once_and_a_teller_that_breaks_has_told_nothing(make_sim):
    sim = make_sim(account="north", plan="P1")
    happening = Happening(kind="IMEI_CHANGE", key="k", at=timezone.now(), sim_id=sim.pk, account_name="claimed")

    @transaction.atomic
    def tell_and_break() -> None:
        emit(happening)
        raise Broke

    with pytest.raises(Broke):
        tell_and_break()
    assert not Event.objects.exists()
    emit(happening)
    emit_many([happening, happening])
    emit(Happening(kind="SIM_STATUS_CHANGE", key="k", at=timezone.now()))
    event = Event.objects.get(kind="IMEI_CHANGE")
    assert (event.account_name, event.plan_code) == ("north", "P1"), "the mirror's word, not the teller's"
    assert event.next_attempt_at is not None


def test_many_at_once_take_the_queries_of_one(make_sim, django_assert_num_queries):
    sims = [make_sim() for _ in range(20)]
    now = timezone.now()
    with django_assert_num_queries(2):
        emit_many([Happening(kind="IMEI_CHANGE", key=f"k{sim.pk}", at=now, sim_id=sim.pk) for sim in sims])
    assert Event.objects.count() == 20


def test_a_lost_hint_is_only_a_delay(make_sim, valkey, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        emit(Happening(kind="IMEI_CHANGE", key="k", at=timezone.now(), sim_id=make_sim().pk))
    valkey.flushdb()
    assert events.apply_due() == 1
    assert events.apply_due() == 0
    assert Notification.objects.get().events == 1, "the default rule for devices"


def test_one_message_stands_for_many_events(make_sim, valkey, django_capture_on_commit_callbacks):
    def tell(number):
        with django_capture_on_commit_callbacks(execute=True):
            emit(Happening(kind="IMEI_CHANGE", key=f"k{number}", at=timezone.now(), sim_id=sim.pk))

    sim = make_sim()
    for number in range(5):
        tell(number)
    assert valkey.llen("push") == 1
    events.apply_due()
    tell(6)
    assert valkey.llen("push") == 2, "once a worker has begun, the next event speaks for itself"


@pytest.mark.parametrize(
    ("body", "value", "quota"),
    [
        ({"dataUsage": 1200, "threshold": 800, "thresholdPercent": 80}, 120.0, 1000),
        ({"dataUsage": "1200"}, 120.0, 1000),
        ({"thresholdPercent": 80}, 80.0, 1000),
        ({"dataUsage": -1}, None, 1000),
        ({"dataUsage": True, "thresholdPercent": [80]}, None, 1000),
        ({}, None, 1000),
    ],
)
def test_usage_is_percent_of_the_quota(make_sim, body, value, quota):
    event = event_of(make_sim(data_quota=1000), "CYCLE_USAGE_TRACKING", **body)
    assert (event.value, event.detail.get("quota")) == (value, quota)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        ({"dataUsage": 900, "threshold": 800, "thresholdPercent": 80}, 90.0),
        ({"dataUsage": 900, "threshold": 600}, 150.0),
    ],
)
def test_usage_without_a_quota_in_the_mirror_goes_by_the_threshold(make_sim, body, value):
    assert event_of(make_sim(), "CYCLE_USAGE_TRACKING", **body).value == value


def test_prepaid_usage_is_percent_of_what_the_sim_bought(make_sim):
    sim, other = make_sim(), make_sim()
    plan = RatePlan.objects.create(code="TOP", data_quota=2000)
    Subscription.objects.create(sim=sim, plan=plan, carrier_id="1", data_quota=500)
    kind = "PREPAID_SERVICE_PACKAGE_TRAFFIC_TRACKING"
    assert event_of(sim, kind, servicePackageCode="TOP", dataUsage=400).value == 80.0
    assert event_of(other, kind, servicePackageCode="TOP", dataUsage=400).value == 20.0


def test_silence_is_hours(make_sim):
    sim, other = make_sim(), make_sim()
    assert event_of(sim, "NO_SESSION_CONNECTION", noSessionHours=72).value == 72.0
    last = (timezone.now() - timedelta(hours=5)).strftime("%Y-%m-%dT%H:%M:%S+0000")
    assert event_of(other, "NO_SESSION_CONNECTION", lastSessionTime=last).value == pytest.approx(5, abs=0.1)


def test_the_text_of_a_message_and_unknown_fields_are_left_out(make_sim):
    event = event_of(make_sim(), "MO_SMS", messageText="my secret", fromGiccid="x", ruleName="Carrier's rule")
    assert event.detail == {"ruleName": "Carrier's rule"}
    assert "secret" not in json.dumps(event.detail)


def test_the_same_id_for_two_sims_is_two_events_and_an_unknown_sim_is_a_problem(make_sim):
    one, two = make_sim(), make_sim()
    take(pushed(one, "IMEI_CHANGE"))
    take(pushed(two, "IMEI_CHANGE"))
    take(pushed(two, "IMEI_CHANGE"))
    assert Event.objects.count() == 2
    two.giccid = "8986000000000000000"
    with pytest.raises(PushProblem):
        take(pushed(two, "IMEI_CHANGE"))


def test_it_comes_after_whoever_makes_the_sim_known():
    for kind in ("IMEI_CHANGE", "CYCLE_USAGE_TRACKING", "MO_SMS", "SIM_STATUS_CHANGE"):
        handlers = handlers_for(kind)
        assert len(handlers) > 1
        assert handlers[-1] is take


@pytest.mark.parametrize("kind", kinds.KINDS)
def test_every_kind_has_words_whatever_its_detail_holds(kind):
    odd = {name: [1] for name in ("dataUsage", "originalImei", "job", "lastSessionTime", "succeeded", "problem")}
    for detail in ({}, odd, {"lastSessionTime": "nonsense", "expiredTime": "2026-01-01T00:00:00+00:00"}):
        for value in (None, 0.0, 1.0, 120.5):
            assert isinstance(kinds.describe(kind, value, detail), str)
    assert kinds.label_of(kind) != kind


@pytest.mark.parametrize(
    ("hours", "said"), [(1, "1 hour"), (48, "48 hours"), (71, "71 hours"), (72, "3 days"), (1704.5, "71 days")]
)
def test_a_long_silence_is_told_in_days(hours, said):
    assert kinds.describe("NO_SESSION_CONNECTION", hours, {}) == f"no session for {said}"


def operation_on(sim, actor, **fields):
    values = {"sim": sim, "actor": actor, "kind": "suspend", "state": "unknown", "reason": "r", **fields}
    return Operation.objects.create(**values)


def test_an_operation_that_needs_a_person_is_told_with_its_end(make_sim, agent):
    operation = operation_on(make_sim(account="north"), agent)
    assert conclude(operation, "needs_attention", message="Nobody knows.", finished_at=None)
    event = Event.objects.get()
    assert (event.kind, event.account_name, event.sim_id) == ("operation_needs_attention", "north", operation.sim_id)
    assert event.detail["operation_id"] == operation.pk
    assert "Nobody knows." in kinds.describe(event.kind, None, event.detail)
    assert conclude(operation_on(make_sim(), agent), "failed", message="No.")
    assert Event.objects.count() == 1


def job_of(actor, accounts, **fields):
    job = BatchJob.objects.create(actor=actor, kind="suspend", state="running", reason="r", **fields)
    BatchAccount.objects.bulk_create(BatchAccount(job=job, account_name=name) for name in accounts)
    return job


def test_a_job_tells_its_failures_once_and_its_doubts_sim_by_sim(make_sim, agent):
    job = job_of(agent, ["example_account"])
    operations = [operation_on(make_sim(), agent, job=job, state="accepted") for _ in range(3)]
    for number, operation in enumerate(operations):
        BatchLine.objects.create(job=job, number=number, sim=operation.sim, operation=operation, eligible=True)
    ends = ["done", "failed", "needs_attention"]
    conclude_many([Conclusion(o, to, "m") for o, to in zip(operations, ends, strict=True)], of=["accepted"])
    assert Event.objects.get().kind == "operation_needs_attention"
    assert end_if_over(job)
    assert end_if_over(job)
    event = Event.objects.get(kind="job_ended")
    assert (event.account_name, event.value) == ("example_account", 2.0)
    assert event.detail == {"job": job.pk, "succeeded": 1, "failed": 1, "unknown": 1}


def test_a_sync_that_fails_is_told_once_an_hour():
    for _ in range(2):
        run = SyncRun.objects.create(kind="changes", trigger="schedule", lease_token="t")
        Held(run).fail("The carrier refuses the portal's key (401).")
    event = Event.objects.get()
    assert event.account_name == ""
    assert "refuses the portal's key" in kinds.describe(event.kind, None, event.detail)


def test_a_push_that_is_given_up_is_told_without_its_words(make_push, handler):
    from notifications.services.processing import process

    handler.errors = [PushProblem("quotes the push")]
    push = make_push({"eventType": "TEST_EVENT", "giccid": "8986011805021000040"}, attempts=50)
    assert process(push.pk) == Push.State.DEAD
    event = Event.objects.get(kind="push_dead")
    assert event.push_id == push.pk
    assert "quotes" not in json.dumps(event.detail)
