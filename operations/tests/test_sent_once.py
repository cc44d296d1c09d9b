"""Each kind of change reaches the carrier exactly once, whatever happens to the answer."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from core.models import AuditEntry
from operations.models import Operation, OperationAttempt
from operations.services import engine, readback, scheduled
from operations.services.dispatch import dispatch
from operations.services.requests import request_operation
from operations.tests.helpers import CALLS, KINDS, WHAT, changes_of, make_due, run, run_to_end
from sims.models import Sim, Subscription, TimelineEvent
from sims.services.carrier import get_client
from sims.services.timeline import record_log_entries, record_push
from smarthub import Budget, Lane, SmartHub, errors

State = Operation.State


@pytest.mark.parametrize("kind", KINDS)
def test_done_in_one_run_and_told_once(kind, simulator, carrier_sim, ask):
    sim = carrier_sim(kind)
    operation = run(ask(sim, kind))

    assert operation.state == State.DONE, operation.message
    assert [what for what, _to in changes_of(simulator, sim)] == [WHAT[kind]]
    assert len(simulator.calls(CALLS[kind], sim.giccid)) == 1
    assert [attempt.step for attempt in operation.attempts.all()] == ["send", "read_back"]
    assert all(attempt.finished_at and attempt.outcome for attempt in operation.attempts.all())
    event = TimelineEvent.objects.get(sim=sim, kind=WHAT[kind], operation_id=operation.pk)
    assert (event.reason, event.ticket, event.actor, event.outcome) == (
        operation.reason,
        "T-1",
        operation.actor,
        "success",
    )
    actions = AuditEntry.objects.filter(object_type="operations.operation", object_id=operation.pk)
    assert set(actions.values_list("action", flat=True)) == {"operation.requested", "operation.done"}


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        ("suspend", "status", "DEACTIVATED"),
        ("activate", "status", "ACTIVATED"),
        ("retire", "status", "RETIRED"),
        ("set_custom_fields", "custom3", "Gate 7, south"),
    ],
)
def test_the_mirror_shows_it(kind, field, value, carrier_sim, ask):
    sim = carrier_sim(kind)
    run(ask(sim, kind))
    sim.refresh_from_db()
    assert getattr(sim, field) == value


@pytest.mark.parametrize("kind", ["suspend", "activate", "change_plan", "add_plan"])
def test_operation_log_and_push_are_one_entry(kind, simulator, carrier_sim, ask):
    sim = carrier_sim(kind)
    operation = run(ask(sim, kind))
    entries = get_client(Lane.AGENT).list_change_logs(
        giccid=sim.giccid, start=operation.created_at.replace(microsecond=0)
    )
    record_log_entries(entries.data)
    if WHAT[kind] == "status":
        record_push(
            sim=sim,
            kind="status",
            from_value=operation.before["status"],
            to_value=entries.data[0].target or "",
            push_key="event-1",
            push_time=entries.data[0].created_time,
        )
    events = TimelineEvent.objects.filter(sim=sim, kind=WHAT[kind], at__gte=operation.created_at.replace(microsecond=0))
    event = events.get()
    assert event.operation_id == operation.pk
    assert event.log_time is not None
    assert (event.push_key is not None) == (WHAT[kind] == "status")


@pytest.mark.parametrize("fault", ["lost_answer", "error_after_change", "cut_body", "html", "bad_json"])
@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_lost_after_the_change(kind, fault, simulator, carrier_sim, ask):
    sim = carrier_sim(kind)
    simulator.fault(call=CALLS[kind], kind=fault, before=False, count=1)
    operation = run_to_end(ask(sim, kind))

    assert operation.state == State.DONE, operation.message
    assert [what for what, _to in changes_of(simulator, sim)] == [WHAT[kind]]
    assert TimelineEvent.objects.filter(sim=sim, operation_id=operation.pk, outcome="success").count() == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_silent_carrier(kind, simulator, carrier_sim, ask, with_carrier):
    sim = carrier_sim(kind)
    simulator.fault(call=CALLS[kind], kind="hang", seconds=3, count=1)
    with with_carrier(SMARTHUB_READ_TIMEOUT=0.5):
        operation = run(ask(sim, kind))
    assert operation.state == State.UNKNOWN
    simulator.clear_faults()
    make_due(operation)
    run_to_end(operation)
    assert operation.state == State.DONE, operation.message
    assert [what for what, _to in changes_of(simulator, sim)] == [WHAT[kind]]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "add_plan"])
def test_a_request_that_never_arrived_is_sent_again(kind, simulator, carrier_sim, ask):
    sim = carrier_sim(kind)
    simulator.fault(call=CALLS[kind], kind="reset", count=1)
    operation = run_to_end(ask(sim, kind))

    assert operation.state == State.DONE, operation.message
    assert operation.sends == 2
    assert [what for what, _to in changes_of(simulator, sim)] == [WHAT[kind]]


def test_a_purchase_in_doubt_is_never_sent_again(simulator, carrier_sim, ask):
    sim = carrier_sim("add_plan")
    simulator.fault(call="add_plan", kind="reset", count=1)
    operation = run_to_end(ask(sim, "add_plan"))

    assert operation.state == State.NEEDS_ATTENTION
    assert operation.sends == 1
    assert changes_of(simulator, sim) == []
    assert TimelineEvent.objects.get(operation_id=operation.pk).outcome == "unclear"


def test_a_second_purchase_of_the_same_plan_is_told_from_the_first(simulator, carrier_sim, ask):
    sim = carrier_sim("add_plan")
    first = run(ask(sim, "add_plan"))
    simulator.fault(call="add_plan", kind="reset", count=1)
    second = run_to_end(ask(sim, "add_plan", plan=first.params["plan"]))
    assert second.state == State.NEEDS_ATTENTION, "the first purchase must not be taken for the second"

    simulator.clear_faults()
    sim.refresh_from_db()
    second.state = State.FAILED
    second.save(update_fields=["state"])
    simulator.fault(call="add_plan", kind="lost_answer", count=1)
    third = run_to_end(ask(sim, "add_plan", plan=first.params["plan"]))
    assert third.state == State.DONE
    bought = [item["subscriptionId"] for item in simulator.sim(sim.giccid)["supplementaryServicePackages"]]
    assert third.result["subscription_id"] in bought
    assert third.result != first.result
    assert Subscription.objects.filter(sim=sim, carrier_id=third.result["subscription_id"]).exists()


def test_a_purchase_is_found_in_the_change_log_when_the_sim_does_not_list_it(simulator, carrier_sim, ask):
    sim = carrier_sim("add_plan")
    simulator.patch(sim.giccid, drop=["supplementaryServicePackages"], log=False, push=False)
    simulator.fault(call="add_plan", kind="lost_answer", count=1)
    operation = run_to_end(ask(sim, "add_plan"))
    assert operation.state == State.DONE, operation.message


@pytest.mark.parametrize("kind", KINDS)
def test_killed_after_the_call(kind, simulator, carrier_sim, ask, monkeypatch):
    """The carrier changed the SIM, the worker died before it noted that."""
    sim = carrier_sim(kind)
    operation = ask(sim, kind)

    def die(*_args: object, **_kwargs: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(engine, "_accepted", die)
        with pytest.raises(SystemExit):
            run(operation)
    operation.refresh_from_db()
    assert operation.state == State.SENDING
    assert run(operation).state == State.SENDING, "its lease has not run out"

    make_due(operation)
    dispatch()
    operation.refresh_from_db()
    assert operation.state == State.UNKNOWN, "never straight back to the queue"
    run_to_end(operation)
    assert operation.state == State.DONE
    assert [what for what, _to in changes_of(simulator, sim)] == [WHAT[kind]]
    assert len(simulator.calls(CALLS[kind], sim.giccid)) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_killed_between_claim_and_call(kind, simulator, carrier_sim, ask, monkeypatch):
    sim = carrier_sim(kind)
    operation = ask(sim, kind)

    def die(*_args: object, **_kwargs: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(engine, "_call", die)
        with pytest.raises(SystemExit):
            run(operation)
    make_due(operation)
    dispatch()
    run_to_end(operation)
    expected = (State.NEEDS_ATTENTION, []) if kind == "add_plan" else (State.DONE, [WHAT[kind]])
    assert (operation.state, [what for what, _to in changes_of(simulator, sim)]) == expected
    lost = operation.attempts.filter(step=OperationAttempt.Step.SEND).first()
    assert lost is not None
    assert (lost.outcome, lost.code) == ("unknown", "worker_lost")


def test_a_worker_that_lost_its_lease_changes_nothing(simulator, carrier_sim, ask, monkeypatch):
    """Too slow: the dispatcher has given it up, and its late answer must not undo what was found out since."""
    sim = carrier_sim("suspend")
    operation = ask(sim, "suspend")
    real = engine._call

    def slow(client: SmartHub, late: Operation):
        answer = real(client, late)
        make_due(operation)
        dispatch()
        run_to_end(operation)
        return answer

    monkeypatch.setattr(engine, "_call", slow)
    run(operation)
    assert operation.state == State.DONE
    assert [attempt.outcome for attempt in operation.attempts.all()] == ["unknown", "done"]
    assert AuditEntry.objects.filter(action="operation.done", object_id=operation.pk).count() == 1


def test_killed_while_reading_back(simulator, carrier_sim, ask, monkeypatch):
    sim = carrier_sim("suspend")
    operation = ask(sim, "suspend")

    def die(*_args: object, **_kwargs: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(readback, "_look", die)
        with pytest.raises(SystemExit):
            run(operation)
    operation.refresh_from_db()
    assert operation.state == State.ACCEPTED
    make_due(operation)
    run_to_end(operation)
    assert operation.state == State.DONE
    assert [what for what, _to in changes_of(simulator, sim)] == ["status"]
    assert list(operation.attempts.values_list("step", "outcome", "code")) == [
        ("send", "accepted", ""),
        ("read_back", "accepted", "worker_lost"),
        ("read_back", "done", ""),
    ]
    assert not operation.attempts.filter(finished_at=None).exists()


def test_an_error_of_ours_while_reading_back_is_told_and_tried_again(carrier_sim, ask, monkeypatch):
    sim = carrier_sim("suspend")
    operation = ask(sim, "suspend")

    def fail(*_args: object, **_kwargs: object) -> None:
        raise KeyError

    with monkeypatch.context() as patch:
        patch.setattr(readback, "_look", fail)
        run(operation)
    last = operation.attempts.last()
    assert last is not None
    assert (operation.state, last.code) == (State.ACCEPTED, "internal_error")
    assert operation.next_attempt_at is not None
    assert operation.lease_until is None
    make_due(operation)
    assert run_to_end(operation).state == State.DONE


@pytest.mark.parametrize("fault", ["reset", "lost_answer"])
def test_a_plan_for_the_next_cycle_is_sent_again_after_the_first_look(fault, simulator, carrier_sim, ask):
    """No reading can show it before the cycle turns, and it may be sent twice."""
    sim = carrier_sim("change_plan")
    simulator.fault(call="change_plan", kind=fault, count=1)
    operation = run(ask(sim, "change_plan", effective="NEXT_CYCLE"))
    assert operation.state == State.UNKNOWN
    make_due(operation)
    run(operation)
    assert (operation.state, operation.sends) == (State.DONE, 2), operation.message
    assert TimelineEvent.objects.get(operation_id=operation.pk).outcome == "scheduled"


def test_a_carrier_that_swallows_every_sending_is_not_hammered(simulator, carrier_sim, ask):
    sim = carrier_sim("change_plan")
    simulator.fault(call="change_plan", kind="reset")
    operation = ask(sim, "change_plan", effective="NEXT_CYCLE")
    for _ in range(20):
        run(operation)
        if operation.state == State.QUEUED and operation.sends == 3:
            break
        make_due(operation)
    assert (operation.state, operation.sends) == (State.QUEUED, 3)
    assert operation.next_attempt_at is not None
    assert operation.next_attempt_at > timezone.now() + timedelta(seconds=2)


def test_a_cycle_that_can_not_be_looked_up_leaves_no_doubt_of_the_yes(simulator, carrier_sim, ask, monkeypatch):
    sim = carrier_sim("change_plan")
    Sim.objects.filter(pk=sim.pk).update(cycle_end=None)
    sim.refresh_from_db()

    def fail(*_args: object, **_kwargs: object) -> None:
        raise KeyError

    monkeypatch.setattr(scheduled, "read_sim", fail)
    operation = run(ask(sim, "change_plan", effective="NEXT_CYCLE"))
    assert (operation.state, operation.effective_at) == (State.DONE, None)
    assert len(simulator.calls("change_plan", sim.giccid)) == 1


def test_a_call_that_the_budget_held_back_comes_again_soon(simulator, carrier_sim, ask, monkeypatch):
    """However often: the agent waits for it, the carrier was not troubled, and nothing counts as sent."""
    sim = carrier_sim("suspend")

    def no_budget(*_args: object, **_kwargs: object) -> None:
        raise errors.BudgetDenied("budget")

    operation = ask(sim, "suspend")
    with monkeypatch.context() as patch:
        patch.setattr(Budget, "acquire", no_budget)
        for _ in range(5):
            make_due(operation)
            run(operation)
    assert (operation.state, operation.sends) == (State.QUEUED, 0)
    assert "No call to the carrier was free" in operation.message
    assert operation.next_attempt_at is not None
    assert operation.next_attempt_at < timezone.now() + timedelta(seconds=5)
    assert run_to_end(operation).state == State.DONE
    assert len(simulator.calls("deactivate", sim.giccid)) == 1


@pytest.mark.parametrize("kind", ["suspend", "add_plan", "send_sms"])
def test_killed_while_it_waits_for_its_turn_nothing_is_in_doubt(kind, simulator, carrier_sim, ask, agent, monkeypatch):
    """Only what may have left is in doubt; one call leaves afterwards, also of what must never be sent twice."""
    sim = carrier_sim("suspend" if kind == "send_sms" else kind)
    operation = (
        request_operation(sim=sim, kind=kind, params={"text": "hello"}, actor=agent, reason="")
        if kind == "send_sms"
        else ask(sim, kind)
    )
    waits: list[str] = []
    real = SmartHub.with_turn

    class Killed(BaseException):
        """Nothing catches it."""

    def killed(client: SmartHub) -> SmartHub:
        waits.append(Operation.objects.get(pk=operation.pk).state)
        real(client)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(SmartHub, "with_turn", killed)
        with pytest.raises(Killed):
            run(operation)
    dispatch()
    operation.refresh_from_db()
    assert (waits, operation.state, operation.sends) == ([State.QUEUED], State.QUEUED, 0)
    make_due(operation)
    assert run_to_end(operation).state == State.DONE
    assert not operation.attempts.exclude(outcome__in=[State.ACCEPTED, State.DONE]).exclude(step="read_back").exists()
    assert len(simulator.changes(sim.giccid)) == 1


def test_cancelled_while_it_waits_for_its_turn_it_is_not_sent(simulator, carrier_sim, ask, monkeypatch):
    sim = carrier_sim("suspend")
    operation = ask(sim, "suspend")
    real = SmartHub.with_turn

    def cancelled(client: SmartHub) -> SmartHub:
        Operation.objects.filter(pk=operation.pk).update(state=State.CANCELLED, next_attempt_at=None)
        return real(client)

    monkeypatch.setattr(SmartHub, "with_turn", cancelled)
    assert run(operation).state == State.CANCELLED
    assert simulator.calls("deactivate", sim.giccid) == []


def test_a_task_that_comes_twice_or_late_does_nothing(simulator, carrier_sim, ask):
    sim = carrier_sim("suspend")
    operation = run(ask(sim, "suspend"))
    before = Operation.objects.filter(pk=operation.pk).values().get()
    run(operation)
    dispatch()
    assert Operation.objects.filter(pk=operation.pk).values().get() == before
    assert len(simulator.calls("deactivate", sim.giccid)) == 1


def test_the_dispatcher_finds_what_the_broker_lost(simulator, carrier_sim, ask, valkey):
    operation = ask(carrier_sim("suspend"), "suspend")
    valkey.flushdb()
    assert dispatch() == 1
    Operation.objects.filter(pk=operation.pk).update(next_attempt_at=timezone.now() + timedelta(hours=1))
    assert dispatch() == 0
