"""The charts of a SIM's usage: what is to be drawn, from what the selectors tell."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from core.charts import Chart, Limit, Series
from core.templatetags.portal import human_bytes
from sims.models import Sim
from sims.selectors.usage import DayUsage, SimHistory

_SHORT = "j M"


def by_day(history: SimHistory) -> Chart:
    """Each day's usage, beside the SIM's usual day; where only months are left, those stand before the days."""
    old = [(date_format(month.month, "M Y"), month.used) for month in history.months]
    days = _known(history.days)
    return Chart(
        name="usage-days",
        title=_("Data used by day"),
        note=_("Days in UTC. Hatched: nobody read the SIM that day, so it is a part of what was found later.")
        if any(day.estimated for day in days)
        else _("Days in UTC, as the carrier counts."),
        unit="bytes",
        labels=[*(label for label, _used in old), *(date_format(day.day, _SHORT) for day in days)],
        series=[
            Series(
                _("Used"),
                [*(used for _label, used in old), *(day.used for day in days)],
                marks=[*(False for _month in old), *(day.estimated for day in days)],
            )
        ],
        limits=[Limit(_("Usual day"), history.usual)] if history.usual else [],
    )


def by_hour(history: SimHistory) -> Chart:
    """The hours of the running day, in the reader's zone."""
    midnight = datetime.combine(timezone.now().date(), datetime.min.time(), tzinfo=UTC)
    starts = [timezone.localtime(midnight + timedelta(hours=hour)) for hour in range(len(history.hours))]
    return Chart(
        name="usage-hours",
        title=_("Data used today, by hour"),
        note=_("Between two readings it is spread evenly."),
        unit="bytes",
        axis=_("Hour"),
        labels=[f"{start:%H:%M}" for start in starts],
        series=[Series(_("Used"), history.hours)],
    )


def by_cycle(history: SimHistory) -> Chart:
    """The carrier's own count of each billing cycle against the quota it had."""
    labels = [date_format(cycle.start, "j M Y") for cycle in history.cycles]
    series = [Series(_("Used"), [cycle.used for cycle in history.cycles])]
    if any(cycle.quota for cycle in history.cycles):
        series.append(Series(_("Quota"), [cycle.quota for cycle in history.cycles], look="dashed"))
    return Chart(
        name="usage-cycles",
        title=_("Data used by billing cycle"),
        note=_("By the last reading of each cycle; the last one runs."),
        unit="bytes",
        axis=_("Cycle from"),
        labels=labels,
        series=series,
    )


def of_cycle(sim: Sim, history: SimHistory) -> Chart:
    """The running cycle day by day: used so far, against the quota, and where it is heading."""
    start, end = sim.cycle_start, sim.cycle_end
    if start is None or end is None or sim.data_usage is None:
        return Chart("usage-cycle", _("Running cycle"), [], [])
    first, last = start.astimezone(UTC).date(), (end.astimezone(UTC) - timedelta(seconds=1)).date()
    today = min(sim.observed_at.astimezone(UTC).date(), last)
    used_on = {day.day: day.used for day in history.days}
    count = (last - first).days + 1
    sums: list[int | None] = [None] * count
    left: int | None = sim.data_usage
    for number in range((today - first).days, -1, -1):
        sums[number] = left
        used = used_on.get(first + timedelta(days=number))
        # Before the first day that is known, the sum is not.
        left = None if left is None or used is None else max(left - used, 0)
    series = [Series(_("Used so far"), sums)]
    projection = history.projection
    if projection is not None:
        ahead: list[int | None] = [None] * count
        days_left = max((last - today).days, 1)
        for number in range((today - first).days, count):
            part = (number - (today - first).days) / days_left
            ahead[number] = round(projection.used + (projection.at_end - projection.used) * part)
        series.append(Series(_("At this pace"), ahead, look="line"))
    return Chart(
        name="usage-cycle",
        title=_("Data used in the running cycle"),
        note=_("%(used)s so far") % {"used": human_bytes(sim.data_usage)},
        unit="bytes",
        labels=[date_format(first + timedelta(days=number), _SHORT) for number in range(count)],
        series=series,
        limits=[Limit(_("Quota"), sim.data_quota)] if sim.data_quota else [],
    )


def _known(days: list[DayUsage]) -> list[DayUsage]:
    """Without the days before anything is known."""
    for number, day in enumerate(days):
        if day.used is not None:
            return days[number:]
    return []
