"""Usage by country and month, as the carrier tells it, over the accounts that a user may see.

A month of a thousand accounts in two hundred countries is 200,000 rows. Its sums are kept in the cache under the time
of its last reading, so that a page adds up only what was read since; one account is a few rows, always added up.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TypeVar

from django.core.cache import cache
from django.db.models import Count, Max, Min, QuerySet, Sum
from django.utils import timezone
from redis.exceptions import RedisError

from core.expressions import sum_of_bytes
from sims.models import CountryMonth, CountryUsage
from sims.selectors.sims import AnyUser
from sims.services.statistics import SETTLES
from staff.scopes import scoped, visible_accounts

M = TypeVar("M", CountryMonth, CountryUsage)

_KEPT = 86_400
"""Seconds that the sums of a month stay in the cache."""


@dataclass(frozen=True)
class Figures:
    """Of one country, or of all. Bytes of data and SIMs, ``None`` where the carrier told none.

    A SIM that was in several countries counts in each.
    """

    data: int | None = None
    sims: int | None = None

    @property
    def per_sim(self) -> int | None:
        """Bytes a SIM."""
        return self.data // self.sims if self.data is not None and self.sims else None


@dataclass(frozen=True)
class MonthRead:
    """A month whose statistics were read, be it that they are empty."""

    month: date
    accounts: int
    """How many accounts were read for it."""
    countries: int
    """Lines of all accounts together; 0 for a month without any usage."""
    oldest: datetime
    """When the account whose reading is oldest was read: no figure is older."""
    newest: datetime

    @property
    def is_running(self) -> bool:
        """Whether the month goes on (in UTC), so that its figures grow."""
        return timezone.now().date() < month_after(self.month)

    @property
    def is_final(self) -> bool:
        """Whether every account was read after the month had settled: late roaming records are in."""
        return self.oldest >= _moment(month_after(self.month)) + SETTLES


@dataclass(frozen=True)
class Row:
    """A country in a month beside the month before. ``code`` may be empty: the carrier does not know the country."""

    code: str
    now: Figures
    before: Figures | None
    """``None`` when the month before is not known at all."""
    total: int
    """Bytes of all countries, for the share."""

    @property
    def share(self) -> float | None:
        """Percent of the month's data."""
        return 100 * self.now.data / self.total if self.now.data is not None and self.total else None

    @property
    def change(self) -> int | None:
        """Bytes more than in the month before; a country that was not there had none."""
        if self.before is None or (self.now.data is None and self.before.data is None):
            return None
        return (self.now.data or 0) - (self.before.data or 0)

    @property
    def change_percent(self) -> float | None:
        """Of the month before; ``None`` where that had nothing."""
        change = self.change
        return 100 * change / self.before.data if change is not None and self.before and self.before.data else None

    @property
    def is_new(self) -> bool:
        """In this month and not in the one before."""
        return self.before == Figures() and self.now != Figures()

    @property
    def is_gone(self) -> bool:
        """In the month before and not in this one."""
        return self.now == Figures() and self.before not in (None, Figures())


ByCountry = dict[str, Figures]


def months_read(user: AnyUser, *, account: str | None = None) -> list[MonthRead]:
    """All months that are known of the accounts the user may see, or of one of them; the newest first. One query.

    Empty ones before the first with usage are not among them: so far back the carrier has no figures.
    """
    rows = (
        _of(CountryMonth.objects.all(), user, account)
        .values("month")
        .annotate(accounts=Count("pk"), told=Sum("countries"), oldest=Min("read_at"), newest=Max("read_at"))
        .order_by("-month")
    )
    months = [MonthRead(row["month"], row["accounts"], row["told"], row["oldest"], row["newest"]) for row in rows]
    while len(months) > 1 and not months[-1].countries:
        months.pop()
    return months


def by_country(user: AnyUser, months: Iterable[MonthRead], *, account: str | None = None) -> dict[date, ByCountry]:
    """Each month's figures by country code; at most one query. ``months`` are of :func:`months_read`."""
    wanted = list(months)
    if account is not None:
        return _added_up(user, [read.month for read in wanted], account)
    keys = {_key(user, read): read.month for read in wanted}
    kept = _from_cache(list(keys))
    found = {keys[key]: {code: Figures(*pair) for code, pair in sums.items()} for key, sums in kept.items()}
    missing = {key: month for key, month in keys.items() if month not in found}
    if missing:
        added = _added_up(user, list(missing.values()), None)
        _into_cache(
            {
                key: {code: (figures.data, figures.sims) for code, figures in added[month].items()}
                for key, month in missing.items()
            }
        )
        found |= added
    return found


def months_of(user: AnyUser, code: str, *, months: Sequence[date], account: str | None = None) -> dict[date, Figures]:
    """One country's figures in those of ``months`` in which it has any. One query, by the index."""
    rows = (
        _of(CountryUsage.objects.filter(month__in=months, country_code=code), user, account)
        .values_list("month")
        .annotate(all_data=sum_of_bytes("data_usage"), all_sims=Sum("sim_count"))
        .order_by("month")
    )
    return {month: Figures(data, sims) for month, data, sims in rows}


def compared(now: ByCountry, before: ByCountry | None) -> list[Row]:
    """A row for each country of either month; ``before`` is ``None`` when nobody knows that month."""
    total = sum(figures.data or 0 for figures in now.values())
    return [
        Row(code, now.get(code, Figures()), None if before is None else before.get(code, Figures()), total)
        for code in {**now, **(before or {})}
    ]


def summed(figures: Iterable[Figures]) -> Figures:
    """All together; ``None`` where none of them has a number."""
    listed = list(figures)
    data = [one.data for one in listed if one.data is not None]
    sims = [one.sims for one in listed if one.sims is not None]
    return Figures(sum(data) if data else None, sum(sims) if sims else None)


def month_after(month: date) -> date:
    """The first day of the next month."""
    return (month + timedelta(days=31)).replace(day=1)


def month_before(month: date) -> date:
    """The first day of the month before."""
    return (month - timedelta(days=1)).replace(day=1)


def _moment(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _of(rows: QuerySet[M], user: AnyUser, account: str | None) -> QuerySet[M]:
    rows = scoped(rows, user)
    return rows if account is None else rows.filter(account_id=account)


def _added_up(user: AnyUser, months: list[date], account: str | None) -> dict[date, ByCountry]:
    found: dict[date, ByCountry] = defaultdict(dict)
    rows = (
        _of(CountryUsage.objects.filter(month__in=months), user, account)
        .values_list("month", "country_code")
        .annotate(all_data=sum_of_bytes("data_usage"), all_sims=Sum("sim_count"))
        .order_by()
    )
    for month, code, data, sims in rows:
        found[month][code] = Figures(data, sims)
    return {month: found[month] for month in months}


def _key(user: AnyUser, read: MonthRead) -> str:
    accounts = visible_accounts(user)
    scope = "*" if accounts is None else hashlib.sha256("\n".join(sorted(accounts)).encode()).hexdigest()
    return f"statistics:{scope}:{read.month:%Y-%m}:{read.accounts}:{read.newest.timestamp()}"


def _from_cache(keys: list[str]) -> dict[str, dict[str, tuple[int | None, int | None]]]:
    try:
        return cache.get_many(keys)
    except (RedisError, OSError):
        # The sums are in the database: slower, and the same.
        return {}


def _into_cache(sums: dict[str, dict[str, tuple[int | None, int | None]]]) -> None:
    try:
        cache.set_many(sums, _KEPT)
    except (RedisError, OSError):
        return
