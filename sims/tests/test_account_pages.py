"""Accounts: the list, the page of one with money, SIMs, plans and people, whatever the account is called."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from decimal import Decimal
from html import escape, unescape

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from sims.links import account_url
from sims.models import Account, AccountHistory, Enterprise, RatePlan, SharePool, SyncRun
from sims.services import sync
from sims.services.tallies import mend
from sims.views.accounts import AccountListView

pytestmark = pytest.mark.django_db

MB = 1024 * 1024
ODD = [
    "a/b",
    "50% off?",
    "été & co",
    "x#y;z=1",
    "n" * 107 + "~0123456789ab",
    "",
    ".",
    "a//b",
    "../x",
    "-",
    "line\nbreak",
    "%2F",
    "cost",
]


HTMX = {"HX-Request": "true", "HX-Target": "results"}


def chart(html: str, name: str) -> dict:
    [data] = re.findall(rf'<script id="chart-{name}" type="application/json">(.*?)</script>', html)
    return json.loads(data)


def figures(html: str) -> dict[str, tuple[str, str]]:
    """Name → figure and the address it leads to."""
    found = re.findall(r'<a [^>]*href="([^"]*)"[^>]*data-figure="([^"]*)" data-value="([^"]*)"', html)
    return {name: (value, unescape(address)) for address, name, value in found}


def counted(client, address: str) -> str:
    [token] = re.findall(r'data-result-count="([^"]*)"', client.get(address, headers=HTMX).content.decode())
    return token


@pytest.fixture
def fleet(make_sim):
    """Two accounts with SIMs in three states; the figures kept of them are right."""
    for number in range(3):
        make_sim(plan="EU-1", pool="POOL-1", data_usage=(number + 1) * MB, data_quota=10 * MB, quota_percent=10)
    make_sim(plan="EU-2", status="DEACTIVATED", data_usage=9 * MB, usage_jump_on=timezone.now().date())
    make_sim(status="FROZEN_BY_MARS")
    make_sim(account="north", plan="NORTH-1", data_usage=50 * MB, usage_jump_on=timezone.now().date())
    SharePool.objects.filter(code="POOL-1").update(account_id="example_account")
    mend()


def reading(name: str, days_ago: int, **fields) -> AccountHistory:
    at = timezone.now() - timedelta(days=days_ago)
    return AccountHistory.objects.create(account_id=name, day=at.date(), read_at=at, **fields)


def test_what_a_reading_tells_stands_where_people_look(simulator, login, viewer, scoped_agent):
    sync.run(SyncRun.Kind.REFERENCE, trigger="test")
    html = login(viewer).get("/accounts/").content.decode()
    assert "Example Enterprise" in html
    assert 'href="mailto:noc@enterprise.example"' in html
    assert len(re.findall("data-account=", html)) == Account.objects.count() == 5
    # Read again it is still one; who sees some accounts sees nothing of whom they belong to.
    sync.run(SyncRun.Kind.REFERENCE, trigger="test")
    assert Enterprise.objects.count() == 1
    limited = login(scoped_agent).get("/accounts/").content.decode()
    assert re.findall('data-account="([^"]*)"', limited) == ["example_account"]
    assert "Enterprise" not in limited
    page = login(viewer).get("/accounts/example_account/").content.decode()
    assert re.search(r"[\d,.]+ EUR", page)
    assert chart(page, "account-money")["unit"] == "EUR"
    assert len(chart(page, "account-states")["series"]) == 5


def test_the_list_is_searched_filtered_and_sorted_and_leads_to_the_sims(fleet, login, viewer, monkeypatch):
    Account.objects.filter(name="north").update(status="ACTIVE", balance=Decimal("-3.5"), currency="EUR")
    Account.objects.filter(name="example_account").update(balance=Decimal(20), currency="USD")
    Account.objects.create(name="silent")
    client = login(viewer)

    def names(query: str) -> list[str]:
        return re.findall('data-account="([^"]*)"', client.get(f"/accounts/?{query}").content.decode())

    assert names("") == ["example_account", "north", "silent"]
    assert names("q=NORT") == ["north"]
    assert names("status=ACTIVE") == ["north"]
    assert names("sort=-balance") == ["example_account", "north", "silent"]
    assert names("sort=balance&after=") == ["silent", "north", "example_account"]
    for sort in ("balance", "-charge", "read", "-status"):
        whole, page = names(f"sort={sort}"), f"/accounts/?sort={sort}"
        monkeypatch.setattr(AccountListView, "page_size", 1)
        by_page = []
        while page:
            html = client.get(page).content.decode()
            by_page += re.findall('data-account="([^"]*)"', html)
            page = unescape((re.findall('rel="next" href="([^"]*)"', html) or [""])[0])
        assert by_page == whole, sort
        monkeypatch.undo()
    html = client.get("/accounts/").content.decode()
    assert "-3.50 EUR" in html
    assert "20.00 USD" in html
    assert counted(client, "/sims/?account=example_account&status=ACTIVATED") == "3"
    assert '<a href="/sims/?account=example_account&amp;status=ACTIVATED">3</a>' in html
    assert f'<data value="{15 * MB}"' in html
    exported = b"".join(client.get("/accounts/?export=csv&sort=name")).decode().splitlines()
    assert exported[1].split(",")[:7] == ["example_account", "", "5", "3", "20.0000", "USD", ""]


def test_each_figure_counts_what_it_leads_to(fleet, login, agent, make_user):
    reading("example_account", 0, sim_count=6, status_counts={"ACTIVATED": 4, "DEACTIVATED": 1, "RETIRED": 1})
    for user in (agent, make_user("Viewer", ["example_account"])):
        client = login(user)
        html = client.get("/accounts/example_account/").content.decode()
        own = figures(html)
        assert own["sims_total"][0] == "5"
        assert own["sims_frozen_by_mars"][0] == "1"
        assert set(own) >= {"sims_activated", "sims_deactivated", "sims_retired", "became_activated"}
        assert {name: counted(client, address) for name, (_value, address) in own.items()} == {
            name: value for name, (value, _address) in own.items()
        }
        # Where the carrier counts otherwise, its own count stands beside.
        assert re.findall(r'data-carrier-count="(\d+)"', html) == ["4", "1", "0"]
        assert '<tr data-plan="EU-1">' in html
        assert "NORTH-1" not in html
        assert '<tr data-pool="POOL-1">' in html
        top, jumped = (html.split(f'id="{part}"')[1].split("</section>")[0] for part in ("top", "jump"))
        assert len(re.findall("data-giccid", top)) == 4
        assert "9 MB" in top.split("<tr")[2]
        assert len(re.findall("data-giccid", jumped)) == 1


def test_days_without_a_reading_are_gaps_and_two_currencies_are_never_one(fleet, login, viewer):
    reading("north", 40, balance=Decimal("9.99"), currency="USD")
    reading("north", 4, balance=Decimal("12.5"), current_charge=Decimal("0.1234"), currency="EUR")
    reading(
        "north", 2, balance=Decimal("11"), current_charge=Decimal("2"), currency="EUR", status_counts={"RETIRED": 2}
    )
    client = login(viewer)
    money = chart(client.get("/accounts/north/").content.decode(), "account-money")
    assert (money["unit"], len(money["labels"])) == ("EUR", 5)
    assert [series["values"] for series in money["series"]] == [
        [0.1234, None, 2.0, None, None],
        [12.5, None, 11.0, None, None],
    ]
    html = client.get("/accounts/north/?days=92").content.decode()
    money = chart(html, "account-money")
    assert money["unit"] == ""
    assert [series["label"] for series in money["series"]] == ["Balance (USD)", "Current charge (EUR)", "Balance (EUR)"]
    states = chart(html, "account-states")
    assert [(series["label"], series["values"][0]) for series in states["series"]] == [("Retired", 2)]
    assert "Nothing was read in these days" in client.get("/accounts/example_account/").content.decode()


def test_a_contact_of_any_shape_is_told(login, viewer):
    contact = {"name": "A <b>", "phones": ["+49 1", {"fax": 2}], "none": None}
    Enterprise.objects.create(pk=1, contact=contact, fetched_at=timezone.now())
    html = login(viewer).get("/accounts/").content.decode()
    assert [line for line in ("name: A &lt;b&gt;", "phones: +49 1", "phones: fax: 2") if line not in html] == []


def test_any_name_has_a_page_and_leads_to_its_sims(make_sim, login, viewer, make_user):
    giccids = {name: make_sim(account=Account.objects.create(name=name)).giccid for name in ODD}
    mend()
    client, limited = login(viewer), login(make_user("Administrator", ["another"]))
    listed = client.get("/accounts/").content.decode()
    for name in ODD:
        assert f'href="{escape(account_url(name))}"' in listed, name
        html = client.get(account_url(name)).content.decode()
        assert "data-stub" in html, name
        count, address = figures(html)["sims_total"]
        listing = client.get(address, headers=HTMX).content.decode()
        assert (count, re.findall(r'data-giccid="(\d+)"', listing)) == ("1", [giccids[name]]), name
        assert limited.get(account_url(name)).status_code == 404
    for name in ("", "50% off?"):
        page = client.get(f"/sims/{giccids[name]}/").content.decode()
        assert f'href="{escape(account_url(name))}"' in page


def test_a_name_that_only_looks_like_one_is_not_found(login, viewer):
    for address in (
        "/accounts/nobody/",
        "/accounts/a%00b/",
        "/accounts/-/",
        "/accounts/-/?key=",
        "/accounts/-/?key=%00",
    ):
        assert login(viewer).get(address).status_code == 404


def test_who_may_see_it_is_told_to_who_may_see_users(fleet, login, make_user, administrator, supervisor):
    make_user("Agent", ["north"], username="northerner")
    make_user("Agent", ["example_account"], username="other")
    make_user("Viewer", username="gone", is_active=False)
    html = login(administrator).get("/accounts/north/").content.decode()
    assert re.findall('data-user="([^"]*)"', html) == ["northerner", "administrator", "supervisor"]
    assert "data-user" not in login(supervisor).get("/accounts/north/").content.decode()


@pytest.mark.parametrize("role", ["Viewer", "Agent", "Supervisor", "Administrator"])
def test_every_role_sees_its_accounts_alone(role, fleet, make_user, login, client):
    for address in ("/accounts/", "/accounts/north/"):
        assert client.get(address).status_code == 302
        assert login(make_user(role)).get(address).status_code == 200
        limited = login(make_user(role, ["example_account"])).get(address)
        assert limited.status_code == (200 if address == "/accounts/" else 404)
        assert b"north" not in limited.content.replace(address.encode(), b"")
    assert login(make_user(role, [])).get("/accounts/").status_code == 200


def test_a_page_takes_the_same_queries_however_much_there_is(fleet, make_sim, login, agent):
    client = login(agent)
    reading("example_account", 20)
    counts = []
    for more in (0, 12):
        for number in range(more):
            make_sim(plan=f"P{number}", pool=f"POOL-{number}", data_usage=MB, usage_jump_on=timezone.now().date())
            SharePool.objects.filter(code=f"POOL-{number}").update(account_id="example_account")
            reading("example_account", number, balance=Decimal(number), currency="EUR")
            RatePlan.objects.get(code=f"P{number}").accounts.add(Account.objects.get(name="example_account"))
            Account.objects.create(name=f"more{number}")
        mend()
        for address in ("/accounts/", "/accounts/example_account/"):
            with CaptureQueriesContext(connection) as queries:
                assert client.get(address).status_code == 200
            counts.append(len(queries))
    assert counts[:2] == counts[2:]
    assert counts[1] <= 20
