"""A message reaches the carrier once, whatever happens to the answer, and its text stands in one place."""

from __future__ import annotations

import json
import logging
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from core.models import AuditEntry
from operations import tasks
from operations.errors import Conflict, Invalid, NotAllowed
from operations.models import Operation, OperationAttempt
from operations.services import engine
from operations.services.dispatch import dispatch
from operations.services.requests import request_operation
from operations.services.settle import settle_operation
from operations.services.transitions import claim, lease, move, start_attempt
from operations.tests.helpers import make_due, run, run_to_end
from sims.models import Sim, TimelineEvent
from sms.models import Conversation, Message
from sms.tests.fixtures import TEXT

State = Operation.State


def sent_to(simulator, sim):
    """The messages that really came to be at the carrier."""
    return [change["to"] for change in simulator.changes(sim.giccid) if change["what"] == "sms"]


def test_a_message_is_stored_first_then_sent_with_one_call(simulator, active_sim, write, state_of):
    operation = write(active_sim, validity="61", coding="1")
    message = Message.objects.get(operation=operation)
    assert state_of(operation) == "queued"
    assert (message.text, message.coding, message.validity, message.direction) == (TEXT, 1, 65, "mt")
    assert Conversation.objects.get().last == message

    run(operation)
    message.refresh_from_db()
    assert (operation.state, state_of(operation)) == (State.DONE, "pending")
    [_call] = simulator.calls("send_sms", active_sim.giccid)
    assert sent_to(simulator, active_sim) == [message.carrier_id]
    at_carrier = simulator._call("GET", f"{simulator.base_url}/mt-sms/{message.carrier_id}")
    assert at_carrier["messageText"] == TEXT
    assert [attempt.step for attempt in operation.attempts.all()] == ["send"], "no SIM is read for it"
    event = TimelineEvent.objects.get(operation_id=operation.pk)
    assert (event.kind, event.outcome, event.detail["direction"]) == ("sms", "success", "mt")


def test_text_beyond_the_alphabet_goes_as_utf_16(simulator, active_sim, write):
    run(write(active_sim, "Zażółć {msisdn}"))
    message = Message.objects.get()
    assert (message.text, message.coding) == (f"Zażółć {active_sim.msisdn}", 4)
    at_carrier = simulator._call("GET", f"{simulator.base_url}/mt-sms/{message.carrier_id}")
    assert bytes.fromhex(at_carrier["messageText"]).decode("utf-16-be") == message.text


@pytest.mark.parametrize("fault", ["lost_answer", "error_after_change", "cut_body", "bad_json", "reset"])
def test_a_lost_answer_is_a_persons_matter_and_never_sent_again(
    fault, simulator, active_sim, write, state_of, supervisor
):
    simulator.fault(call="send_sms", kind=fault, count=1)
    operation = run_to_end(write(active_sim))
    assert (operation.state, state_of(operation)) == (State.NEEDS_ATTENTION, "needs_attention")
    assert "Nobody can tell whether it was sent" in operation.message
    for _again in range(3):
        make_due(operation)
        dispatch()
        run(operation)
    assert len(simulator.calls("send_sms", active_sim.giccid)) == 1
    assert len(sent_to(simulator, active_sim)) == (0 if fault == "reset" else 1)
    event = TimelineEvent.objects.get(operation_id=operation.pk)
    assert event.outcome == "unclear"

    settle_operation(operation=operation, happened=True, actor=supervisor, reason="The device says so")
    assert state_of(operation) == "carrier_unknown", "sent, but nobody can ask whether it arrived"


def test_a_worker_that_died_while_sending(simulator, active_sim, write, state_of):
    operation = write(active_sim)
    claimed = claim(operation.pk)
    assert claimed is not None
    until = timezone.now() + lease()
    move(claimed, State.SENDING, lease_until=until, next_attempt_at=until, sends=1, first_sent_at=timezone.now())
    attempt = start_attempt(claimed, OperationAttempt.Step.SEND)
    assert state_of(operation) == "sending"
    make_due(operation)
    dispatch()
    operation.refresh_from_db()
    assert (operation.state, operation.carrier_code) == (State.NEEDS_ATTENTION, "worker_lost")
    assert simulator.calls("send_sms") == []

    # It was only slow, and its answer is the truth.
    engine._accepted(claimed, attempt, {"sms_id": "late-1", "status": "PENDING"})
    operation.refresh_from_db()
    assert (operation.state, state_of(operation)) == (State.DONE, "pending")
    assert Message.objects.get().carrier_id == "late-1"
    assert TimelineEvent.objects.get(operation_id=operation.pk).outcome == "success"


def test_a_late_answer_does_not_overrule_a_person(active_sim, write, supervisor, state_of):
    operation = write(active_sim)
    claimed = claim(operation.pk)
    assert claimed is not None
    move(claimed, State.SENDING, lease_until=timezone.now(), next_attempt_at=timezone.now(), sends=1)
    attempt = start_attempt(claimed, OperationAttempt.Step.SEND)
    make_due(operation)
    dispatch()
    operation.refresh_from_db()
    settle_operation(operation=operation, happened=False, actor=supervisor, reason="No")
    engine._accepted(claimed, attempt, {"sms_id": "late-1"})
    assert (state_of(operation), Message.objects.get().carrier_id) == ("failed", "")


