"""Usage of SIMs: by day, by cycle, where it is heading, and who uses most. Days are days in UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from django.db.models import QuerySet
from django.utils import timezone

from core.expressions import OrNone
from sims.models import Sim, SimUsage, UsageMonth
from sims.selectors.sims import AnyUser, list_sims
from sims.services.usage.days import DAY, History
from sims.services.usage.packing import Cycle, Month, unpack_month
from sims.services.usage.rows import PER_BLOCK, history_of, to_date, to_day
from staff.scopes import visible_accounts

RATE_DAYS, LEAST_RATE_DAYS = 7, 3
"""The projection goes by the mean of the last seven whole days, so that each weekday counts once; by the mean of the
cycle so far while fewer than three are known."""


@dataclass(frozen=True)
class DayUsage:
    """One day. ``used`` is ``None`` where nobody can tell: before the portal knew the SIM, or where only the total
    of the month was kept."""

    day: date
    used: int | None
    estimated: bool = False
    """Nobody read the SIM on that day: a part of what was found later."""
    running: bool = False


@dataclass(frozen=True)
class CycleUsage:
    """One billing cycle by the carrier's own count; a cycle that is over by the last reading in it."""

    start: date
    used: int
    quota: int | None
    running: bool = False


@dataclass(frozen=True)
class MonthUsage:
    """A month that is too old for days."""

    month: date
    used: int


@dataclass(frozen=True)
class Projection:
    """Where a cycle is heading: ``used + a_day × days left``."""

    used: int
    quota: int | None
    a_day: int
    """Bytes a day that it goes by."""
    at_end: int
    ends: datetime
    full_on: date | None
    """The day on which the quota is reached at that pace, if that is before the end of the cycle."""


@dataclass(frozen=True)
class SimHistory:
    """All that is known of one SIM's usage in a range of days: three queries."""

    days: list[DayUsage]
    hours: list[int]
    """Of the running day, in UTC, up to now; empty while nothing was used."""
    cycles: list[CycleUsage]
    months: list[MonthUsage]
    projection: Projection | None
    usual: int | None
    """Median of the last 14 days."""


def history(user: AnyUser, sim: Sim, *, since: date, until: date | None = None) -> SimHistory:
    """Usage of ``sim`` from ``since`` to ``until`` (today), both inclusive; empty for a SIM out of the user's scope."""
    today = timezone.now().date()
    until = min(until or today, today)
    accounts = visible_accounts(user)
    if accounts is not None and sim.account_id not in accounts:
        return SimHistory([], [], [], [], None, None)
    row = SimUsage.objects.filter(sim_id=sim.pk).first()
    running = history_of(row) if row else None
    months = _months(sim.pk, since.replace(day=1))
    days = _days(sim, running, months, since, until)
    is_today = running is not None and running.day == to_day(today)
    return SimHistory(
        days=days,
        hours=running.hours[: timezone.now().hour + 1] if running and is_today else [],
        cycles=_cycles(sim, running, months),
        months=[
            MonthUsage(month, packed.total) for month, packed in sorted(months.items()) if packed.total is not None
        ],
        projection=_projection(sim, running, months),
        usual=running.usual if running and running.usual >= 0 else None,
    )


def top_users(user: AnyUser, *, account: str | None = None, limit: int = 10) -> QuerySet[Sim]:
    """The SIMs that used most in their cycle, of the accounts the user may see or of one of them. By the index."""
    sims = list_sims(user).filter(data_usage__gt=0)
    if account is not None:
        sims = sims.filter(account_id=account)
    # The second condition says nothing new; it is what the index is over.
    usage = OrNone("data_usage")
    return sims.alias(_usage=usage).filter(_usage__gt=0).order_by(usage.desc(), "-giccid")[:limit]


