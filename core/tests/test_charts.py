"""Charts: what the script gets, and the table for everybody."""

from __future__ import annotations

import json
import re

import pytest
from django.template import Context, Template

from core.charts import Chart, Limit, Series
from core.templatetags.portal import human_bytes

MB = 1024 * 1024


def draw(chart: Chart) -> str:
    return Template("{% load portal %}{% chart chart %}").render(Context({"chart": chart}))


def test_a_chart_holds_its_figures_twice_and_no_code():
    html = draw(
        Chart(
            name="one",
            title="<b>Data</b>",
            unit="bytes",
            labels=["1 Nov", "</script>"],
            series=[
                Series("Used", [3 * MB, None], marks=[True, False]),
                Series("Before", [0, 1500], look="line"),
            ],
            limits=[Limit("Quota", 5 * MB)],
        )
    )
    [text] = re.findall(r'<script id="chart-one" type="application/json">(.*?)</script>', html)
    data = json.loads(text)
    assert data["labels"] == ["1 Nov", "</script>"]
    assert [series["look"] for series in data["series"]] == ["bar", "line"]
    assert data["limits"] == [{"label": "Quota", "value": 5 * MB}]
    assert "<b>Data</b>" not in html
    assert 'aria-label="&lt;b&gt;Data&lt;/b&gt;"' in html
    rows = re.findall(r"<tr><th scope=\"row\".*?</tr>", html)
    assert "3 MB</data> <span" in rows[0]
    assert "estimated" in rows[0]
    assert 'title="1,500 bytes"' in rows[1]
    assert "–" in rows[1]
    assert "style=" not in html


def test_other_units_stand_behind_the_figure_and_nothing_to_draw_is_said():
    assert ">1,234 SIMs</td>" in draw(Chart("n", "SIMs", ["A"], [Series("All", [1234])], unit="SIMs"))
    empty = draw(Chart("n", "SIMs", ["A"], [Series("All", [None])]))
    assert "no figures yet" in empty
    assert "<canvas" not in empty


@pytest.mark.parametrize(("units", "text"), [("binary", "95.4 MB"), ("decimal", "100 MB")])
def test_one_setting_says_what_a_megabyte_is(units, text, settings, monkeypatch):
    monkeypatch.setitem(settings.CONFIG, "DATA_UNITS", units)
    assert human_bytes(100_000_000) == text
    assert Chart("n", "", [], []).data["base"] == {"binary": 1024, "decimal": 1000}[units]
