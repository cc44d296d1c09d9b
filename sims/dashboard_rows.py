"""The rows of the fleet's cards on the dashboard: states, accounts, plans, pools, and what to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import BigIntegerField, CharField, F, FloatField, Subquery, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast
from django.utils.formats import number_format
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from core import dashboard
from core.badges import SIM_STATUSES
from core.expressions import sum_of_bytes
from sims.links import account_url, plan_url, pool_url, sims_url
from sims.models import RatePlan, SharePool
from sims.selectors.figures import NONE, Figures, Tally
from staff.scopes import scoped

MOST_ACCOUNTS = 5
MOST_PLANS = 3
MOST_POOLS = 3
POOLS_USED = "sims.pools_used"
_LEAST_WIDTH = 6.0
"""Thousandths of the bar: one SIM in a million is still to be seen."""


@dataclass(frozen=True)
class State:
    """One piece of the stacked bar, in thousandths of its width."""

    status: str
    sims: int
    percent: str
    start: float
    width: float

    @property
    def css(self) -> str:
        """The class that colours it."""
        return f"state-{self.status.lower()}" if self.status in SIM_STATUSES else "state-other"

    @property
    def label(self) -> object:
        """The status in words."""
        return SIM_STATUSES[self.status].label if self.status in SIM_STATUSES else self.status


@dataclass(frozen=True)
class AccountRow:
    """One account with its SIMs by state."""

    name: str
    url: str
    sims: int
    sims_url: str
    states: Sequence[State]


@dataclass(frozen=True)
class UsageRow:
    """Data used of a quota, in bytes; ``quota`` 0 where there is none."""

    used: int
    quota: int
    name: str = ""
    url: str = ""
    sims: int = 0
    sims_url: str = ""

    @property
    def percent(self) -> int | None:
        """Rounded down; ``None`` without a quota."""
        return self.used * 100 // self.quota if self.quota else None


@dataclass(frozen=True)
class Line:
    """Something to look at."""

    label: str
    note: str
    tone: str
    figure: SafeString


def states(by_status: Mapping[str, int]) -> list[State]:
    """The pieces of the bar in the order of life; those that nobody is in have no width."""
    total = sum(by_status.values())
    widths = {status: max(1000 * sims / total, _LEAST_WIDTH) if sims else 0.0 for status, sims in by_status.items()}
    scale, start, pieces = 1000 / (sum(widths.values()) or 1), 0.0, []
    for status, sims in by_status.items():
        width = widths[status] * scale
        pieces.append(State(status, sims, _percent(sims, total), start, width))
        start += width
    return pieces


def _percent(part: int, whole: int) -> str:
    if not part or not whole:
        return ""
    value = 100 * part / whole
    return _("< 1 %") if value < 1 else f"{min(round(value), 99) if part < whole else 100} %"


def accounts(found: Figures) -> list[AccountRow]:
    """Those with SIMs, the largest first."""
    rows = [
        AccountRow(name, account_url(name), sum(by.values()), sims_url(account=name), states(_in_order(by)))
        for name, by in found.by_account.items()
        if sum(by.values())
    ]
    return sorted(rows, key=lambda row: (-row.sims, row.name))


def _in_order(by_status: Mapping[str, int]) -> dict[str, int]:
    known = {status: by_status[status] for status in SIM_STATUSES if by_status.get(status)}
    return known | {status: sims for status, sims in by_status.items() if status not in known and sims}


def silent_days() -> int:
    """``SILENT_DAYS``, as far as the list's filter goes."""
    days: int = settings.CONFIG["SILENT_DAYS"]
    return min(max(days, 1), 999)


def watched(found: Figures) -> list[Line]:
    """SIMs near and over their quota, silent ones, and ones that were never seen."""
    days = silent_days()
    silent = ngettext("Silent for %(days)s day", "Silent for %(days)s days", days) % {"days": days}
    near, over = found.quota["80-100"], found.quota["over"]
    return [
        _line("quota_over", over, _("Over quota"), _("100 % of it and more"), "bad", sims_url(quota="over")),
        _line("quota_near", near, _("Near quota"), _("80 to 100 % of it"), "warn", sims_url(quota="80-100")),
        _line(
            "silent",
            found.silent(days),
            silent,
            _("activated, but no session"),
            "warn",
            sims_url(status="ACTIVATED", silent=f"{days}d"),
        ),
        _line(
            "never_seen",
            found.never_seen,
            _("Never seen"),
            _("activated, never a session"),
            "info",
            sims_url(status="ACTIVATED", seen="never"),
        ),
    ]


def _line(name: str, number: int, label: str, note: str, tone: str, url: str) -> Line:
    text = number_format(number, force_grouping=True)
    return Line(label, note, tone if number else "", dashboard.figure(name, number, text, url=url, label=label))


def whole(found: Figures) -> UsageRow:
    """All SIMs together."""
    total = sum(found.plans.values(), Tally())
    return UsageRow(total.used, total.quota)


def pools_used(user: Any) -> Combinable:
    """The data used of all pools that ``user`` may see, in bytes."""
    pools = scoped(SharePool.objects.order_by(), user).values(all=Value(1)).annotate(used=sum_of_bytes("data_usage"))
    return Subquery(pools.values("used")[:1], output_field=BigIntegerField())


def fullest(user: Any, found: Figures) -> tuple[list[UsageRow], list[UsageRow]]:
    """The pools that are the fullest, and the plans that use most of what their SIMs have; one query for both."""
    codes = sorted((code for code in found.plans if code != NONE), key=lambda code: -found.plans[code].used)
    share = Cast(F("data_usage"), FloatField()) / F("data_quota")
    limited = scoped(SharePool.objects.filter(data_quota__gt=0, data_usage__isnull=False), user)
    fullest_pools = limited.order_by(share.desc(), "code").values("code")[:MOST_POOLS]
    pools = SharePool.objects.filter(pk__in=fullest_pools).order_by()
    plans = RatePlan.objects.filter(pk__in=codes[:MOST_PLANS]).order_by()
    columns = ("code", "name", "data_usage", "data_quota")
    nothing = Value(None, BigIntegerField())
    names = pools.values_list(Value("pool", CharField()), *columns).union(
        plans.values_list(Value("plan", CharField()), "code", "name", nothing, nothing), all=True
    )
    rows: dict[str, list[UsageRow]] = {"pool": [], "plan": []}
    for what, code, name, used, quota in names:
        tally = found.pools.get(code, Tally()) if what == "pool" else found.plans[code]
        url, sims = (pool_url(code), sims_url(pool=code)) if what == "pool" else (plan_url(code), sims_url(plan=code))
        used, quota = (used, quota) if what == "pool" else (tally.used, tally.quota)
        rows[what].append(UsageRow(used, quota, name or code, url, tally.sims, sims))
    by_share = sorted(rows["pool"], key=lambda row: -(row.percent or 0))
    return by_share, sorted(rows["plan"], key=lambda row: -row.used)
