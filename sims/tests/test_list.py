"""The list of SIMs: filters, order, pages, choice of columns; who may see what."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from sims.models import SharePool, Sim
from sims.models.indexes import SORT_KEYS

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true", "HX-Target": "results"}


def shown(answer) -> list[str]:
    return re.findall(r'data-giccid="(\d+)"', answer.content.decode())


def count(answer) -> str:
    [token] = re.findall(r'data-result-count="([^"]*)"', answer.content.decode())
    return token


@pytest.fixture
def fleet(make_sim):
    now = timezone.now()
    a = make_sim(
        status="ACTIVATED", plan="EU-1", pool="POOL-1", country_code="DE", online=True, apn_state="ENABLED",
        last_session_at=now - timedelta(hours=1), data_usage=40, data_quota=100, quota_percent=40,
    )  # fmt: skip
    b = make_sim(
        status="DEACTIVATED", plan="EU-2", country_code="FR", online=False, apn_state="MIXED",
        last_session_at=now - timedelta(days=40), data_usage=80, data_quota=100, quota_percent=80,
        usage_jump_on=now.date() - timedelta(days=3),
    )  # fmt: skip
    c = make_sim(status="FROZEN_BY_MARS", account="other_account", data_usage=200, data_quota=100, quota_percent=200)
    return {sim.giccid: name for name, sim in (("a", a), ("b", b), ("c", c))}


def letters(fleet, answer) -> str:
    assert answer.status_code == 200
    return "".join(fleet[giccid] for giccid in shown(answer))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "abc"),
        ("status=ACTIVATED", "a"),
        ("status=ACTIVATED&status=DEACTIVATED", "ab"),
        ("status=FROZEN_BY_MARS", "c"),
        ("status=NO_SUCH", ""),
        ("account=example_account", "ab"),
        ("account=other_account&account=example_account", "abc"),
        ("plan=EU-2", "b"),
        ("plan=EU-1&plan=none", "ac"),
        ("pool=POOL-1", "a"),
        ("pool=none", "bc"),
        ("country=DE&country=FR", "ab"),
        ("country=none", "c"),
        ("online=yes", "a"),
        ("online=no", "b"),
        ("online=unknown", "c"),
        ("online=perhaps", ""),
        ("apn=ENABLED", "ab"),
        ("apn=DISABLED", "b"),
        ("apn=none", "c"),
        ("seen=within-1d", "a"),
        ("seen=older-30d", "b"),
        ("seen=older-90d", ""),
        ("seen=never", "c"),
        ("unusual=7d", "b"),
        ("unusual=1d", ""),
        ("unusual=1d&unusual=30d", "b"),
        ("unusual=often", ""),
        ("seen=older-30d&seen=never", "bc"),
        ("seen=next-week", ""),
        ("quota=0-50", "a"),
        ("quota=80-100", "b"),
        ("quota=over", "c"),
        ("quota=50-80", ""),
        ("quota=lots", ""),
        ("status=DEACTIVATED&plan=EU-2&country=FR", "b"),
        ("status=DEACTIVATED&plan=EU-1", ""),
        ("status=&plan=", "abc"),
        ("unknown=1", "abc"),
        ("sort=-usage", "cba"),
        ("sort=quota", "abc"),
        ("sort=no_such", "abc"),
        ("sort=-giccid", "cba"),
        ("status=%00", ""),
        ("q=%00", ""),
        ("status=" + "x" * 300, ""),
        ("q=" + "x" * 300, ""),
        ("plan=%F0%9F%9A%80", ""),
        ("seen=older-9999d", ""),
    ],
)
def test_the_address_says_what_is_shown(fleet, login, viewer, query, expected):
    answer = login(viewer).get(f"/sims/?{query}")
    assert letters(fleet, answer) == expected
    assert count(answer) == str(len(expected))
    fragment = login(viewer).get(f"/sims/?{query}", headers=HTMX)
    assert letters(fleet, fragment) == expected


@pytest.mark.parametrize("name", list(SORT_KEYS))
@pytest.mark.parametrize("minus", ["", "-"])
def test_every_column_sorts_and_says_so(fleet, login, make_user, name, minus):
    user = make_user("Viewer", preferences={"columns": {"sims": list(SORT_KEYS)}})
    answer = login(user).get(f"/sims/?sort={minus}{name}")
    assert sorted(letters(fleet, answer)) == ["a", "b", "c"]
    assert answer.content.decode().count("aria-sort=") == 1
    assert f'aria-sort="{"descending" if minus else "ascending"}"' in answer.content.decode()


def test_pages_follow_each_other_and_keep_the_filters(make_sim, login, viewer):
    sims = [make_sim(status="ACTIVATED") for _ in range(120)]
    make_sim(status="RETIRED")
    client, address, seen = login(viewer), "/sims/?status=ACTIVATED&sort=-giccid", []
    while address:
        answer = client.get(address)
        seen += shown(answer)
        assert count(answer) == "120"
        links = re.findall(r'rel="next" href="([^"]*)"', answer.content.decode())
        address = links[0].replace("&amp;", "&") if links else ""
    assert seen == sorted((sim.giccid for sim in sims), reverse=True)
    back = re.findall(r'rel="prev" href="([^"]*)"', answer.content.decode())
    assert shown(client.get(back[0].replace("&amp;", "&"))) == seen[50:100]


@pytest.mark.parametrize("cursor", ["x", "W10", "%00", "WyJnaWNjaWQiLDFd", "A" * 5000])
def test_a_mangled_page_link_shows_the_first_page_and_says_so(fleet, login, viewer, cursor):
    for parameter in ("after", "before"):
        answer = login(viewer).get(f"/sims/?{parameter}={cursor}")
        assert letters(fleet, answer) == "abc"
        assert "can not be read" in answer.content.decode()


def test_the_server_picks_the_fragment(fleet, login, viewer):
    client = login(viewer)
    whole = client.get("/sims/?status=ACTIVATED")
    assert b"<html" in whole.content
    results = client.get("/sims/?status=ACTIVATED&after=", headers={**HTMX, "HX-Trigger-Name": "q"})
    assert b"<html" not in results.content
    assert b'id="filters"' not in results.content
    assert results["HX-Replace-Url"] == "/sims/?status=ACTIVATED"
    everything = client.get("/sims/?status=ACTIVATED", headers={**HTMX, "HX-Target": "list"})
    assert b'id="filters"' in everything.content
    assert everything["HX-Push-Url"] == "/sims/?status=ACTIVATED"
    restored = client.get("/sims/", headers={**HTMX, "HX-History-Restore-Request": "true"})
    assert b"<html" in restored.content
    assert "HX-Request" in results["Vary"]


def test_two_characters_bring_a_hint_and_no_search(fleet, login, viewer):
    answer = login(viewer).get("/sims/?q=89")
    assert letters(fleet, answer) == "abc"
    assert "at least 3 characters" in answer.content.decode()


def test_active_filters_are_chips_that_can_be_removed(fleet, login, viewer):
    html = login(viewer).get("/sims/?status=ACTIVATED&status=XX&plan=EU-1&sort=-usage").content.decode()
    assert html.count('class="chip"') == 3
    assert 'href="/sims/?status=XX&amp;plan=EU-1&amp;sort=-usage"' in html
    assert "<b>Activated</b>" in html
    assert "<b>XX</b>" in html


def test_values_are_escaped(make_sim, login, viewer):
    make_sim(status="<b>odd</b>", plan='"><i>', custom1="<script>1</script>")
    html = login(viewer).get("/sims/?q=<script>1&status=<u>").content.decode()
    assert "<u>" not in html
    html = login(viewer).get("/sims/?q=<script>1").content.decode()
    assert "<b>odd" not in html
    assert '"><i>' not in html
    assert "<script>1" not in html


def test_the_choice_of_columns_is_kept_per_user(fleet, login, viewer, agent):
    client = login(viewer)
    answer = client.post("/sims/?status=ACTIVATED", {"columns": ["imei", "custom3", "no_such", "select"]})
    assert (answer.status_code, answer["Location"]) == (303, "/sims/?status=ACTIVATED")
    head = client.get("/sims/").content.decode().split("</thead>")[0]
    assert "sort=imei" in head
    assert "sort=custom3" in head
    assert "sort=status" not in head
    assert "sort=status" in login(agent).get("/sims/").content.decode().split("</thead>")[0]
    client.post("/sims/", {"reset": "1"})
    assert "sort=status" in client.get("/sims/").content.decode().split("</thead>")[0]


@pytest.mark.parametrize(
    "stored", [None, [], "x", {"columns": 3}, {"columns": {"sims": "imei"}}, {"columns": {"sims": [3]}}]
)
def test_odd_preferences_do_no_harm(fleet, login, viewer, stored):
    type(viewer).objects.filter(pk=viewer.pk).update(preferences=stored if stored is not None else {})
    assert login(viewer).get("/sims/").status_code == 200


def test_somebody_sees_the_accounts_of_his_scope_alone(fleet, login, scoped_agent):
    client = login(scoped_agent)
    SharePool.objects.update(account="other_account")
    for query in ("", "account=other_account", "status=FROZEN_BY_MARS", "quota=over"):
        answer = client.get(f"/sims/?{query}&filters=1")
        assert "c" not in letters(fleet, answer)
        assert 'value="POOL-1"' not in answer.content.decode()
    assert count(client.get("/sims/")) == "2"
    for place in ("?filters=1", "?panel=account", "?panel=pool"):
        html = client.get(f"/sims/{place}").content.decode()
        assert 'value="other_account"' not in html
        assert 'value="POOL-1"' not in html


def test_a_filter_says_what_it_offers_when_it_is_opened_or_on_a_page_with_all_of_them(fleet, login, viewer):
    client = login(viewer)
    page = client.get("/sims/?account=other_account&status=RETIRED").content.decode()
    assert 'value="EU-1"' not in page
    # What is ticked goes along with the form even where nobody has opened its panel.
    assert '<input type="hidden" name="account" value="other_account">' in page
    assert 'hx-get="/sims/?panel=account"' in page
    panel = client.get("/sims/?panel=account&account=other_account&account=gone", headers=HTMX).content.decode()
    ticked = '<input type="checkbox" name="account" value="{}" checked>'
    assert all(ticked.format(name) in panel for name in ("other_account", "gone"))
    assert 'name="account" value="example_account">' in panel
    assert "<html" not in panel
    [whole] = set(re.findall(r'class="option" href="([^"]*filters=1[^"]*)"', page))
    everything = client.get(whole.replace("&amp;", "&")).content.decode()
    assert ticked.format("other_account") in everything
    assert 'name="plan" value="EU-1">' in everything
    assert 'type="hidden" name="account"' not in everything
    assert [client.get(f"/sims/?panel={name}").status_code for name in ("q", "nothing", "")] == [404] * 3


def test_somebody_without_accounts_sees_nothing(fleet, login, make_user):
    assert shown(login(make_user("Agent", [])).get("/sims/")) == []


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_without_sign_in_there_is_no_list(fleet, client, headers):
    answer = client.get("/sims/", headers=headers)
    assert answer.status_code == (204 if headers else 302)
    assert "/login/" in (answer.headers.get("HX-Redirect") or answer["Location"])
    assert client.post("/sims/", {"columns": ["imei"]}).status_code == 302


@pytest.mark.parametrize("role", ["Viewer", "Agent", "Supervisor", "Administrator"])
def test_every_role_may_look(fleet, login, make_user, role):
    assert letters(fleet, login(make_user(role)).get("/sims/")) == "abc"


def test_a_user_without_a_role_may_not(fleet, login, make_user):
    user = make_user("Viewer")
    user.groups.clear()
    assert login(user).get("/sims/").status_code == 403
    assert login(user).get("/sims/", headers=HTMX).status_code == 403


def test_an_empty_mirror_says_what_to_do_next(login, viewer, db):
    assert Sim.objects.count() == 0
    html = login(viewer).get("/sims/").content.decode()
    assert 'data-result-count="0"' in html
    assert "/sync/" in html
