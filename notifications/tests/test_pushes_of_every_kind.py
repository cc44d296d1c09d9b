"""What each kind of push leads to, with a carrier to ask: timeline, mirror, messages; copies, order, lies."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from notifications.models import Push
from notifications.services import processing
from sims.models import Sim, TimelineEvent
from smarthub.values import format_time
from sms.models import Message
from tests.servers import wait_until

Take = Callable[[dict[str, Any]], Push]


@pytest.fixture
def giccid(simulator) -> str:
    return simulator.pick(status="ACTIVATED", account="example_account")


@pytest.fixture
def sim(mirrored, giccid) -> Sim:
    return mirrored(giccid)


@pytest.fixture
def take(post) -> Take:
    """``take(body)``: pushed to the receiver as the carrier does, then worked off; the row after that."""

    def run(body: dict[str, Any]) -> Push:
        slug = body.get("eventType", "").lower().replace("_", "-")
        assert post(body, slug).status_code == 200
        push = Push.objects.latest("pk")
        processing.process(push.pk, 0)
        push.refresh_from_db()
        return push

    return run


def event(kind: str, giccid: str, event_id: str = "e-1", **own: Any) -> dict[str, Any]:
    return {
        "eventId": event_id,
        "eventType": kind,
        "ruleName": "all",
        "accountName": "example_account",
        "giccid": giccid,
        "eventTime": format_time(timezone.now()),
        **own,
    }


def own_fields(kind: str, giccid: str, apn: str) -> dict[str, Any]:
    """The fields of each kind, as the contract has them."""
    now = format_time(timezone.now())
    fields: dict[str, dict[str, Any]] = {
        "CYCLE_USAGE_TRACKING": {"dataUsage": 10, "threshold": 8, "thresholdPercent": 80},
        "IMEI_CHANGE": {"originalImei": "353270091234567", "targetImei": "353270091234575"},
        "NO_SESSION_CONNECTION": {"lastSessionTime": now, "noSessionHours": 48},
        "PREPAID_SERVICE_PACKAGE_EXPIRED": {"servicePackageCode": "TOPUP-50M", "expiredTime": now},
        "PREPAID_SERVICE_PACKAGE_TRAFFIC_TRACKING": {
            "servicePackageCode": "TOPUP-50M",
            "dataUsage": 10,
            "threshold": 8,
        },
        "SIM_STATUS_CHANGE": {"originalStatus": "DEACTIVATED", "targetStatus": "ACTIVATED"},
        "SIM_APN_STATUS_CHANGE": {"apn": apn, "originalStatus": "ENABLED", "targetStatus": "DISABLED"},
        "MO_SMS": {
            "smsMsgId": "m-1",
            "fromGiccid": giccid,
            "messageText": "hello",
            "dataCoding": 0,
            "receivedTime": now,
        },
        "MT_SMS_STATUS_REPORT": {"smsMsgId": "m-2", "toGiccid": giccid, "status": "DELIVERED", "reportTime": now},
    }
    return fields[kind]


@pytest.mark.parametrize(
    ("kind", "entry"),
    [
        ("CYCLE_USAGE_TRACKING", "notification"),
        ("IMEI_CHANGE", "imei"),
        ("NO_SESSION_CONNECTION", "notification"),
        ("PREPAID_SERVICE_PACKAGE_EXPIRED", "notification"),
        ("PREPAID_SERVICE_PACKAGE_TRAFFIC_TRACKING", "notification"),
        ("SIM_STATUS_CHANGE", "status"),
        ("SIM_APN_STATUS_CHANGE", "apn"),
        ("MO_SMS", "sms"),
    ],
)
def test_each_kind_is_one_entry_of_the_timeline_however_often_it_comes(kind, entry, take, sim, giccid):
    body = event(kind, giccid, **own_fields(kind, giccid, "iot.example"))
    first = take(body)
    assert (first.state, first.problem) == ("done", "")
    assert first.result
    assert [e.kind for e in TimelineEvent.objects.filter(sim=sim)] == [entry]
    copy = take(body)
    assert (copy.state, copy.result) == ("done", f"copy of #{first.pk}")
    Push.objects.filter(pk=first.pk).update(state="received")
    processing.process(first.pk)
    assert TimelineEvent.objects.filter(sim=sim).count() == 1
    assert Message.objects.count() == (kind == "MO_SMS")


def test_a_report_about_a_message_nobody_sent_is_kept_with_what_is_wrong(take, sim, giccid):
    push = take(event("MT_SMS_STATUS_REPORT", giccid, **own_fields("MT_SMS_STATUS_REPORT", giccid, "")))
    assert push.state == "failed"
    assert "smsMsgId" in push.problem
    for _ in range(2):
        processing.process(push.pk)
    push.refresh_from_db()
    assert (push.state, push.attempts) == ("dead", 3)


@pytest.mark.parametrize(
    "kind", ["SIM_STATUS_CHANGE", "SIM_APN_STATUS_CHANGE", "IMEI_CHANGE", "CYCLE_USAGE_TRACKING", "MO_SMS"]
)
def test_a_sim_that_nobody_knows_is_a_problem_to_be_shown(kind, take, simulator, db):
    nobody = "8986019999999999999"
    push = take(event(kind, nobody, **own_fields(kind, nobody, "iot.example")))
    assert push.state == "failed"
    assert push.problem
    assert push.next_attempt_at is not None
    assert not Sim.objects.exists()


@pytest.mark.parametrize("kind", ["SIM_STATUS_CHANGE", "SIM_APN_STATUS_CHANGE", "IMEI_CHANGE", "MO_SMS"])
def test_missing_fields_are_a_problem_to_be_shown(kind, take, sim, giccid):
    push = take(event(kind, giccid))
    assert push.state == "failed"
    assert push.problem
    nameless = take(event(kind, "", "e-2"))
    assert nameless.state == "failed"
    assert not TimelineEvent.objects.filter(sim=sim).exists()


def test_a_push_is_a_hint_and_the_carrier_tells_the_state(take, sim, giccid, simulator):
    push = take(event("SIM_STATUS_CHANGE", giccid, originalStatus="ACTIVATED", targetStatus="RETIRED"))
    assert push.state == "done"
    sim.refresh_from_db()
    assert sim.status == "ACTIVATED"
    assert sim.observed_by == "push"
    assert simulator.calls("get_sim", giccid)


def test_a_carrier_that_is_away_means_later_not_never(take, sim, giccid, simulator):
    simulator.patch(giccid, status="DEACTIVATED", log=False, push=False)
    simulator.fault(call="get_sim", kind="error", status=503)
    push = take(event("SIM_STATUS_CHANGE", giccid, originalStatus="ACTIVATED", targetStatus="DEACTIVATED"))
    assert (push.state, push.attempts) == ("failed", 1)
    simulator.clear_faults()
    assert processing.process(push.pk, 1) == "done"
    sim.refresh_from_db()
    assert sim.status == "DEACTIVATED"
    assert TimelineEvent.objects.filter(sim=sim, kind="status").count() == 1


def test_late_doubled_and_swapped_pushes_end_in_the_same_timeline(post, sim, giccid, simulator):
    states = ["ACTIVATED", "DEACTIVATED", "ACTIVATED", "DEACTIVATED"]
    start = timezone.now().replace(microsecond=0)
    bodies = [
        event("SIM_STATUS_CHANGE", giccid, f"e-{n}", originalStatus=states[n], targetStatus=states[n + 1])
        | {"eventTime": format_time(start - timedelta(seconds=30 - 10 * n))}
        for n in range(3)
    ]
    simulator.patch(giccid, status="DEACTIVATED", log=False, push=False)
    sent = bodies * 3
    random.Random(3).shuffle(sent)
    for body in sent:
        post(body)
    ids = list(Push.objects.values_list("pk", flat=True))
    random.Random(4).shuffle(ids)
    assert {processing.process(push_id) for push_id in ids} == {"done"}
    told = TimelineEvent.objects.filter(sim=sim, kind="status").order_by("at").values_list("from_value", "to_value")
    assert list(told) == [("ACTIVATED", "DEACTIVATED"), ("DEACTIVATED", "ACTIVATED"), ("ACTIVATED", "DEACTIVATED")]
    sim.refresh_from_db()
    assert sim.status == "DEACTIVATED"


@pytest.mark.django_db(transaction=True)
def test_a_change_at_the_carrier_arrives_by_its_push(live_server, simulator, mirrored, giccid, token, valkey):
    sim = mirrored(giccid)
    url = f"{live_server.url}/webhooks/smarthub/{token}/"
    simulator.control("PUT", "push-target", {"url": url})
    try:
        simulator.patch(giccid, status="DEACTIVATED")
        wait_until(lambda: Push.objects.filter(kind="SIM_STATUS_CHANGE").exists(), what="the push")
    finally:
        simulator.control("PUT", "push-target", {"url": None})
    push = Push.objects.get(kind="SIM_STATUS_CHANGE")
    assert (push.path_kind, push.giccid) == ("sim-status-change", giccid)
    assert processing.process(push.pk, 0) == "done"
    sim.refresh_from_db()
    assert sim.status == "DEACTIVATED"
    (entry,) = TimelineEvent.objects.filter(sim=sim, kind="status")
    assert (entry.from_value, entry.to_value) == ("ACTIVATED", "DEACTIVATED")
    assert entry.push_key == push.key
