"""Pushes about SIMs: a line in the timeline, and the truth read from the carrier."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from core.pushes import PushEvent, PushProblem, handlers_for
from sims.models import Sim, TimelineEvent
from smarthub.errors import Transient

pytestmark = pytest.mark.django_db


def handle(kind: str, giccid: str, key: str = "k1", **body: Any) -> str:
    handler = handlers_for(kind)[0]  # this app's own; others come after it
    event = PushEvent(1, kind, giccid, "example_account", timezone.now(), key, {"giccid": giccid, **body})
    return handler(event)


def test_a_push_about_a_state_is_one_entry_and_the_sim_is_read_again(simulator, mirrored):
    sim = mirrored(simulator.pick())
    simulator.patch(sim.giccid, status="DEACTIVATED", push=False, log=False)
    words = handle("SIM_STATUS_CHANGE", sim.giccid, originalStatus="ACTIVATED", targetStatus="DEACTIVATED")
    assert words == "noted in the timeline, SIM read"
    event = sim.events.get(kind="status")
    assert (event.push_key, event.observed_at is None) == ("k1", False)
    sim.refresh_from_db()
    assert (sim.status, sim.observed_by) == ("DEACTIVATED", "push")
    assert "known already" in handle("SIM_STATUS_CHANGE", sim.giccid, targetStatus="DEACTIVATED")
    assert sim.events.count() == 1


def test_what_a_push_says_never_goes_into_the_mirror(simulator, mirrored):
    sim = mirrored(simulator.pick())
    handle("SIM_STATUS_CHANGE", sim.giccid, originalStatus="ACTIVATED", targetStatus="RETIRED")
    sim.refresh_from_db()
    assert sim.status == "ACTIVATED"


@pytest.mark.parametrize(
    ("kind", "body", "expected"),
    [
        ("IMEI_CHANGE", {"originalImei": "1", "targetImei": "2"}, ("imei", "1", "2", "")),
        (
            "SIM_APN_STATUS_CHANGE",
            {"apn": "iot.example", "originalStatus": "ENABLED", "targetStatus": "DISABLED"},
            ("apn", "ENABLED", "DISABLED", "iot.example"),
        ),
        ("CYCLE_USAGE_TRACKING", {"dataUsage": 5}, ("notification", "", "", "CYCLE_USAGE_TRACKING")),
        ("NO_SESSION_CONNECTION", {"noSessionHours": 5}, ("notification", "", "", "NO_SESSION_CONNECTION")),
        (
            "PREPAID_SERVICE_PACKAGE_EXPIRED",
            {"servicePackageCode": "T"},
            ("notification", "", "", "PREPAID_SERVICE_PACKAGE_EXPIRED"),
        ),
        (
            "PREPAID_SERVICE_PACKAGE_TRAFFIC_TRACKING",
            {"threshold": 5},
            ("notification", "", "", "PREPAID_SERVICE_PACKAGE_TRAFFIC_TRACKING"),
        ),
    ],
)
def test_each_kind_has_its_entry_once(kind, body, expected, simulator, mirrored):
    sim = mirrored(simulator.pick())
    for _ in range(2):
        handle(kind, sim.giccid, **body)
    event = TimelineEvent.objects.get(sim=sim)
    assert (event.kind, event.from_value, event.to_value, event.subject) == expected
    if event.kind == "notification":
        assert event.detail == {"event": kind, **body}


def test_the_timeline_keeps_no_more_of_a_push_than_a_person_reads(simulator, mirrored):
    sim = mirrored(simulator.pick())
    kept: dict[str, Any] = {"dataUsage": 5, "ruleName": "r" * 500, **{f"field{number}": True for number in range(38)}}
    long = {"n" * 501: 1, "number": 10**400, "deep": [[1]], "event time": {"a": 1}}
    more = {f"more{number}": "x" * 1000 for number in range(500)}
    handle("CYCLE_USAGE_TRACKING", sim.giccid, **{**long, **kept, "ruleName": "r" * 9000, **more})
    assert TimelineEvent.objects.get(sim=sim).detail == {"event": "CYCLE_USAGE_TRACKING", **kept}


def test_a_push_about_an_unknown_sim_brings_it_into_the_mirror(simulator):
    giccid = simulator.pick()
    handle("IMEI_CHANGE", giccid, targetImei="2")
    assert Sim.objects.get().events.count() == 1


@pytest.mark.parametrize("giccid", ["", "letters", "89860100000000000000"])
def test_a_push_about_a_sim_that_nobody_knows_is_a_problem(giccid, simulator):
    with pytest.raises(PushProblem):
        handle("IMEI_CHANGE", giccid, targetImei="2")
    assert not Sim.objects.exists()


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("SIM_STATUS_CHANGE", {}),
        ("SIM_STATUS_CHANGE", {"targetStatus": 7}),
        ("SIM_APN_STATUS_CHANGE", {"targetStatus": "X"}),
    ],
)
def test_a_push_without_its_fields_is_a_problem(kind, body, simulator, mirrored):
    sim = mirrored(simulator.pick())
    with pytest.raises(PushProblem):
        handle(kind, sim.giccid, **body)


def test_a_carrier_that_is_away_has_the_push_tried_again_without_a_second_entry(simulator, mirrored):
    sim = mirrored(simulator.pick())
    simulator.fault(call="get_sim", kind="error", status=503)
    with pytest.raises(Transient):
        handle("SIM_STATUS_CHANGE", sim.giccid, targetStatus="DEACTIVATED")
    simulator.clear_faults()
    handle("SIM_STATUS_CHANGE", sim.giccid, targetStatus="DEACTIVATED")
    assert sim.events.count() == 1


def test_a_sim_that_is_gone_at_the_carrier_is_marked(simulator, mirrored):
    sim = mirrored(simulator.pick())
    Sim.objects.filter(pk=sim.pk).update(observed_at=timezone.now() - timedelta(hours=1))
    simulator.control("DELETE", f"sims/{sim.giccid}")
    assert "does not know" in handle("NO_SESSION_CONNECTION", sim.giccid)
    sim.refresh_from_db()
    assert sim.missing_since is not None
