"""What a user may see. Every selector starts here; what is out of scope does not exist for the user."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, TypeVar

from django.contrib.auth.models import AnonymousUser
from django.db.models import Exists, Model, OuterRef, Q, QuerySet

from staff.models import AccountScope, User

M = TypeVar("M", bound=Model)


def visible_accounts(user: User | AnonymousUser) -> frozenset[str] | None:
    """Names of the carrier accounts that ``user`` may see; ``None`` for all of them, empty for none.

    Read once a request and kept on the user object.
    """
    if not user.is_authenticated or not user.is_active:
        return frozenset()
    if user.all_accounts:
        return None
    return user.grants.accounts


def scoped(queryset: QuerySet[M], user: User | AnonymousUser, *, account: str = "account_id") -> QuerySet[M]:
    """``queryset`` without what ``user`` may not see; ``account`` is the lookup to the carrier account's name."""
    accounts = visible_accounts(user)
    if accounts is None:
        return queryset
    condition: dict[str, Any] = {f"{account}__in": sorted(accounts)}
    return queryset.filter(**condition)


def colleagues(user: User | AnonymousUser) -> QuerySet[User]:
    """The users whose names ``user`` is offered: all, or to who is limited to accounts those who see one of them."""
    accounts = visible_accounts(user)
    if accounts is None:
        return User.objects.all()
    shares = AccountScope.objects.filter(user=OuterRef("pk"), account_name__in=sorted(accounts))
    return User.objects.filter(Q(all_accounts=True) | Exists(shares) | Q(pk=user.pk))


def find_user(user: User | AnonymousUser, text: str) -> tuple[str, Collection[Any]]:
    """The user of this name (:mod:`core.links`), for who may see users."""
    found = User.objects.filter(username=text) if user.has_perm("staff.view_user") else User.objects.none()
    return "staff.user", found.values_list("pk", flat=True)
