"""Data and SIMs by country and month: world map, table, comparison with the month before, and one country's months."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_safe

from core.countries import country_name
from core.spreadsheets import CONTENT_TYPES
from core.templatetags.portal import human_bytes
from core.views.exports import PARAMETER, answer
from sims import statistics_charts, statistics_files, statistics_map
from sims.filters import NONE
from sims.selectors import sims
from sims.selectors import statistics as selectors
from sims.selectors.statistics import Figures, MonthRead, Row, month_after, month_before

CHART_MONTHS, COUNTRY_MONTHS = 12, 24
_MONTH = re.compile(r"(20[0-9]{2})-(0[1-9]|1[0-2])\Z", re.ASCII)
MEASURES = {"data": gettext_lazy("Data"), "sims": gettext_lazy("SIMs")}
COLUMNS = {
    "country": gettext_lazy("Country"),
    "code": gettext_lazy("Code"),
    "data": gettext_lazy("Data"),
    "share": gettext_lazy("Share"),
    "sims": gettext_lazy("SIMs"),
    "per_sim": gettext_lazy("Data per SIM"),
    "change": gettext_lazy("Change"),
    "percent": gettext_lazy("Change in %"),
}
_TEXTS = ("country", "code")
DEFAULT_SORT = "-data"


@dataclass(frozen=True)
class Asked:
    """The page's address as far as it can be used."""

    account: str = ""
    month: str = ""
    """``YYYY-MM``; empty for the newest month with figures."""
    by: str = "data"
    sort: str = DEFAULT_SORT
    country: str | None = None
    """A code; empty for what the carrier knows no country of, ``None`` for all."""

    def url(self, **changes: Any) -> str:
        """The address of this page with something changed; what is as ever is left out."""
        asked = replace(self, **changes)
        query = {"account": asked.account, "month": asked.month}
        query |= {
            "by": asked.by if asked.by != "data" else "",
            "sort": asked.sort if asked.sort != DEFAULT_SORT else "",
        }
        query = {name: value for name, value in query.items() if value}
        if asked.country is not None:
            query["country"] = asked.country or NONE
        return f"{reverse('sims:statistics')}?{urlencode(query)}" if query else reverse("sims:statistics")

    def list_url(self, code: str) -> str:
        """The SIMs whose last session was in a country."""
        query = {"country": code or NONE} | ({"account": self.account} if self.account else {})
        return f"{reverse('sims:list')}?{urlencode(query)}"


@require_safe
@permission_required("sims.view_account", raise_exception=True)
def statistics_page(request: HttpRequest) -> HttpResponseBase:
    """A month of all accounts the user may see, or ``?account=`` (404 for one out of scope).

    ``?month=YYYY-MM`` (the newest with figures unless told; anything else is said and the newest shown), ``?by=``
    data or sims for the map, ``?sort=`` a column, ``?country=`` its months alone, ``?export=`` csv or xlsx.
    """
    accounts = sims.account_names(request.user)
    asked, problem = _asked(request, accounts)
    months = selectors.months_read(request.user, account=asked.account or None)
    context = {"asked": asked, "problem": problem, "accounts": accounts, "months": months}
    if asked.country is not None:
        return _country(request, asked, months, context)
    return _world(request, asked, months, context)


def _asked(request: HttpRequest, accounts: list[str]) -> tuple[Asked, str]:
    """The address, and what is wrong with it."""
    given = request.GET
    account = given.get("account", "")
    if account and account not in accounts:
        raise Http404
    month, problem = given.get("month", ""), ""
    if month and not _MONTH.match(month):
        problem = _("“%(month)s” is no month; write it as 2026-11. The newest one is shown.") % {"month": month[:20]}
        month = ""
    sort = given.get("sort", DEFAULT_SORT)
    country = given.get("country")
    if country is not None:
        country = "" if country == NONE else country[:8].replace("\x00", "")
    asked = Asked(
        account=account,
        month=month,
        by=given["by"] if given.get("by") in MEASURES else "data",
        sort=sort if sort.removeprefix("-") in COLUMNS else DEFAULT_SORT,
        country=country,
    )
    return asked, problem


