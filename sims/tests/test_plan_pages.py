"""Rate plans: the list, the page of one, and some of them side by side."""

from __future__ import annotations

import csv
import io
import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from sims.models import Account, RatePlan, Subscription
from sims.services.tallies import mend

pytestmark = pytest.mark.django_db

MB = 1024 * 1024
HTMX = {"HX-Request": "true", "HX-Target": "results"}


@pytest.fixture
def make_plan():
    """``make_plan(code, accounts=[…], **fields)``: a plan that was read from the carrier."""

    def make(code: str, *, accounts: tuple[str, ...] = ("example_account",), **fields) -> RatePlan:
        defaults = {
            "name": f"Plan {code}",
            "kind": "BASIC",
            "billing": "POSTPAID",
            "data_quota": 100 * MB,
            "price": "2.00",
            "currency": "EUR",
            "country_codes": ["DE", "FR"],
            "fetched_at": timezone.now(),
        }
        plan = RatePlan.objects.create(code=code, **{**defaults, **fields})
        plan.accounts.set([Account.objects.get_or_create(name=name)[0] for name in accounts])
        return plan

    return make


def codes(html: str) -> list[str]:
    return re.findall(r'<tr[^>]* data-plan="([^"]*)"', html)


def text(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def test_the_list_is_searched_filtered_and_sorted(make_plan, login, viewer):
    make_plan("EU-1", price="2.00", data_quota=200 * MB)
    make_plan("EU-2", price="1.50", data_quota=10 * MB, accounts=("north",))
    make_plan("CN-1", name="China", price=None, currency="", country_codes=["CN"])
    make_plan("TOP", kind="SUPPLEMENTARY", billing="PREPAID", validity_days=30, price="9.00")
    client = login(viewer)
    found = {
        "": ["CN-1", "EU-1", "EU-2", "TOP"],
        "?q=eu-": ["EU-1", "EU-2"],
        "?q=china": ["CN-1"],
        "?q=cn": ["CN-1"],
        "?q=Germ": ["EU-1", "EU-2", "TOP"],
        "?kind=SUPPLEMENTARY": ["TOP"],
        "?billing=POSTPAID&account=north": ["EU-2"],
        "?country=CN": ["CN-1"],
        "?country=XX": [],
        "?sort=price": ["CN-1", "EU-2", "EU-1", "TOP"],
        "?sort=-per_gb": ["EU-2", "TOP", "EU-1", "CN-1"],
        "?sort=-quota": ["EU-1", "TOP", "CN-1", "EU-2"],
    }
    for query, expected in found.items():
        html = client.get(f"/plans/{query}").content.decode()
        assert codes(html) == expected, query
    row = text(client.get("/plans/?q=EU-1").content.decode().split('data-plan="EU-1"')[1].split("</tr>")[0])
    assert "2.00 EUR" in row
    assert "10.24 EUR" in row
    assert codes(client.get("/plans/?q=EU", headers=HTMX).content.decode()) == ["EU-1", "EU-2"]


def test_pages_of_the_list_follow_each_other_in_any_order(make_plan, login, viewer):
    for number in range(60):
        make_plan(f"P{number:02}", price=f"{number % 7}.0{number % 3}", data_quota=(number % 5) * MB)
    client = login(viewer)
    for sort in ("code", "-name", "price", "-price", "per_gb", "-per_gb", "quota"):
        html = client.get(f"/plans/?sort={sort}").content.decode()
        seen = codes(html)
        [address] = re.findall(r'rel="next" href="([^"]*)"', html)
        seen += codes(client.get(address.replace("&amp;", "&")).content.decode())
        assert sorted(seen) == [f"P{number:02}" for number in range(60)], sort


def test_rows_say_who_is_on_a_plan_and_lead_there(make_plan, make_sim, login, viewer):
    basic, extra = make_plan("EU-1"), make_plan("TOP", kind="SUPPLEMENTARY", validity_days=30)
    for number in range(3):
        sim = make_sim(plan=basic, data_usage=30 * MB, data_quota=100 * MB)
        later = timezone.now() + timedelta(days=1 if number else -1)
        Subscription.objects.create(sim=sim, plan=extra, carrier_id=f"a{number}", expires_at=later)
        Subscription.objects.create(sim=sim, plan=extra, carrier_id=f"b{number}", gone_since=timezone.now())
    Subscription.objects.create(sim=sim, plan=extra, carrier_id="c")
    mend()
    client = login(viewer)
    html = client.get("/plans/").content.decode()
    for code, link, number in (("EU-1", "/sims/?plan=EU-1", 3), ("TOP", "/sims/?addon=TOP", 2)):
        assert f'<a href="{link}">{number}</a>' in html.split(f'data-plan="{code}"')[1].split("</tr>")[0]
        assert f'data-result-count="{number}"' in client.get(link).content.decode()
        page = client.get(f"/plans/{code}/").content.decode()
        assert f'data-figure="plan_sims" data-value="{number}"' in page
        assert f'href="{link}"' in page
    assert "30 % of the 300 MB" in text(client.get("/plans/EU-1/").content.decode())
    lines = csv.reader(io.StringIO(b"".join(client.get("/plans/?export=csv")).decode()))
    head, first, _second = [dict(zip(range(99), line, strict=False)) for line in lines]
    row = {head[place]: value for place, value in first.items()}
    assert (row["Code"], row["SIMs"], row["Data used, bytes"], row["Price"]) == ("EU-1", "3", str(90 * MB), "2.0000")


def test_what_is_out_of_scope_is_not_there(make_plan, make_sim, make_user, login):
    make_plan("OURS")
    make_plan("THEIRS", accounts=("north",))
    make_plan("HAD", accounts=("north",))
    make_plan("TOP", kind="SUPPLEMENTARY", accounts=("north",))
    sim = make_sim(plan="HAD")
    make_sim(plan="HAD", account="north")
    make_sim(plan="THEIRS", account="north")
    Subscription.objects.create(sim=sim, plan_id="TOP", carrier_id="1")
    mend()
    client = login(make_user("Viewer", ["example_account"]))
    html = client.get("/plans/").content.decode()
    assert codes(html) == ["HAD", "OURS", "TOP"]
    assert 'href="/sims/?plan=HAD">1<' in html
    assert "north" not in html
    assert client.get("/plans/THEIRS/").status_code == 404
    assert client.get("/plans/unknown/").status_code == 404
    had = client.get("/plans/HAD/").content.decode()
    assert 'data-figure="plan_sims" data-value="1"' in had
    assert "north" not in had
    compared = client.get("/plans/compare/?plan=OURS&plan=HAD&plan=THEIRS").content.decode()
    assert "not open to you: THEIRS" in compared
    assert 'data-plan="THEIRS"' not in compared
    nobody = login(make_user("Viewer", []))
    assert codes(nobody.get("/plans/").content.decode()) == []


@pytest.mark.parametrize("role", ["Viewer", "Agent", "Supervisor", "Administrator"])
def test_every_role_sees_plans_and_nobody_else_does(role, make_plan, make_user, login, client):
    make_plan("EU-1")
    own, limited = login(make_user(role)), login(make_user(role, ["another"]))
    for address, status in (("/plans/", 200), ("/plans/EU-1/", 404), ("/plans/compare/", 200), ("/plans/cost/", 200)):
        assert own.get(address).status_code == 200
        assert limited.get(address).status_code == status
        assert client.get(address).status_code == 302
    assert ("kind=change_plan" in own.get("/plans/EU-1/").content.decode()) == (role != "Viewer")


def test_the_page_of_a_plan_tells_all_and_a_stub_that_it_is_one(make_plan, login, viewer):
    make_plan("EU-1", sms_quota=20)
    make_plan("EU-2", price="1.00", country_codes=["DE", "FR", "IT"])
    make_plan("IT-1", country_codes=["IT"])
    RatePlan.objects.create(code="a/b c?")
    client = login(viewer)
    html = client.get("/plans/EU-1/").content.decode()
    for words in ("Postpaid", "2.00 EUR", "20.48 EUR", "Germany (DE)", "France (FR)", "example_account"):
        assert words in html, words
    assert '"labels": ["EU-2", "EU-1"]' in html
    assert 'href="/plans/compare/?plan=EU-1&amp;plan=EU-2"' in html
    [stub] = re.findall(r'href="(/plans/a[^"]*)"', client.get("/plans/").content.decode())
    assert "Only its code is known" in client.get(stub).content.decode()


def test_plans_side_by_side(make_plan, login, viewer):
    make_plan("A", price="2.00", data_quota=100 * MB, country_codes=["DE", "FR"])
    make_plan("B", price="3.00", data_quota=300 * MB, country_codes=["DE", "IT"], sms_quota=5)
    html = login(viewer).get("/plans/compare/?plan=A&plan=B").content.decode()
    rows = {text(row.split("</th>")[0]): row for row in re.findall(r"<tr.*?</tr>", html.split("<tbody>")[1], re.S)}
    said = {name.split(" differs")[0]: text(row.split("</th>", 1)[1]) for name, row in rows.items()}
    assert said["Kind"] == "Basic Basic"
    assert said["Data quota"] == "100 MB 300 MB largest"
    assert said["Price"] == "2.00 EUR a cycle lowest 3.00 EUR a cycle"
    assert "lowest" in rows[next(name for name in rows if name.startswith("Price per GB"))].split("</td>")[1]
    assert said["Countries"] == "2 2"
    assert said["SMS quota"] == "– 5"
    assert "differs" not in next(name for name in rows if name.startswith("Kind"))
    plain = text(html)
    assert "In all of them (1) Germany" in plain
    assert "Only in A (1) France" in plain
    assert "Only in B (1) Italy" in plain
    make_plan("C", country_codes=["DE", "IT"])
    plain = text(login(viewer).get("/plans/compare/?plan=A&plan=B&plan=C").content.decode())
    assert "In all of them (1) Germany Only in A (1) France Only in B, C (1) Italy" in plain


def test_currencies_are_not_compared(make_plan, login, viewer):
    make_plan("A")
    make_plan("B", price="1.00", currency="USD")
    html = login(viewer).get("/plans/compare/?plan=A&plan=B").content.decode()
    assert "different currencies (EUR, USD)" in html
    assert "lowest</span>" not in html
    assert "<figure" not in html


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("", "No plans to compare"),
        ("?plan=A", "nothing beside A"),
        ("?plan=A&plan=A", "nothing beside A"),
        ("?plan=A&plan=no&plan=%00", "nothing beside A"),
        ("?plan=A&plan=B&plan=C&plan=D&plan=E", "Up to 4 plans stand side by side; 5 were chosen"),
    ],
)
def test_too_few_and_too_many_plans_are_told_the_way_on(query, words, make_plan, login, viewer):
    for code in "ABCDE":
        make_plan(code)
    html = login(viewer).get(f"/plans/compare/{query}").content.decode()
    assert words in html
    assert 'href="/plans/"' in html
    assert "data-compare" not in html


