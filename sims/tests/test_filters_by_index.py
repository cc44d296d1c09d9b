"""What filters let through is found by their indexes where the database joins these: the same SIMs, in order."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import combinations
from typing import Any

import pytest
from django.db import connection
from django.http import QueryDict
from django.test import Client
from django.utils import timezone

from sims.filters import SimFilterSet
from sims.models import RatePlan, Sim, SimTag, Subscription, Tag
from sims.selectors.sims import list_sims
from sims.services import giccids
from staff.models import User

FILTERS = (
    "status=ACTIVATED",
    "status=ACTIVATED&status=RETIRED",
    "account=example_account",
    "plan=none",
    "addon=EXTRA",
    "country=DE",
    "online=unknown",
    "apn=ENABLED",
    "seen=older-7d",
    "quota=80-100",
    "tag=VIP",
    "tag=vip&tag=old",
)


@pytest.fixture
def fleet(make_sim: Callable[..., Sim]) -> list[Sim]:
    """SIMs of all sorts; some with tags and supplementary plans, of which one has two and one an old one."""
    now = timezone.now()
    sims = [
        make_sim(
            account=("example_account", "harbour", "north")[number % 3],
            status=("ACTIVATED", "RETIRED", "ACTIVATED", "DEACTIVATED")[number % 4],
            plan=("BASIC", None)[number % 2],
            country_code=("DE", "FR")[number % 5 == 0],
            online=(True, None)[number % 3 == 1],
            apn_state=("ENABLED", "MIXED", "")[number % 3],
            last_session_at=(now - timedelta(days=30), now, None)[number % 4 % 3],
            quota_percent=(85, 20, None)[number % 5 % 3],
        )
        for number in range(24)
    ]
    tags = [Tag.objects.create(name=name, key=name) for name in ("vip", "old")]
    SimTag.objects.bulk_create(SimTag(sim=sim, tag=tags[n % 2]) for n, sim in enumerate(sims) if n % 3)
    SimTag.objects.create(sim=sims[1], tag=tags[0])
    extra = RatePlan.objects.create(code="EXTRA")
    for number, sim in enumerate(sims[::-2]):
        gone = now if number % 4 == 3 else None
        Subscription.objects.create(sim=sim, plan=extra, carrier_id="1", gone_since=gone)
    Subscription.objects.create(sim=sims[-1], plan=extra, carrier_id="2", expires_at=now + timedelta(days=1))
    Subscription.objects.create(sim=sims[0], plan=extra, carrier_id="1", expires_at=now - timedelta(days=1))
    return sims


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize("accounts", [None, ["harbour"], ["harbour", "example_account"], []])
def test_what_the_indexes_find_is_what_the_filters_say(
    make_user: Callable[..., User], accounts: list[str] | None
) -> None:
    user = make_user("Agent", accounts)
    several = []
    for query in (*FILTERS, *map("&".join, combinations(FILTERS, 2)), "tag=vip&addon=EXTRA&country=DE&seen=older-7d"):
        request: Any = None
        filters = SimFilterSet(data=QueryDict(query), queryset=list_sims(user), request=request)
        wanted = list(filters.qs.order_by("giccid").values_list("giccid", flat=True))
        found = filters.giccids(user)
        if found is not None:
            assert sorted(found.values_list("giccid", flat=True)) == wanted, query
            several.append(query)
    assert (len(several) > 60) is (connection.vendor == "postgresql")


def test_pages_of_what_was_found_by_the_indexes(
    fleet: list[Sim], make_user: Callable[..., User], login: Callable[[User], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    from sims.views.list import SimListView

    monkeypatch.setattr(SimListView, "page_size", 3)
    client = login(make_user("Agent", ["harbour", "example_account"]))
    tagged = [s for n, s in enumerate(fleet) if (n % 3 == 1 and n % 2 == 0) or n == 1]
    mine = sorted(sim.giccid for sim in tagged if sim.account_id != "north")
    for first, most in ((1_000, 10_000), (1_000, 2), (2, 10_000)):
        monkeypatch.setattr("core.large_lists.FIRST_COUNT", first)
        monkeypatch.setattr("core.large_lists.COUNT_LIMIT", most)
        is_short = most == 2 or (first == 2 and connection.vendor == "postgresql")
        seen: list[str] = []
        url = "/sims/?tag=vip"
        while url:
            listing = client.get(url).context["listing"]
            assert listing.count.token == ("2+" if is_short else str(len(mine)))
            assert listing.count.later is (is_short and most > 2)
            seen += [row.giccid for row in listing.page.rows]
            url = listing.next_url
        assert seen == mine


def test_rows_of_the_code_before_get_the_giccid_of_their_sim(fleet: list[Sim]) -> None:
    worn = SimTag.objects.filter(sim=fleet[1])
    assert set(worn.values_list("giccid", flat=True)) == {fleet[1].giccid}
    worn.update(giccid=None)
    Subscription.objects.filter(sim=fleet[0]).update(giccid=None)
    assert giccids.fill_in() == worn.count() + 1
    assert not SimTag.objects.exclude(giccid__in=[sim.giccid for sim in fleet]).exists()
    assert Subscription.objects.get(sim=fleet[0]).giccid == fleet[0].giccid


@pytest.mark.postgres
@pytest.mark.django_db
@pytest.mark.parametrize("left", ["sim_by_quota", "sim_by_seen"])
def test_quota_and_last_session_are_found_together_by_the_index_of_either(left: str) -> None:
    request: Any = None
    filters = SimFilterSet(data=QueryDict("seen=within-1d&quota=0-50"), queryset=Sim.objects.all(), request=request)
    with connection.cursor() as cursor:
        # In a table without rows any way is as short as another.
        others = ", ".join(index.name for index in Sim._meta.indexes if index.name != left)
        cursor.execute(f"SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; DROP INDEX {others}")
    assert f"Index Only Scan using {left} " in filters.qs.values("giccid").explain()


@pytest.mark.postgres
@pytest.mark.django_db
def test_postgresql_joins_the_fleet_with_itself() -> None:
    if connection.pg_version < 180_000:  # type: ignore[attr-defined]  # of PostgreSQL's
        pytest.skip("puts nothing together")
    with connection.cursor() as cursor:
        cursor.execute("SHOW enable_self_join_elimination")
        assert cursor.fetchone() == ("off",)
