"""How many SIMs there are of each kind, from kept tallies: one query a call, whatever the size of the fleet.

Each figure counts exactly what a list shows: ``/sims/?status=…``, ``?plan=…``, ``?pool=…``, ``?quota=…``,
``?status=ACTIVATED&seen=never``, ``?status=ACTIVATED&silent=<days>d`` and
``/timeline/?kind=status&to=…&within=30d``, each also with ``&account=…``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, timedelta
from typing import Any

from django.db.models import Case, CharField, F, QuerySet, Sum, Value, When
from django.utils import timezone

from core.badges import SIM_STATUSES
from core.prepared import WORD, Prepared, kept_for
from sims.models import SimTally
from sims.models.tally import NEVER, NO_QUOTA, QUOTA_BANDS
from sims.selectors.sims import AnyUser
from staff.scopes import scoped

NONE = "none"
"""The key of SIMs without a plan or pool, as in the address of the list."""

DAYS_OF_ACTIVITY = 30

Dimension = SimTally.Dimension


@dataclass(frozen=True)
class Tally:
    """Sums over SIMs. ``used`` and ``quota`` are bytes of the running cycle; a SIM that tells none adds 0, an absurd
    one at most 4 TiB."""

    sims: int = 0
    used: int = 0
    quota: int = 0

    def __add__(self, other: Tally) -> Tally:
        """Both together."""
        return Tally(self.sims + other.sims, self.used + other.used, self.quota + other.quota)


@dataclass
class Figures:
    """The figures of the accounts asked for. Empty values are 0; nothing is missing."""

    total: int = 0
    by_status: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SIM_STATUSES, 0))
    """Every known status, and unknown ones in use."""
    by_account: dict[str, dict[str, int]] = field(default_factory=dict)
    """Account → status → SIMs; only what there is."""
    quota: dict[str, int] = field(default_factory=lambda: dict.fromkeys((*QUOTA_BANDS, NO_QUOTA), 0))
    """By part of the quota used; keys as of the list's filter: ``0-50``, ``50-80``, ``80-100``, ``over``, ``none``."""
    plans: dict[str, Tally] = field(default_factory=dict)
    """By plan code; ``none`` for SIMs without."""
    pools: dict[str, Tally] = field(default_factory=dict)
    """By pool code; ``none`` for SIMs without."""
    never_seen: int = 0
    """Activated SIMs that never had a session."""
    activity: dict[date, dict[str, int]] = field(default_factory=dict)
    """The last 30 days (UTC), the first first, today included: status → how many times a SIM became so."""
    today: date = field(default_factory=lambda: timezone.now().astimezone(UTC).date())
    """The UTC day they are of."""
    seen: dict[str, int] = field(default_factory=dict, repr=False)
    """Activated SIMs by the UTC day of their last session, written ``2026-11-22``; sortable as text."""

    def silent(self, days: int) -> int:
        """Activated SIMs whose last session was before the UTC day ``days`` days ago (those never seen are none)."""
        before = (self.today - timedelta(days=days)).isoformat()
        return sum(sims for day, sims in self.seen.items() if day < before)


def figures(user: AnyUser, *, account: str | None = None) -> Figures:
    """All figures of the accounts that ``user`` may see, or of one of them; zeros for one out of scope."""
    result = Figures()
    first = result.today - timedelta(days=DAYS_OF_ACTIVITY - 1)
    result.activity = {first + timedelta(days=n): {} for n in range(DAYS_OF_ACTIVITY)}
    name = "sims.figures" if account is None else "sims.figures.account"
    kept = kept_for(user, name, lambda: Prepared(_tallies(user, None if account is None else WORD)))
    for dimension, value, owner, sims, used, quota in kept.rows([(WORD, account)]):
        if sims or used or quota:
            _put(result, dimension, value, owner, Tally(sims, used, quota))
    return result


def _tallies(user: AnyUser, account: str | None) -> QuerySet[SimTally, Any]:
    rows = scoped(SimTally.objects.filter(dimension__in=Dimension.values), user, account="account_name")
    if account is not None:
        rows = rows.filter(account_name=account)
    owner = Case(When(dimension=Dimension.STATUS, then=F("account_name")), default=Value(""), output_field=CharField())
    return _sums(rows, "dimension", "value", owner=owner)


def by_plan(user: AnyUser, codes: Iterable[str]) -> dict[str, Tally]:
    """SIMs that ``user`` may see on each of the plans ``codes`` (for a page of the list of plans)."""
    return _of(user, Dimension.PLAN, codes)


def by_pool(user: AnyUser, codes: Iterable[str]) -> dict[str, Tally]:
    """SIMs that ``user`` may see in each of the pools ``codes``."""
    return _of(user, Dimension.POOL, codes)


def _of(user: AnyUser, dimension: str, codes: Iterable[str]) -> dict[str, Tally]:
    wanted = dict.fromkeys(codes, Tally())
    rows = SimTally.objects.filter(dimension=dimension, value__in=["" if code == NONE else code for code in wanted])
    for value, sims, used, quota in _sums(scoped(rows, user, account="account_name"), "value"):
        wanted[value or NONE] = Tally(sims, used, quota)
    return wanted


def _sums(rows: QuerySet[SimTally], *groups: str, **more: Case) -> QuerySet[SimTally, Any]:
    grouped = rows.values(*groups, **more).order_by()
    return grouped.annotate(_sims=Sum("sims"), _used=Sum("used"), _quota=Sum("quota")).values_list(
        *groups, *more, "_sims", "_used", "_quota"
    )


def _put(result: Figures, dimension: str, value: str, account: str, tally: Tally) -> None:
    sims = int(tally.sims)
    if dimension == Dimension.STATUS:
        result.total += sims
        result.by_status[value] = result.by_status.get(value, 0) + sims
        result.by_account.setdefault(account, {})[value] = sims
    elif dimension in (Dimension.PLAN, Dimension.POOL):
        found = result.plans if dimension == Dimension.PLAN else result.pools
        found[value or NONE] = found.get(value or NONE, Tally()) + tally
    elif dimension == Dimension.QUOTA:
        result.quota[value] = sims
    elif dimension == Dimension.SEEN:
        if value == NEVER:
            result.never_seen = sims
        else:
            result.seen[value] = sims
    elif dimension == Dimension.BECAME:
        day, _slash, status = value.partition("/")
        moment = date.fromisoformat(day)
        if moment in result.activity:
            result.activity[moment][status] = sims
