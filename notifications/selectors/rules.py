"""Reading rules, always for a user."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from notifications.models import NotificationItem, Rule
from staff.models import User
from staff.scopes import visible_accounts

AnyUser = User | AnonymousUser | AbstractBaseUser
WEEK = timedelta(days=7)


def visible_rules(user: AnyUser) -> QuerySet[Rule]:
    """The rules that ``user`` may know: all, or for a user who is limited to accounts those for these alone."""
    accounts = visible_accounts(user)  # type: ignore[arg-type]  # every user of the portal is a staff.User
    if accounts is None:
        return Rule.objects.all()
    known = Rule.objects.values_list("pk", "accounts")
    return Rule.objects.filter(pk__in=[key for key, names in known if names and set(names) <= accounts])


def list_rules(user: AnyUser) -> QuerySet[Rule]:
    """Them with ``last_fired`` (time or ``None``) and ``fired_in_week`` (events taken)."""
    items = NotificationItem.objects.filter(rule=OuterRef("pk"))
    recent = items.filter(at__gte=timezone.now() - WEEK).order_by().values("rule").annotate(n=Count("pk")).values("n")
    return visible_rules(user).annotate(
        last_fired=Subquery(items.order_by("-at").values("at")[:1]),
        fired_in_week=Coalesce(Subquery(recent, output_field=IntegerField()), 0),
    )


def get_rule(user: AnyUser, pk: int) -> Rule:
    """One of them, as in the list. Raises :class:`Rule.DoesNotExist`."""
    return list_rules(user).select_related("automatic_allowed_by").get(pk=pk)


def has_made_something(rule: Rule) -> bool:
    """Whether notifications name it, so that it can't be deleted."""
    return rule.notifications.exists()
