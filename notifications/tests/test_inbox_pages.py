"""The pages of the inbox: who may see what, filters, one push in full, replay."""

from __future__ import annotations

import json

import pytest

from notifications.models import Push
from notifications.services import inbox, processing, sources

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


def test_a_source_made_in_the_admin_site_shows_its_address_once(administrator, login, client):
    administrator.is_staff = True
    administrator.save()
    admin_client = login(administrator)
    response = admin_client.post("/admin/notifications/pushsource/add/", {"name": "tenant", "active": "on"})
    assert response.status_code == 200
    html = response.content.decode()
    address = html.split("data-push-address>")[1].split("<")[0]
    assert (
        client.post(address.removeprefix("http://testserver"), data="{}", content_type="application/json").status_code
        == 200
    )
    source = Push.objects.get().source
    token = address.rstrip("/").rsplit("/", 1)[1]
    listing = admin_client.get("/admin/notifications/pushsource/").content.decode()
    form = admin_client.get(f"/admin/notifications/pushsource/{source.pk}/change/").content.decode()
    assert token not in listing + form
    assert "_rotate" in form
    assert source.token_digest not in listing + form

    response = admin_client.post(
        f"/admin/notifications/pushsource/{source.pk}/change/", {"name": "renamed", "active": "on", "_rotate": "1"}
    )
    assert response.status_code == 200
    renewed = response.content.decode().split("data-push-address>")[1].split("<")[0]
    assert renewed != address
    for path, status in ((address, 404), (renewed, 200)):
        path = path.removeprefix("http://testserver")
        assert client.post(path, data="{}", content_type="application/json").status_code == status

    response = admin_client.post(f"/admin/notifications/pushsource/{source.pk}/change/", {"name": "renamed"})
    assert response.status_code == 302
    assert sources.find_active(renewed.rstrip("/").rsplit("/", 1)[1]) is None


def test_a_name_that_is_taken_is_a_form_error(administrator, login, source):
    administrator.is_staff = True
    administrator.save()
    response = login(administrator).post("/admin/notifications/pushsource/add/", {"name": "tenant", "active": "on"})
    assert response.status_code == 200
    assert "data-push-address" not in response.content.decode()


def test_pushes_are_read_only_in_the_admin_site(administrator, login, pushes):
    administrator.is_staff = True
    administrator.save()
    client = login(administrator)
    assert client.get("/admin/notifications/push/").status_code == 200
    assert client.get(f"/admin/notifications/push/{pushes[0].pk}/change/").status_code == 200
    assert client.post(f"/admin/notifications/push/{pushes[0].pk}/change/", {"state": "dead"}).status_code == 403
    assert client.get("/admin/notifications/push/add/").status_code == 403
    assert client.post(f"/admin/notifications/push/{pushes[0].pk}/delete/", {"post": "yes"}).status_code == 403


def test_the_body_shown_is_formatted_in_its_own_order():
    from notifications import selectors

    push = Push(body=json.dumps({"z": 1, "a": "é"}))
    assert selectors.formatted_body(push) == '{\n  "z": 1,\n  "a": "é"\n}'
    assert inbox.REJECTED_KEPT > 0
