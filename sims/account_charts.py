"""The charts of an account: money and SIMs day by day, and what happened to its SIMs lately. Days are days in UTC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal

from django.utils.formats import date_format
from django.utils.translation import gettext as _

from core.badges import SIM_STATUSES
from core.charts import Chart, Series
from sims.models import AccountHistory, Sim

_SHORT, _LONG = "j M", "j M Y"
_SHORT_RANGE = 100
"""Days in a chart up to which the year goes without saying."""


def money(readings: Sequence[AccountHistory], today: date) -> Chart:
    """Balance and charge of each day, a pair for each currency that the account has had; days not read are gaps."""
    days = _days(readings, today)
    by_day = {reading.day: reading for reading in readings}
    currencies = list(dict.fromkeys(reading.currency for reading in readings))
    series = []
    for currency in currencies:
        behind = f" ({currency})" if currency and len(currencies) > 1 else ""
        own = [by_day[day] if day in by_day and by_day[day].currency == currency else None for day in days]
        charges = [_float(reading.current_charge) if reading else None for reading in own]
        balances = [_float(reading.balance) if reading else None for reading in own]
        series.append(Series(_("Current charge") + behind, charges))
        series.append(Series(_("Balance") + behind, balances, look="line"))
    return Chart(
        name="account-money",
        title=_("Balance and current charge"),
        note=_("The last reading of each day (UTC); a day without one is a gap."),
        unit=currencies[0] if len(currencies) == 1 else "",
        labels=_labels(days),
        series=[each for each in series if any(value is not None for value in each.values)],
    )


def states(readings: Sequence[AccountHistory], today: date) -> Chart:
    """SIMs by state on each day, as the carrier counted them."""
    told = [reading for reading in readings if reading.status_counts]
    days = _days(told, today)
    by_day = {reading.day: reading.status_counts for reading in told}
    used = {status for counts in by_day.values() for status, number in counts.items() if number}
    ordered = [status for status in _STACK if status in used] + sorted(used - set(_STACK))
    return Chart(
        name="account-states",
        title=_("SIMs by state"),
        note=_("As the carrier counted them, the last reading of each day (UTC)."),
        unit=_("SIMs"),
        labels=_labels(days),
        series=[
            Series(
                SIM_STATUSES[status].label if status in SIM_STATUSES else status,
                [by_day[day].get(status, 0) if day in by_day else None for day in days],
            )
            for status in ordered
        ],
        stacked=True,
    )


def activity(days: Mapping[date, Mapping[str, int]]) -> Chart:
    """How many SIMs became active, suspended and retired on each of ``days``."""
    words = {
        Sim.Status.ACTIVATED: _("Activations"),
        Sim.Status.DEACTIVATED: _("Suspensions"),
        Sim.Status.RETIRED: _("Retirements"),
    }
    return Chart(
        name="account-activity",
        title=_("Changes of state, last 30 days"),
        note=_("Days in UTC."),
        labels=_labels(list(days)),
        series=[
            Series(word, [statuses.get(status, 0) for statuses in days.values()]) for status, word in words.items()
        ],
        stacked=True,
    )


# What works stands at the bottom, so that its height can be read off.
_STACK = (
    Sim.Status.ACTIVATED,
    Sim.Status.DEACTIVATED,
    Sim.Status.INVENTORY,
    Sim.Status.TEST_READY,
    Sim.Status.RETIRED,
)


def _days(readings: Sequence[AccountHistory], today: date) -> list[date]:
    """Each day from the first reading to today."""
    if not readings:
        return []
    first = readings[0].day
    return [first + timedelta(days=number) for number in range((max(today, readings[-1].day) - first).days + 1)]


def _labels(days: Sequence[date]) -> list[str]:
    form = _SHORT if len(days) <= _SHORT_RANGE else _LONG
    return [date_format(day, form) for day in days]


def _float(amount: Decimal | None) -> float | None:
    return None if amount is None else float(amount)