def _world(request: HttpRequest, asked: Asked, months: list[MonthRead], context: dict[str, Any]) -> HttpResponseBase:
    month = _month(asked, months)
    known = {read.month: read for read in months}
    window = [known[day] for day in statistics_charts.window(month, CHART_MONTHS) if day in known] if month else []
    figures = selectors.by_country(request.user, window, account=asked.account or None)
    read = known.get(month) if month else None
    before = figures.get(month_before(month)) if month else None
    rows = _sorted(selectors.compared(figures[read.month], before), asked.sort) if read else []
    if month and PARAMETER in request.GET:
        return answer(request, statistics_files.of_month(month, rows, asked.account))
    total = selectors.summed(row.now for row in rows)
    total_before = selectors.summed(before.values()) if before is not None else None
    context |= {
        "month": month,
        "read": read,
        "rows": rows,
        "total": _in_words(Row("", total, total_before, total.data or 0)),
        "here": sum(row.now != Figures() for row in rows),
        "new": sum(row.is_new for row in rows),
        "gone": sum(row.is_gone for row in rows),
        "is_compared": before is not None,
        "before_month": month_before(month) if month else None,
        "lines": [_line(asked, row) for row in rows],
        "heads": _heads(asked),
        "map": _map(asked, rows, month) if any(row.now != Figures() for row in rows) and month else None,
        "measures": [(name, label, name == asked.by, asked.url(by=name)) for name, label in MEASURES.items()],
        "chart": statistics_charts.of_months(figures, known, month) if month else None,
        "settles_days": selectors.SETTLES.days,
        "exports": _exports(asked),
        **_neighbours(asked, months, month),
    }
    return render(request, "sims/statistics.html", context)


def _country(request: HttpRequest, asked: Asked, months: list[MonthRead], context: dict[str, Any]) -> HttpResponseBase:
    code = asked.country or ""
    known = {read.month: read for read in months[:COUNTRY_MONTHS]}
    found = selectors.months_of(request.user, code, months=list(known), account=asked.account or None)
    name = country_name(code)
    if PARAMETER in request.GET:
        return answer(request, statistics_files.of_country(code, found, asked.account))
    lines = []
    for day in found:
        before = found.get(month_before(day), Figures()) if month_before(day) in known else None
        url = asked.url(country=None, month=f"{day:%Y-%m}")
        lines.append({**_in_words(Row(code, found[day], before, 0)), "read": known[day], "url": url})
    context |= {
        "code": code,
        "name": name,
        "lines": lines[::-1],
        "data_chart": statistics_charts.data_of_country(name, found, known),
        "sims_chart": statistics_charts.sims_of_country(name, found, known),
        "exports": _exports(asked),
        "back_url": asked.url(country=None),
        "list_url": asked.list_url(code),
    }
    return render(request, "sims/statistics_country.html", context)


def _month(asked: Asked, months: list[MonthRead]) -> date | None:
    """The month to show: the one asked for, or the newest with figures, or the newest at all."""
    if match := _MONTH.match(asked.month):
        return date(int(match[1]), int(match[2]), 1)
    return next((read.month for read in months if read.countries), months[0].month if months else None)


def _neighbours(asked: Asked, months: list[MonthRead], month: date | None) -> dict[str, Any]:
    """Links to the months beside this one, within those that are known, and to the newest."""
    if month is None or not months:
        return {}
    newest, oldest = months[0].month, months[-1].month
    previous, following = month_before(month), month_after(month)
    return {
        "previous_url": asked.url(month=f"{min(previous, newest):%Y-%m}") if previous >= oldest else "",
        "next_url": asked.url(month=f"{max(following, oldest):%Y-%m}") if following <= newest else "",
        "newest_url": asked.url(month=""),
        "newest": newest,
        "oldest": oldest,
    }


def _exports(asked: Asked) -> list[tuple[str, str]]:
    """Each format with the address of the file."""
    url = asked.url()
    return [(name, f"{url}{'&' if '?' in url else '?'}{PARAMETER}={name}") for name in CONTENT_TYPES]


