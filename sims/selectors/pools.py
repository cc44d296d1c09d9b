"""Share pools: where they are heading, who uses them, who could leave them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db.models import Case, F, FloatField, Q, QuerySet, Value, When
from django.db.models.expressions import RawSQL
from django.db.models.functions import Cast
from django.db.models.lookups import GreaterThan, LessThan, LessThanOrEqual
from django.utils import timezone

from core.expressions import OrNone
from core.paging import COUNT_LIMIT, Count
from sims.models import PoolHistory, SharePool, Sim
from sims.selectors.sims import AnyUser, list_sims, unknown_statuses
from sims.selectors.usage import RATE_DAYS, Projection
from staff.scopes import scoped

LEAST_RATE = timedelta(days=2, hours=12)
"""The projection goes by the cycle so far while the readings of the last days span less than this: three days of
which each was read, whatever the hour."""

NO_QUOTA = -1.0

UNSTARTED = [str(Sim.Status.INVENTORY), str(Sim.Status.TEST_READY)]
"""States of SIMs that nobody uses yet."""

FULLNESS = Case(
    When(
        Q(data_quota__gt=0, data_usage__isnull=False),
        # In floats: the carrier's numbers may be as large as the column, and a hundred times that is too much.
        then=Cast(F("data_usage"), FloatField()) * Value(100.0) / Cast(F("data_quota"), FloatField()),
    ),
    default=Value(NO_QUOTA),
    output_field=FloatField(),
)
"""Percent of a pool's quota that is used; -1 where that can't be told."""

_USAGE, _SEEN = OrNone("data_usage"), OrNone("last_session_at")
# As of the list's filters: no session ever is the least value, and some carriers write it as just that.
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Leavers:
    """Members that take up a place in a pool and use nothing, counted up to 10,000."""

    retired: Count
    suspended: Count
    unstarted: Count
    """In inventory or ready for test."""
    unused: Count
    """Activated, and no byte used in the cycle."""
    silent: int | None
    """Activated, last session before the day ``SILENT_DAYS`` days ago. ``None``: the pool is too large to count."""
    never_seen: int | None
    """Activated, and never had a session. ``None`` likewise."""


def list_pools(user: AnyUser) -> QuerySet[SharePool]:
    """Pools of the accounts that ``user`` may see, with their plans' names."""
    return scoped(SharePool.objects.select_related("plan").defer("raw", "plan__raw"), user)


def get_pool(user: AnyUser, code: str) -> SharePool:
    """One pool. Raises ``SharePool.DoesNotExist`` for one that is unknown or not of the user's accounts."""
    if "\x00" in code:
        raise SharePool.DoesNotExist
    return list_pools(user).get(code=code)


def percent(used: int | None, quota: int | None) -> int | None:
    """How much of a quota is used, rounded down; ``None`` where that can't be told."""
    return used * 100 // quota if quota and used is not None else None


def history(pool: SharePool, since: date) -> list[PoolHistory]:
    """The readings of a pool that the user was shown to see already: one a day (UTC), the oldest first."""
    return list(pool.history.filter(day__gte=since).order_by("day"))


def recent(pools: Iterable[SharePool]) -> dict[str, list[PoolHistory]]:
    """The readings that projections of these pools go by, in one query (by the index of pool and day)."""
    since = timezone.now().astimezone(UTC).date() - timedelta(days=RATE_DAYS + 1)
    found: dict[str, list[PoolHistory]] = {pool.code: [] for pool in pools}
    for row in PoolHistory.objects.filter(pool_id__in=list(found), day__gte=since).order_by("day"):
        found[row.pool_id].append(row)
    return found


def projection(pool: SharePool, readings: Iterable[PoolHistory]) -> Projection | None:
    """Where the running cycle of a pool is heading: ``used + a day × days left``, from its newest reading.

    *A day* is the mean since the reading of seven days ago, or since the oldest one of the cycle after that; while
    these span less than three days, the mean of the cycle so far. ``None`` unless the carrier tells usage and a
    cycle that runs and is at least an hour old.
    """
    used, start, end, at = pool.data_usage, pool.cycle_start, pool.cycle_end, pool.fetched_at
    if used is None or start is None or end is None or at is None:
        return None
    if not start + timedelta(hours=1) <= at < end or timezone.now() >= end:
        return None
    before = _oldest(readings, start, at)
    if before is not None and before.data_usage is not None and at - before.read_at >= LEAST_RATE:
        pace = max(used - before.data_usage, 0) / (at - before.read_at).total_seconds()
    else:
        pace = max(used, 0) / (at - start).total_seconds()
    left = (end - at).total_seconds()
    full_on = None
    if pool.data_quota and pace and used < pool.data_quota and (pool.data_quota - used) / pace < left:
        full_on = (at + timedelta(seconds=(pool.data_quota - used) / pace)).astimezone(UTC).date()
    return Projection(used, pool.data_quota, int(pace * 86_400), used + int(pace * left), end, full_on)


