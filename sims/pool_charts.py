"""The charts of a share pool: its running cycle day by day, and the cycles before. Days are days in UTC."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from django.utils.formats import date_format
from django.utils.translation import gettext as _

from core.charts import Chart, Limit, Series
from core.templatetags.portal import human_bytes
from sims.models import PoolHistory, SharePool
from sims.selectors.usage import Projection

_LONGEST = 400
"""Days of a cycle that are drawn: the carrier may write any year for its end."""


def of_cycle(pool: SharePool, readings: Sequence[PoolHistory], projection: Projection | None) -> Chart:
    """The running cycle: used so far by the last reading of each day, the quota, and where it is heading."""
    start, end = pool.cycle_start, pool.cycle_end
    if start is None or end is None or pool.data_usage is None or pool.fetched_at is None:
        return Chart("pool-cycle", _("Running cycle"), [], [])
    days = _days_of(start, end)
    used_on = {row.day: row.data_usage for row in readings if row.cycle_start == start}
    used_on[pool.fetched_at.astimezone(UTC).date()] = pool.data_usage
    series = [Series(_("Used so far"), [used_on.get(day) for day in days])]
    if projection is not None:
        series.append(Series(_("At this pace"), _ahead(days, pool.fetched_at, projection), look="line"))
    return Chart(
        name="pool-cycle",
        title=_("Data used in the running cycle"),
        note=_("By the last reading of each day (UTC); a day without one is a gap."),
        unit="bytes",
        labels=[date_format(day, "j M") for day in days],
        series=series,
        limits=[Limit(_("Quota"), pool.data_quota)] if pool.data_quota else [],
    )


def by_cycle(pool: SharePool, readings: Sequence[PoolHistory]) -> Chart:
    """What each cycle used by its last reading, against the quota it had then; the running one is the last."""
    last: dict[datetime, PoolHistory] = {}
    for row in readings:
        if row.cycle_start is not None and row.data_usage is not None:
            last[row.cycle_start] = row
    cycles = [last[start] for start in sorted(last)]
    series = [Series(_("Used"), [row.data_usage for row in cycles])]
    if any(row.data_quota for row in cycles):
        series.append(Series(_("Quota"), [row.data_quota for row in cycles], look="dashed"))
    return Chart(
        name="pool-cycles",
        title=_("Data used by billing cycle"),
        note=_("By the last reading of each cycle; the last one runs, %(used)s so far.")
        % {"used": human_bytes(pool.data_usage)}
        if pool.data_usage is not None
        else _("By the last reading of each cycle."),
        unit="bytes",
        axis=_("Cycle from"),
        labels=[date_format(start.astimezone(UTC).date(), "j M Y") for start in sorted(last)],
        series=series,
    )


def _days_of(start: datetime, end: datetime) -> list[date]:
    first = start.astimezone(UTC).date()
    last = (end - timedelta(seconds=1)).astimezone(UTC).date()
    return [first + timedelta(days=number) for number in range(min((last - first).days + 1, _LONGEST))]


def _ahead(days: Sequence[date], at: datetime, projection: Projection) -> list[int | None]:
    """From what is used now, on the day of the newest reading, straight to the figure at the end of the cycle."""
    today = at.astimezone(UTC).date()
    values: list[int | None] = []
    for day in days:
        # A day's figure is that of its end.
        close = datetime.combine(day + timedelta(days=1), datetime.min.time(), tzinfo=UTC)
        ahead = (min(close, projection.ends) - at).total_seconds()
        if day < today:
            values.append(None)
        elif day == today:
            values.append(projection.used)
        else:
            values.append(projection.used + int(projection.a_day * ahead / 86_400))
    return values
