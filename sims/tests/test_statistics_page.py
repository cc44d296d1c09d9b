"""Usage by country and month: map, table, comparison, files; each user within the accounts that he may see."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from io import BytesIO

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from openpyxl import load_workbook
from redis.exceptions import ConnectionError as Unreachable

from core.countries import country_label, country_name
from sims.models import Account, CountryMonth, CountryUsage
from sims.selectors import statistics
from sims.statistics_map import levels
from sims.world_map import outlines

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 22, 15, tzinfo=UTC)
MB = 1024 * 1024
NOVEMBER, OCTOBER, SEPTEMBER = date(2026, 11, 1), date(2026, 10, 1), date(2026, 9, 1)


def tell(account: str, month: date, read_at: datetime = NOW, **countries: tuple[int | None, int | None]) -> None:
    """What a reading of the carrier's statistics leaves: MB and SIMs by country; ``XX_`` is the unknown one."""
    Account.objects.get_or_create(name=account)
    CountryMonth.objects.update_or_create(
        account_id=account, month=month, defaults={"countries": len(countries), "read_at": read_at}
    )
    for code, (data, sims) in countries.items():
        CountryUsage.objects.update_or_create(
            account_id=account,
            month=month,
            country_code=code.removesuffix("XX_"),
            defaults={"data_usage": data and data * MB, "sim_count": sims, "read_at": read_at},
        )


@pytest.fixture
def told():
    """Two accounts, November running, October of one account not final, September empty and August unknown."""
    with time_machine.travel(NOW, tick=False):
        tell("one", NOVEMBER, DE=(300, 30), FR=(100, 5), XX_=(10, None), LU=(1, 1))
        tell("two", NOVEMBER, DE=(100, 10), ZQ=(0, 2))
        tell("one", OCTOBER, datetime(2026, 11, 3, tzinfo=UTC), DE=(200, 40), FR=(125, 5), IT=(50, 2))
        tell("one", SEPTEMBER)
        tell("one", date(2026, 7, 1), DE=(7, 7))
        yield


def rows(html: str) -> dict[str, str]:
    """Country → its row without tags."""
    found = re.findall(r'<tr data-country="(\w*)">(.*?)</tr>', html, re.S)
    return {code: " ".join(re.sub(r"<[^>]*>", " ", row).split()) for code, row in found}


def figure(html: str, name: str) -> int:
    [value] = re.findall(rf'data-figure="statistics_{name}" data-value="(\d*)"', html)
    return int(value)


def test_a_month_of_all_accounts_beside_the_month_before(told, login, viewer):
    html = login(viewer).get("/statistics/").content.decode()
    assert [figure(html, name) for name in ("data", "sims", "countries")] == [511 * MB, 48, 5]
    table = rows(html)
    assert list(table) == ["DE", "FR", "", "LU", "ZQ", "IT"]
    assert table["DE"] == "Germany DE 400 MB 78.3 % 40 10 MB +200 MB +100.0 %"
    assert table["FR"] == "France FR 100 MB 19.6 % 5 20 MB −25 MB −20.0 %"
    assert table[""].startswith("Unknown new – 10 MB 2.0 % –")
    assert table["IT"] == "Italy not yet this month IT – – – – −50 MB −100.0 %"
    assert table["ZQ"].startswith("ZQ new ZQ 0 B")
    assert 'data-statistics-state="running"' in html
    assert "1 of 2" not in html
    # The map colours and links what it has a shape for, and says what it has none for.
    colours = dict(re.findall(r'<a href="/statistics/\?country=(\w+)" class="map-(\d)"', html))
    assert colours == {"DE": "5", "FR": "4", "LU": "1"}
    assert "<title>Germany: 400 MB, 40 SIMs</title>" in html
    assert re.search(r'Not on the map:.*href="/statistics/\?country=none">Unknown: 10 MB</a>', html)
    assert "style=" not in html
    assert '"/sims/?country=DE"' in html
    # Nothing of June and no figure of August, which nobody read; September is known to be empty.
    [labels] = re.findall(r'"labels": (\[.*?\])', html)
    assert labels == '["Jul 2026", "Aug 2026", "Sep 2026", "Oct 2026", "Nov 2026 (running)"]'
    assert f'"values": [{7 * MB}, null, 0, {200 * MB}, {400 * MB}]' in html


