"""The charts of the statistics by country: what is to be drawn, from what the selectors tell."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _

from core.charts import Chart, Series
from core.countries import country_name
from sims.selectors.statistics import ByCountry, Figures, MonthRead, month_after, month_before

TOP = 5
"""Countries with a colour of their own; the rest is one."""

Known = Mapping[date, MonthRead]


def window(last: date, months: int) -> list[date]:
    """So many months up to ``last``, the oldest first."""
    days = [last]
    while len(days) < months:
        days.append(month_before(days[-1]))
    return days[::-1]


def of_months(figures: Mapping[date, ByCountry], known: Known, last: date) -> Chart:
    """A year up to a month: the countries that had most in it, on top of each other. Months nobody knows are empty."""
    days = _without_leading(window(last, 12), known)
    sums: dict[str, int] = {}
    for countries in figures.values():
        for code, one in countries.items():
            sums[code] = sums.get(code, 0) + (one.data or 0)
    top = sorted((code for code in sums if sums[code]), key=lambda code: -sums[code])[:TOP]
    series = [
        Series(country_name(code), [_data(figures, day, code) if day in known else None for day in days])
        for code in top
    ]
    if len(sums) > len(top):
        rest = [
            sum(one.data or 0 for code, one in figures.get(day, {}).items() if code not in top)
            if day in known
            else None
            for day in days
        ]
        series.append(Series(_("Other countries"), rest))
    return Chart(
        name="countries-months",
        title=_("Data by month"),
        note=_("The height is all countries together."),
        unit="bytes",
        axis=_("Month"),
        labels=[_label(day, known) for day in days],
        series=series,
        stacked=True,
    )


def data_of_country(name: str, found: Mapping[date, Figures], known: Known) -> Chart:
    """One country's data by month."""
    days = _since_first(found, known)
    return Chart(
        name="country-data",
        title=_("Data by month"),
        unit="bytes",
        axis=_("Month"),
        labels=[_label(day, known) for day in days],
        series=[Series(name, [_figures(found, known, day).data for day in days])],
    )


def sims_of_country(name: str, found: Mapping[date, Figures], known: Known) -> Chart:
    """How many SIMs were in one country by month."""
    days = _since_first(found, known)
    return Chart(
        name="country-sims",
        title=_("SIMs by month"),
        unit=_("SIMs"),
        axis=_("Month"),
        labels=[_label(day, known) for day in days],
        series=[Series(name, [_figures(found, known, day).sims for day in days])],
    )


def count(number: int) -> str:
    """With separators between thousands."""
    return number_format(number, force_grouping=True)


def _data(figures: Mapping[date, ByCountry], day: date, code: str) -> int | None:
    one = figures.get(day, {}).get(code)
    return one.data if one else 0


def _figures(found: Mapping[date, Figures], known: Known, day: date) -> Figures:
    """Of a month that is known and does not have the country: nothing was used there."""
    return found.get(day) or (Figures(0, 0) if day in known else Figures())


def _since_first(found: Mapping[date, Figures], known: Known) -> list[date]:
    """The months from the first with figures to the newest, those among them that nobody knows included."""
    if not found:
        return []
    days = [min(found)]
    while days[-1] < max(known):
        days.append(month_after(days[-1]))
    return days


def _label(day: date, known: Known) -> str:
    text = date_format(day, "M Y")
    read = known.get(day)
    return _("%(month)s (running)") % {"month": text} if read and read.is_running else text


def _without_leading(days: list[date], known: Known) -> list[date]:
    """Without the months before anything is known."""
    for number, day in enumerate(days):
        if day in known:
            return days[number:]
    return days[-1:]
