"""The pages of the inbox: who may see what, filters, one push in full, replay."""

from __future__ import annotations

import json
import re
from html import unescape

import pytest

from core.models import AuditEntry
from notifications.models import Push
from notifications.services import inbox, processing, replaying

GICCID = "8986011805021000040"


@pytest.fixture
def pushes(make_push, handler, make_sim):
    make_sim(giccid=GICCID, account="example_account")
    first = make_push({"eventType": "TEST_EVENT", "eventId": "e-1", "giccid": GICCID})
    other = make_push({"eventType": "MOON_PHASE", "eventId": "e-2", "accountName": "other_account", "giccid": "1"})
    nobody = make_push({"eventType": "TEST_EVENT", "eventId": "e-3"})
    for push in (first, other, nobody):
        processing.process(push.pk)
        push.refresh_from_db()
    return first, other, nobody


@pytest.mark.parametrize("role", ["Viewer", "Agent", "Supervisor"])
def test_the_inbox_is_for_administrators(role, make_user, login, pushes):
    client = login(make_user(role))
    assert client.get("/pushes/").status_code == 403
    assert client.get("/pushes/", headers={"HX-Request": "true"}).status_code == 403
    assert client.get(f"/pushes/{pushes[0].pk}/").status_code == 403
    assert client.post(f"/pushes/{pushes[0].pk}/replay/").status_code == 403
    assert Push.objects.get(pk=pushes[0].pk).state == "done"


def test_without_sign_in_there_is_only_the_sign_in(client, pushes):
    for path in ("/pushes/", f"/pushes/{pushes[0].pk}/"):
        response = client.get(path)
        assert response.status_code == 302
        assert response["Location"].startswith("/login/")
    assert client.post(f"/pushes/{pushes[0].pk}/replay/").status_code == 302


def test_rows_name_kind_and_state_newest_first(administrator, login, pushes):
    html = login(administrator).get("/pushes/").content.decode()
    assert html.count("data-push-kind=") == 3
    assert 'data-push-kind="TEST_EVENT" data-push-state="done"' in html
    assert 'data-push-kind="MOON_PHASE" data-push-state="ignored"' in html
    assert 'data-result-count="3"' in html
    assert html.index(f'data-push="{pushes[2].pk}"') < html.index(f'data-push="{pushes[0].pk}"')


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("state=done", {0, 2}),
        ("state=ignored&state=dead", {1}),
        ("kind=MOON_PHASE", {1}),
        (f"giccid={GICCID}", {0}),
        ("q=8986-0118 0502 1000 040", {0}),
        ("q=e-3", {2}),
        ("source=tenant", {0, 1, 2}),
        ("source=nobody", set()),
        ("state=nonsense", set()),
        ("q=%00", set()),
    ],
)
def test_filters(query, shown, administrator, login, pushes):
    client = login(administrator)
    for headers in ({}, {"HX-Request": "true"}):
        html = client.get(f"/pushes/?{query}", headers=headers).content.decode()
        assert {number for number, push in enumerate(pushes) if f'data-push="{push.pk}"' in html} == shown


def test_an_administrator_with_some_accounts_sees_the_pushes_of_those(make_user, login, pushes):
    client = login(make_user("Administrator", ["example_account"]))
    html = client.get("/pushes/").content.decode()
    assert html.count("data-push-kind=") == 1
    assert client.get(f"/pushes/{pushes[0].pk}/").status_code == 200
    for push in pushes[1:]:
        assert client.get(f"/pushes/{push.pk}/").status_code == 404
        assert client.post(f"/pushes/{push.pk}/replay/").status_code == 404


def test_a_push_is_not_seen_by_the_account_that_its_sender_claims(make_user, login, make_push, make_sim):
    make_sim(giccid=GICCID, account="other_account")
    claimed = {"eventType": "MO_SMS", "fromGiccid": GICCID, "accountName": "example_account", "messageText": "private"}
    push = make_push(claimed)
    client = login(make_user("Administrator", ["example_account"]))
    for state in ("received", "done"):
        assert Push.objects.get().state == state
        assert 'data-result-count="0"' in client.get("/pushes/").content.decode()
        assert client.get(f"/pushes/{push.pk}/").status_code == 404
        processing.process(push.pk)


def test_one_push_in_full(administrator, login, pushes):
    html = login(administrator).get(f"/pushes/{pushes[0].pk}/").content.decode()
    assert "&quot;eventId&quot;: &quot;e-1&quot;" in html
    assert f"/sims/{GICCID}/" in html
    assert "noted" in html
    assert html.count('data-push-state="done"') == 1


@pytest.mark.parametrize(
    "raw",
    [
        b"nonsense <script>",
        b'{"a":"\\ud800","b":"<script>alert(1)</script>"}',
        b'{"eventType":"<b>","giccid":"<b>/../x"}',
    ],
)
def test_any_body_can_be_shown(raw, administrator, login, source, post):
    post(raw)
    push = Push.objects.get()
    processing.process(push.pk)
    client = login(administrator)
    response = client.get(f"/pushes/{push.pk}/")
    assert response.status_code == 200
    assert b"<script>alert" not in response.content
    assert b"nonsense <script>" not in response.content
    assert client.get("/pushes/").status_code == 200


def test_an_unknown_push_is_not_found(administrator, login, db):
    client = login(administrator)
    assert client.get("/pushes/999999/").status_code == 404
    assert client.get("/pushes/99999999999999999999999999/").status_code == 404


