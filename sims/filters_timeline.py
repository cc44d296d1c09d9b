"""The filters of the timeline of all SIMs."""

from __future__ import annotations

import re
from typing import Any

from django.db.models import BooleanField, F, Func, Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from core.badges import SIM_STATUSES
from core.filters import Choices, FilterSet, ManyFilter, SearchFilter, Text
from sims.filters import start_of_day
from sims.models import Sim, TimelineEvent
from sims.selectors import search, sims

# The conditions of the indexes, written out: SQLite takes an index of some rows only where it reads its condition in
# the statement, and what is a parameter it does not read.
_OF_STATE = Func(F("kind"), template="%(expressions)s = 'status'", output_field=BooleanField())
_SUCCESS = Func(F("outcome"), template="%(expressions)s = 'success'", output_field=BooleanField())
_DAYS_VALUE = re.compile(r"([1-9][0-9]{0,3})d\Z", re.ASCII)


def _find(queryset: QuerySet[Any], text: str) -> QuerySet[Any]:
    """Events of the SIMs that the search box of the SIM list finds."""
    query = search.understand(text)
    if not query.terms:
        return queryset.none()
    return queryset.filter(sim__in=search.find(Sim.objects.all(), query).values("pk"))


def _days(value: str) -> int:
    """The number of days in ``30d``; 0 for anything else."""
    match = _DAYS_VALUE.match(value)
    return int(match[1]) if match else 0


def _within(values: list[str]) -> Q:
    """``30d``: today and the 29 days before it, days in UTC as the figures count them."""
    days = max((_days(value) for value in values), default=0)
    if not days:
        return Q(pk__in=[])
    return Q(at__gte=start_of_day(days_ago=days - 1), at__lt=start_of_day(days_ago=-1))


def _became(values: list[str]) -> Q:
    """SIMs that really became so: not what failed, or is only planned."""
    return Q(_OF_STATE) & Q(_SUCCESS) & Q(to_value__in=values)


def _outcome(values: list[str]) -> Q:
    rare = Q() if TimelineEvent.Outcome.SUCCESS in values else ~Q(_SUCCESS)
    return Q(outcome__in=values) & rare


def _statuses(request: HttpRequest) -> Choices:
    known = [(value, badge.label) for value, badge in SIM_STATUSES.items()]
    return known + [(value, value) for value in sims.unknown_statuses()]


def _accounts(request: HttpRequest) -> Choices:
    return [(name, name) for name in sims.account_names(request.user)]


class DaysFilter(ManyFilter):
    """A filter by so many days, with words for any number of them."""

    def label_of(self, value: str) -> Text:
        """``14d`` in words."""
        days = _days(value)
        return super().label_of(value) if value in self.labels or not days else _now("%(days)s days") % {"days": days}


class TimelineFilterSet(FilterSet):
    """``q`` (a SIM), ``kind``, ``to`` (a state that SIMs became), ``within`` (``7d``, any number), ``outcome``,
    ``account``."""

    q = SearchFilter(find=_find)
    kind = ManyFilter(label=_("What"), choices=TimelineEvent.Kind.choices, condition=lambda v: Q(kind__in=v))
    to = ManyFilter(
        label=_("Became"),
        choices=_statuses,
        labels={value: badge.label for value, badge in SIM_STATUSES.items()},
        condition=_became,
    )
    within = DaysFilter(
        label=_("Days"),
        choices=[
            ("1d", _("Today (UTC)")),
            ("7d", _("7 days")),
            ("30d", _("30 days")),
            ("90d", _("90 days")),
        ],
        condition=_within,
    )
    outcome = ManyFilter(label=_("Outcome"), choices=TimelineEvent.Outcome.choices, condition=_outcome)
    account = ManyFilter(label=_("Account"), choices=_accounts, condition=lambda v: Q(account_name__in=v))

    @property
    def hint(self) -> str:  # type: ignore[override]  # a list without a search box has a constant here
        """That a search needs three characters, when there are one or two."""
        text = str(self.data.get("q", "")).strip()
        if text and not search.understand(text).terms:
            return _now("Type at least %(number)s characters to search.") % {"number": search.SHORTEST}
        return ""
