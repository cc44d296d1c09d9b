"""Rows are written as django-tables2 and its usual template write them, only faster."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, ClassVar

import django_tables2 as tables
import pytest
import time_machine
from django.template import Context, Template
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.timesince import timesince

from core.rows import row_url, rows_html
from core.tables import AgoColumn, BaseTable, tooltip
from core.templatetags import portal
from operations.models import Operation
from sims.models import RatePlan, SharePool, Sim
from sims.tables import SimTable, page_fields, page_row

EVIL = '<b title="x">&\'Ünï</b>'
NOW = datetime(2026, 3, 31, 12, 0, 0, tzinfo=UTC)

_USUAL = Template(
    "{% load django_tables2 l10n %}{% for row in table.rows %}<tr {{ row.attrs.as_html }}>\n      "
    "{% for column, cell in row.items %}<td {{ column.attrs.td.as_html }}>"
    "{% if column.localize == None %}{{ cell }}{% elif column.localize %}{{ cell|localize }}"
    "{% else %}{{ cell|unlocalize }}{% endif %}</td>{% endfor %}\n    </tr>\n{% endfor %}"
)


def usual(table: tables.Table) -> str:
    """The rows by django-tables2, without the classes that nothing looks at and the blank of an empty ``<td >``."""
    markup = _USUAL.render(Context({"table": table}))
    return re.sub(r' ?class="(even|odd)"', "", markup).replace("<td >", "<td>").replace("<tr >", "<tr>")


class Odd(BaseTable):
    """Everything that a column can be."""

    plain = tables.Column()
    number = tables.Column(attrs={"td": {"class": "num"}, "th": {"class": "num"}})
    localized = tables.Column(accessor="number", localize=True)
    bare = tables.Column(accessor="number", localize=False)
    deep = tables.Column(accessor="inner__name")
    called = tables.Column(accessor="call")
    choice = tables.Column(accessor="operation__kind")
    titled = tables.Column(accessor="plain", attrs={"td": {"title": tooltip, "class": "clip"}})
    of_record = tables.Column(accessor="plain", attrs={"cell": {"data-x": lambda record, value: record.number}})
    linked = tables.Column(accessor="plain", linkify=lambda record: f"/x/{record.number}")
    of_row = tables.Column(accessor="plain")
    anything = tables.Column(accessor="plain", empty_values=())
    own_default = tables.Column(accessor="missing", default="none")
    missing = tables.Column()
    when = AgoColumn()

    class Meta:
        row_attrs: ClassVar = {
            "id": lambda record: f"row-{record.number}",
            "data-none": lambda record: None,
            "data-both": lambda table, record: f"{len(table.data)}{record.plain}",
            "data-fixed": EVIL,
        }

    def render_of_row(self, bound_row: Any, value: str) -> str:
        return f"{value}{type(bound_row).__name__}"

    def render_anything(self, **known: Any) -> str:
        return f"{known['value']}{sorted(known)}"

    def render_number(self, value: int, record: Any, column: Any) -> Any:
        return format_html("<i>{}</i>{}", value, type(column).__name__) if record.plain else value


def _odd(plain: Any, number: Any, **more: Any) -> SimpleNamespace:
    inner = SimpleNamespace(name=plain)
    values = {"inner": inner, "call": lambda: plain, "when": NOW, "operation": Operation(kind="suspend"), **more}
    return SimpleNamespace(plain=plain, number=number, **values)


def test_any_column_is_written_as_django_tables2_does_it() -> None:
    records = [
        _odd("plain", 1234567),
        _odd(EVIL, 0.5),
        _odd(None, None, inner=None, operation=None, when=None),
        _odd("", 0),
        _odd(format_html("<b>{}</b>", EVIL), 3),
        _odd(NOW, 1),
    ]
    with time_machine.travel(NOW + timedelta(days=2), tick=False):
        assert rows_html(Odd(records), records) == usual(Odd(records))


def test_sims_are_written_as_django_tables2_does_it() -> None:
    plan, pool = RatePlan(code=EVIL, name=EVIL), SharePool(code="P", name="")
    times = [NOW, NOW - timedelta(seconds=59), NOW - timedelta(days=400), NOW + timedelta(hours=3), None]
    sims = [
        Sim(pk=1, giccid="8986011805021000040"),
        Sim(
            pk=2,
            giccid=EVIL.replace("/", ""),
            msisdn=EVIL,
            imsi=EVIL,
            status=EVIL,
            account_id=EVIL,
            custom1=EVIL,
            country_code=EVIL,
        ),
        Sim(
            pk=3, giccid="1", status="RETIRED", plan=plan, pool=pool, online=True, missing_since=NOW, apn_state="MIXED"
        ),
        Sim(pk=4, giccid="2", data_usage=0, data_quota=1000, quota_percent=0, online=False, country_code="DE"),
        Sim(pk=5, giccid="3", data_usage=10**9, data_quota=10**8, quota_percent=1000, custom5="ÄÖ"),
        *(Sim(pk=10 + n, giccid=f"9{n}", last_session_at=time, data_usage=123456) for n, time in enumerate(times)),
    ]
    for sim in sims:
        sim.tag_names = [EVIL, "x"] if sim.pk % 2 else None  # type: ignore[attr-defined]  # put there by the view
    with time_machine.travel(NOW, tick=False):
        assert rows_html(SimTable(sims), sims) == usual(SimTable(sims))


def test_rows_without_models_are_written_as_models_are(make_sim: Callable[..., Sim]) -> None:
    make_sim(giccid="8986011805021000040", status="RETIRED", missing_since=NOW, apn_state="MIXED", country_code="DE")
    make_sim(giccid="8986011805021000057", data_usage=7, data_quota=100, quota_percent=7, last_session_at=NOW)
    Sim.objects.update(plan=RatePlan.objects.create(code="P", name=EVIL), pool=None)
    names = SimTable.shown_columns(list(SimTable.base_columns))
    sims = Sim.objects.select_related("plan", "pool").order_by("pk")
    columns = tuple(page_fields(names))
    rows = list(map(page_row(columns), sims.values_list(*columns)))
    models = list(sims)
    for row in [*rows, *models]:
        row.tag_names = ["x"]
    assert rows_html(SimTable(rows), rows) == rows_html(SimTable(models), models)


@pytest.mark.parametrize("sign", [1, -1])
def test_how_long_ago_is_told_in_djangos_words(sign: int) -> None:
    steps = [60, 61, 3599, 3600, 86399, 86400, 604799, 604800, *(86400 * day + 7 for day in range(20, 1500, 9))]
    for seconds in steps:
        moment = NOW - sign * timedelta(seconds=seconds)
        with time_machine.travel(NOW, tick=False):
            words = timesince(min(moment, NOW), max(moment, NOW), depth=1)
            assert portal.relative_time(moment) == (f"{words} ago" if sign == 1 else f"in {words}")


def test_amounts_of_data_have_djangos_digits() -> None:
    for amount in (1024, 1536, 10240, 99 * 1024, 12_345_678, 999 * 1024**2, 5 * 1024**3 + 7, 2**60, 2**70):
        said, _, unit = portal.human_bytes(amount).partition(" ")
        places = len(said.partition(".")[2])
        power = ("kB", "MB", "GB", "TB", "PB").index(unit) + 1
        assert said == number_format(round(amount / 1024**power, places), decimal_pos=places)


def test_addresses_of_rows_are_those_of_their_views() -> None:
    for key in ("8986011805021000040", "a b", "ünï", "0"):
        assert row_url("sims:detail", key) == reverse("sims:detail", args=[key])
    assert row_url("operations:detail", 17) == reverse("operations:detail", args=[17])
