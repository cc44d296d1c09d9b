"""What SIMs would have cost on other plans, by what they really used in closed billing cycles."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, date, datetime

import pytest
import time_machine
from django.db import connection
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext

from core import exports
from core.exports import file_of, make
from sims.cost_report import report
from sims.models import Account, RatePlan, SimUsage, UsageMonth
from sims.selectors import costs
from sims.selectors.costs import Rule, Used
from sims.services.usage.archive import close_months
from sims.services.usage.days import History
from sims.services.usage.packing import Cycle, Month, pack_months, unpack_ended_cycles, unpack_months
from sims.services.usage.rows import store, to_day

pytestmark = pytest.mark.django_db

MB = 1024 * 1024
NOW = datetime(2026, 11, 22, 15, tzinfo=UTC)
NOVEMBER = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _now():
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def make_plan():
    """``make_plan(code, price, quota in MB, **fields)``: a plan of the account ``example_account``."""

    def make(code: str, price: str | None, quota: int | None, **fields) -> RatePlan:
        values = {"kind": "BASIC", "billing": "POSTPAID", "currency": "EUR", "country_codes": ["DE"], **fields}
        plan = RatePlan.objects.create(code=code, price=price, data_quota=quota and quota * MB, **values)
        plan.accounts.set([Account.objects.get_or_create(name="example_account")[0]])
        plan.refresh_from_db()
        return plan

    return make


@pytest.fixture
def used(make_sim):
    """``used({month: MB}, **fields)``: a SIM with these closed cycles of 2026 and a running one."""

    def make(months: dict[int, int], **fields):
        sim = make_sim(cycle_start=NOVEMBER, data_usage=5000 * MB, country_code="DE", **fields)
        if months:
            cycles = [Cycle(to_day(date(2026, month, 1)), data * MB, 1) for month, data in months.items()]
            first, today = to_day(date(2026, min(months), 1)), to_day(NOW.date())
            store({sim.pk: History(since=first, day=first, counted=5000 * MB, cycle=1, cycles=cycles)})
            assert first < today
        return sim

    return make


def totals(user, plans, query="", cycles=3):
    return costs.add_up(costs.sims_of(user, QueryDict(query)), plans, cycles=cycles)


def rule(**fields) -> Rule:
    return Rule(
        **{"code": "X", "price": 1, "currency": "EUR", "quota": None, "validity": 0, "is_pack": False, **fields}
    )


@pytest.mark.parametrize(
    ("plan", "cycle", "expected"),
    [
        (rule(quota=100), Used(0, 30), (1, 0)),
        (rule(quota=100), Used(100, 30), (1, 0)),
        (rule(quota=100), Used(250, 31), (1, 150)),
        (rule(), Used(10**12, 31), (1, 0)),
        (rule(quota=0), Used(7, 31), (1, 7)),
        (rule(is_pack=True, validity=30, quota=100), Used(0, 30), (1, 0)),
        (rule(is_pack=True, validity=30, quota=100), Used(0, 31), (2, 0)),
        (rule(is_pack=True, validity=14, quota=100), Used(250, 28), (3, 0)),
        (rule(is_pack=True, validity=7, quota=100), Used(250, 28), (4, 0)),
        (rule(is_pack=True, validity=365, quota=100), Used(101, 31), (2, 0)),
        (rule(is_pack=True, validity=7), Used(10**12, 28), (4, 0)),
        (rule(is_pack=True, quota=100), Used(0, 31), (1, 0)),
        (rule(is_pack=True, validity=30, quota=0), Used(5, 30), (1, 5)),
    ],
)
def test_the_rule(plan, cycle, expected):
    assert plan.charge(cycle) == expected


def test_cycles_are_found_where_they_are_kept_and_the_last_ones_are_taken(used, make_plan, viewer):
    make_plan("P", "2.00", 100)
    archived = used({8: 10, 9: 20, 10: 30}, plan="P")
    running = used({10: 40}, plan="P")
    while close_months(today=date(2026, 12, 20)):
        continue
    assert not SimUsage.objects.get(sim=archived).cycles
    SimUsage.objects.filter(sim=running).update(cycles=b"")
    store({running.pk: History(since=to_day(NOW.date()), day=to_day(NOW.date()), counted=1, cycle=1)})
    found = {
        number: {
            sim.giccid: sim.cycles
            for page in costs.pages(costs.sims_of(viewer, QueryDict()), cycles=number)
            for sim in page
        }
        for number in (1, 3)
    }
    assert found[1][archived.giccid] == [Used(30 * MB, 31)]
    assert found[3][archived.giccid] == [Used(10 * MB, 31), Used(20 * MB, 30), Used(30 * MB, 31)]
    assert found[3][running.giccid] == [Used(40 * MB, 31)]


def test_ended_cycles_are_read_without_the_days():
    cycles = [Cycle(20_000, 3 * MB, None), Cycle(20_031, 0, 7)]
    packed = pack_months(
        {
            0: Month(first=3, days=[2, 8 * MB, 1], cycles=cycles),
            5: Month(cycles=cycles[:1]),
            6: Month(days=[0, 0], cycles=cycles[1:]),
            7: Month(days=[4, 6]),
            191: Month(total=2**40, cycles=cycles),
        }
    )
    expected = {place: month.cycles for place, month in unpack_months(packed).items() if month.cycles}
    assert unpack_ended_cycles(packed, range(192)) == expected
    assert unpack_ended_cycles(packed, {5, 191}) == {5: cycles[:1], 191: cycles}


def test_the_same_cycles_on_each_plan_and_the_cheapest(used, make_plan, viewer):
    own = make_plan("OWN", "3.00", 100)
    plans = [
        make_plan("SMALL", "1.00", 20),
        make_plan("BIG", "2.50", 500),
        make_plan("PACK", "1.00", 50, billing="PREPAID", validity_days=30, country_codes=["FR"]),
    ]
    used({8: 10, 9: 20, 10: 130}, plan=own)
    used({10: 20}, plan=own)
    used({}, plan=own)
    made = report(totals(viewer, plans))
    assert (made.totals.sims, made.totals.without, made.totals.cycles, made.totals.used) == (2, 1, 4, 180 * MB)
    [mine] = made.own
    assert (mine.total, mine.over, mine.beyond) == (12, 1, 30 * MB)
    got = {row.plan.code: row for row in made.plans}
    assert list(got) == ["SMALL", "PACK", "BIG"]
    assert (got["SMALL"].total, got["SMALL"].over, got["SMALL"].beyond) == (4, 1, 110 * MB)
    # August and October have 31 days: two packs each; 130 MB need three.
    assert (got["PACK"].total, got["PACK"].over, got["PACK"].uncovered) == (2 + 1 + 3 + 2, 0, 2)
    assert (got["BIG"].total, got["BIG"].difference, round(got["BIG"].percent)) == (10, -2, -17)
    assert [row.plan.code for row in made.cheapest] == ["SMALL"]
    assert [row.plan.code for row in made.cheapest_within] == ["PACK"]


def test_money_of_two_kinds_is_never_added_up(used, make_plan, viewer):
    euro, dollar = make_plan("EURO", "3.00", 100), make_plan("DOLLAR", "4.00", 100, currency="USD")
    free = make_plan("UNKNOWN", None, 100, currency="")
    used({10: 10}, plan=euro)
    used({9: 10, 10: 10}, plan=dollar)
    used({10: 10}, plan=free)
    used({10: 10})
    made = report(totals(viewer, [euro, dollar, free]))
    assert [(row.currency, row.total, row.cycles) for row in made.own] == [("EUR", 3, 1), ("USD", 8, 2)]
    assert made.unpriced == 2
    got = {row.plan.code: row for row in made.plans}
    assert (got["EURO"].total, got["EURO"].difference, got["EURO"].compared) == (15, 0, 1)
    assert (got["DOLLAR"].total, got["DOLLAR"].difference, got["DOLLAR"].compared) == (20, 0, 2)
    assert (got["UNKNOWN"].total, got["UNKNOWN"].difference) == (None, None)
    # One plan of each currency, and own plans of neither cover all cycles: nothing is the cheapest.
    assert made.cheapest == []


def test_the_page_says_all_of_it(used, make_plan, login, viewer):
    make_plan("OWN", "3.00", 100)
    make_plan("SMALL", "1.00", 20, country_codes=["FR"])
    make_plan("TOP", "1.00", 20, kind="SUPPLEMENTARY", billing="PREPAID", validity_days=30)
    sim = used({9: 10, 10: 120}, plan="OWN")
    used({10: 10}, plan="SMALL")
    client = login(viewer)
    html = client.get("/plans/cost/").content.decode()
    # Without a word about plans: the basic ones.
    assert re.findall(r'data-plan="([^"]*)" data-total="([^"]*)"', html) == [("SMALL", "3.0000"), ("OWN", "9.0000")]
    assert "All SIM cards that you see" in html
    one = client.get(f"/plans/cost/?giccid={sim.giccid}&on=SMALL&on=TOP&on=no&cycles=1").content.decode()
    assert re.findall(r'data-plan="([^"]*)" data-total="([^"]*)"', one) == [("SMALL", "1.0000"), ("TOP", "6.0000")]
    for words in (
        "Left out, being unknown",
        "−66.7 %" if "−" in one else "-66.7 %",
        "1 SIM outside its countries",
    ):
        assert words in one, words
    assert f'href="/sims/{sim.giccid}/"' in one
    filtered = client.get("/plans/cost/?plan=OWN&on=SMALL").content.decode()
    assert 'data-figure="cost_sims" data-value="1"' in filtered
    assert 'href="/sims/?plan=OWN"' in filtered
    assert '"limits": [{"label": "Own plans", "value": 6.0}]' in filtered


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("", "No closed cycle yet"),
        ("?q=nothing-like-it", "No SIM matches"),
        ("?quota=nonsense&on=P", "No SIM matches"),
        ("?giccid=%00", "No SIM matches"),
        ("?cycles=99&on=P", "No closed cycle yet"),
        ("?on=no", "No plan to compare with"),
    ],
)
def test_holes_are_told_with_a_way_on(query, words, make_plan, used, login, viewer):
    make_plan("P", "1.00", 10)
    used({}, plan="P")
    html = login(viewer).get(f"/plans/cost/{query}").content.decode()
    assert words in html
    assert "data-total" not in html


def test_more_than_a_request_adds_up_is_offered_as_a_file(
    used, make_plan, login, viewer, monkeypatch, settings, tmp_path
):
    settings.CONFIG = {**settings.CONFIG, "DATA_DIR": str(tmp_path)}
    make_plan("OWN", "3.00", 100)
    make_plan("SMALL", "1.00", 20)
    for _ in range(3):
        used({10: 30}, plan="OWN")
    used({}, plan="OWN")
    client = login(viewer)
    lines = csv.reader(io.StringIO(b"".join(client.get("/plans/cost/?on=SMALL&export=csv")).decode()))
    head, *rows = list(lines)
    assert head[9:] == ["SMALL: cost", "SMALL: currency", "SMALL: cycles over", "SMALL: bytes beyond"]
    assert rows[0][2:] == ["OWN", "1", str(30 * MB), "3.0000", "EUR", "0", "0", "1.0000", "EUR", "1", str(10 * MB)]
    assert rows[3][3:] == ["0", *[""] * 9]
    assert rows[4][0] == "Total"
    assert rows[4][3:] == ["3", str(90 * MB), "9.0000", "EUR", "0", "0", "3.0000", "EUR", "3", str(30 * MB)]
    monkeypatch.setattr(costs, "MOST_SIMS", 2)
    monkeypatch.setattr(exports, "IN_REQUEST", 2)
    html = client.get("/plans/cost/?on=SMALL").content.decode()
    assert "data-cost-too-many" in html
    assert "data-total" not in html
    assert client.post("/plans/cost/?on=SMALL&export=csv").status_code == 303
    [export] = exports.exports_of(viewer)
    make(export.pk)
    export.refresh_from_db()
    assert list(csv.reader(file_of(export, viewer).open(newline=""))) == [head, *rows]


def test_sims_from_all_over_the_fleet_are_too_much(used, make_plan, login, viewer, monkeypatch):
    make_plan("OWN", "3.00", 100)
    used({10: 30}, plan="OWN")
    monkeypatch.setattr(costs, "MOST_BLOCKS", 3)
    assert "data-cost-too-many" in login(viewer).get("/plans/cost/").content.decode()


def test_only_own_accounts_are_added_up(used, make_plan, make_user, login):
    make_plan("OWN", "3.00", 100)
    theirs = make_plan("THEIRS", "1.00", 100)
    theirs.accounts.set([Account.objects.get_or_create(name="north")[0]])
    mine = used({10: 10}, plan="OWN")
    other = used({10: 10}, plan="OWN", account="north")
    client = login(make_user("Viewer", ["example_account"]))
    html = client.get("/plans/cost/?on=OWN&on=THEIRS").content.decode()
    assert re.findall(r'data-plan="([^"]*)" data-total="([^"]*)"', html) == [("OWN", "3.0000")]
    assert "No SIM matches" in client.get(f"/plans/cost/?giccid={other.giccid}").content.decode()
    assert "No SIM matches" in client.get("/plans/cost/?account=north").content.decode()
    text = b"".join(client.get("/plans/cost/?on=OWN&on=THEIRS&export=csv")).decode()
    assert mine.giccid in text
    assert other.giccid not in text
    assert "THEIRS" not in text


def test_the_ways_to_it_keep_the_query(used, make_plan, login, viewer):
    make_plan("OWN", "3.00", 100)
    sim = used({10: 10}, plan="OWN")
    client = login(viewer)
    listed = client.get("/sims/?plan=OWN&status=ACTIVATED&sort=-usage").content.decode()
    assert 'href="/plans/cost/?status=ACTIVATED&amp;plan=OWN"' in listed
    page = client.get(f"/sims/{sim.giccid}/").content.decode()
    assert 'href="/plans/OWN/"' in page
    usage = client.get(f"/sims/{sim.giccid}/usage/?show=cycles").content.decode()
    assert f'href="/plans/cost/?giccid={sim.giccid}"' in page
    assert f'href="/plans/cost/?giccid={sim.giccid}"' in usage


def test_queries_do_not_grow_with_the_sims(used, make_plan, login, viewer):
    for code in ("A", "B", "C"):
        make_plan(code, "3.00", 100)
    client = login(viewer)
    taken = []
    for number in (3, 20):
        for each in range(number):
            used({9: 10, 10: 10}, plan="ABC"[each % 3])
        while close_months(today=date(2026, 12, 20)):
            continue
        assert UsageMonth.objects.exists()
        client.get("/plans/cost/")
        with CaptureQueriesContext(connection) as queries:
            client.get("/plans/cost/")
        taken.append(len(queries))
    assert taken[0] == taken[1]
