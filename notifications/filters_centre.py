"""The filters of the notification centre."""

from __future__ import annotations

import re
from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from core.filters import Choices, FilterSet, ManyFilter, SearchFilter
from notifications import kinds
from notifications.models import Notification, Severity
from notifications.selectors import centre
from sims.selectors.sims import account_names
from staff.scopes import visible_accounts

_BETWEEN_DIGITS = re.compile(r"[\s\-.]+")
_OWN = "-"
"""Stands for the portal's own affairs, which belong to no account."""


def _find(queryset: QuerySet[Notification], text: str) -> QuerySet[Notification]:
    """Lines with an event of the SIM whose giccid was typed, in any grouping."""
    return centre.lines_of_giccid(queryset, _BETWEEN_DIGITS.sub("", text.strip()))


def _accounts(request: HttpRequest) -> Choices:
    user: Any = request.user
    names: list[tuple[str, Any]] = [(name, name) for name in account_names(user)]
    return [*names, (_OWN, _("The portal itself"))] if visible_accounts(user) is None else names


def _in_accounts(values: list[str]) -> Q:
    return Q(account_name__in=["" if value == _OWN else value for value in values])


def _in_states(values: list[str]) -> Q:
    found = Q(pk__in=[])
    for value in values:
        found |= {"open": centre.waiting, "snoozed": centre.snoozed, "closed": _closed}.get(
            value, lambda: Q(pk__in=[])
        )()
    return found


def _closed() -> Q:
    return Q(state=Notification.State.CLOSED)


class StateFilter(ManyFilter):
    """What waits, as long as nothing else is asked for."""

    def filter(self, qs: QuerySet[Any], value: list[str] | None) -> QuerySet[Any]:
        """Open lines for no value."""
        return super().filter(qs, value or ["open"])


class ReadFilter(ManyFilter):
    """Unread for the one who asks."""

    def filter(self, qs: QuerySet[Any], value: list[str] | None) -> QuerySet[Any]:
        """Both values together are none."""
        if not value or {"unread", "read"} <= set(value):
            return qs
        if value[0] not in ("unread", "read"):
            return qs.none()
        unread = centre.is_unread(self.parent.request.user)
        return qs.filter(unread) if value[0] == "unread" else qs.exclude(unread)


class AssignedFilter(ManyFilter):
    """Who looks after it, from where the one who asks stands."""

    def filter(self, qs: QuerySet[Any], value: list[str] | None) -> QuerySet[Any]:
        """``me``, ``nobody``, ``others``."""
        if not value:
            return qs
        me = self.parent.request.user.pk
        found = Q(pk__in=[])
        if "me" in value:
            found |= Q(assigned_to=me)
        if "nobody" in value:
            found |= Q(assigned_to=None)
        if "others" in value:
            found |= Q(assigned_to__isnull=False) & ~Q(assigned_to=me)
        return qs.filter(found)


def _never(values: list[str]) -> Q:
    return Q()


class NotificationFilter(FilterSet):
    """``q`` (giccid), ``state``, ``read``, ``assigned``, ``severity``, ``kind``, ``account``; several values each but
    ``q``."""

    q = SearchFilter(find=_find)
    state = StateFilter(
        label=_("State"),
        condition=_in_states,
        choices=[("open", _("Open")), ("snoozed", _("Snoozed")), ("closed", _("Closed"))],
    )
    read = ReadFilter(label=_("Read"), condition=_never, choices=[("unread", _("Unread")), ("read", _("Read"))])
    assigned = AssignedFilter(
        label=_("Assigned to"),
        condition=_never,
        choices=[("me", _("Me")), ("nobody", _("Nobody")), ("others", _("Others"))],
    )
    severity = ManyFilter(label=_("Severity"), condition=lambda v: Q(severity__in=v), choices=Severity.choices)
    kind = ManyFilter(label=_("Kind"), condition=lambda v: Q(kind__in=v), choices=kinds.choices())
    account = ManyFilter(
        label=_("Account"), condition=_in_accounts, choices=_accounts, labels={_OWN: _("The portal itself")}
    )
