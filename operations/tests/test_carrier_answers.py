"""What follows of each answer: a no is final and in plain words, a later is tried again, silence is looked into."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from core.models import AuditEntry
from operations.models import Operation
from operations.services.requests import request_operation
from operations.tests.helpers import changes_of, make_due, run, run_to_end
from sims.models import Sim, TimelineEvent

State = Operation.State


def test_a_no_is_final_and_the_mirror_is_read_again(simulator, carrier_sim, ask):
    sim = carrier_sim("suspend")
    simulator.patch(sim.giccid, status="DEACTIVATED", push=False)
    operation = run(ask(sim, "suspend"))

    assert operation.state == State.FAILED
    assert operation.carrier_code == "illegal_status"
    assert "state does not allow this" in operation.message
    assert len(simulator.calls("deactivate", sim.giccid)) == 1
    sim.refresh_from_db()
    assert sim.status == "DEACTIVATED"
    event = TimelineEvent.objects.get(operation_id=operation.pk)
    assert event.outcome == "failed"
    assert "state does not allow this" in event.detail["answer"]
    assert AuditEntry.objects.filter(action="operation.failed", object_id=operation.pk).count() == 1


def test_a_sim_the_carrier_forgot(simulator, carrier_sim, ask):
    sim = carrier_sim("suspend")
    simulator.control("DELETE", f"sims/{sim.giccid}")
    operation = run(ask(sim, "suspend"))
    assert operation.state == State.FAILED
    assert "does not know this SIM" in operation.message
    sim.refresh_from_db()
    assert sim.missing_since is not None


def test_a_sim_that_is_forgotten_before_a_purchase(simulator, carrier_sim, ask):
    sim = carrier_sim("add_plan")
    simulator.control("DELETE", f"sims/{sim.giccid}")
    operation = run(ask(sim, "add_plan"))
    assert (operation.state, operation.sends) == (State.FAILED, 0)


def test_a_wrong_key_says_who_has_to_act(simulator, carrier_sim, ask, with_carrier):
    sim = carrier_sim("suspend")
    operation = ask(sim, "suspend")
    with with_carrier(SMARTHUB_API_KEY="not-the-key"):
        run(operation)
    assert operation.state == State.FAILED
    assert "refuses the portal's key" in operation.message
    assert "not-the-key" not in operation.message
    assert changes_of(simulator, sim) == []


def test_slow_down_is_waited_for(simulator, carrier_sim, ask):
    sim = carrier_sim("suspend")
    simulator.fault(call="deactivate", kind="rate_limit", retry_after=20, count=1)
    operation = run(ask(sim, "suspend"))

    assert operation.state == State.QUEUED
    assert operation.next_attempt_at is not None
    assert operation.next_attempt_at - timezone.now() > timedelta(seconds=15)
    assert operation.attempts.get().outcome == State.QUEUED
    assert operation.attempts.get().status == 429
    make_due(operation)
    assert run(operation).state == State.DONE
    assert operation.sends == 2
    assert len(changes_of(simulator, sim)) == 1


@pytest.mark.parametrize("kind", ["suspend", "add_plan"])
def test_a_carrier_that_is_away_is_tried_again(kind, simulator, carrier_sim, ask, with_carrier):
    sim = carrier_sim(kind)
    operation = ask(sim, kind)
    with with_carrier(SMARTHUB_BASE_URL="http://127.0.0.1:9/v1", SMARTHUB_CONNECT_TIMEOUT=0.3):
        run(operation)
    assert operation.state == State.QUEUED
    assert operation.next_attempt_at > timezone.now()
    assert "could not be reached" in operation.message
    make_due(operation)
    assert run(operation).state == State.DONE, operation.message
    assert len(changes_of(simulator, sim)) == 1


def test_an_outage_after_the_sending_is_sat_out(simulator, carrier_sim, ask):
    sim = carrier_sim("suspend")
    simulator.fault(call="deactivate", kind="lost_answer", count=1)
    simulator.fault(call="get_sim", kind="error", status=503)
    operation = run(ask(sim, "suspend"))
    for _ in range(12):
        make_due(operation)
        run(operation)
    assert operation.state == State.UNKNOWN, "a reading that fails says nothing, so it does not count"
    assert operation.readbacks == 0
    simulator.clear_faults()
    make_due(operation)
    assert run(operation).state == State.DONE
    assert len(changes_of(simulator, sim)) == 1


def test_nobody_waits_for_ever_for_a_reading(simulator, carrier_sim, ask):
    sim = carrier_sim("suspend")
    simulator.fault(call="deactivate", kind="lost_answer", count=1)
    simulator.fault(call="get_sim", kind="error", status=503)
    operation = run(ask(sim, "suspend"))
    Operation.objects.filter(pk=operation.pk).update(first_sent_at=timezone.now() - timedelta(days=1))
    make_due(operation)
    assert run(operation).state == State.NEEDS_ATTENTION


def test_a_change_that_was_long_refused_stands_in_the_timeline_where_it_was_taken(simulator, carrier_sim, ask):
    sim = carrier_sim("suspend")
    simulator.fault(call="deactivate", kind="rate_limit", retry_after=1, count=1)
    operation = run(ask(sim, "suspend"))
    assert (operation.state, operation.sends) == (State.QUEUED, 1)
    long_ago = timezone.now() - timedelta(hours=1)
    Operation.objects.filter(pk=operation.pk).update(first_sent_at=long_ago, last_sent_at=long_ago)
    make_due(operation)
    operation = run(operation)
    assert (operation.state, operation.first_sent_at) == (State.DONE, long_ago)
    event = TimelineEvent.objects.get(operation_id=operation.pk)
    assert timezone.now() - event.at < timedelta(minutes=2)


def test_a_wrong_state_after_a_sending_in_doubt_is_read_back_first(simulator, carrier_sim, ask):
    """The first one arrives late: the second is refused because the change is done."""
    sim = carrier_sim("suspend")
    simulator.fault(call="deactivate", kind="reset", count=1)
    operation = ask(sim, "suspend")
    while operation.sends < 1 or operation.state != State.QUEUED:
        make_due(operation)
        run_one_step(operation)
    simulator.patch(sim.giccid, status="DEACTIVATED", push=False)
    run_to_end(operation)
    assert operation.state == State.DONE
    assert operation.attempts.filter(step="send").last().code == "illegal_status"


def run_one_step(operation: Operation) -> None:
    """So that a step can be looked at between two others."""
    from operations.services import engine

    steps, engine.MAX_STEPS = engine.MAX_STEPS, 1
    try:
        run(operation)
    finally:
        engine.MAX_STEPS = steps


def test_a_wrong_state_after_a_sending_in_doubt_fails_when_the_change_is_not_there(simulator, carrier_sim, ask):
    sim = carrier_sim("suspend")
    simulator.fault(call="deactivate", kind="reset", count=1)
    operation = ask(sim, "suspend")
    while operation.sends < 1 or operation.state != State.QUEUED:
        make_due(operation)
        run_one_step(operation)
    simulator.patch(sim.giccid, status="RETIRED", push=False)
    run_to_end(operation)
    assert operation.state == State.FAILED
    assert operation.carrier_code == "illegal_status"


def test_a_change_that_somebody_undid_at_once_is_found_in_the_log(simulator, carrier_sim, ask):
    sim = carrier_sim("suspend")
    simulator.fault(call="deactivate", kind="lost_answer", count=1)
    operation = run(ask(sim, "suspend"))
    simulator.patch(sim.giccid, status="ACTIVATED", push=False)
    make_due(operation)
    run_to_end(operation)
    assert operation.state == State.DONE
    assert operation.sends == 1
    assert simulator.sim(sim.giccid)["status"] == "ACTIVATED", "the other person's change stays"


def test_accepted_but_never_shown(simulator, carrier_sim, ask):
    sim = carrier_sim("set_apn")
    operation = ask(sim, "set_apn")
    while operation.state != State.ACCEPTED:
        make_due(operation)
        run_one_step(operation)
    apn = operation.params
    back = "ENABLED" if apn["apn_status"] == "DISABLED" else "DISABLED"
    simulator.patch(sim.giccid, apns=[{"apn": apn["apn"], "status": back}], push=False)
    run_to_end(operation)
    assert operation.state == State.NEEDS_ATTENTION
    assert "does not show it" in operation.message
    assert operation.sends == 1


def test_what_could_not_be_sent_in_time_expires(simulator, carrier_sim, ask):
    sim = carrier_sim("suspend")
    operation = ask(sim, "suspend")
    Operation.objects.filter(pk=operation.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert run(operation).state == State.EXPIRED
    assert simulator.calls("deactivate", sim.giccid) == []
    assert TimelineEvent.objects.get(operation_id=operation.pk).outcome == "failed"


def test_a_sim_that_changed_since_is_not_sent(simulator, carrier_sim, ask, mirrored):
    sim = carrier_sim("suspend")
    operation = ask(sim, "suspend")
    simulator.patch(sim.giccid, status="RETIRED", push=False)
    mirrored(sim.giccid)
    assert run(operation).state == State.FAILED
    assert "Not sent" in operation.message
    assert simulator.calls("deactivate", sim.giccid) == []


def test_an_answer_with_missing_and_unknown_fields_is_read_as_far_as_it_goes(simulator, carrier_sim, ask):
    sim = carrier_sim("suspend")
    simulator.patch(
        sim.giccid, drop=["imei", "apns", "basicServicePackage"], extra={"mood": "calm"}, log=False, push=False
    )
    operation = run_to_end(ask(sim, "suspend"))
    assert operation.state == State.DONE
    assert len(changes_of(simulator, sim)) == 1


def test_an_unknown_state_at_the_carrier_is_no_proof(simulator, carrier_sim, ask):
    sim = carrier_sim("suspend")
    operation = ask(sim, "suspend")
    while operation.state != State.ACCEPTED:
        make_due(operation)
        run_one_step(operation)
    simulator.patch(sim.giccid, extra={"status": "ON_HOLD"}, log=False, push=False)
    make_due(operation)
    run(operation)
    assert operation.state == State.ACCEPTED
    assert Sim.objects.get(pk=sim.pk).status == "ON_HOLD"


def test_a_plan_for_the_next_cycle_is_done_when_accepted_and_checked_later(simulator, carrier_sim, ask):
    sim = carrier_sim("change_plan")
    operation = run(ask(sim, "change_plan", effective="NEXT_CYCLE"))
    assert operation.state == State.DONE
    assert operation.effective_at == sim.cycle_end
    assert TimelineEvent.objects.get(operation_id=operation.pk).outcome == "scheduled"
    assert operation.next_attempt_at > sim.cycle_end

    seconds = (sim.cycle_end - timezone.now()).total_seconds() + 3600
    simulator.control("POST", "clock", {"advance": seconds})
    make_due(operation)
    run(operation)
    assert operation.state == State.DONE
    assert operation.next_attempt_at is None
    assert "took effect" in operation.message
    sim.refresh_from_db()
    assert sim.plan_id == operation.params["plan"]


def test_a_plan_that_did_not_come_with_the_cycle_is_said(simulator, carrier_sim, ask):
    sim = carrier_sim("change_plan")
    operation = run(ask(sim, "change_plan", effective="NEXT_CYCLE"))
    for _ in range(6):
        make_due(operation)
        run(operation)
    assert operation.next_attempt_at is None
    assert "does not show the plan" in operation.message


def test_a_lost_answer_for_the_next_cycle_is_sent_again(simulator, carrier_sim, ask):
    sim = carrier_sim("change_plan")
    simulator.fault(call="change_plan", kind="lost_answer", count=1)
    operation = run_to_end(ask(sim, "change_plan", effective="NEXT_CYCLE"))
    assert operation.state == State.DONE
    assert operation.effective_at == sim.cycle_end
    assert simulator.sim(sim.giccid)["basicServicePackage"]["code"] == sim.plan_id


def test_a_plan_that_is_to_come_can_be_taken_back(simulator, carrier_sim, ask):
    sim = carrier_sim("change_plan")
    run(ask(sim, "change_plan", effective="NEXT_CYCLE"))
    operation = run(ask(sim, "change_plan", plan=sim.plan_id, effective="NEXT_CYCLE"))
    assert operation.state == State.DONE
    seconds = (sim.cycle_end - timezone.now()).total_seconds() + 3600
    simulator.control("POST", "clock", {"advance": seconds})
    assert simulator.sim(sim.giccid)["basicServicePackage"]["code"] == sim.plan_id


def test_another_sims_operation_is_untouched_by_a_fault(simulator, carrier_sim, ask, supervisor):
    hit, other = carrier_sim("suspend", n=0), carrier_sim("suspend", n=1)
    simulator.fault(call="deactivate", kind="lost_answer", giccid=hit.giccid)
    first = ask(hit, "suspend")
    second = request_operation(sim=other, kind="suspend", params={}, actor=supervisor, reason="lost device")
    run(first)
    assert run(second).state == State.DONE
    assert run_to_end(first).state == State.DONE
