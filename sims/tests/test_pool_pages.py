"""Share pools: the list, and the page of one with its gauge, its cycle by day, its members and who could leave."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from html import escape, unescape

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from sims.links import pool_url
from sims.models import Account, PoolHistory, RatePlan, SharePool, Sim, SyncRun
from sims.selectors import pools
from sims.services import sync
from sims.services.tallies import mend
from sims.views.pools import PoolListView
from staff.models import User

pytestmark = pytest.mark.django_db

MB = 1024 * 1024
START, NOW, END = (datetime(2026, 11, day, hour, tzinfo=UTC) for day, hour in ((1, 0), (16, 12), (30, 0)))
ODD = ["EU/1", "50% off?", "ü&ö", "x#y", "c" * 67 + "~0123456789ab", "..", "/a", "-"]


HTMX = {"HX-Request": "true", "HX-Target": "results"}


def chart(html: str, name: str) -> dict:
    [data] = re.findall(rf'<script id="chart-{name}" type="application/json">(.*?)</script>', html)
    return json.loads(data)


def figures(html: str) -> dict[str, tuple[str, str]]:
    found = re.findall(r'<a [^>]*href="([^"]*)"[^>]*data-figure="([^"]*)"(?: data-value="([^"]*)")?', html)
    return {name: (value, unescape(address)) for address, name, value in found}


def counted(client, address: str) -> str:
    [token] = re.findall(r'data-result-count="([^"]*)"', client.get(address, headers=HTMX).content.decode())
    return token


def rows(part: str, html: str) -> list[str]:
    return re.findall(r'data-giccid="(\d+)"', html.split(f'id="{part}"')[1].split("</section>")[0])


@pytest.fixture
def at_noon():
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def pool(at_noon):
    """Half of its cycle gone: 2 MB a day for a week, then 10 MB a day; not read on the 12th."""
    account = Account.objects.create(name="example_account")
    pool = SharePool.objects.create(
        code="EU-POOL", name="Europe", account=account, plan=RatePlan.objects.create(code="EU-1"), data_quota=200 * MB,
        data_usage=104 * MB, sim_count=9, cycle_start=START, cycle_end=END, fetched_at=NOW,
    )  # fmt: skip
    used = 0
    for day in range(1, 17):
        used += 2 * MB if day < 8 else 10 * MB
        if day != 12:
            read(pool, datetime(2026, 11, day, 12, tzinfo=UTC), used)
    read(pool, datetime(2026, 10, 31, 12, tzinfo=UTC), 150 * MB, start=datetime(2026, 10, 1, tzinfo=UTC))
    return pool


def read(pool: SharePool, at: datetime, used: int, start: datetime = START) -> None:
    PoolHistory.objects.create(
        pool=pool, day=at.date(), read_at=at, data_usage=used, data_quota=pool.data_quota, cycle_start=start
    )


@pytest.fixture
def members(pool, make_sim):
    """Sims by a short name; the figures kept of them are right."""
    long_ago = NOW - timedelta(days=45)
    made = {
        "eater": make_sim(pool=pool, data_usage=60 * MB, last_session_at=NOW),
        "half": make_sim(pool=pool, data_usage=30 * MB, status="DEACTIVATED", last_session_at=NOW),
        "odd": make_sim(pool=pool, data_usage=20 * MB, status="FROZEN_BY_MARS"),
        "little": make_sim(pool=pool, data_usage=10, last_session_at=NOW),
        "silent": make_sim(pool=pool, data_usage=0, last_session_at=long_ago),
        "never": make_sim(pool=pool),
        "retired": make_sim(pool=pool, status="RETIRED"),
        "new": make_sim(pool=pool, status="INVENTORY"),
        "elsewhere": make_sim(pool="OTHER", data_usage=500 * MB),
    }
    mend()
    return {name: sim.giccid for name, sim in made.items()}


def test_what_the_carrier_tells_of_pools_is_listed(simulator, login, viewer, scoped_agent):
    sync.run(SyncRun.Kind.REFERENCE, trigger="test")
    html = login(viewer).get("/pools/").content.decode()
    assert len(re.findall("data-pool=", html)) == SharePool.objects.count() == 6
    assert html.count("<meter") == 6
    assert re.findall('data-pool="([^"]*)"', login(scoped_agent).get("/pools/").content.decode()) == [
        "EU-POOL-1",
        "EU-POOL-2",
    ]
    page = login(viewer).get("/pools/EU-POOL-1/").content.decode()
    assert "Europe pool 1" in page
    assert 'href="/accounts/example_account/"' in page
    assert chart(page, "pool-cycle")["limits"][0]["label"] == "Quota"


def test_the_cycle_is_drawn_with_its_gap_and_where_it_is_heading(pool, login, viewer):
    html = login(viewer).get("/pools/EU-POOL/").content.decode()
    data = chart(html, "pool-cycle")
    used, ahead = data["series"]
    assert (len(data["labels"]), data["labels"][0], data["labels"][-1]) == (29, "1 Nov", "29 Nov")
    assert used["values"][:2] == [2 * MB, 4 * MB]
    assert (used["values"][11], used["values"][15], used["values"][16]) == (None, 104 * MB, None)
    # A week's mean: from the 9th to the 16th 70 MB in seven days, so 10 MB a day for the 13.5 days that are left.
    assert f'data-pool-projection="{104 * MB + 135 * MB}"' in html
    assert ahead["values"][15] == 104 * MB
    assert ahead["values"][-1] == (104 + 135) * MB
    assert "full on" in html
    assert "26 Nov 2026" in html
    cycles = chart(html, "pool-cycles")
    assert (cycles["labels"], cycles["series"][0]["values"]) == (["1 Oct 2026", "1 Nov 2026"], [150 * MB, 104 * MB])


def test_a_projection_needs_a_running_cycle_and_goes_by_it_alone_while_little_is_known(pool):
    few = [row for row in pools.history(pool, START.date()) if row.day.day > 14]
    by_cycle = pools.projection(pool, few)
    assert by_cycle is not None
    assert by_cycle.a_day == int(104 * MB / 15.5)
    by_week = pools.projection(pool, pools.history(pool, START.date() - timedelta(days=40)))
    assert by_week is not None
    assert by_week.a_day == 10 * MB
    for change in (
        {"cycle_end": NOW}, {"cycle_end": None}, {"cycle_start": None}, {"data_usage": None}, {"fetched_at": None},
        {"cycle_start": NOW - timedelta(minutes=10)},
    ):  # fmt: skip
        changed = SharePool(**{**{f.name: getattr(pool, f.name) for f in pool._meta.concrete_fields}, **change})
        assert pools.projection(changed, few) is None
    pool.data_usage = pool.data_quota
    full = pools.projection(pool, few)
    assert full is not None
    assert full.full_on is None
    read(pool, datetime(2026, 11, 12, 1, tzinfo=UTC), 200 * MB)
    assert pools.full_since(pool, pools.history(pool, START.date())) == datetime(2026, 11, 12).date()  # noqa: DTZ001 - a day


def test_who_uses_it_and_who_could_leave(members, login, agent, make_user):
    for user in (agent, make_user("Viewer", ["example_account"])):
        client = login(user)
        html = client.get("/pools/EU-POOL/").content.decode()
        assert rows("top", html) == [members[name] for name in ("eater", "half", "odd", "little")]
        assert 'data-pool-eaten="100"' in html
        assert "54.5 %" in html  # 60 of 110 MB
        assert rows("leave", html) == [members[name] for name in ("never", "silent", "little")]
        own = figures(html)
        assert {name: value for name, (value, _address) in own.items()} == {
            "pool_members": "8",
            "pool_retired": "1",
            "pool_suspended": "1",
            "pool_unstarted": "1",
            "pool_silent": "1",
            "pool_never_seen": "1",
            "pool_unused": "2",
        }
        # The list of those who used nothing begins with them; every other figure counts what it leads to.
        assert own.pop("pool_unused")[1] == "/sims/?pool=EU-POOL&status=ACTIVATED&sort=usage"
        for name, (value, address) in own.items():
            assert counted(client, address) == value, name
        assert f"{110 * MB + 10:,} bytes" in html
        assert "9 at the carrier" in html


def test_a_large_pool_counts_only_what_an_index_holds(members, agent, monkeypatch, login):
    monkeypatch.setattr(pools, "COUNT_LIMIT", 2)
    html = login(agent).get("/pools/EU-POOL/").content.decode()
    own = figures(html)
    assert own["pool_silent"][0] == own["pool_never_seen"][0] == ""
    assert own["pool_unused"][0] == "2"
    Sim.objects.filter(giccid=members["little"]).update(data_usage=None)
    assert figures(login(agent).get("/pools/EU-POOL/").content.decode())["pool_unused"][0] == "2+"


def test_the_list_is_searched_filtered_sorted_and_saved(pool, login, viewer, monkeypatch):
    SharePool.objects.create(code="EMPTY", data_usage=2**62, data_quota=2**62 + 2**61)
    SharePool.objects.create(code="NEW")
    client = login(viewer)

    def codes(query: str) -> list[str]:
        return re.findall('data-pool="([^"]*)"', client.get(f"/pools/?{query}").content.decode())

    assert codes("") == ["EMPTY", "EU-POOL", "NEW"]
    assert 'title=""' not in client.get("/pools/").content.decode()
    assert 'title="<' not in client.get("/pools/").content.decode()
    assert codes("q=europe") == ["EU-POOL"]
    assert codes("account=example_account") == ["EU-POOL"]
    assert codes("sort=-used") == ["EMPTY", "EU-POOL", "NEW"]
    assert codes("quota=50-80") == ["EMPTY", "EU-POOL"]
    assert codes("quota=none") == ["NEW"]
    assert codes("quota=over&quota=nonsense") == []
    for sort in ("-used", "used", "ends", "-sims", "account"):
        whole, page = codes(f"sort={sort}"), f"/pools/?sort={sort}"
        monkeypatch.setattr(PoolListView, "page_size", 1)
        by_page = []
        while page:
            html = client.get(page).content.decode()
            by_page += re.findall('data-pool="([^"]*)"', html)
            page = unescape((re.findall('rel="next" href="([^"]*)"', html) or [""])[0])
        assert by_page == whole, sort
        monkeypatch.undo()
    [_head, line] = b"".join(client.get("/pools/?export=csv&q=europe")).decode().splitlines()
    cells = line.split(",")
    assert cells[:4] == ["EU-POOL", "Europe", "example_account", "EU-1"]
    assert cells[5:10] == [str(104 * MB), str(200 * MB), "52", str(239 * MB), "2026-11-26"]


def test_any_code_has_a_page_and_leads_to_its_members(make_sim, login, viewer, make_user):
    account = Account.objects.create(name="example_account")
    client, limited = login(viewer), login(make_user("Viewer", ["another"]))
    giccids = {}
    for code in ODD:
        giccids[code] = make_sim(pool=SharePool.objects.create(code=code, account=account)).giccid
    mend()
    listed = client.get("/pools/").content.decode()
    for code in ODD:
        assert f'href="{escape(pool_url(code))}"' in listed, code
        html = client.get(pool_url(code)).content.decode()
        assert "data-stub" in html, code
        count, address = figures(html)["pool_members"]
        assert (count, counted(client, address)) == ("1", "1"), code
        assert limited.get(pool_url(code)).status_code == 404
    assert f'href="{escape(pool_url(".."))}"' in client.get(f"/sims/{giccids['..']}/").content.decode()
    # Nobody has told yet whose pool it is: a limited user has no way to it, and is led to none.
    sim = make_sim(pool="STUB")
    scoped = login(make_user("Viewer", ["example_account"]))
    assert scoped.get("/pools/STUB/").status_code == 404
    assert "/pools/STUB/" not in scoped.get(f"/sims/{sim.giccid}/").content.decode()


@pytest.mark.parametrize("role", ["Viewer", "Agent", "Supervisor", "Administrator"])
def test_every_role_sees_the_pools_of_its_accounts(role, pool, make_user, login, client):
    SharePool.objects.create(code="NORTH", name="of the north", account=Account.objects.create(name="north"))
    limited = login(make_user(role, ["north"]))
    for address in ("/pools/", "/pools/EU-POOL/", "/pools/NORTH/", "/pools/a%00b/", "/pools/UNKNOWN/"):
        assert client.get(address).status_code == 302
        expected = 200 if "POOL" in address or "NORTH" in address or address == "/pools/" else 404
        assert login(make_user(role)).get(address).status_code == expected
        assert limited.get(address).status_code == (404 if "EU-POOL" in address else expected)
    assert b"EU-POOL" not in limited.get("/pools/").content


def test_a_page_takes_the_same_queries_however_much_there_is(members, pool, make_sim, login, agent):
    client = login(agent)
    counts = []
    for more in (0, 15):
        for number in range(more):
            make_sim(pool=pool, data_usage=number * MB, account=f"account{number}")
            read(SharePool.objects.create(code=f"P{number}", account=pool.account), timezone.now(), number)
        mend()
        for address in ("/pools/", "/pools/EU-POOL/"):
            with CaptureQueriesContext(connection) as queries:
                assert client.get(address).status_code == 200
            counts.append(len(queries))
    assert counts[:2] == counts[2:]
    assert counts[1] <= 20


def test_members_are_looked_up_by_the_index_that_is_for_them(pool, make_sim):
    from sims.selectors.usage import top_users

    everybody = User(all_accounts=True, is_active=True)
    for number in range(80):
        make_sim(account="elsewhere", data_usage=number * MB)
    few = [make_sim(account="north", pool=pool, data_usage=number * MB) for number in (1, 2)]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # With so few rows it would read them all; and it is to know how few of them these are.
            cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
            cursor.execute("ANALYZE sims_sim")
    assert [sim.pk for sim in pools.top_members(everybody, pool)] == [sim.pk for sim in reversed(few)]
    least = pools.members(everybody, pool, Sim.Status.ACTIVATED).order_by(pools._USAGE, "giccid")[:10]
    assert "sim_pool_members" in least.explain()
    assert "sim_account_usage" in top_users(everybody, account="north").explain()
