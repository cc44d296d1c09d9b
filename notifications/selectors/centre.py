"""Reading the notification centre, always for a user.

A user sees a line when it is in scope (its account is one of theirs; the portal's own affairs are for those who see all
accounts) and its rule is for them: it names nobody, or the user, or the user's role.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import (
    BooleanField,
    DateTimeField,
    Exists,
    ExpressionWrapper,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
)
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce, Least
from django.db.models.lookups import LessThanOrEqual

from core import prepared
from core.expressions import OrNone
from core.facts import CountOf
from core.prepared import SLOTS, kept, of_keys
from notifications.models import Notification, NotificationItem, ReadMark, ReadUpTo, Rule
from sims.models import Sim
from staff.models import User
from staff.scopes import scoped

AnyUser = User | AnonymousUser | AbstractBaseUser

MOST_COUNTED = 99
"""A badge says 99+ for more."""
HANDLE = "handle_notification"
_State = Notification.State


def visible(user: AnyUser) -> QuerySet[Notification]:
    """The lines that ``user`` may see, in no order."""
    lines = Notification.objects.filter(rule__in=_rules_for(user))
    return scoped(lines, user, account="account_name")  # type: ignore[arg-type]  # every user of the portal is a staff.User


def _rules_for(user: AnyUser) -> QuerySet[Rule, Any]:
    """The rules whose lines are for ``user``, as far as rules say."""
    role = Rule.roles.through.objects.filter(rule=OuterRef("pk"))
    person = Rule.users.through.objects.filter(rule=OuterRef("pk"))
    groups = User.groups.through._default_manager.filter(user=user.pk).values("group")
    mine = Exists(role.filter(group__in=groups)) | Exists(person.filter(user=user.pk))
    return Rule.objects.filter(mine | (~Exists(role) & ~Exists(person))).values("pk")


def waiting(now: datetime | None = None) -> Q:
    """Open, and not snoozed now."""
    return Q(state=_State.OPEN) & (Q(snoozed_until=None) | Q(snoozed_until__lte=now or prepared.now()))


def snoozed(now: datetime | None = None) -> Q:
    """Open, and hidden until a time to come."""
    return Q(state=_State.OPEN, snoozed_until__gt=now or prepared.now())


def is_unread(user: AnyUser) -> Q:
    """Something came since the user last read it, or a snooze ended; only lines that wait are unread.

    Marks of a line go when it is snoozed. What is older than the time up to which the user has read everything
    counts as read, so that the database need not go through it.
    """
    marked = Exists(
        ReadMark.objects.filter(user=user.pk, notification=OuterRef("pk"), read_at__gte=OuterRef("last_at"))
    )
    newer = Q(last_at__gt=read_up_to(user)) | Q(snoozed_until__isnull=False)
    return waiting() & newer & Q(~marked)


def read_up_to(user: AnyUser) -> Combinable:
    """Up to when ``user`` has read everything; from before they were a user there is nothing to read."""
    at = ReadUpTo.objects.filter(user=user.pk).values("at")
    return Coalesce(Subquery(at), Value(getattr(user, "date_joined", None) or prepared.now(), DateTimeField()))


def unread(user: AnyUser) -> QuerySet[Notification]:
    """The lines that wait and that ``user`` has not read, in no order."""
    return visible(user).filter(is_unread(user))


def unread_count(user: AnyUser) -> Combinable:
    """How many those are, as an expression (:mod:`core.facts`); counted no further than one past :data:`MOST_COUNTED`.

    In two parts, each of which finds its place in an index: an OR of both would be looked for among all open lines.
    The order keeps the database at that index even though it doesn't know the time beforehand.
    """
    lines, at, most = unread(user), read_up_to(user), MOST_COUNTED + 1
    newer = lines.filter(last_at__gt=at).order_by("-last_at", "-pk")
    # The expression keeps the database from going through all older lines by their time.
    older = LessThanOrEqual(OrNone("last_at"), at)
    came_back = lines.filter(older, snoozed_until__isnull=False, snoozed_until__lte=prepared.now())
    return Least(CountOf(newer, most) + CountOf(came_back.order_by("snoozed_until"), most), Value(most))


def list_notifications(user: AnyUser) -> QuerySet[Notification]:
    """The lines that ``user`` may see, with ``unread`` and the people concerned."""
    lines = visible(user).select_related("assigned_to", "closed_by")
    # Asked of each row: for a subquery PostgreSQL would find all unread lines beforehand.
    return lines.annotate(unread=ExpressionWrapper(is_unread(user), BooleanField()))


def get_notification(user: AnyUser, pk: int) -> Notification:
    """One line with its rule; raises ``Notification.DoesNotExist`` when it is not there or not for this user."""
    return list_notifications(user).select_related("rule").get(pk=pk)


def items_of(line: Notification) -> QuerySet[NotificationItem]:
    """The events of a line that its reader may see, with SIM and operation, in no order."""
    return line.items.select_related("event", "sim", "operation")


def with_newest(lines: QuerySet[Notification]) -> QuerySet[Notification]:
    """``lines`` with the key of the newest event of each, for :func:`newest_events`."""
    items = NotificationItem.objects.filter(notification=OuterRef("pk")).order_by("-at", "-id").values("pk")[:1]
    return lines.annotate(newest_id=Subquery(items))


class Newest(NamedTuple):
    """What pages and files show of the newest event of a line."""

    kind: str
    value: float | None
    detail: dict[str, Any]
    giccid: str | None
    """``None`` for an event of no SIM."""


def newest_events(lines: Iterable[Any]) -> dict[int, Newest]:
    """The newest event of each line of :func:`with_newest`, by the line's key; one query for a page.

    Without models: a page would make three of each, and show four values.
    """
    keys = [line.newest_id for line in lines if line.newest_id is not None]
    return {line: Newest(*shown) for line, *shown in of_keys(_newest_events(), keys)}


@kept
def _newest_events() -> QuerySet[NotificationItem, Any]:
    """Of the items that ``SLOTS`` stand for."""
    shown = ("event__kind", "event__value", "event__detail", "sim__giccid")
    return NotificationItem.objects.filter(pk__in=SLOTS).values_list("notification_id", *shown)


def of_sim(user: AnyUser, sim: Sim | int) -> QuerySet[NotificationItem]:
    """Events of ``sim`` in lines that ``user`` may see, newest first."""
    items = NotificationItem.objects.filter(sim=sim, notification__in=visible(user))
    return items.select_related("event", "notification").order_by("-at", "-id")


def lines_of_giccid(lines: QuerySet[Notification], giccid: str) -> QuerySet[Notification]:
    """Those of ``lines`` that an event of the SIM ``giccid`` is in."""
    items = NotificationItem.objects.filter(notification=OuterRef("pk"), sim__giccid=giccid)
    return lines.filter(Exists(items))


def may_handle(lines: Iterable[Notification]) -> list[User]:
    """The people who may see and handle every one of ``lines``, by name; a few queries however many."""
    places = {(line.rule_id, line.account_name) for line in lines}
    holds = Q(groups__permissions__codename=HANDLE, groups__permissions__content_type__app_label="notifications")
    people = User.objects.filter(holds | Q(is_superuser=True), is_active=True).distinct().order_by("username")
    found = list(people.prefetch_related("groups", "account_scopes"))
    rules = Rule.objects.filter(pk__in={rule for rule, _account in places}).prefetch_related("roles", "users")
    by_pk = {rule.pk: rule for rule in rules}
    return [person for person in found if all(_is_for(by_pk[rule], account, person) for rule, account in places)]


def _is_for(rule: Rule, account: str, person: User) -> bool:
    """What :func:`visible` asks the database, for rows that were read."""
    in_scope = person.all_accounts or account in {scope.account_name for scope in person.account_scopes.all()}
    roles, users = {role.pk for role in rule.roles.all()}, {user.pk for user in rule.users.all()}
    named = person.pk in users or any(group.pk in roles for group in person.groups.all())
    return in_scope and (named or not (roles or users))
