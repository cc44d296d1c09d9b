"""Messages from devices: kept once, in the timeline once, on the SIM page, and in no log."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import RequestFactory
from django.utils import timezone

from core.pushes import PushEvent, PushProblem, handlers_for
from sims.models import Sim, TimelineEvent
from sms.models import Conversation, Message
from sms.services.incoming import note_delivery, receive_message
from sms.views.slots import SHOWN, messages_card

GICCID = "8986011805021000040"


def mo(body: dict[str, Any] | None = None, *, key: str = "k-1", kind: str = "MO_SMS", **fields: Any) -> PushEvent:
    whole = {
        "smsMsgId": "m-1",
        "fromGiccid": GICCID,
        "messageText": "battery low",
        "dataCoding": 0,
        "receivedTime": "2024-11-05T10:32:50+0000",
        **(body or {}),
        **fields,
    }
    return PushEvent(
        push_id=1,
        kind=kind,
        giccid=str(whole.get("giccid") or ""),
        account_name="",
        event_time=datetime(2024, 11, 5, 11, 0, tzinfo=UTC),
        key=key,
        body={name: value for name, value in whole.items() if value is not None},
    )


@pytest.fixture
def sim(make_sim):
    return make_sim(giccid=GICCID)


def test_the_kinds_of_messages_are_registered():
    assert receive_message in handlers_for("MO_SMS")
    assert note_delivery in handlers_for("MT_SMS_STATUS_REPORT")


def test_a_message_is_kept_with_its_entry_in_the_timeline(sim):
    assert receive_message(mo()) == f"message #{Message.objects.get().pk}"
    message = Message.objects.get()
    assert (message.sim, message.direction, message.carrier_id) == (sim, "mo", "m-1")
    assert (message.text, message.coding) == ("battery low", 0)
    assert message.at == datetime(2024, 11, 5, 10, 32, 50, tzinfo=UTC)
    event = TimelineEvent.objects.get()
    assert (event.sim, event.kind, event.at) == (sim, "sms", message.at)
    assert event.detail["message_id"] == message.pk
    assert "battery" not in str(vars(event)), "the text has a retention of its own"


def test_a_clock_that_goes_ahead_keeps_no_message_the_newest(sim):
    before = timezone.now()
    receive_message(mo(receivedTime="2099-01-01T00:00:00+0000"))
    assert before <= Message.objects.get().at <= timezone.now()
    assert Conversation.objects.get().last_at <= timezone.now()


def test_copies_and_other_pushes_of_the_same_message_are_one(sim):
    for key in ("k-1", "k-1", "k-2"):
        receive_message(mo(key=key))
    assert Message.objects.count() == 1
    assert TimelineEvent.objects.count() == 1


def test_two_messages_with_the_same_text_are_two(sim):
    receive_message(mo(key="k-1"))
    receive_message(mo(key="k-2", smsMsgId="m-2"))
    assert Message.objects.count() == 2
    assert TimelineEvent.objects.count() == 2


def test_without_an_id_the_push_itself_tells_copies_apart(sim):
    for key in ("k-1", "k-1", "k-2"):
        receive_message(mo(key=key, smsMsgId=None))
    assert Message.objects.count() == 2


@pytest.mark.parametrize(
    ("told", "kept"), [(0, 0), (4, 4), ("1", 1), (None, None), (True, None), ("x", None), (10**30, None), ([], None)]
)
def test_a_coding_that_is_none_is_left_out(sim, told, kept):
    receive_message(mo(dataCoding=told))
    assert Message.objects.get().coding == kept


@pytest.mark.parametrize("told", [None, "yesterday", 5, ["x"]])
def test_without_a_readable_time_the_event_time_counts(sim, told):
    receive_message(mo(receivedTime=told))
    assert Message.objects.get().at == datetime(2024, 11, 5, 11, 0, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", " ", "x" * 5000, "é漢\U0001f600", "\ufffd"])
def test_any_text_is_kept_as_it_is(sim, text):
    receive_message(mo(messageText=text))
    assert Message.objects.get().text == text


def test_what_no_database_stores_is_replaced(sim):
    receive_message(mo(messageText="a\x00b\ud83d", smsMsgId="m\x00"))
    message = Message.objects.get()
    assert (message.text, message.carrier_id) == ("a\ufffdb\ufffd", "m\ufffd")


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"messageText": None}, "messageText"),
        ({"messageText": ["x"]}, "messageText"),
        ({"fromGiccid": None}, "fromGiccid"),
        ({"fromGiccid": "letters"}, "fromGiccid"),
    ],
)
def test_what_is_missing_is_said(sim, body, problem):
    with pytest.raises(PushProblem, match=problem):
        receive_message(mo(body))
    assert not Message.objects.exists()


def test_the_common_giccid_serves_where_the_own_field_is_missing(sim):
    receive_message(mo(fromGiccid=None, giccid=GICCID))
    assert Message.objects.get().sim == sim


def test_an_id_that_is_another_sims_is_a_problem(sim, make_sim):
    make_sim(giccid="8986011805021000041")
    receive_message(mo())
    with pytest.raises(PushProblem, match="another SIM"):
        receive_message(mo(fromGiccid="8986011805021000041"))
    assert Message.objects.get().sim == sim
    assert TimelineEvent.objects.count() == 1


def test_a_sim_the_mirror_does_not_know_is_read_from_the_carrier(simulator, db):
    giccid = simulator.pick()
    receive_message(mo(fromGiccid=giccid))
    assert Message.objects.get().sim.giccid == giccid
    assert len(simulator.calls("get_sim", giccid)) == 1


def test_a_sim_nobody_knows_is_a_problem(simulator, db):
    with pytest.raises(PushProblem, match="knows this SIM"):
        receive_message(mo(fromGiccid="8986019999999999999"))
    assert not Sim.objects.exists()


def test_a_report_about_an_unknown_message_is_a_problem(db):
    with pytest.raises(PushProblem, match="sent no message"):
        note_delivery(mo({"status": "DELIVERED"}, kind="MT_SMS_STATUS_REPORT"))
    with pytest.raises(PushProblem, match="missing"):
        note_delivery(mo(smsMsgId=None, kind="MT_SMS_STATUS_REPORT"))


def test_an_id_is_unique_only_where_there_is_one(sim):
    fields = {"sim": sim, "direction": "mt", "text": "x"}
    Message.objects.create(**fields)
    Message.objects.create(**fields)
    Message.objects.create(**fields, carrier_id="m-1")
    with pytest.raises(IntegrityError), transaction.atomic():
        Message.objects.create(**fields, carrier_id="m-1")


def card(user, sim) -> str:
    request = RequestFactory().get("/")
    request.user = user
    return str(messages_card(request, sim=sim))


def test_the_sim_page_shows_the_newest_messages(sim, viewer):
    assert card(viewer, sim) == ""
    for number in range(SHOWN + 2):
        at = f"2024-11-05T10:32:{number:02d}+0000"
        text = f"<b>text {number}</b>"
        receive_message(mo(smsMsgId=f"m-{number}", messageText=text, receivedTime=at, key=f"k-{number}"))
    html = card(viewer, sim)
    assert html.count('data-direction="mo"') == SHOWN
    assert html.count('data-message-state="received"') == SHOWN
    assert "<b>text" not in html
    assert f"text {SHOWN + 1}" in html
    assert "text 0&" not in html


def test_messages_of_an_account_out_of_scope_are_not_shown(sim, make_user, make_sim):
    receive_message(mo())
    assert "battery low" in card(make_user("Agent", ["example_account"]), sim)
    assert card(make_user("Agent", ["other"]), sim) == ""


def test_messages_are_read_only_in_the_admin_site(sim, administrator, login):
    receive_message(mo())
    administrator.is_staff = True
    administrator.save()
    client = login(administrator)
    path = f"/admin/sms/message/{Message.objects.get().pk}"
    assert client.get("/admin/sms/message/").status_code == 200
    assert "battery low" in client.get(f"{path}/change/").content.decode()
    assert client.post(f"{path}/change/", {"text": "x"}).status_code == 403
    assert client.post(f"{path}/delete/", {"post": "yes"}).status_code == 403
    assert client.get("/admin/sms/message/add/").status_code == 403


def test_the_text_is_in_no_log(sim, caplog):
    with caplog.at_level(logging.DEBUG):
        receive_message(mo(messageText="very private"))
        with pytest.raises(PushProblem) as problem:
            receive_message(mo(messageText="very private", fromGiccid="x"))
    lines = [record.getMessage() for record in caplog.records if record.name != "django.db.backends"]
    assert not [line for line in lines if "very private" in line]
    assert "very private" not in str(problem.value)
    assert Message.objects.get().at <= timezone.now()
