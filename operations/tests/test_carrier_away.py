"""While the carrier is away changes wait without a call, are checked again before they go, and come back in order."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast

import pytest
from django.utils import timezone

from core.models import AuditEntry
from notifications.models import Event
from operations import job_tasks, tasks
from operations.models import Operation
from operations.services import away, dispatch, engine, waiting
from operations.services.jobs import confirm, run
from operations.tests.helpers import changes_of, make_due
from operations.tests.helpers import run as run_operation
from operations.tests.job_helpers import drive, make_all_due, states_of, turn
from sims.models import Sim
from sims.services import carrier
from smarthub import Breaker
from staff.models import AccountScope

State = Operation.State
STATE = "{smarthub:breaker}:state"


@pytest.fixture
def breaker(simulator: Any, with_carrier: Any, valkey: Any) -> Any:
    """A breaker that is on; ``breaker.open()`` and ``breaker.close()`` do what failures and an answer would."""
    with with_carrier(BREAKER_FAILURES=20, BREAKER_PROBE_EVERY=60):
        found = cast(Breaker, carrier._shared_client().breaker)

        class Switch:
            def open(self) -> None:
                for _ in range(found.failures):
                    found.failed(found.admit())
                assert carrier.is_away()

            def close(self) -> None:
                valkey.hset(STATE, "probe_at", "1")
                carrier.probe()
                assert not carrier.is_away()

        yield Switch()


@pytest.fixture
def handed(monkeypatch: Any) -> list[tuple[str, Any]]:
    """What the dispatchers hand over, as (task, argument), instead of a queue."""
    found: list[tuple[str, Any]] = []

    def enqueue(task: Any, argument: Any, **_: Any) -> bool:
        found.append((task.name.rpartition(".")[2], argument))
        return True

    for module in (dispatch, away, run):
        monkeypatch.setattr(module, "enqueue", enqueue)
    return found


def calls(simulator: Any) -> list[str]:
    return [call["call"] for call in simulator.calls()]


def test_a_change_waits_without_a_call_and_is_sent_when_the_carrier_is_back(
    breaker, simulator, carrier_sim, ask, handed
):
    sim = carrier_sim("suspend")
    breaker.open()
    operation = ask(sim, "suspend")
    before = len(simulator.calls())
    for _ in range(2):
        run_operation(operation)
    assert (operation.state, operation.carrier_code, operation.sends) == (State.QUEUED, "carrier_away", 0)
    assert operation.waits_for_carrier
    assert dispatch.dispatch() == 0
    assert len(simulator.calls()) == before

    breaker.close()
    assert dispatch.dispatch() == 1
    assert handed == [("run_operation", operation.pk)]
    run_operation(operation)
    assert operation.state == State.ACCEPTED, "it is read back with the others that waited"
    assert run_operation(operation).state == State.DONE
    assert len(changes_of(simulator, sim)) == 1


def test_it_expires_to_the_second_and_who_asked_is_told(breaker, simulator, carrier_sim, ask, handed):
    operation = ask(carrier_sim("suspend"), "suspend")
    breaker.open()
    run_operation(operation)
    Operation.objects.filter(pk=operation.pk).update(expires_at=timezone.now())
    assert dispatch.dispatch() == 1, "what has expired needs nothing of the carrier"
    run_operation(operation)
    assert operation.state == State.EXPIRED
    assert "supervisor asked for it" in operation.message
    event = Event.objects.get(key=f"{operation.pk} expired")
    assert event.detail["operation_id"] == operation.pk
    assert "deactivate" not in calls(simulator)


def test_the_sim_is_read_anew_before_what_waited_is_sent(breaker, simulator, carrier_sim, ask):
    sim = carrier_sim("suspend")
    operation = ask(sim, "suspend")
    breaker.open()
    run_operation(operation)
    breaker.close()
    simulator.patch(sim.giccid, status="DEACTIVATED", push=False)
    Sim.objects.update(observed_at=timezone.now() - timedelta(hours=1))
    run_operation(operation)
    assert operation.state == State.FAILED
    assert "in this state already" in operation.message
    assert "deactivate" not in calls(simulator)


@pytest.mark.parametrize("lost", ["active", "role", "account"])
def test_who_asked_must_still_be_allowed_to(lost, breaker, simulator, carrier_sim, ask, scoped_agent):
    operation = ask(carrier_sim("suspend"), "suspend", actor=scoped_agent)
    breaker.open()
    run_operation(operation)
    breaker.close()
    if lost == "active":
        scoped_agent.is_active = False
        scoped_agent.save()
    elif lost == "role":
        scoped_agent.groups.clear()
    else:
        AccountScope.objects.filter(user=scoped_agent).update(account_name="another")
    run_operation(operation)
    assert operation.state == State.FAILED
    assert "scoped, who asked for it" in operation.message
    assert "deactivate" not in calls(simulator)


def test_many_are_settled_and_checked_by_few_calls(breaker, simulator, carrier_sims, ask, handed):
    doubtful, queued = carrier_sims("suspend", 12)[:6], carrier_sims("suspend", 12)[6:]
    simulator.fault(call="deactivate", kind="lost_answer", count=3)
    simulator.fault(call="deactivate", kind="reset", count=3)
    engine.MAX_STEPS, steps = 1, engine.MAX_STEPS
    try:
        unknown = [run_operation(ask(sim, "suspend")) for sim in doubtful]
        breaker.open()
        waiting_ones = [run_operation(ask(sim, "suspend")) for sim in queued]
    finally:
        engine.MAX_STEPS = steps
    assert {operation.state for operation in unknown} == {State.UNKNOWN}
    breaker.close()
    long_ago = timezone.now() - timedelta(hours=2)
    for operation in unknown:
        operation.attempts.update(started_at=long_ago)
        make_due(operation)
    Operation.objects.filter(first_sent_at__isnull=False).update(first_sent_at=long_ago)
    Sim.objects.update(observed_at=long_ago)
    before = len(simulator.calls())

    assert dispatch.dispatch() == 12
    assert [name for name, _pks in handed] == ["catch_up"]
    tasks.catch_up(handed.pop()[1])
    told = [Operation.objects.get(pk=operation.pk).state for operation in unknown]
    assert told == [State.DONE] * 3 + [State.QUEUED] * 3
    assert handed == [("run_operation", operation.pk) for operation in waiting_ones], "in the order of their age"
    assert calls(simulator)[before:].count("list_sims") == 2
    assert "get_sim" not in calls(simulator)[before:]
    for operation in (*unknown[3:], *waiting_ones):
        make_due(operation)
        run_operation(operation)
    tasks.catch_up([operation.pk for operation in waiting_ones])
    assert {operation.state for operation in Operation.objects.all()} == {State.DONE}
    assert len(simulator.changes()) == 12, "none lost, none twice"


def test_a_reading_that_can_not_be_made_gives_nothing_up(breaker, simulator, carrier_sim, ask):
    sim = carrier_sim("suspend")
    simulator.fault(call="deactivate", kind="lost_answer", count=1)
    engine.MAX_STEPS, steps = 1, engine.MAX_STEPS
    try:
        operation = run_operation(ask(sim, "suspend"))
    finally:
        engine.MAX_STEPS = steps
    breaker.open()
    Operation.objects.update(first_sent_at=timezone.now() - timedelta(days=1))
    make_due(operation)
    assert run_operation(operation).state == State.UNKNOWN
    breaker.close()
    make_due(operation)
    assert run_operation(operation).state == State.DONE


@pytest.mark.parametrize("kind", ["suspend", "set_apn"])
def test_a_job_waits_and_goes_on(kind, breaker, simulator, start_job, handed, login, supervisor):
    job = start_job(kind, 3)
    breaker.open()
    before = len(simulator.calls())
    for _ in range(3):
        turn(job)
        make_all_due(job)
    assert states_of(job) == {State.QUEUED: 3}
    assert set(job.operations.values_list("sends", flat=True)) == {0}
    assert len(simulator.calls()) == before
    page = login(supervisor).get(f"/jobs/{job.pk}/").content.decode()
    assert "data-job-waits" in page
    run.dispatch()
    assert "run_bulk_operation" not in [name for name, _pk in handed]
    breaker.close()
    drive(job, simulator)
    assert job.state == "done"
    assert len(simulator.changes()) == 3


def test_a_job_at_the_carrier_is_not_given_up_while_the_carrier_is_away(breaker, simulator, start_job):
    job = start_job("suspend", 3)
    turn(job)
    make_all_due(job)
    breaker.open()
    job.chunks.update(submitted_at=timezone.now() - timedelta(days=1))
    for _ in range(2):
        turn(job)
        make_all_due(job)
    assert states_of(job) == {State.ACCEPTED: 3}
    breaker.close()
    simulator.control("POST", "clock", {"advance": 10})
    drive(job, simulator)
    assert states_of(job) == {State.DONE: 3}


def test_a_paused_job_sends_nothing_that_waited_for_its_turn(simulator, start_job, supervisor, monkeypatch):
    job = start_job("set_apn", 2)
    job_tasks.run_job(job.pk)
    prepared = engine._prepared

    def pause_meanwhile(operation: Operation) -> dict[str, object]:
        confirm.pause(job, supervisor)
        monkeypatch.setattr(engine, "_prepared", prepared)
        return prepared(operation)

    monkeypatch.setattr(engine, "_prepared", pause_meanwhile)
    for operation in job.operations.order_by("pk"):
        job_tasks.run_bulk_operation(operation.pk)
    assert states_of(job) == {State.QUEUED: 2}
    assert "set_apn" not in calls(simulator)
    job.refresh_from_db()
    confirm.resume(job, supervisor)
    drive(job, simulator)
    assert states_of(job) == {State.DONE: 2}


def test_cancel_and_extend_from_the_page(breaker, simulator, carrier_sims, ask, login, agent, viewer, make_user):
    first, second = (ask(sim, "suspend", actor=agent) for sim in carrier_sims("suspend", 2))
    breaker.open()
    for operation in (first, second):
        run_operation(operation)
    Operation.objects.update(expires_at=timezone.now() + timedelta(seconds=30))
    page = login(agent).get(f"/operations/{first.pk}/").content.decode()
    assert 'id="operation-extend"' in page
    assert "data-waits" in login(agent).get(f"/sims/{first.sim.giccid}/").content.decode()
    assert 'id="operation-extend"' not in login(viewer).get(f"/operations/{first.pk}/").content.decode()
    elsewhere = make_user("Supervisor", ["another"])
    for what in ("extend", "cancel"):
        address = f"/operations/{first.pk}/{what}/"
        assert login(viewer).post(address).status_code == 403
        assert login(make_user("Agent")).post(address).status_code == 403
        assert login(elsewhere).post(address).status_code == 404
        assert login(agent).get(address).status_code == 405

    assert login(agent).post(f"/operations/{first.pk}/extend/").status_code == 303
    assert login(agent).post(f"/operations/{second.pk}/cancel/").status_code == 303
    assert login(agent).post(f"/operations/{second.pk}/cancel/").status_code == 409
    assert login(agent).post(f"/operations/{second.pk}/extend/").status_code == 409
    first.refresh_from_db()
    assert first.expires_at > timezone.now() + timedelta(minutes=50)
    assert run_operation(second).state == State.CANCELLED
    actions = AuditEntry.objects.filter(actor=agent, action__in=["operation.extended", "operation.cancelled"])
    assert actions.count() == 2
    breaker.close()
    run_operation(first)
    assert len(simulator.changes()) == 1


def test_what_has_expired_can_not_be_extended_and_what_is_sent_not_cancelled(carrier_sim, ask, supervisor):
    operation = ask(carrier_sim("suspend"), "suspend")
    Operation.objects.update(expires_at=timezone.now())
    with pytest.raises(waiting.Conflict):
        waiting.extend(operation, supervisor)
    Operation.objects.update(state=State.SENDING)
    with pytest.raises(waiting.Conflict):
        waiting.cancel(operation, supervisor)
    assert Operation.objects.get().state == State.SENDING