def _oldest(readings: Iterable[PoolHistory], start: datetime, at: datetime) -> PoolHistory | None:
    """The oldest reading of the cycle from ``start`` that is no more than seven days before ``at``."""
    first = at.astimezone(UTC).date() - timedelta(days=RATE_DAYS)
    for row in readings:
        if row.cycle_start == start and row.data_usage is not None and row.day >= first and row.read_at < at:
            return row
    return None


def full_since(pool: SharePool, readings: Iterable[PoolHistory]) -> date | None:
    """The day on which a pool was first read as full in its running cycle; ``None`` while it is not."""
    if not pool.data_quota or pool.data_usage is None or pool.data_usage < pool.data_quota:
        return None
    for row in readings:
        if row.cycle_start == pool.cycle_start and row.data_quota and (row.data_usage or 0) >= row.data_quota:
            return row.day
    return None


def members(user: AnyUser, pool: SharePool, status: str) -> QuerySet[Sim]:
    """Members of a pool in one state. The index ``sim_pool_members`` holds them in the order of their usage."""
    return list_sims(user).filter(pool_id=pool.code, status=status)


def top_members(user: AnyUser, pool: SharePool, limit: int = 20) -> list[Sim]:
    """The members that used most in their cycle: the best of each state, by ``sim_pool_members``. Two queries."""
    heads = [
        members(user, pool, status)
        .filter(GreaterThan(_USAGE, 0))
        .order_by(_USAGE.desc(), F("giccid").desc())
        .values("pk")[:limit]
        for status in (*Sim.Status.values, *unknown_statuses())
    ]
    found = list_sims(user).filter(pk__in=_any_of(heads))
    return list(found.order_by(_USAGE.desc(), F("giccid").desc())[:limit])


def least_members(user: AnyUser, pool: SharePool, *, most: int, limit: int = 10) -> list[Sim]:
    """The activated members that used least, of those that used no more than ``most`` bytes: the head of their part
    of ``sim_pool_members``."""
    active = members(user, pool, Sim.Status.ACTIVATED)
    return list(active.filter(LessThanOrEqual(_USAGE, most)).order_by(_USAGE, "giccid")[:limit])


def leavers(user: AnyUser, pool: SharePool, *, size: int, silent_days: int) -> Leavers:
    """Who could leave a pool of ``size`` members. Each count goes by ``sim_pool_members`` and ends at 10,000."""
    active = members(user, pool, Sim.Status.ACTIVATED)
    unstarted = list_sims(user).filter(pool_id=pool.code, status__in=UNSTARTED)
    silent = never = None
    if size <= COUNT_LIMIT:
        # Sessions are in no index with the pool: all activated members are looked at, so only of a small one.
        silent = active.filter(GreaterThan(_SEEN, _EPOCH), LessThan(_SEEN, _silent_before(silent_days))).count()
        never = active.filter(LessThanOrEqual(_SEEN, _EPOCH)).count()
    return Leavers(
        retired=_counted(members(user, pool, Sim.Status.RETIRED)),
        suspended=_counted(members(user, pool, Sim.Status.DEACTIVATED)),
        unstarted=_counted(unstarted),
        unused=_counted(active.filter(LessThanOrEqual(_USAGE, 0))),
        silent=silent,
        never_seen=never,
    )


def _silent_before(days: int) -> datetime:
    """The beginning (UTC) of the day ``days`` days ago, as of the list's filter ``silent``."""
    day = timezone.now().astimezone(UTC).date() - timedelta(days=days)
    return datetime.combine(day, datetime.min.time(), tzinfo=UTC)


def _counted(sims: QuerySet[Sim]) -> Count:
    # By giccid, which the index holds: the key would have each row looked up.
    number = sims.order_by().values("giccid")[: COUNT_LIMIT + 1].count()
    return Count(min(number, COUNT_LIMIT), number > COUNT_LIMIT)


def _any_of(parts: list[QuerySet[Sim, Any]]) -> RawSQL:
    """Keys that any of the querysets gives, each of them cut: Django can't join such on SQLite."""
    statements, params = [], list[Any]()
    for number, part in enumerate(parts):
        sql, own = part.query.sql_with_params()
        statements.append(f"SELECT * FROM ({sql}) part{number}")  # noqa: S608 - the ORM's SQL, values apart
        params += own
    return RawSQL(" UNION ALL ".join(statements), params)  # noqa: S611 - as above
