"""The filters of the list of rate plans."""

from __future__ import annotations

import re
from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from core.countries import country_label, country_name
from core.filters import Choices, FilterSet, ManyFilter, SearchFilter
from sims.models import RatePlan
from sims.selectors import plans
from staff.scopes import visible_accounts

BILLINGS = {"POSTPAID": _("Postpaid"), "PREPAID": _("Prepaid")}
_COUNTRY = re.compile(r"[A-Za-z]{2}\Z")
_SHORTEST_NAME = 3


def _find(queryset: QuerySet[Any], text: str) -> QuerySet[Any]:
    """By a part of code or name, or by a country: its code, or a part of its name."""
    text = text.strip()
    condition = Q(code__icontains=text) | Q(name__icontains=text)
    if _COUNTRY.match(text):
        condition |= Q(plans.covers(text.upper()))
    elif len(text) >= _SHORTEST_NAME:
        # Names of countries are the portal's and not the database's; both lists are short.
        codes = {code for row in queryset.values_list("country_codes", flat=True) for code in row or ()}
        for code in sorted(code for code in codes if isinstance(code, str)):
            if text.casefold() in country_name(code).casefold():
                condition |= Q(plans.covers(code))
    return queryset.filter(condition)


def _country(values: list[str]) -> Q:
    condition = Q(pk__in=[])
    for value in values:
        condition |= Q(plans.covers(value.upper()))
    return condition


def _account(values: list[str]) -> Q:
    usable = RatePlan.accounts.through.objects.filter(account_id__in=values)
    return Q(pk__in=usable.values("rateplan_id"))


class AccountFilter(ManyFilter):
    """By the accounts that may use a plan. One out of scope finds nothing, as if there were none of that name."""

    def filter(self, qs: QuerySet[Any], value: list[str] | None) -> QuerySet[Any]:
        """Rows that any of the accounts may use of those that the user may see; all of them without one."""
        visible = visible_accounts(self.parent.request.user)
        if not value or visible is None:
            return super().filter(qs, value)
        return qs.filter(self.condition([name for name in value if name in visible]))


def _countries(request: HttpRequest) -> Choices:
    return [(code, country_label(code)) for code in plans.covered_countries(request.user)]


def _accounts(request: HttpRequest) -> Choices:
    return [(name, name) for name in plans.scope_names(request.user)]


class PlanFilterSet(FilterSet):
    """What ``/plans/`` takes in its address."""

    q = SearchFilter(find=_find)
    kind = ManyFilter(label=_("Kind"), choices=RatePlan.Kind.choices, condition=lambda values: Q(kind__in=values))
    billing = ManyFilter(
        label=_("Billing"), choices=list(BILLINGS.items()), condition=lambda values: Q(billing__in=values)
    )
    account = AccountFilter(label=_("Account"), choices=_accounts, condition=_account)
    country = ManyFilter(label=_("Country"), choices=_countries, condition=_country)
