"""The filters of the audit trail."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta

from django.db import connection
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from core import links
from core.filters import Choices, FilterSet, Group, ManyFilter, SearchFilter
from core.models import AuditEntry
from staff.models import User
from staff.scopes import colleagues, visible_accounts

PORTAL = "-"
"""In the address: the portal itself, which did it without anybody's asking."""
_DAYS = re.compile(r"([1-9][0-9]{0,3})d\Z", re.ASCII)
TYPED = ("record", "request_id", "ticket", "since", "until")
"""Filters without a list to choose from: they are typed, or linked to."""


class _Search(SearchFilter):
    """Entries with this ticket or request id, of the records that the text means, or by the person of this name."""

    def filter(self, qs: QuerySet[AuditEntry], value: str) -> QuerySet[AuditEntry]:
        """Whole values, each by its index."""
        if not value:
            return qs
        wanted = Q(ticket=value) | Q(request_id=value) | Q(object_type__in=sorted(links.known()), object_id=value)
        for model, keys in links.found(self.parent.request.user, value):
            texts = [str(key) for key in keys]
            if texts:
                wanted |= Q(object_type=model, object_id__in=texts)
            if model == "staff.user":
                wanted |= Q(actor_id__in=list(keys))
        return qs.filter(wanted)


def _who(values: list[str]) -> Q:
    # Their keys first: by a join, a database may look through the whole trail for somebody who hardly did anything.
    keys = list(User.objects.filter(username__in=values).values_list("pk", flat=True))
    return Q(actor_id__in=keys) | Q(actor_id=None) if PORTAL in values else Q(actor_id__in=keys)


def _record(values: list[str]) -> Q:
    """``operations.operation:12``."""
    wanted = Q(pk__in=[])
    for value in values:
        model, _colon, key = value.partition(":")
        wanted |= Q(object_type=model, object_id=key)
    return wanted


def _within(values: list[str]) -> Q:
    """``7d``: the last seven times 24 hours."""
    days = max((int(match[1]) for value in values if (match := _DAYS.match(value))), default=0)
    return Q(at__gte=timezone.now() - timedelta(days=days)) if days else Q(pk__in=[])


def _day(values: list[str]) -> date | None:
    """The last day given, as ``2026-11-22``; ``None`` for anything else."""
    try:
        day = date.fromisoformat(values[-1])
    except ValueError:
        return None
    return day if 1970 <= day.year <= 9000 else None


def _start(day: date) -> datetime:
    """When the day begins where the user is."""
    return timezone.make_aware(datetime.combine(day, time()))


def _since(values: list[str]) -> Q:
    day = _day(values)
    return Q(at__gte=_start(day)) if day else Q(pk__in=[])


def _until(values: list[str]) -> Q:
    """To the end of that day."""
    day = _day(values)
    return Q(at__lt=_start(day + timedelta(days=1))) if day else Q(pk__in=[])


def _people(request: HttpRequest) -> Choices:
    names = colleagues(request.user).order_by("username").values_list("username", flat=True)
    return [(PORTAL, _("The portal itself")), *((name, name) for name in names)]


def _distinct(column: str) -> list[str]:
    """The values that a column has: from each to the next along its index, without reading all of it."""
    table = AuditEntry._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH RECURSIVE found(value) AS (SELECT min({column}) FROM {table} "  # noqa: S608 - names of ours
            f"UNION ALL SELECT (SELECT min({column}) FROM {table} WHERE {column} > found.value) "
            "FROM found WHERE found.value IS NOT NULL) SELECT value FROM found WHERE value IS NOT NULL"
        )
        return [value for (value,) in cursor.fetchall()]


def _actions(request: HttpRequest) -> Choices:
    return [(action, action) for action in _distinct("action")]


def _accounts(request: HttpRequest) -> Choices:
    own = visible_accounts(request.user)
    names = _distinct("account_name") if own is None else sorted(own)
    return [(name, name) for name in names if name]


class AuditFilterSet(FilterSet):
    """``q``, ``who``, ``action``, ``account``, ``within`` (``7d``); ``record`` (``staff.user:3``),
    ``request_id``, ``ticket``, ``since`` and ``until`` (days); several values each but ``q``."""

    q = _Search(find=lambda queryset, _text: queryset)
    who = ManyFilter(label=_("Who"), choices=_people, labels={PORTAL: _("The portal itself")}, condition=_who)
    action = ManyFilter(label=_("Action"), choices=_actions, condition=lambda v: Q(action__in=v))
    account = ManyFilter(label=_("Account"), choices=_accounts, condition=lambda v: Q(account_name__in=v))
    within = ManyFilter(
        label=_("Time"),
        choices=[
            ("1d", _("24 hours")),
            ("7d", _("7 days")),
            ("30d", _("30 days")),
            ("90d", _("90 days")),
        ],
        condition=_within,
    )
    record = ManyFilter(label=_("Record"), condition=_record)
    request_id = ManyFilter(label=_("Request"), condition=lambda v: Q(request_id__in=v))
    ticket = ManyFilter(label=_("Ticket"), condition=lambda v: Q(ticket__in=v))
    since = ManyFilter(label=_("From"), condition=_since)
    until = ManyFilter(label=_("Until"), condition=_until)

    def groups(self, *, whole: bool = False) -> list[Group]:
        """Without those that are typed or linked to."""
        return [group for group in super().groups(whole=whole) if group.name not in TYPED]
