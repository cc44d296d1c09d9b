"""The notification centre on screen: who gets what, the list that keeps itself up to date, the acts, the badge."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from html import unescape

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from notifications.models import Notification, NotificationItem
from notifications.selectors import centre as selectors
from notifications.services import centre
from notifications.tests.rule_helpers import unread_count
from operations.models import Operation
from staff.roles import ADMINISTRATOR, ROLES, VIEWER

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
ACTS = {
    "read": {},
    "snooze": {"length": "hour"},
    "assign": {"person": ""},
    "close": {"note": "Called the customer"},
    "reopen": {},
    "wake": {},
}


def text_of(response):
    return response.content.decode()


def rows_of(response):
    return re.findall(
        r'data-notification="(\d+)" data-notification-kind="(\w+)" data-notification-state="(\w+)"', text_of(response)
    )


def shown(client, query=""):
    response = client.get(f"/notifications/?{query}", headers={**HTMX, "HX-Target": "results"})
    assert response.status_code == 200
    return [int(pk) for pk, _kind, _state in rows_of(response)]


def badge_of(html):
    [number] = re.findall(r'id="badge-notifications"[^>]*data-notifications="([^"]*)"', html)
    return number


class TestRoles:
    @pytest.mark.parametrize("role", ROLES)
    def test_everybody_may_look_and_read_and_all_but_viewers_handle(self, role, make_user, login, make_line, make_sim):
        user = make_user(role)
        client = login(user)
        line = make_line([make_sim()])
        for address in ("/notifications/", f"/notifications/{line.pk}/", "/live/"):
            assert client.get(address).status_code == 200
        for act, fields in ACTS.items():
            wanted = 303 if act == "read" or role != VIEWER else 403
            assert client.post(f"/notifications/act/{act}/", {"ids": line.pk, **fields}).status_code == wanted, act
        assert client.post("/notifications/read-all/").status_code == 303
        assert ("/notifications/act/close/?ids=" in text_of(client.get("/notifications/"))) == (role != VIEWER)
        html = text_of(client.get(f"/notifications/{line.pk}/"))
        assert (f"/notifications/rules/{line.rule_id}/" in html) == (role == ADMINISTRATOR)

    def test_a_stranger_signs_in_first(self, client, make_line):
        line = make_line()
        for address in (
            "/notifications/",
            f"/notifications/{line.pk}/",
            "/live/",
            f"/notifications/act/close/?ids={line.pk}",
        ):
            assert client.get(address).status_code == 302
        assert client.post("/notifications/read-all/").status_code == 302

    def test_what_is_out_of_scope_is_not_there(self, scoped_agent, login, make_line, make_sim):
        mine, sim = make_line([make_sim()]), make_sim(account="other")
        other, own = make_line([sim]), make_line()
        client = login(scoped_agent)
        assert shown(client, "state=open&state=closed&state=snoozed") == [mine.pk]
        assert badge_of(text_of(client.get("/notifications/"))) == "1"
        for line in (other, own):
            assert client.get(f"/notifications/{line.pk}/").status_code == 404
            assert client.get(f"/notifications/act/close/?ids={line.pk}").status_code == 404
            assert client.post("/notifications/act/close/", {"ids": line.pk, "note": "x"}).status_code == 404
        assert shown(client, f"q={sim.giccid}") == []

    @pytest.mark.parametrize(
        "address", ["0/", "99999999999999999999999/", "act/nonsense/?ids=1", "act/read/?ids=1", "act/close/"]
    )
    def test_what_is_not_there_is_not_there(self, address, agent, login):
        assert login(agent).get(f"/notifications/{address}").status_code == 404


class TestList:
    def test_two_hundred_sims_are_one_line(self, agent, login, make_line, make_sim):
        line = make_line([make_sim() for _ in range(3)])
        Notification.objects.filter(pk=line.pk).update(sims=200, events=230)
        response = login(agent).get("/notifications/")
        assert rows_of(response) == [(str(line.pk), "IMEI_CHANGE", "open")]
        html = text_of(response)
        assert "Device changed" in html
        assert "200 SIMs · 230 events" in html
        assert "example_account" in html
        assert 'data-unread="true"' in html
        assert ">Unread</span>" in html, "said, not only shown by a colour"

    def test_filters(self, agent, supervisor, login, make_line, make_sim):
        sim = make_sim(account="north")
        north, south, own = make_line([sim], severity="critical"), make_line([make_sim(account="south")]), make_line()
        snoozed, closed = make_line(), make_line()
        centre.snooze(agent, [snoozed.pk], timezone.now() + timedelta(hours=1))
        centre.close(agent, [closed.pk], "done")
        centre.assign(agent, [north.pk], agent)
        centre.assign(agent, [south.pk], supervisor)
        client = login(agent)
        centre.mark_read(agent, [own.pk])
        spaced = f"{sim.giccid[:4]}+{sim.giccid[4:]}"
        for query, found in {
            "": [own, south, north],
            "state=open": [own, south, north],
            "state=snoozed": [snoozed],
            "state=closed": [closed],
            "state=open&state=snoozed&state=closed": [closed, snoozed, own, south, north],
            "state=nonsense": [],
            "read=unread": [south, north],
            "read=read": [own],
            "read=read&read=unread": [own, south, north],
            "read=nonsense": [],
            "assigned=me": [north],
            "assigned=others": [south],
            "assigned=nobody": [own],
            "assigned=nonsense": [],
            "severity=critical": [north],
            "kind=push_dead": [own],
            "account=north&account=-": [own, north],
            f"q={sim.giccid}": [north],
            f"q={spaced}": [north],
            "q=123": [],
            "q=%00": [],
            "after=mangled": [own, south, north],
        }.items():
            assert shown(client, query) == [line.pk for line in found], query

    def test_it_says_what_to_do_where_nothing_waits(self, agent, administrator, login):
        assert "See what was closed" in text_of(login(agent).get("/notifications/"))
        assert "See the rules" in text_of(login(administrator).get("/notifications/"))

    def test_an_open_page_asks_for_its_rows_and_gets_them_when_they_differ(self, agent, login, make_line):
        client = login(agent)
        poll = self._poll(client.get("/notifications/"))
        assert client.get(poll, headers=HTMX).status_code == 204
        line = make_line()
        whole = client.get(poll, headers=HTMX)
        assert rows_of(whole)
        assert "HX-Push-Url" not in whole
        poll = self._poll(whole)
        assert client.get(poll, headers=HTMX).status_code == 204
        for change in (
            lambda: make_line(),
            lambda: Notification.objects.filter(pk=line.pk).update(events=7, last_at=timezone.now()),
            lambda: centre.assign(agent, [line.pk], agent),
            lambda: centre.mark_read(agent, [line.pk]),
            lambda: centre.close(agent, [line.pk], "done"),
        ):
            change()
            answer = client.get(poll, headers=HTMX)
            assert rows_of(answer)
            poll = self._poll(answer)
            assert client.get(poll, headers=HTMX).status_code == 204
        centre.close(agent, list(Notification.objects.values_list("pk", flat=True)), "done")
        assert "list-renewed" in client.get(poll, headers=HTMX)["HX-Trigger"], "there are no rows any more"

    def test_no_row_comes_or_goes_under_the_pointer(self, agent, login, make_line):
        client, line = login(agent), make_line()
        poll = f"{self._poll(client.get('/notifications/'))}&hold=1"
        Notification.objects.filter(pk=line.pk).update(events=7)
        assert rows_of(client.get(poll, headers=HTMX)), "the same row with other words"
        make_line()
        answer = client.get(poll, headers=HTMX)
        assert not rows_of(answer)
        assert answer["HX-Reswap"] == "none"
        assert "Something new" in text_of(answer)

    @staticmethod
    def _poll(response):
        [address] = set(re.findall(r'hx-get="([^"]*version=[^"]+)" hx-trigger="every', text_of(response)))
        return unescape(address)

    def test_the_poll_keeps_filters_and_place(self, agent, login, make_line):
        for _ in range(60):
            make_line()
        client = login(agent)
        html = text_of(client.get("/notifications/?severity=warning"))
        [following] = re.findall(r'rel="next" href="([^"]*)"', html)
        response = client.get(unescape(following))
        poll = self._poll(response)
        assert "severity=warning" in poll
        assert "after=" in poll
        assert len(rows_of(client.get(re.sub("version=[^&]*", "version=", poll), headers=HTMX))) == 10


class TestActs:
    def test_a_dialog_a_mistake_and_the_act(self, agent, login, make_line):
        client, line = login(agent), make_line()
        for act in ("snooze", "assign", "close"):
            address = f"/notifications/act/{act}/"
            page, dialog = (text_of(client.get(f"{address}?ids={line.pk}", headers=h)) for h in ({}, HTMX))
            assert 'class="dialog-frame"' in dialog
            assert "<html" in page
            assert "<html" not in dialog
        refused = client.post("/notifications/act/close/", {"ids": line.pk, "note": " "}, headers=HTMX)
        assert refused.status_code == 422
        assert "Please say what was done about it." in text_of(refused)
        refused = client.post(
            "/notifications/act/snooze/", {"ids": line.pk, "length": "chosen", "until": "2020-01-01T00:00"}
        )
        assert refused.status_code == 422
        assert "This time is over." in text_of(refused)
        done = client.post("/notifications/act/close/", {"ids": line.pk, "note": "Called"}, headers=HTMX)
        assert done.status_code == 200
        assert {"dialog:close", "list-changed", "live-changed"} <= json.loads(done["HX-Trigger"]).keys()
        assert "1 notification closed." in text_of(done)
        again = client.post("/notifications/act/close/", {"ids": line.pk, "note": "Called"}, headers=HTMX)
        assert "somebody else was faster" in text_of(again)

    def test_many_at_once_ask_by_post(self, agent, login, make_line):
        client, lines = login(agent), [make_line() for _ in range(3)]
        ids = "\n".join(str(line.pk) for line in lines)
        asked = client.post("/notifications/act/assign/", {"ids": ids, "ask": "1"}, headers=HTMX)
        assert asked.status_code == 200
        assert "3 notifications" in text_of(asked)
        assert not Notification.objects.exclude(assigned_to=None).exists()
        client.post("/notifications/act/assign/", {"ids": ids, "person": agent.pk})
        assert Notification.objects.filter(assigned_to=agent).count() == 3
        wrong = client.post("/notifications/act/assign/", {"ids": ids, "person": 0})
        assert wrong.status_code == 422

    def test_from_the_lines_own_page_one_comes_back_to_it(self, agent, login, make_line):
        client, line = login(agent), make_line()
        fields = {"ids": line.pk, "next": "line", "note": "Called <b>"}
        page = f"/notifications/{line.pk}/"
        assert client.post("/notifications/act/close/", fields, headers=HTMX)["HX-Redirect"] == page
        html = text_of(client.get(page))
        assert "Closed by agent" in html
        assert "Called &lt;b&gt;" in html
        assert client.post("/notifications/act/reopen/", {"ids": line.pk, "next": "line"})["Location"] == page


class TestLine:
    def test_opening_reads_it_looking_at_its_head_does_not(self, agent, login, make_line):
        client, line = login(agent), make_line()
        client.head(f"/notifications/{line.pk}/")
        assert unread_count(agent) == 1
        client.get(f"/notifications/{line.pk}/")
        assert unread_count(agent) == 0

    def test_its_events_page_by_page(self, agent, login, make_line, make_sim):
        sims = [make_sim() for _ in range(30)]
        line = make_line(sims)
        client = login(agent)
        html = text_of(client.get(f"/notifications/{line.pk}/"))
        [older] = re.findall(r'href="([^"]*after=[^"]*)"', html)
        rest = text_of(client.get(unescape(older), headers=HTMX))
        assert "<html" not in rest
        found = [set(re.findall(r'href="/sims/(\d+)/"', part)) for part in (html, rest)]
        assert [len(part) for part in found] == [25, 5]
        assert found[0] | found[1] == {sim.giccid for sim in sims}
        assert "353270090000001 → 353270090000002" in html

    def test_links_for_those_who_may_follow_them(self, agent, administrator, login, make_line, make_sim, make_push):
        sim = make_sim()
        line = make_line([sim])
        operation = Operation.objects.create(
            sim=sim, actor=agent, kind="suspend", state="awaiting_approval", reason="r"
        )
        push = make_push({"eventType": "IMEI_CHANGE"})
        item = line.items.get()
        NotificationItem.objects.filter(pk=item.pk).update(operation=operation, proposal_refused="It is held.")
        type(item.event).objects.filter(pk=item.event_id).update(push_id=push.pk)
        address = f"/notifications/{line.pk}/"
        for user, sees_push in ((agent, False), (administrator, True)):
            html = text_of(login(user).get(address))
            assert f"/operations/{operation.pk}/" in html
            assert "Awaiting approval" in html
            assert "It is held." in html
            assert (f"/pushes/{push.pk}/" in html) == sees_push

    def test_a_sim_shows_its_last_five(self, agent, scoped_agent, login, make_line, make_sim):
        sim = make_sim()
        assert "data-sim-notifications" not in text_of(login(agent).get(f"/sims/{sim.giccid}/"))
        lines = [make_line([sim]) for _ in range(6)]
        html = text_of(login(scoped_agent).get(f"/sims/{sim.giccid}/"))
        assert "data-sim-notifications" in html
        assert [f"/notifications/{line.pk}/" in html for line in lines] == [False] + [True] * 5


class TestBadge:
    def test_it_moves_by_itself_and_says_so(self, agent, login, make_line):
        client = login(agent)
        html = text_of(client.get("/sims/"))
        assert badge_of(html) == "0"
        [poll] = re.findall(r'id="live" hidden hx-get="([^"]*)"', html)
        assert client.get(unescape(poll)).status_code == 204
        line = make_line()
        answer = text_of(client.get(unescape(poll)))
        assert badge_of(answer) == "1"
        assert '<div hx-swap-oob="innerHTML:#announce">1 unread notification</div>' in answer
        [poll] = re.findall(r'id="live" hidden hx-get="([^"]*)"', answer)
        assert client.get(unescape(poll)).status_code == 204
        centre.mark_read(agent, [line.pk])
        answer = text_of(client.get(unescape(poll)))
        assert badge_of(answer) == "0"
        assert "announce" not in answer

    def test_beyond_what_it_shows(self, agent, login, make_line, monkeypatch):
        monkeypatch.setattr(selectors, "MOST_COUNTED", 2)
        for _ in range(3):
            make_line()
        assert badge_of(text_of(login(agent).get("/live/"))) == "2+"


def test_pages_take_the_same_queries_however_much_there_is(administrator, login, make_line, make_sim):
    client = login(administrator)

    def count():
        line = Notification.objects.order_by("-events", "pk")[0]
        counted = {}
        for address in (
            "/notifications/",
            "/notifications/?version=x&read=unread",
            f"/notifications/{line.pk}/",
            "/live/",
        ):
            client.get(address)
            with CaptureQueriesContext(connection) as queries:
                assert client.get(address).status_code == 200
            counted[address.split("?")[0].rstrip("0123456789/")] = len(queries)
        return counted

    sims = [make_sim(account=f"account{n % 7}") for n in range(20)]
    make_line(sims[:2])
    make_line(sims[:1])
    few = count()
    for number in range(1, 15):
        make_line(sims[:number])
        make_line()
    assert count() == few
    assert few["/live"] <= 8