def test_the_map_by_sims_the_order_and_other_months_are_in_the_address(told, login, viewer):
    client = login(viewer)
    html = client.get("/statistics/?by=sims&sort=sims&month=2026-10&account=one").content.decode()
    assert list(rows(html)) == ["IT", "FR", "DE"]
    assert 'data-statistics-state="settling"' in html
    assert 'aria-sort="ascending"' in html
    assert 'href="/statistics/?account=one&amp;month=2026-10&amp;by=sims&amp;sort=-sims#countries-title"' in html
    assert 'href="/sims/?country=DE&amp;account=one"' in html
    assert 'rel="next" href="/statistics/?account=one&amp;month=2026-11&amp;by=sims&amp;sort=sims"' in html
    assert "SIMs by country, 2026-10" in html
    assert "Nothing was used in September 2026" in client.get("/statistics/?month=2026-09").content.decode()
    unknown = client.get("/statistics/?month=2026-08").content.decode()
    assert "No statistics of August 2026" in unknown
    assert "Figures are known from July 2026 to November 2026" in unknown


def test_what_is_no_month_is_said(told, login, viewer):
    client = login(viewer)
    for month in ("2026-13", "nonsense", "٢٠٢٦-١٠", "0000-00", "2026-1", "9" * 300, "\x00", "<b>"):
        answer = client.get("/statistics/", {"month": month, "by": "\x00", "sort": "--data"})
        html = answer.content.decode()
        assert "is no month" in html
        assert "“<b>" not in html
        assert list(rows(html)) == ["DE", "FR", "", "LU", "ZQ", "IT"]
        assert client.get("/statistics/", {"country": f"{month}\x00"}).status_code == 200


def test_one_country_by_month(told, login, viewer):
    html = login(viewer).get("/statistics/?country=DE").content.decode()
    assert re.findall(r'<tr data-month="([\d-]+)">', html) == ["2026-11", "2026-10", "2026-07"]
    assert f'"values": [{7 * MB}, null, 0, {200 * MB}, {400 * MB}]' in html
    assert '"values": [7, null, 0, 40, 40]' in html
    assert "No usage in Unknown" not in login(viewer).get("/statistics/?country=none").content.decode()
    assert "No usage in Norway" in login(viewer).get("/statistics/?country=NO").content.decode()


def test_it_comes_as_a_file_in_the_order_of_the_page(told, login, viewer):
    client = login(viewer)
    lines = b"".join(client.get("/statistics/?export=csv&sort=country").streaming_content).decode().splitlines()
    assert lines[0].startswith("Month,Country,Code,Data in bytes,Share in %,SIMs,Bytes per SIM")
    assert lines[1] == f"2026-11,France,FR,{100 * MB},19.57,5,{20 * MB},{125 * MB},5,{-25 * MB},-20.0"
    assert len(lines) == 7
    answer = client.get("/statistics/?country=DE&account=one&export=xlsx")
    sheet = load_workbook(BytesIO(b"".join(answer.streaming_content))).active
    assert [cell.value for cell in sheet[2]] == ["one", "2026-11", "Germany", "DE", 300 * MB, 30, 10 * MB]
    assert "statistics-DE.xlsx" in answer["Content-Disposition"]
    assert client.get("/statistics/?export=pdf").status_code == 400


@pytest.mark.parametrize("role", ["Viewer", "Agent", "Supervisor", "Administrator"])
def test_every_role_sees_it_within_its_accounts(role, told, make_user, login, client):
    assert client.get("/statistics/").status_code == 302
    html = login(make_user(role)).get("/statistics/").content.decode()
    assert figure(html, "data") == 511 * MB
    limited = login(make_user(role, ["two"]))
    html = limited.get("/statistics/").content.decode()
    assert list(rows(html)) == ["DE", "ZQ"]
    assert "one" not in re.findall(r'<option value="(\w*)"', html)
    assert limited.get("/statistics/?account=one").status_code == 404
    assert limited.get("/statistics/?account=one&export=csv").status_code == 404
    [line] = b"".join(limited.get("/statistics/?country=DE&export=csv").streaming_content).decode().splitlines()[1:]
    assert line.startswith(f"2026-11,Germany,DE,{100 * MB},")
    assert "No statistics yet" in login(make_user(role, ["three"])).get("/statistics/").content.decode()
    assert "No statistics yet" in login(make_user(role, [])).get("/statistics/").content.decode()


