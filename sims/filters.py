"""The filters of the SIM list."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

from django.db.models import Expression, Q
from django.db.models.lookups import GreaterThanOrEqual, In, LessThan
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from core.badges import SIM_STATUSES
from core.expressions import OrNone
from core.filters import Choices, FilterSet, ManyFilter, SearchFilter
from sims.models import Sim, SimTag
from sims.models.tag import tag_key
from sims.selectors import search, sims, tags

# A filter asks for the very expression that the list sorts by, so that one index serves both.
_PLAN, _POOL = OrNone("plan_id"), OrNone("pool_id")
_QUOTA, _ONLINE, _SEEN = OrNone("quota_percent"), OrNone("online"), OrNone("last_session_at")

NONE = "none"
"""In the address: without a plan, a pool, a country, an APN."""

QUOTA = {"0-50": (0, 50), "50-80": (50, 80), "80-100": (80, 100), "over": (100, 2**31 - 1)}
"""Percent of the quota, from and to under. Kept rounded down, so 100 is all of it, or more."""

ONLINE = {"yes": 1, "no": 0, "unknown": -1}
_SEEN_VALUE = re.compile(r"(within|older)-(\d{1,4})d\Z")
_DAYS_VALUE = re.compile(r"([1-9][0-9]{0,2})d\Z", re.ASCII)


def _column(name: str) -> Callable[[list[str]], Q]:
    return lambda values: Q(**{f"{name}__in": ["" if value == NONE else value for value in values]})


def _expression(expression: Expression) -> Callable[[list[str]], Q]:
    return lambda values: Q(In(expression, ["" if value == NONE else value for value in values]))


def _online(values: list[str]) -> Q:
    return Q(In(_ONLINE, [ONLINE[value] for value in values if value in ONLINE]))


def _apn(values: list[str]) -> Q:
    """Some APNs on counts as on and as off: either is what a person looks for."""
    states: set[str] = set()
    for value in values:
        states |= {value, Sim.ApnState.MIXED} if value in (Sim.ApnState.ENABLED, Sim.ApnState.DISABLED) else {value}
    return Q(apn_state__in=["" if state == NONE else state for state in sorted(states)])


def _quota(values: list[str]) -> Q:
    condition = Q(pk__in=[])
    for value in values:
        if value == NONE:
            condition |= Q(LessThan(_QUOTA, 0))
        elif value in QUOTA:
            low, high = QUOTA[value]
            condition |= Q(GreaterThanOrEqual(_QUOTA, low)) & Q(LessThan(_QUOTA, high))
    return condition


def _seen(values: list[str]) -> Q:
    """``within-1d``, ``older-30d`` with any number of days, ``never``."""
    condition = Q(pk__in=[])
    for value in values:
        if value == "never":
            condition |= Q(last_session_at__isnull=True)
        elif match := _SEEN_VALUE.match(value):
            moment = timezone.now() - timedelta(days=int(match[2]))
            if match[1] == "within":
                condition |= Q(GreaterThanOrEqual(_SEEN, moment))
            else:
                condition |= Q(LessThan(_SEEN, moment)) & Q(last_session_at__isnull=False)
    return condition


def _unusual(values: list[str]) -> Q:
    """``7d``, with any number of days: a day of usage far above the SIM's usual one, lately."""
    days = [int(match[1]) for value in values if (match := _DAYS_VALUE.match(value))]
    if not days:
        return Q(pk__in=[])
    return Q(usage_jump_on__gt=timezone.now().date() - timedelta(days=max(days)))


def _tag(values: list[str]) -> Q:
    """SIMs that bear one of the tags, in any spelling of it."""
    return Q(pk__in=SimTag.objects.filter(tag__key__in=[tag_key(value) for value in values]).values("sim_id"))


def _statuses(request: HttpRequest) -> Choices:
    known = [(value, badge.label) for value, badge in SIM_STATUSES.items()]
    return known + [(value, value) for value in sims.unknown_statuses()]


def _accounts(request: HttpRequest) -> Choices:
    return [(name, name) for name in sims.account_names(request.user)]


def _plans(request: HttpRequest) -> Choices:
    return [(code, f"{name} ({code})" if name else code) for code, name in sims.plans(request.user)] + [
        (NONE, _("No plan"))
    ]


def _pools(request: HttpRequest) -> Choices:
    return [(code, name or code) for code, name in sims.pools(request.user)] + [(NONE, _("No pool"))]


def _countries(request: HttpRequest) -> Choices:
    return [(code, code) for code in sims.countries(request.user)] + [(NONE, _("Unknown"))]


def _tags(request: HttpRequest) -> Choices:
    return [(name, name) for name in tags.known_tags(request.user)]


class SimFilterSet(FilterSet):
    """What ``/sims/`` takes in its address. The names stay (checks from outside use them)."""

    q = SearchFilter(find=lambda queryset, text: search.find(queryset, search.understand(text)))
    status = ManyFilter(
        label=_("Status"),
        choices=_statuses,
        labels={value: badge.label for value, badge in SIM_STATUSES.items()},
        condition=_column("status"),
    )
    account = ManyFilter(label=_("Account"), choices=_accounts, condition=_column("account_id"))
    plan = ManyFilter(label=_("Rate plan"), choices=_plans, condition=_expression(_PLAN))
    pool = ManyFilter(label=_("Share pool"), choices=_pools, condition=_expression(_POOL))
    country = ManyFilter(label=_("Country"), choices=_countries, condition=_column("country_code"))
    online = ManyFilter(
        label=_("Online"),
        choices=[("yes", _("Online")), ("no", _("Offline")), ("unknown", _("Unknown"))],
        condition=_online,
    )
    apn = ManyFilter(
        label=_("APN"),
        choices=[("ENABLED", _("Enabled")), ("DISABLED", _("Disabled")), (NONE, _("No APN"))],
        condition=_apn,
    )
    seen = ManyFilter(
        label=_("Last seen"),
        choices=[
            ("within-1d", _("Within 24 hours")),
            ("older-1d", _("More than a day ago")),
            ("older-7d", _("More than 7 days ago")),
            ("older-30d", _("More than 30 days ago")),
            ("older-90d", _("More than 90 days ago")),
            ("never", _("Never")),
        ],
        condition=_seen,
    )
    quota = ManyFilter(
        label=_("Quota used"),
        choices=[
            ("0-50", _("Under 50 %")),
            ("50-80", _("50 to 80 %")),
            ("80-100", _("80 to 100 %")),
            ("over", _("100 % and over")),
            (NONE, _("No quota")),
        ],
        condition=_quota,
    )
    unusual = ManyFilter(
        label=_("Unusual usage"),
        choices=[("1d", _("Today")), ("7d", _("In the last 7 days")), ("30d", _("In the last 30 days"))],
        condition=_unusual,
    )
    tag = ManyFilter(label=_("Tag"), choices=_tags, condition=_tag)

    @property
    def hint(self) -> str:  # type: ignore[override]  # a list without a search box has a constant here
        """That a search needs three characters, when there are one or two."""
        text = str(self.data.get("q", "")).strip()
        if text and not search.understand(text).terms:
            return _now("Type at least %(number)s characters to search.") % {"number": search.SHORTEST}
        return ""
