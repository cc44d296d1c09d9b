"""The filters of the SIM list."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Expression, Q, QuerySet, Subquery
from django.db.models.lookups import GreaterThan, GreaterThanOrEqual, In, LessThan, LessThanOrEqual
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from core.badges import SIM_STATUSES
from core.countries import country_label
from core.expressions import OrNone
from core.filters import Choices, FilterSet, ManyFilter, SearchFilter, Text
from core.large_lists import common_keys
from sims.models import Sim, SimTag, Subscription, Tag
from sims.models.tag import tag_key
from sims.models.tally import NEVER, QUOTA_BANDS
from sims.selectors import holding, search, sims, tags
from sims.selectors.sims import AnyUser
from staff.scopes import scoped, visible_accounts

# A filter asks for the very expression that the list sorts by, so that one index serves both.
_PLAN, _POOL = OrNone("plan_id"), OrNone("pool_id")
_QUOTA, _ONLINE, _SEEN = OrNone("quota_percent"), OrNone("online"), OrNone("last_session_at")

NONE = "none"
"""In the address: without a plan, a pool, a country, an APN."""

ONLINE = {"yes": 1, "no": 0, "unknown": -1}
_SEEN_VALUE = re.compile(r"(within|older)-(\d{1,4})d\Z")
_DAYS_VALUE = re.compile(r"([1-9][0-9]{0,2})d\Z", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# "No session ever" is the least value of the index; some carriers write it as just that.
_NEVER = Q(LessThanOrEqual(_SEEN, _EPOCH))
_EVER = Q(GreaterThan(_SEEN, _EPOCH))


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
        elif value in QUOTA_BANDS:
            low, high = QUOTA_BANDS[value]
            band = Q(GreaterThanOrEqual(_QUOTA, low))
            condition |= band if high is None else band & Q(LessThan(_QUOTA, high))
    return condition


def _seen(values: list[str]) -> Q:
    """``within-1d``, ``older-30d`` with any number of days, ``never``."""
    condition = Q(pk__in=[])
    for value in values:
        if value == NEVER:
            condition |= _NEVER
        elif match := _SEEN_VALUE.match(value):
            moment = timezone.now() - timedelta(days=int(match[2]))
            if match[1] == "within":
                condition |= Q(GreaterThanOrEqual(_SEEN, moment))
            else:
                condition |= Q(LessThan(_SEEN, moment)) & _EVER
    return condition


def _silent(values: list[str]) -> Q:
    """``30d``, with any number of days: seen, but not since the UTC day so many days ago began.

    As the figures of the dashboard count it, who keep days; ``seen=older-30d`` goes by the minute.
    """
    days = [int(match[1]) for value in values if (match := _DAYS_VALUE.match(value))]
    if not days:
        return Q(pk__in=[])
    return Q(LessThan(_SEEN, start_of_day(days_ago=min(days)))) & _EVER


def start_of_day(*, days_ago: int) -> datetime:
    """When the UTC day so many days before today began."""
    today = timezone.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return today - timedelta(days=days_ago)


def _unusual(values: list[str]) -> Q:
    """``7d``, with any number of days: a day of usage far above the SIM's usual one, lately."""
    days = [int(match[1]) for value in values if (match := _DAYS_VALUE.match(value))]
    if not days:
        return Q(pk__in=[])
    return Q(usage_jump_on__gt=timezone.now().date() - timedelta(days=max(days)))


def _tag(values: list[str]) -> Q:
    """SIMs that bear one of the tags, in any spelling of it."""
    return Q(pk__in=_worn(values).values("sim_id"))


def _worn(values: list[str]) -> QuerySet[SimTag]:
    keys = [tag_key(value) for value in values]
    if len(keys) > 1:
        return SimTag.objects.filter(tag__key__in=keys)
    # By the key of the one tag: the database knows then that no SIM comes twice.
    return SimTag.objects.filter(tag=Subquery(Tag.objects.filter(key=keys[0]).values("pk")))


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
    return [(code, country_label(code)) for code in sims.countries(request.user)] + [(NONE, _("Unknown"))]


def _addon(values: list[str]) -> Q:
    """SIMs that have one of the supplementary plans in force."""
    return Q(pk__in=_held(values).values("sim_id"))


def _held(values: list[str]) -> QuerySet[Subscription]:
    return Subscription.objects.filter(holding.in_force(), plan_id__in=values)


