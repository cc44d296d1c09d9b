"""Pages by key: each row once, in both directions, on any order; a cursor is public input."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from core import large_lists
from core.large_lists import LargePages
from core.paging import BadCursor, Order, Page, capped_count, decode, paginate
from sims.models import Sim
from sims.models.indexes import SORT_KEYS

pytestmark = pytest.mark.django_db

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def order(name: str, *, descending: bool = False) -> Order:
    keys = ("giccid",) if name == "giccid" else (SORT_KEYS[name], "giccid")
    return Order(name, keys, descending)


@pytest.fixture
def fleet(make_sim):
    """Twelve SIMs with many equal and missing values."""
    return [
        make_sim(
            giccid=f"89860118050210{n:05d}",
            status=["ACTIVATED", "DEACTIVATED"][n % 2],
            plan=None,
            data_usage=[None, 0, 500][n % 3],
            online=[True, False, None][n % 3],
            last_session_at=[None, START + timedelta(microseconds=n // 4)][n % 2],
            custom1=["", "Über", "a%b_c"][n % 3],
        )
        for n in range(12)
    ]


def large(rows, order: Order, *, size: int = 5) -> LargePages:
    return LargePages(rows, order, size=size, read=lambda rows, keys: list(rows))


@pytest.fixture(params=["paginate", "all listed", "few listed", "many listed"])
def page_of(request, monkeypatch):
    """A page of the fleet, in each way to find one."""
    if request.param == "many listed":
        monkeypatch.setattr(large_lists, "COUNT_LIMIT", 2)

    def page_of(order: Order, **place) -> Page[Sim]:
        if request.param == "paginate":
            return paginate(Sim.objects.all(), order, **place)
        rows = Sim.objects.all() if request.param == "all listed" else Sim.objects.filter(giccid__startswith="8986")
        size = place.pop("size")
        pages = large(rows, order, size=size)
        page = pages.page(**place)
        assert pages.count().token == ("2+" if request.param == "many listed" else str(Sim.objects.count()))
        return page

    return page_of


def walk(page_of, order: Order, size: int) -> list[list[str]]:
    pages, cursor = [], ""
    while True:
        page = page_of(order, size=size, after=cursor)
        pages.append([sim.giccid for sim in page.rows])
        cursor = page.next
        if not cursor:
            return pages


@pytest.mark.parametrize("name", list(SORT_KEYS))
@pytest.mark.parametrize("descending", [False, True])
def test_every_row_comes_once_and_in_order(fleet, page_of, name, descending):
    whole = walk(page_of, order(name, descending=descending), size=100)[0]
    pages = walk(page_of, order(name, descending=descending), size=5)
    assert [len(page) for page in pages] == [5, 5, 2]
    assert [giccid for page in pages for giccid in page] == whole
    assert sorted(whole) == [sim.giccid for sim in fleet]


@pytest.mark.parametrize("name", ["giccid", "usage", "seen", "online", "custom1"])
def test_going_back_shows_the_pages_one_came_from(fleet, page_of, name):
    first = page_of(order(name), size=5)
    second = page_of(order(name), size=5, after=first.next)
    third = page_of(order(name), size=5, after=second.next)
    back = page_of(order(name), size=5, before=third.previous)
    assert [s.pk for s in back.rows] == [s.pk for s in second.rows]
    again = page_of(order(name), size=5, before=back.previous)
    assert [s.pk for s in again.rows] == [s.pk for s in first.rows]
    assert again.previous == ""
    assert again.next


def test_going_back_past_the_first_row_shows_a_full_first_page(fleet, page_of):
    first = page_of(order("giccid"), size=5)
    second = page_of(order("giccid"), size=7, after=first.next)
    back = page_of(order("giccid"), size=7, before=second.previous)
    assert len(back.rows) == 7
    assert back.rows[0].pk == fleet[0].pk


def test_unknown_values_sort_as_the_smallest(fleet, page_of):
    usages = [sim.data_usage for sim in page_of(order("usage"), size=12).rows]
    assert usages == [None] * 4 + [0] * 4 + [500] * 4


def test_a_row_that_goes_away_leaves_no_gap(fleet, page_of):
    first = page_of(order("giccid"), size=5)
    first.rows[-1].delete()
    second = page_of(order("giccid"), size=5, after=first.next)
    assert second.rows[0].pk == fleet[5].pk


@given(st.text(max_size=60))
def test_any_text_as_a_cursor_is_refused(text):
    field = Sim._meta.get_field("giccid")
    with pytest.raises(BadCursor):
        decode(text, order("giccid"), [field])


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("giccid", ["giccid"]),
        ("giccid", ["imsi", "1"]),
        ("giccid", ["-giccid", "1"]),
        ("giccid", ["giccid", "a\x00b"]),
        ("giccid", ["giccid", "\ud800"]),
        ("giccid", ["giccid", 7]),
        ("usage", ["usage", "7", "1"]),
        ("usage", ["usage", 2**70, "1"]),
        ("usage", ["usage", None, "1"]),
        ("seen", ["seen", "yesterday", "1"]),
        ("seen", ["seen", "2026-01-01T00:00:00", "1"]),
        ("seen", ["seen", "0001-01-01T00:00:00+14:00", "1"]),
        ("giccid", {"giccid": "1"}),
    ],
)
def test_a_forged_cursor_is_refused(name, values):
    text = base64.urlsafe_b64encode(json.dumps(values).encode()).decode()
    with pytest.raises(BadCursor):
        paginate(Sim.objects.all(), order(name), after=text)
    with pytest.raises(BadCursor):
        large(Sim.objects.all(), order(name)).page(after=text)


def test_nothing_is_listed_where_nothing_can_match(fleet):
    pages = large(Sim.objects.filter(pk__in=[]), order("usage"))
    page = pages.page()
    assert (page.rows, page.next, page.previous, pages.count().token) == ([], "", "", "0")


def test_a_count_goes_with_a_page_behind_the_last_row(fleet):
    rows = Sim.objects.filter(giccid__startswith="8986")
    last = large(rows, order("giccid"), size=11).page().next
    fleet[11].delete()
    pages = large(rows, order("giccid"), size=11)
    page = pages.page(after=last)
    assert (page.rows, page.next, pages.count().token) == ([], "", "11")


def test_a_count_stops_at_its_limit(fleet):
    assert capped_count(Sim.objects.all(), limit=12).token == "12"
    assert capped_count(Sim.objects.all(), limit=11).token == "11+"
    assert capped_count(Sim.objects.none(), limit=11).token == "0"


@pytest.mark.parametrize("name", ["giccid", "status", "plan", "usage", "seen", "online", "custom3"])
def test_a_deep_page_is_found_by_an_index(fleet, name):
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL enable_sort = off")
    first = paginate(Sim.objects.all(), order(name), size=5)
    with CaptureQueriesContext(connection) as queries:
        paginate(Sim.objects.all(), order(name), size=5, after=first.next)
    with connection.cursor() as cursor:
        prefix = "EXPLAIN QUERY PLAN" if connection.vendor == "sqlite" else "EXPLAIN"
        cursor.execute(f"{prefix} {queries[0]['sql']}")
        plan = "\n".join(str(row) for row in cursor.fetchall())
    assert ("SEARCH sims_sim USING" if connection.vendor == "sqlite" else "Index Cond") in plan
    assert "TEMP B-TREE" not in plan
    assert "Seq Scan" not in plan