_KEYS: dict[str, Any] = {
    "country": lambda row: country_name(row.code).casefold(),
    "code": lambda row: row.code,
    "data": lambda row: row.now.data,
    "share": lambda row: row.now.data,
    "sims": lambda row: row.now.sims,
    "per_sim": lambda row: row.now.per_sim,
    "change": lambda row: row.change,
    "percent": lambda row: row.change_percent,
}


def _sorted(rows: list[Row], sort: str) -> list[Row]:
    """By a column; rows without a figure in it come last either way, equal ones by name."""
    key = _KEYS[sort.removeprefix("-")]
    by_name = sorted(rows, key=_KEYS["country"])
    known = [row for row in by_name if key(row) is not None]
    return sorted(known, key=key, reverse=sort.startswith("-")) + [row for row in by_name if key(row) is None]


def _heads(asked: Asked) -> list[dict[str, Any]]:
    """The head of the table: a first click on a column of figures brings the largest to the top."""
    heads = []
    for name, label in COLUMNS.items():
        first, second = (name, f"-{name}") if name in _TEXTS else (f"-{name}", name)
        current = {name: "ascending", f"-{name}": "descending"}.get(asked.sort, "")
        url = asked.url(sort=second if asked.sort == first else first)
        heads.append({"name": name, "label": label, "url": url, "sorted": current, "numeric": name not in _TEXTS})
    return heads


def _line(asked: Asked, row: Row) -> dict[str, Any]:
    return {
        **_in_words(row),
        "name": country_name(row.code),
        "url": asked.url(country=row.code),
        "list_url": asked.list_url(row.code),
    }


def _in_words(row: Row) -> dict[str, Any]:
    """A row with those figures as texts that the template can't write by itself; ``None`` for none."""
    share, percent = row.share, row.change_percent
    return {
        "row": row,
        "share": None if share is None else f"{number_format(round(share, 1), decimal_pos=1)} %",
        "sims": None if row.now.sims is None else statistics_charts.count(row.now.sims),
        "change": _signed_bytes(row.change),
        "percent": None
        if percent is None
        else f"{_sign(percent)}{number_format(round(abs(percent), 1), decimal_pos=1)} %",
    }


def _signed_bytes(change: int | None) -> SafeString | None:
    if change is None:
        return None
    number = f"{_sign(change)}{number_format(abs(change), force_grouping=True)}"
    title = ngettext("%(number)s byte", "%(number)s bytes", abs(change)) % {"number": number}
    return format_html(
        '<data value="{}" title="{}">{}{}</data>', change, title, _sign(change), human_bytes(abs(change))
    )


def _sign(number: float) -> str:
    """With the minus of typography, as wide as the plus."""
    return "+" if number > 0 else "\u2212" if number < 0 else ""


def _map(asked: Asked, rows: list[Row], month: date) -> dict[str, Any]:
    """The world map with its legend in words."""
    by_sims = asked.by == "sims"
    places = {
        row.code: statistics_map.Place(
            value=(row.now.sims if by_sims else row.now.data) or 0,
            label=f"{country_name(row.code)}: {_said(row.now)}",
            url=asked.url(country=row.code),
        )
        for row in rows
        if row.now != Figures()
    }
    title = _("SIMs by country") if by_sims else _("Data by country")
    drawn = statistics_map.draw(places, f"{title}, {month:%Y-%m}")
    write = statistics_charts.count if by_sims else human_bytes
    return {
        "svg": drawn.svg,
        "title": title,
        "legend": [
            (step, write(step.low) if step.low == step.high else f"{write(step.low)} – {write(step.high)}")
            for step in drawn.legend
        ],
        "unplaced": [places[code] for code in drawn.unplaced],
    }


def _said(figures: Figures) -> str:
    """``1.4 GB, 120 SIMs``."""
    words = []
    if figures.data is not None:
        words.append(human_bytes(figures.data))
    if figures.sims is not None:
        words.append(
            ngettext("%(number)s SIM", "%(number)s SIMs", figures.sims)
            % {"number": statistics_charts.count(figures.sims)}
        )
    return ", ".join(words)