def _addons(request: HttpRequest) -> Choices:
    return [(code, f"{name} ({code})" if name else code) for code, name in sims.supplementary_plans(request.user)]


def _tags(request: HttpRequest) -> Choices:
    return [(name, name) for name in tags.known_tags(request.user)]


class PlaceFilter(ManyFilter):
    """A filter whose single values are places in an index, where the giccids are sorted: of the SIMs, or of the table
    that ``beside`` answers rows of."""

    def __init__(self, *, beside: Callable[[list[str]], QuerySet[Any]] | None = None, **options: Any) -> None:
        self.beside = beside
        super().__init__(**options)

    def place(self, values: list[str]) -> QuerySet[Any] | None:
        """The rows there; ``None`` where they are not in one place."""
        if self.beside is not None:
            return self.beside(values).filter(giccid__isnull=False)
        return Sim.objects.filter(self.condition(values)) if len(values) == 1 else None


class ApnFilter(PlaceFilter):
    """On and off are two places each, see :func:`_apn`."""

    def place(self, values: list[str]) -> QuerySet[Any] | None:
        """Of those without any."""
        return super().place(values) if values == [NONE] else None


class CountryFilter(PlaceFilter):
    """Countries by their codes, shown by their names."""

    def label_of(self, value: str) -> Text:
        """``Germany (DE)``; of a code that names none the code."""
        return country_label("" if value == NONE else value)


class SimFilterSet(FilterSet):
    """What ``/sims/`` takes in its address. The names stay (checks from outside use them)."""

    q = SearchFilter(find=lambda queryset, text: search.find(queryset, search.understand(text)))
    status = PlaceFilter(
        label=_("Status"),
        choices=_statuses,
        labels={value: badge.label for value, badge in SIM_STATUSES.items()},
        condition=_column("status"),
    )
    account = PlaceFilter(label=_("Account"), choices=_accounts, condition=_column("account_id"))
    plan = PlaceFilter(label=_("Rate plan"), choices=_plans, condition=_expression(_PLAN))
    addon = PlaceFilter(label=_("Supplementary plan"), choices=_addons, condition=_addon, beside=_held)
    pool = PlaceFilter(label=_("Share pool"), choices=_pools, condition=_expression(_POOL))
    country = CountryFilter(label=_("Country"), choices=_countries, condition=_column("country_code"))
    online = PlaceFilter(
        label=_("Online"),
        choices=[("yes", _("Online")), ("no", _("Offline")), ("unknown", _("Unknown"))],
        condition=_online,
    )
    apn = ApnFilter(
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
    silent = ManyFilter(
        label=_("Silent"),
        choices=[("7d", _("For 7 days")), ("30d", _("For 30 days")), ("90d", _("For 90 days"))],
        condition=_silent,
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
    tag = PlaceFilter(label=_("Tag"), choices=_tags, condition=_tag, beside=_worn)

    def giccids(self, user: AnyUser) -> QuerySet[Any, Any] | None:
        """Those of the SIMs that are left for ``user``, found by the indexes of the filters; ``None`` where that is not
        the better way: for a search, and for what is in no one place of an index, alone."""
        if connection.vendor != "postgresql" or self.form.errors:
            return None
        places: list[QuerySet[Any]] = []
        beside: list[QuerySet[Any]] = []
        rest = Q()
        accounts = visible_accounts(user)
        if accounts is not None and len(accounts) == 1:
            places.append(scoped(Sim.objects.all(), user))
        elif accounts is not None:
            rest &= Q(account_id__in=sorted(accounts))
        for name, values in self.form.cleaned_data.items():
            item = self.filters[name]
            if values and not isinstance(item, ManyFilter):
                return None
            place = item.place(values) if values and isinstance(item, PlaceFilter) else None
            if place is not None:
                (places if place.model is Sim else beside).append(place)
            elif values:
                rest &= item.condition(values)
        if places:
            # What is asked by more and less stands in the index beside each place.
            places[0] = places[0].filter(rest)
        elif beside and rest:
            # First, too: a SIM is in its table once, so that the first thousand are found without the others.
            places.append(Sim.objects.filter(rest))
        return common_keys([*places, *beside], "giccid") if places or beside else None

    @property
    def hint(self) -> str:  # type: ignore[override]  # a list without a search box has a constant here
        """That a search needs three characters, when there are one or two."""
        text = str(self.data.get("q", "")).strip()
        if text and not search.understand(text).terms:
            return _now("Type at least %(number)s characters to search.") % {"number": search.SHORTEST}
        return ""