def test_sums_are_kept_until_something_is_read_anew(told, viewer, scoped_agent, monkeypatch):
    def data(user=viewer, account=None) -> int | None:
        months = statistics.months_read(user, account=account)
        with CaptureQueriesContext(connection) as queries:
            figures = statistics.by_country(user, months, account=account)
        asked.append(len(queries))
        return figures[NOVEMBER]["DE"].data if "DE" in figures.get(NOVEMBER, {}) else None

    asked: list[int] = []
    assert [data(), data(), data(account="two"), data(scoped_agent)] == [400 * MB, 400 * MB, 100 * MB, None]
    assert asked == [1, 0, 1, 0]
    tell("two", NOVEMBER, datetime(2026, 11, 22, 16, tzinfo=UTC), DE=(150, 12))
    assert data() == 450 * MB
    assert asked[-1] == 1

    def refuse(*args, **kwargs):
        raise Unreachable

    monkeypatch.setattr(statistics.cache, "get_many", refuse)
    monkeypatch.setattr(statistics.cache, "set_many", refuse)
    assert data() == 450 * MB


def test_the_page_asks_the_same_however_many_countries_there_are(told, login, viewer):
    client = login(viewer)
    asked = []
    for number in (0, 60):
        tell("two", NOVEMBER, NOW, **dict.fromkeys(sorted(outlines())[: number * 4], (number + 1, 1)))
        client.get("/statistics/")
        with CaptureQueriesContext(connection) as queries:
            page = client.get("/statistics/").content
        asked.append(len(queries))
    assert asked[0] == asked[1]
    assert len(page) < 280_000


def test_the_world_is_light_and_whole():
    shapes = outlines()
    assert len(shapes) > 230
    assert {"DE", "HU", "US", "XK", "SG", "MT"} <= set(shapes)
    assert sum(len(outline.path) for outline in shapes.values()) < 60_000
    assert all(re.fullmatch(r"(M\d+ \d+l[-\d ]+z)*", outline.path) for outline in shapes.values())
    assert shapes["SG"].dot is not None


def test_colours_hold_as_many_countries_each_and_equal_values_together():
    level_of, legend = levels({str(value): value for value in range(1, 11)} | {"none": 0})
    assert [(step.level, step.low, step.high, step.countries) for step in legend] == [
        (level, 2 * level - 1, 2 * level, 2) for level in range(1, 6)
    ]
    assert [level_of(value) for value in (0, 1, 2, 3, 10)] == [0, 1, 1, 2, 5]
    _level_of, legend = levels({"a": 5, "b": 5, "c": 5, "d": 5, "e": 9, "f": 5})
    assert [(step.level, step.countries) for step in legend] == [(1, 5), (5, 1)]
    assert levels({"a": 0})[1] == []


def test_countries_have_names_and_codes_without_one_stay():
    assert [country_name(code) for code in ("DE", "de", "XK", "QQ", "", None, "NL")] == [
        "Germany", "Germany", "Kosovo", "QQ", "Unknown", "Unknown", "Netherlands",
    ]  # fmt: skip
    assert [country_label(code) for code in ("DE", "QQ", "")] == ["Germany (DE)", "QQ", "Unknown"]


def test_the_sim_list_and_the_sim_page_name_the_country(make_sim, login, viewer):
    sim = make_sim(country_code="DE")
    viewer.preferences = {"columns": {"sims": ["country"]}}
    viewer.save()
    html = login(viewer).get("/sims/?country=DE&filters=1").content.decode()
    assert '<span title="Germany">DE</span>' in html
    assert "Country: <b>Germany (DE)</b>" in html
    assert "Germany (DE)</label>" in html
    assert 'Germany <span class="tag">DE</span>' in login(viewer).get(f"/sims/{sim.giccid}/").content.decode()