def test_what_was_ticked_on_several_pages_gets_its_own_address(make_plan, login, viewer):
    for code in "AB":
        make_plan(code)
    client = login(viewer)
    answer = client.get("/plans/compare/?ticked=B%0D%0AA&plan=A")
    assert (answer.status_code, answer["Location"]) == (302, "/plans/compare/?plan=B&plan=A")
    assert client.get("/plans/compare/?ticked=&plan=A&plan=B")["Location"] == "/plans/compare/?plan=A&plan=B"


def test_the_pages_take_a_fixed_number_of_queries(make_plan, make_sim, login, viewer):
    client = login(viewer)

    def queries(address: str) -> int:
        with CaptureQueriesContext(connection) as taken:
            assert client.get(address).status_code == 200
        return len(taken)

    make_plan("A"), make_plan("B"), make_plan("T0", kind="SUPPLEMENTARY")
    make_sim(plan="A")
    addresses = ("/plans/", "/plans/A/", "/plans/compare/?plan=A&plan=B")
    for address in addresses:
        client.get(address)
    before = [queries(address) for address in addresses]
    for number in range(20):
        make_plan(f"P{number}", accounts=(f"account{number}",))
        make_plan(f"T{number + 1}", kind="SUPPLEMENTARY")
        make_sim(plan=f"P{number}")
    assert [queries(address) for address in addresses] == before