def test_replay_is_a_post_that_leads_back(administrator, login, pushes, handler):
    client = login(administrator)
    assert client.get(f"/pushes/{pushes[0].pk}/replay/").status_code == 405
    response = client.post(f"/pushes/{pushes[0].pk}/replay/")
    assert (response.status_code, response["Location"]) == (303, f"/pushes/{pushes[0].pk}/")
    assert Push.objects.get(pk=pushes[0].pk).state == "received"
    assert "is being done again" in client.get(response["Location"]).content.decode()
    assert client.post(f"/pushes/{pushes[0].pk}/replay/").status_code == 303
    processing.process(pushes[0].pk)
    assert len(handler.events) == 3


def test_the_list_costs_the_same_for_few_and_many(
    administrator, login, source, make_push, django_assert_max_num_queries
):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    client = login(administrator)
    counts = []
    for total in (2, 30):
        while Push.objects.count() < total:
            make_push({"eventType": "TEST_EVENT", "eventId": str(Push.objects.count())})
        client.get("/pushes/")
        with CaptureQueriesContext(
            connection,
        ) as queries:
            client.get("/pushes/")
        assert not any('"notifications_push"."body"' in query["sql"] for query in queries)
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_all_that_match_are_replayed_after_a_question(administrator, login, pushes, monkeypatch, valkey):
    client = login(administrator)
    asked = client.get("/pushes/replay/?state=done&giccid=" + GICCID, headers={"HX-Request": "true"}).content.decode()
    assert "Replay 1<" in asked
    response = client.post(f"/pushes/replay/?state=done&giccid={GICCID}")
    assert (response.status_code, response["Location"]) == (303, f"/pushes/?state=done&giccid={GICCID}")
    assert [Push.objects.get(pk=push.pk).state for push in pushes] == ["received", "ignored", "done"]

    monkeypatch.setattr(replaying, "BATCH", 1)
    client.post("/pushes/replay/")
    assert Push.objects.filter(state="received").count() == 1, "many are left to a worker"
    assert valkey.llen("push") == 1
    newest = Push.objects.latest("pk").pk
    assert replaying.replay_matching("", user_id=administrator.pk, up_to=newest - 1) == 1
    assert replaying.replay_matching("", user_id=0, up_to=newest) == 0
    assert [Push.objects.get(pk=push.pk).state for push in pushes] == ["received", "received", "done"]
    assert AuditEntry.objects.filter(action="push.replay_requested", actor=administrator).count() == 2
    assert AuditEntry.objects.filter(action="push.replayed", actor=administrator).count() == 2


def test_replaying_all_keeps_to_the_role_and_to_the_accounts(make_user, login, pushes):
    assert login(make_user("Supervisor")).post("/pushes/replay/").status_code == 403
    login(make_user("Administrator", ["example_account"])).post("/pushes/replay/")
    assert [Push.objects.get(pk=push.pk).state for push in pushes] == ["received", "ignored", "done"]


def test_an_open_list_gets_changed_rows_in_place_and_new_ones_at_its_head(administrator, login, pushes, make_push):
    client = login(administrator)

    def ask(html: str) -> str:
        [url] = re.findall(r'id="list-rows" hidden hx-get="([^"]*)"', html)
        headers = {"HX-Request": "true", "HX-Trigger": "list-rows"}
        response = client.get(unescape(url), headers=headers)
        assert response.status_code == (200 if response.content else 204)
        return response.content.decode()

    page = client.get("/pushes/").content.decode()
    assert ask(page) == ""
    Push.objects.filter(pk=pushes[0].pk).update(state="dead")
    news = ask(page)
    assert f'id="row-{pushes[0].pk}"' in news
    assert re.search(r'<tr [^>]*data-push-state="dead"[^>]* hx-swap-oob="true">', news)
    assert f'id="row-{pushes[1].pk}"' not in news
    assert ask(news) == ""

    new = make_push({"eventType": "TEST_EVENT", "eventId": "e-4"})
    arrived = ask(news)
    assert "afterbegin:#results tbody" in arrived
    assert f'id="row-{new.pk}"' in arrived
    assert 'data-result-count="4"' in arrived
    assert ask(arrived) == ""
    held = unescape(re.findall(r'id="list-rows" hidden hx-get="([^"]*)"', news)[0]) + "&hold=1"
    waits = client.get(held, headers={"HX-Request": "true", "HX-Trigger": "list-rows"}).content.decode()
    assert "1 newer" in waits
    assert f'id="row-{new.pk}"' not in waits

    other = client.get("/pushes/?state=ignored").content.decode()
    make_push({"eventType": "TEST_EVENT", "eventId": "e-5"})
    assert ask(other) == "", "new ones that the filter leaves out stay out"
    empty = client.get("/pushes/?giccid=77").content.decode()
    make_push({"eventType": "TEST_EVENT", "eventId": "e-6", "giccid": "77"})
    assert 'data-result-count="1"' in ask(empty), "an empty list is made anew"


def test_the_body_shown_is_formatted_in_its_own_order():
    from notifications import selectors

    push = Push(body=json.dumps({"z": 1, "a": "é"}))
    assert selectors.formatted_body(push) == '{\n  "z": 1,\n  "a": "é"\n}'
    wide = Push(body=json.dumps({"a": json.loads("[" * 30 + "1" + ",1" * 20_000 + "]" * 30)}))
    assert selectors.formatted_body(wide) == wide.body, "indents would make it many times as long"
    assert inbox.REJECTED_KEPT > 0
