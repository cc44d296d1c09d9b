"""What became of a message: by reports in any order, by asking, by its time being over; and texts that go in time."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from core.pushes import PushEvent, PushProblem
from operations.models import BatchJob, Operation
from operations.services.transitions import conclude
from operations.tests.helpers import run
from sims.models import TimelineEvent
from sms import tasks
from sms.kinds import SendSms
from sms.models import Draft, Message
from sms.services.delivery import MARGIN, POLL_DELAYS, UNKNOWN_VALIDITY
from sms.services.incoming import note_delivery, receive_message
from sms.tests.fixtures import TEXT

CARRIER_ID = "mt-1"


def report(status, carrier_id=CARRIER_ID, **fields):
    body = {"smsMsgId": carrier_id, "status": status, "reportTime": "2024-11-05T10:32:50+0000", **fields}
    at = datetime(2024, 11, 5, 11, 0, tzinfo=UTC)
    return PushEvent(
        push_id=1, kind="MT_SMS_STATUS_REPORT", giccid="", account_name="", event_time=at, key="k", body=body
    )


@pytest.fixture
def sent(make_sim, write):
    """``sent(carrier_id)``: a message that the carrier took."""

    def make(carrier_id=CARRIER_ID, **params):
        operation = write(params.pop("sim", None) or make_sim(), **params)
        result = {"sms_id": carrier_id, "status": "PENDING"}
        now = timezone.now()
        assert conclude(operation, "done", message="", any_lease=True, result=result, accepted_at=now)
        SendSms().was_accepted(operation)
        return operation

    return make


FINAL = {
    ("PENDING",): "pending",
    ("PENDING", "UNKNOWN"): "carrier_unknown",
    ("PENDING", "DELIVERED"): "delivered",
    ("UNKNOWN", "FAILED"): "failed",
    ("PENDING", "UNKNOWN", "FAILED", "DELIVERED"): "delivered",
}


@pytest.mark.parametrize(("told", "state"), FINAL.items())
def test_reports_end_in_the_same_state_in_any_order_and_number(sent, state_of, told, state):
    for number, order in enumerate(itertools.permutations(told)):
        operation = sent(f"mt-{number}")
        for status in (*order, *order[:1]):
            assert "message #" in note_delivery(report(status, f"mt-{number}"))
        assert state_of(operation) == state
        message = Message.objects.get(operation=operation)
        assert (message.next_poll_at is None) == (state in ("delivered", "failed"))
        assert (message.delivered_at is not None) == (state == "delivered")
    outcome = "failed" if state == "failed" else "success"
    assert set(TimelineEvent.objects.values_list("outcome", flat=True)) == {outcome}


def test_a_report_that_is_faster_than_the_answer_is_taken_when_it_comes_again(make_sim, write, sent, state_of):
    write(make_sim())
    with pytest.raises(PushProblem, match="sent no message"):
        note_delivery(report("DELIVERED"))
    operation = sent()
    note_delivery(report("DELIVERED", toGiccid=operation.sim.giccid))
    assert state_of(operation) == "delivered"
    assert Message.objects.get(operation=operation).delivered_at == datetime(2024, 11, 5, 10, 32, 50, tzinfo=UTC)


def test_reports_that_tell_nothing(sent, make_sim, state_of):
    operation = sent()
    with pytest.raises(PushProblem, match="not the SIM"):
        note_delivery(report("DELIVERED", toGiccid=make_sim().giccid))
    with pytest.raises(PushProblem, match="status is missing"):
        note_delivery(report(None))
    assert "knows no status" in note_delivery(report("ENROUTE"))
    assert state_of(operation) == "pending"


def test_an_id_that_the_carrier_gives_twice_is_not_mistaken(sent, state_of):
    first, second = sent(), sent()
    note_delivery(report("DELIVERED"))
    assert (state_of(first), state_of(second)) == ("delivered", "carrier_unknown")
    assert Message.objects.get(operation=second).next_poll_at is None


def make_due(**filters):
    Message.objects.filter(next_poll_at__isnull=False, **filters).update(next_poll_at=timezone.now())


def test_without_reports_the_carrier_is_asked_with_ever_longer_waits(simulator, active_sim, write, state_of):
    simulator.control("POST", "sms/faults", {"outcome": "PENDING"})
    operation = run(write(active_sim, validity="60"))
    message = Message.objects.get(operation=operation)
    assert tasks.poll_deliveries() == 0, "a report may be faster"
    for delay in POLL_DELAYS[:3]:
        make_due()
        assert tasks.poll_deliveries() == 1
        message.refresh_from_db()
        assert message.next_poll_at is not None
        wait = (message.next_poll_at - timezone.now()).total_seconds()
        assert delay - 10 < wait <= delay
        assert tasks.poll_deliveries() == 0
    assert state_of(operation) == "pending"

    simulator.control("POST", "sms/faults", {"outcome": "UNKNOWN"})
    simulator.control("POST", "clock", {"advance": 30})
    make_due()
    tasks.poll_deliveries()
    assert state_of(operation) == "carrier_unknown"
    assert Message.objects.get().next_poll_at is not None, "still asked"
    assert len(simulator.calls("get_sms")) == 4


def test_a_delivered_message_is_asked_for_no_more(simulator, active_sim, write, state_of):
    simulator.control("POST", "sms/faults", {"outcome": "DELIVERED"})
    operation = run(write(active_sim))
    simulator.control("POST", "clock", {"advance": 10})
    make_due()
    tasks.poll_deliveries()
    assert state_of(operation) == "delivered"
    assert not Message.objects.filter(next_poll_at__isnull=False).exists()


@pytest.mark.parametrize(("validity", "wait"), [("60", timedelta(hours=1)), ("", UNKNOWN_VALIDITY)])
def test_a_message_whose_time_is_over_has_expired(simulator, active_sim, write, state_of, validity, wait):
    simulator.control("POST", "sms/faults", {"outcome": "PENDING"})
    operation = run(write(active_sim, validity=validity))
    for late, state in ((timedelta(minutes=-1), "pending"), (timedelta(minutes=1), "expired")):
        at = timezone.now() - wait - MARGIN - late
        Operation.objects.filter(pk=operation.pk).update(accepted_at=at)
        make_due()
        tasks.poll_deliveries()
        assert state_of(operation) == state
    assert not Message.objects.filter(next_poll_at__isnull=False).exists()
    assert TimelineEvent.objects.get(operation_id=operation.pk).outcome == "failed"
    carrier_id = Message.objects.get().carrier_id
    note_delivery(report("DELIVERED", carrier_id))
    assert state_of(operation) == "delivered", "a late word of the carrier counts"
    assert TimelineEvent.objects.get(operation_id=operation.pk).outcome == "success"


def test_a_message_the_carrier_does_not_know_and_one_it_can_not_tell_of(simulator, sent, state_of):
    operation = sent("nobody-knows")
    simulator.fault(call="get_sms", kind="error", count=20)
    make_due()
    tasks.poll_deliveries()
    assert state_of(operation) == "pending", "an error tells nothing"
    simulator.clear_faults()
    make_due()
    tasks.poll_deliveries()
    assert state_of(operation) == "carrier_unknown"


def test_texts_go_in_time_and_what_is_yet_to_be_sent_keeps_its_own(make_sim, write, sent, config, agent):
    config(SMS_KEEP_DAYS=30)
    old = timezone.now() - timedelta(days=31)
    done, waiting = sent("a"), write(make_sim())
    recent = sent("b")
    receive_message(
        PushEvent(
            push_id=2,
            kind="MO_SMS",
            giccid=done.sim.giccid,
            account_name="",
            event_time=old,
            key="m",
            body={"smsMsgId": "mo", "messageText": TEXT, "fromGiccid": done.sim.giccid},
        )
    )
    Message.objects.filter(operation__in=[done, waiting]).update(at=old)
    drafts = [Draft.objects.create(text=TEXT, created_at=old) for _ in range(2)]
    BatchJob.objects.create(
        kind="send_sms", params={"draft": drafts[0].pk}, state="scheduled", source="text", actor=agent
    )
    assert tasks.remove_old_texts() == 3
    assert tasks.remove_old_texts() == 0
    kept = set(Message.objects.exclude(text="").values_list("operation_id", flat=True))
    assert kept == {waiting.pk, recent.pk}
    assert [draft.text for draft in Draft.objects.order_by("pk")] == [TEXT, ""]
    config(SMS_KEEP_DAYS=0)
    Message.objects.update(at=old)
    assert tasks.remove_old_texts() == 0
