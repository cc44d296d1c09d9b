"""Tags and filters of the pages: what they show, and that nothing of a user's gets out as markup."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.template import Context, Template
from django.test import RequestFactory
from django.utils import timezone

from core import slots
from core.badges import OPERATION_STATES, SIM_STATUSES
from core.templatetags import portal

EVIL = '<script>alert("1")</script>'
NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


def text(markup: str) -> str:
    return re.sub(r"<[^>]+>", "", markup)


def test_identifier_is_grouped_for_the_eye_and_whole_in_the_text() -> None:
    markup = portal.grouped("8986011805021000040")
    assert re.findall(r"<span>(\d+)</span>", markup) == ["8986", "0118", "0502", "1000", "040"]
    assert text(markup) == "8986011805021000040"


@pytest.mark.parametrize("value", [None, ""])
def test_nothing_is_a_dash(value: str | None) -> None:
    assert text(portal.grouped(value)) == "–"
    assert text(str(portal.or_dash(value))) == "–"
    assert portal.copy(value) == ""
    assert text(portal.status_badge(value)) == "–"


def test_zero_is_not_nothing() -> None:
    assert portal.or_dash(0) == 0
    assert text(portal.bytes_tag(0)) == "0 B"


@pytest.mark.parametrize(
    "markup",
    [
        portal.grouped(EVIL),
        portal.copy(EVIL, EVIL),
        portal.status_badge(EVIL),
        portal.operation_badge(EVIL),
        portal.run_badge(EVIL),
        portal.ago(None, EVIL),
    ],
)
def test_values_are_escaped(markup: str) -> None:
    assert "<script" not in markup
    assert 'alert("1")' not in markup


def test_icon_css_is_an_attribute_and_nothing_else() -> None:
    markup = portal.icon("copy", 14, '"><script>')
    assert "<script" not in markup
    assert 'aria-hidden="true"' in markup
    assert 'width="14"' in markup


@pytest.mark.parametrize(
    ("distance", "words"),
    [
        (timedelta(seconds=20), "just now"),
        (timedelta(minutes=3, seconds=20), "3 minutes ago"),
        (timedelta(hours=5, minutes=50), "5 hours ago"),
        (timedelta(days=-2), "in 2 days"),
    ],
)
def test_relative_time(distance: timedelta, words: str) -> None:
    with time_machine.travel(NOW, tick=False):
        assert portal.relative_time(NOW - distance).replace("\xa0", " ") == words


def test_exact_time_is_in_the_zone_of_the_user() -> None:
    with timezone.override(ZoneInfo("Asia/Tokyo")):
        markup = portal.ago(NOW)
        assert 'title="1 Mar 2026, 21:00:00 JST"' in markup
        assert 'datetime="2026-03-01T12:00:00+00:00"' in markup
        assert "31 Dec 9999, 23:59:59 UTC" in portal.ago(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC))
    assert text(portal.exact(date(2026, 3, 1))) == "1 Mar 2026"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (999, "999 B"),
        (1000, "0.98 kB"),
        (1536, "1.50 kB"),
        (73_400_320, "70 MB"),
        (76_965_478, "73.4 MB"),
        (104_826_143, "100 MB"),
        (1_048_051_712, "0.98 GB"),
        (1_073_000_000, "1.00 GB"),
        (104_857_600, "100 MB"),
        (524_288_000, "500 MB"),
        (-1_572_864, "-1.50 MB"),
        (5 * 10**18, "4441 PB"),
        (None, ""),
    ],
)
def test_bytes_have_three_digits(value: int | None, shown: str) -> None:
    assert portal.human_bytes(value) == shown


def test_bytes_tell_the_exact_number() -> None:
    markup = portal.bytes_tag(73_400_320)
    assert 'title="73,400,320 bytes"' in markup
    assert 'value="73400320"' in markup


def test_each_status_has_a_word_and_an_unknown_one_stands_as_it_is() -> None:
    assert text(portal.status_badge("DEACTIVATED")) == "Suspended"
    assert text(portal.status_badge("SLEEPING_NEW")) == "SLEEPING_NEW"
    assert {badge.tone for badge in (*SIM_STATUSES.values(), *OPERATION_STATES.values())} <= {
        "ok",
        "info",
        "warn",
        "bad",
        "neutral",
        "off",
        "busy",
    }


def test_minutes_are_rounded_up() -> None:
    assert portal.minutes(timedelta(seconds=61)) == 2
    assert portal.minutes(timedelta(0)) == 1


def test_slot_shows_what_is_filled_in_and_escapes_plain_text() -> None:
    slots.fill("test.slot", lambda request, word: f"<b>{word}</b>")
    template = Template('{% load portal %}{% slot "test.slot" word="hello" %}{% slot "test.nothing" %}')
    shown = template.render(Context({"request": RequestFactory().get("/")}))
    assert shown == "&lt;b&gt;hello&lt;/b&gt;"
