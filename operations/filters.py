"""The filters of the list of operations."""

from __future__ import annotations

import re
from datetime import timedelta

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from core.filters import Choices, FilterSet, ManyFilter, SearchFilter
from operations.models import Operation
from sims.models import Account
from staff.models import User
from staff.scopes import colleagues, scoped

_BETWEEN_DIGITS = re.compile(r"[\s\-.]+")
_FULL_GICCID = 19
_LARGEST_ID = 2**63 - 1

_WHEN = {"1h": timedelta(hours=1), "24h": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30)}


def _find(queryset: QuerySet[Operation], text: str) -> QuerySet[Operation]:
    """Operations of the giccid typed, whole or its end, in any grouping; of the ticket; with the number."""
    text = text.strip()
    digits = _BETWEEN_DIGITS.sub("", text).removeprefix("#")
    found = Q(ticket__iexact=text)
    if digits.isascii() and digits.isdigit():
        found |= Q(sim__giccid=digits) if len(digits) >= _FULL_GICCID else Q(sim__giccid__endswith=digits)
        if int(digits) <= _LARGEST_ID:
            found |= Q(pk=int(digits))
    return queryset.filter(found)


def _who(values: list[str]) -> Q:
    return Q(actor__in=User.objects.filter(username__in=values))


def _account(values: list[str]) -> Q:
    return Q(sim__account_id__in=values)


def _when(values: list[str]) -> Q:
    """Within the longest of the times named; an unknown one finds nothing."""
    known = [_WHEN[value] for value in values if value in _WHEN]
    return Q(created_at__gte=timezone.now() - max(known)) if known else Q(pk__in=[])


def _people(request: HttpRequest) -> Choices:
    names = colleagues(request.user).filter(groups__permissions__content_type__app_label="operations")
    return [(name, name) for name in names.order_by("username").values_list("username", flat=True).distinct()[:200]]


def _accounts(request: HttpRequest) -> Choices:
    names = scoped(Account.objects.order_by("name"), request.user, account="name")
    return [(name, name) for name in names.values_list("name", flat=True)[:500]]


class OperationFilter(FilterSet):
    """``q`` (giccid, ticket or number), ``state``, ``kind``, ``who`` (user name), ``account``, ``when``."""

    q = SearchFilter(find=_find)
    state = ManyFilter(label=_("State"), condition=lambda v: Q(state__in=v), choices=Operation.State.choices)
    kind = ManyFilter(label=_("Kind"), condition=lambda v: Q(kind__in=v), choices=Operation.Kind.choices)
    who = ManyFilter(label=_("Who"), condition=_who, choices=_people)
    account = ManyFilter(label=_("Account"), condition=_account, choices=_accounts)
    when = ManyFilter(
        label=_("Asked for"),
        condition=_when,
        choices=[
            ("1h", _("In the last hour")),
            ("24h", _("In the last 24 hours")),
            ("7d", _("In the last 7 days")),
            ("30d", _("In the last 30 days")),
        ],
    )