def jumped(user: AnyUser, *, days: int = 7) -> QuerySet[Sim]:
    """SIMs that had a day far above their usual one lately, the latest first. By an index of such SIMs alone."""
    since = timezone.now().date() - timedelta(days=days - 1)
    return list_sims(user).filter(usage_jump_on__gte=since).order_by("-usage_jump_on", "-giccid")


def _months(sim_id: int, since: date) -> dict[date, Month]:
    """The closed months from ``since`` on."""
    rows = UsageMonth.objects.filter(block=sim_id // PER_BLOCK, month__gte=since).values_list("month", "packed")
    found = ((month, unpack_month(packed, sim_id % PER_BLOCK)) for month, packed in rows)
    return {month: packed for month, packed in found if packed is not None}


def _days(sim: Sim, running: History | None, months: dict[date, Month], since: date, until: date) -> list[DayUsage]:
    known: dict[int, int] = {}
    for month, packed in months.items():
        first = to_day(month) + packed.first
        known.update({first + number: value for number, value in enumerate(packed.days)})
    closed_until = 0
    if running is not None:
        known.update({running.since + number: value for number, value in enumerate(running.days)})
        if running.day <= _day_of(sim.observed_at):
            known[running.day] = running.today << 1
        closed_until = running.since
    # A SIM that was read and has no figure used nothing: its figures begin when its usage first moved.
    silent = range(_day_of(sim.first_seen_at), _day_of(sim.observed_at) + 1) if sim.data_usage is not None else range(0)
    days = []
    for day in range(to_day(since), to_day(until) + 1):
        moment = to_date(day)
        value = known.get(day)
        if value is None and day in silent and not (day < closed_until and moment.replace(day=1) in months):
            value = 0
        days.append(
            DayUsage(
                day=moment,
                used=None if value is None else value >> 1,
                estimated=bool(value and value & 1),
                running=day == _day_of(timezone.now()),
            )
        )
    return days


def _cycles(sim: Sim, running: History | None, months: dict[date, Month]) -> list[CycleUsage]:
    over: list[Cycle] = [cycle for packed in months.values() for cycle in packed.cycles]
    over += running.cycles if running else []
    cycles = [CycleUsage(to_date(cycle.day), cycle.total, cycle.quota) for cycle in sorted(over, key=lambda c: c.day)]
    if sim.data_usage is not None and sim.cycle_start is not None:
        start = sim.cycle_start.astimezone(UTC).date()
        cycles = [cycle for cycle in cycles if cycle.start < start]
        cycles.append(CycleUsage(start, sim.data_usage, sim.data_quota, running=True))
    return cycles


def _projection(sim: Sim, running: History | None, months: dict[date, Month]) -> Projection | None:
    """``None`` unless the SIM is active and the carrier tells a running cycle of at least an hour."""
    used, start, end = sim.data_usage, sim.cycle_start, sim.cycle_end
    if sim.status != Sim.Status.ACTIVATED or used is None or start is None or end is None:
        return None
    at = sim.observed_at
    if not start + timedelta(hours=1) <= at < end:
        return None
    today = _day_of(at)
    whole = _days(sim, running, months, to_date(today - RATE_DAYS), to_date(today - 1))
    known = [day.used for day in whole if day.used is not None]
    # The first day is known in part only: the portal met the SIM in the middle of it.
    known = known[1:] if known and _day_of(sim.first_seen_at) >= today - len(known) else known
    if len(known) >= LEAST_RATE_DAYS:
        a_day = sum(known) // len(known)
    else:
        a_day = int(used * DAY / (at - start).total_seconds())
    left = (end - at).total_seconds() / DAY
    full_on = None
    if sim.data_quota and a_day and used < sim.data_quota and (sim.data_quota - used) / a_day < left:
        full_on = (at + timedelta(days=(sim.data_quota - used) / a_day)).astimezone(UTC).date()
    return Projection(used, sim.data_quota, a_day, used + int(a_day * left), end, full_on)


def _day_of(moment: datetime) -> int:
    return int(moment.timestamp()) // DAY
