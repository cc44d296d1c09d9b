"""The pages of messages for each role and out of scope: list, conversation, writing, templates."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import pytest
from django.utils import timezone

from core.models import AuditEntry
from operations.models import Operation
from sms.models import Message, MessageTemplate
from sms.services.conversations import note_message
from sms.tests.fixtures import TEXT

HTMX = {"HX-Request": "true"}
SENDERS = ("Agent", "Supervisor", "Administrator")


def text_of(response):
    return response.content.decode()


def rows_in(response):
    """Direction and state of each message, in the order of the page."""
    pattern = r'<li class="sms [^"]*" data-direction="(\w+)" data-message-state="(\w+)"'
    return re.findall(pattern, text_of(response))


@pytest.fixture
def receive():
    """``receive(sim, text, minutes)``: a message of the device, so many minutes ago."""

    def make(sim, text="battery low", minutes=5, **fields):
        at = timezone.now() - timedelta(minutes=minutes)
        message = Message.objects.create(sim=sim, direction="mo", text=text, at=at, **fields)
        note_message(message)
        return message

    return make


@pytest.fixture
def template(supervisor):
    return MessageTemplate.objects.create(name="Restart", text="reboot {msisdn}", changed_by=supervisor)


@pytest.mark.parametrize("role", ["Viewer", *SENDERS])
def test_who_may_read_write_and_make_templates(role, make_sim, write, make_user, login, template):
    sim = make_sim()
    write(sim)
    client = login(make_user(role))
    page = f"/sims/{sim.giccid}/sms/"
    for address in ("/sms/", f"/sms/{sim.giccid}/", f"/sms/{sim.giccid}/messages/"):
        assert TEXT in text_of(client.get(address))
    sends = role in SENDERS
    for address in (page, f"{page}text/", "/sms/templates/", "/sms/templates/text/"):
        assert client.get(address).status_code == (200 if sends else 403)
    for address in (page, f"{page}count/"):
        expected = 403 if not sends else 200 if "count" in address else 303
        assert client.post(address, {"text": "x"}).status_code == expected
    assert Message.objects.count() == 1 + sends
    assert ("sms-form" in text_of(client.get(f"/sms/{sim.giccid}/"))) == sends
    manages = role in ("Supervisor", "Administrator")
    for address in ("/sms/templates/new/", f"/sms/templates/{template.pk}/"):
        assert client.get(address).status_code == (200 if manages else 403)
        assert client.post(address, {"name": "", "text": ""}).status_code == (422 if manages else 403)
    assert client.post(f"/sms/templates/{template.pk}/delete/").status_code == (303 if manages else 403)


def test_a_stranger_is_asked_to_sign_in(make_sim, client):
    giccid = make_sim().giccid
    for address in ("/sms/", f"/sms/{giccid}/", f"/sims/{giccid}/sms/", "/sms/templates/"):
        assert client.get(address).url.startswith("/login/")


def test_out_of_scope_does_not_exist(make_sim, write, receive, scoped_agent, login):
    foreign, own = make_sim(account="other"), make_sim()
    write(foreign)
    receive(own)
    client = login(scoped_agent)
    for address in (f"/sms/{foreign.giccid}/", f"/sms/{foreign.giccid}/messages/", f"/sims/{foreign.giccid}/sms/"):
        assert client.get(address).status_code == 404
    for address in (f"/sims/{foreign.giccid}/sms/", f"/sims/{foreign.giccid}/sms/count/"):
        assert client.post(address, {"text": "x"}).status_code == 404
    for query in ("", "?q=Private", f"?q={foreign.giccid}"):
        page = text_of(client.get(f"/sms/{query}"))
        assert f'data-giccid="{foreign.giccid}"' not in page
        assert TEXT not in page
    assert f'data-giccid="{own.giccid}"' in text_of(client.get("/sms/"))
    assert Message.objects.count() == 2


def test_conversations_stand_newest_first_and_are_found(make_sim, write, receive, viewer, login):
    quiet, loud, third = make_sim(custom1="Gate 7"), make_sim(), make_sim()
    receive(quiet, "door open", minutes=60)
    receive(loud, "late one", minutes=90)
    write(loud, "hello")
    receive(loud, "older than the newest", minutes=30)
    receive(third, "0142", minutes=45, coding=4)
    client = login(viewer)

    def found(query=""):
        return re.findall(r'data-giccid="(\d+)"', text_of(client.get(f"/sms/{query}")))

    assert found() == [loud.giccid, third.giccid, quiet.giccid]
    page = text_of(client.get("/sms/"))
    assert "hello" in page
    assert "older than" not in page
    assert "ł" in page
    assert 'data-direction="mt" data-message-state="queued"' in page
    assert found("?q=door") == found("?q=gate+7") == found(f"?q={quiet.msisdn}") == [quiet.giccid]
    assert found("?q=older+than") == [loud.giccid]
    assert found("?state=queued") == found("?direction=mt") == [loud.giccid]
    assert found("?state=received&direction=mo") == [third.giccid, quiet.giccid]
    assert found("?q=zz") == found("?state=none") == []


def test_a_conversation_shows_both_sides_in_order(make_sim, write, receive, agent, login):
    sim = make_sim()
    client = login(agent)
    assert "No messages yet" in text_of(client.get(f"/sms/{sim.giccid}/"))
    receive(sim, "<b>first</b>", minutes=9)
    receive(sim, "0001f00d", minutes=8, coding=4)
    operation = write(sim, "second")
    Operation.objects.filter(pk=operation.pk).update(state="needs_attention", message="Nobody can tell")
    write(sim, "third")
    Message.objects.filter(text="third").update(text="", text_removed_at=timezone.now())
    page = client.get(f"/sms/{sim.giccid}/")
    assert rows_in(page) == [("mo", "received"), ("mo", "received"), ("mt", "needs_attention"), ("mt", "queued")]
    html = text_of(page)
    assert html.index("&lt;b&gt;first") < html.index("0001f00d") < html.index("second") < html.index("Text removed")
    assert "bytes, as hex" in html
    assert f'href="/operations/{operation.pk}/">Say what happened' in html
    card = text_of(client.get(f"/operations/{operation.pk}/"))
    assert "second" in card
    assert f'href="/sms/{sim.giccid}/"' in card


def test_an_open_conversation_brings_itself_up_to_date(make_sim, write, receive, viewer, login):
    sim = make_sim()
    operation = write(sim)
    client = login(viewer)
    [live] = re.findall(r'hx-get="(/sms/[^"]*version=[^"]*)"', text_of(client.get(f"/sms/{sim.giccid}/")))
    assert client.get(live, headers=HTMX).status_code == 204
    Operation.objects.filter(pk=operation.pk).update(state="failed")
    changed = client.get(live, headers=HTMX)
    assert rows_in(changed) == [("mt", "failed")]
    [live] = re.findall(r'hx-get="(/sms/[^"]*version=[^"]*)"', text_of(changed))
    receive(sim, minutes=0)
    assert rows_in(client.get(live, headers=HTMX)) == [("mt", "failed"), ("mo", "received")]


def test_the_rows_of_the_list_stay_true(make_sim, write, receive, viewer, login):
    sim = make_sim()
    operation = write(sim)
    receive(make_sim(), "untouched", minutes=1)
    client = login(viewer)
    poll = re.compile(r'id="list-rows" hidden hx-get="([^"]*)"')
    [address] = poll.findall(text_of(client.get("/sms/")))
    asks = {**HTMX, "HX-Trigger": "list-rows"}
    assert client.get(unescape(address), headers=asks).status_code == 204
    Operation.objects.filter(pk=operation.pk).update(state="failed")
    changed = text_of(client.get(unescape(address), headers=asks))
    assert 'data-direction="mt" data-message-state="failed"' in changed
    receive(sim, "an answer", minutes=0)
    [address] = poll.findall(changed)
    changed = text_of(client.get(unescape(address), headers=asks))
    assert 'data-direction="mo" data-message-state="received"' in changed
    assert "an answer" in changed
    assert "untouched" not in changed


def test_older_messages_are_a_link_away(make_sim, receive, agent, login):
    sim = make_sim()
    for number in range(32):
        receive(sim, f"number {number};", minutes=100 - number)
    client = login(agent)
    first = text_of(client.get(f"/sms/{sim.giccid}/"))
    assert "number 2;" in first
    assert "number 1;" not in first
    [older] = re.findall(r'href="(/sms/[^"]*after=[^"]*)"', first)
    page = client.get(older)
    assert len(rows_in(page)) == 2
    assert "sms-form" not in text_of(page)
    assert len(rows_in(client.get(f"/sms/{sim.giccid}/?after=rubbish"))) == 30


def test_a_message_is_written_without_script(make_sim, agent, login):
    sim = make_sim()
    client = login(agent)
    page = f"/sims/{sim.giccid}/sms/"
    response = client.post(page, {"text": "hello\r\nyou", "coding": "", "validity": "7", "ticket": "T-1"})
    assert (response.status_code, response.url) == (303, f"/sms/{sim.giccid}/")
    message = Message.objects.get()
    assert (message.text, message.coding, message.validity) == ("hello\nyou", 0, 10)
    operation = Operation.objects.get()
    assert (operation.reason, operation.ticket, operation.params) == ("", "T-1", {"coding": 0, "validity": 10})
    counted = text_of(client.post(page, {"text": "zło", "count": "1"}))
    assert "67 characters left" in counted
    assert "goes as Unicode because of “ł”" in counted
    assert Message.objects.count() == 1


def test_what_was_typed_stays_in_a_refused_form(make_sim, agent, login):
    client = login(agent)
    page = f"/sims/{make_sim().giccid}/sms/"
    nonce = "12345678-form"
    for place, headers in (("", {}), ("dialog", HTMX), ("conversation", HTMX)):
        data = {"text": "zło", "coding": "0", "validity": "7", "nonce": nonce, "place": place}
        refused = client.post(page, data, headers=headers)
        assert refused.status_code == 422
        html = text_of(refused)
        assert "can’t carry" in html or "can&#x27;t carry" in html
        assert "zło</textarea>" in html
        assert re.search(r'<option value="7" selected>', html)
        assert f'value="{nonce}"' in html
        assert ("<html" in html) == (not headers)
    assert not Message.objects.exists()


def test_a_sim_that_can_not_receive_says_so(make_sim, agent, login):
    sim = make_sim(status="DEACTIVATED")
    client = login(agent)
    page = f"/sims/{sim.giccid}/sms/"
    tried = client.post(page, {"text": "typed before it was suspended"})
    for response in (client.get(page), client.get(page, headers=HTMX), tried):
        assert response.status_code == 409
        assert "Only an activated SIM can receive messages." in text_of(response)
    assert "typed before it was suspended</textarea>" in text_of(tried), "nobody has to write it again"
    assert "Only an activated SIM" in text_of(client.get(f"/sms/{sim.giccid}/"))
    assert client.get(f"/sims/{sim.giccid}/operations/send_sms/").url == page
    assert client.post(f"/sims/{sim.giccid}/operations/", {"kind": "send_sms", "text": "x"}).status_code == 422


def test_the_count_is_that_of_the_text_that_is_sent(make_sim, agent, login, template):
    sim = make_sim()
    client = login(agent)
    page = f"/sims/{sim.giccid}/sms/count/"

    def left(**data):
        html = text_of(client.post(page, data, headers=HTMX))
        return tuple(int(number) for number in re.findall(r'data-(?:left|coding)="(-?\d+)"', html))

    assert left(text="") == (160, 0)
    assert left(text="{giccid}") == (160 - len(sim.giccid), 0)
    assert left(text="", template=template.pk) == (160 - len(f"reboot {sim.msisdn}"), 0)
    assert left(text="€") == (158, 0)
    assert left(text="ł") == (138, 4)
    assert left(text="x", coding="4") == (138, 4)
    assert left(text="x" * 161, coding="1") == (-1, 1)
    assert "can" in text_of(client.post(page, {"text": "ł", "coding": "0"}))
    assert "{gicid} is no placeholder" in text_of(client.post(page, {"text": "{gicid} {giccid}"}))
    assert "is no placeholder" not in text_of(client.post(page, {"text": '{"a": 1} {giccid}'}))
    assert left(text="x", coding="none", template="none") == (159, 0)


def test_templates_are_written_picked_and_taken_away(make_sim, supervisor, agent, login):
    client = login(supervisor)
    new = {"name": "Restart", "text": "reboot {msisdn}"}
    for wrong in (
        {**new, "text": "{imei} {nobody}"},
        {**new, "text": ""},
        {**new, "name": ""},
        {**new, "text": "\x07"},
        {**new, "text": "x" * 161},
    ):
        assert client.post("/sms/templates/new/", wrong).status_code == 422
    assert client.post("/sms/templates/new/", new).status_code == 303
    assert client.post("/sms/templates/new/", new).status_code == 422, "a name is there once"
    template = MessageTemplate.objects.get()
    address = f"/sms/templates/{template.pk}/"
    assert client.post(address, {**new, "text": "restart {msisdn}"}).status_code == 303
    assert "restart {msisdn}" in text_of(login(agent).get("/sms/templates/"))

    sim = make_sim()
    sender = login(agent)
    field = text_of(sender.get(f"/sims/{sim.giccid}/sms/text/", {"template": template.pk}))
    assert f"restart {sim.msisdn}</textarea>" in field
    assert "restart {msisdn}</textarea>" in text_of(sender.get("/sms/templates/text/", {"template": template.pk}))
    for odd in ("", "x", "9" * 30):
        assert sender.get(f"/sims/{sim.giccid}/sms/text/", {"template": odd}).status_code == 200
        assert sender.get("/sms/templates/text/", {"template": odd}).status_code == 200
    sender.post(f"/sims/{sim.giccid}/sms/", {"text": "", "template": template.pk})
    assert Message.objects.get().text == f"restart {sim.msisdn}"

    assert client.post(f"{address}delete/").status_code == 303
    assert client.get(address).status_code == 404
    late = sender.post(f"/sims/{sim.giccid}/sms/", {"text": "restart now", "template": template.pk})
    assert late.status_code == 422
    assert "This template is no longer there." in text_of(late), "said even where no template is left"
    assert Message.objects.get().text == f"restart {sim.msisdn}"
    actions = AuditEntry.objects.filter(object_type="sms.messagetemplate").order_by("id")
    assert [a.action.split(".")[1] for a in actions] == ["added", "changed", "deleted"]


def test_the_dialog_of_the_sim_page(make_sim, agent, viewer, login):
    sim = make_sim()
    client = login(agent)
    page = text_of(client.get(f"/sims/{sim.giccid}/"))
    assert f'data-dialog-open="/sims/{sim.giccid}/sms/"' in page
    assert f'data-dialog-open="/sims/{sim.giccid}/sms/"' not in text_of(login(viewer).get(f"/sims/{sim.giccid}/"))
    dialog = text_of(client.get(f"/sims/{sim.giccid}/sms/", headers=HTMX))
    assert 'class="dialog-frame"' in dialog
    sent = client.post(f"/sims/{sim.giccid}/sms/", {"text": "x", "place": "dialog"}, headers=HTMX)
    assert (sent.status_code, "dialog:close" in sent["HX-Trigger"]) == (200, True)
    in_conversation = client.post(f"/sims/{sim.giccid}/sms/", {"text": "y", "place": "conversation"}, headers=HTMX)
    assert rows_in(in_conversation) == [("mt", "queued"), ("mt", "queued")]
    assert 'hx-swap-oob="outerHTML"' in text_of(in_conversation)
    assert "y</textarea>" not in text_of(in_conversation), "the form is empty again"
    assert len(re.findall(r"<textarea[^>]* autofocus", text_of(in_conversation))) == 1, "the focus stays in it"


@pytest.mark.parametrize("number", [3, 30])
def test_pages_take_a_fixed_number_of_queries(
    number, make_sim, write, receive, agent, login, django_assert_max_num_queries
):
    sims = [make_sim() for _ in range(number)]
    for n, sim in enumerate(sims):
        write(sims[0], f"to {n}")
        receive(sim)
    client = login(agent)
    for address, most in (("/sms/", 12), (f"/sms/{sims[0].giccid}/", 12), (f"/sms/{sims[0].giccid}/messages/", 6)):
        with django_assert_max_num_queries(most):
            assert client.get(address).status_code == 200