def test_a_call_that_certainly_did_not_arrive_is_made_again(simulator, active_sim, write, state_of):
    simulator.fault(call="send_sms", kind="rate_limit", count=2, retry_after=1)
    operation = run(write(active_sim))
    assert (operation.state, state_of(operation)) == (State.QUEUED, "queued")
    make_due(operation)
    run_to_end(operation)
    assert (operation.state, operation.sends) == (State.DONE, 3)
    assert len(sent_to(simulator, active_sim)) == 1


def test_what_could_not_be_sent_in_time_is_not_sent(simulator, active_sim, write, state_of):
    operation = write(active_sim)
    Operation.objects.filter(pk=operation.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    run(operation)
    assert state_of(operation) == "expired"
    assert simulator.calls("send_sms") == []


def test_the_carriers_no_is_said_in_words(simulator, active_sim, write, state_of):
    simulator.patch(active_sim.giccid, status="DEACTIVATED")
    operation = run(write(active_sim))
    assert (operation.state, state_of(operation)) == (State.FAILED, "failed")
    assert "state does not allow" in operation.message
    active_sim.refresh_from_db()
    assert active_sim.status == "DEACTIVATED", "the mirror was behind and is read again"


def test_a_message_does_not_hold_its_sim(make_sim, write, supervisor):
    sim = make_sim()
    for _message in range(3):
        write(sim)
    suspend = request_operation(sim=sim, kind="suspend", params={}, actor=supervisor, reason="x")
    write(sim)
    assert Operation.objects.filter(sim=sim, state=State.QUEUED).count() == 5
    with pytest.raises(Conflict):
        request_operation(sim=sim, kind="suspend", params={}, actor=supervisor, reason="x")
    assert suspend.exclusive


def test_the_same_form_twice_is_one_message(make_sim, write):
    sim = make_sim()
    nonce = "form-0815"
    first = write(sim, nonce=nonce)
    assert write(sim, nonce=nonce) == first
    assert Message.objects.count() == 1
    for other in ({"text": "other"}, {"validity": "5"}, {"coding": "4"}):
        with pytest.raises(Conflict, match="sent before"):
            write(sim, nonce=nonce, **other)


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"text": ""}, "text"),
        ({"text": " \n"}, "text"),
        ({"text": "x" * 161}, "text"),
        ({"text": "€" * 81}, "text"),
        ({"text": "漢" * 71}, "text"),
        ({"text": "\x07"}, "text"),
        ({"text": "ł", "coding": "0"}, "coding"),
        ({"text": "é", "coding": "1"}, "coding"),
        ({"text": "x", "coding": "3"}, "coding"),
        ({"text": "x", "validity": "0"}, "validity"),
        ({"text": "x", "validity": "635041"}, "validity"),
        ({"text": "x", "validity": "soon"}, "validity"),
        ({"text": "x", "template": "99"}, "template"),
    ],
)
def test_what_can_not_be_sent_is_refused_before(make_sim, write, params, field):
    sim = make_sim()
    with pytest.raises(Invalid) as refused:
        write(sim, **params)
    assert list(refused.value.errors) == [field]
    assert not Message.objects.exists()
    assert not Operation.objects.exists()


def test_braces_that_are_no_placeholder_are_text(make_sim, write):
    command = '{"cmd": "reboot"} {unknown}'
    write(make_sim(), command)
    assert Message.objects.get().text == command


@pytest.mark.parametrize("status", ["DEACTIVATED", "INVENTORY", "TEST_READY", "RETIRED"])
def test_only_an_activated_sim_can_receive(make_sim, write, viewer, status):
    with pytest.raises(Conflict, match="retired" if status == "RETIRED" else "Only an activated SIM"):
        write(make_sim(status=status))
    with pytest.raises(NotAllowed):
        write(make_sim(), actor=viewer)


def test_a_sim_out_of_scope_does_not_exist(make_sim, write, scoped_agent):
    with pytest.raises(Sim.DoesNotExist):
        write(make_sim(account="other"), actor=scoped_agent)


def test_the_text_stands_in_the_message_alone(simulator, active_sim, write, caplog):
    """Every text column of every table is looked through, and the log."""
    simulator.fault(call="send_sms", kind="lost_answer", count=1)
    with caplog.at_level(logging.DEBUG):
        operation = run_to_end(write(active_sim))
        with pytest.raises(Invalid):
            write(active_sim, TEXT * 20)
    lines = [record.getMessage() for record in caplog.records if record.name != "django.db.backends"]
    assert not [line for line in lines if TEXT in line]
    assert AuditEntry.objects.filter(object_id=str(operation.pk)).exists()
    holders = []
    for table in connection.introspection.table_names():
        with connection.cursor() as cursor:
            cursor.execute(f'SELECT * FROM "{table}"')
            if TEXT in json.dumps(cursor.fetchall(), default=str):
                holders.append(table)
    assert holders == ["sms_message"]


def test_a_text_that_is_gone_is_not_sent_as_an_empty_one(simulator, active_sim, write):
    operation = write(active_sim)
    Message.objects.update(text="", text_removed_at=timezone.now())
    tasks.run_operation(operation.pk)
    operation.refresh_from_db()
    assert operation.state == State.FAILED
    assert simulator.calls("send_sms") == []
