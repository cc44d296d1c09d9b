"""Making and changing users; each act leaves its audit entry."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import Group
from django.db import transaction

from core import audit
from staff.models import AccountScope, User
from staff.roles import ADMINISTRATOR, ROLES


def describe(user: User) -> dict[str, Any]:
    """What the audit trail keeps of a user: who, which role, which accounts. Read from the database, no secret."""
    fresh = User.objects.get(pk=user.pk)
    return {
        "username": fresh.username,
        "name": fresh.get_full_name(),
        "email": fresh.email,
        "time_zone": fresh.time_zone,
        "active": fresh.is_active,
        "role": fresh.role,
        "accounts": "all"
        if fresh.all_accounts
        else sorted(fresh.account_scopes.values_list("account_name", flat=True)),
    }


def set_role(user: User, role: str) -> None:
    """Make ``role`` the user's only role; an empty text takes it away. ``ValueError`` for an unknown one."""
    if role and role not in ROLES:
        raise ValueError(f"No such role: {role}")
    user.groups.set(Group.objects.filter(name=role))
    user.is_staff = role == ADMINISTRATOR
    user.save(update_fields=["is_staff"])
    user.forget_grants()


@transaction.atomic
def create_user(
    username: str,
    role: str,
    password: str,
    accounts: Iterable[str] | None = None,
    *,
    actor: User | None = None,
) -> User:
    """Make a user with one of :data:`staff.roles.ROLES`, or bring the one of that name to this state.

    ``accounts`` are the names of the carrier accounts that the user sees; ``None`` is all of them. The password
    is taken as it is: its strength is asked of people, not of programs.
    """
    user, made = User.objects.get_or_create(username=username)
    before = {} if made else describe(user)
    if not user.check_password(password):
        user.set_password(password)
    user.is_active = True
    user.all_accounts = accounts is None
    user.save()
    set_role(user, role)
    wanted = set(accounts or ())
    user.account_scopes.exclude(account_name__in=wanted).delete()
    for name in sorted(wanted):
        AccountScope.objects.get_or_create(user=user, account_name=name)
    user.forget_grants()
    after = describe(user)
    if after != before:
        audit.record(
            action="user.created" if made else "user.changed", actor=actor, target=user, before=before, after=after
        )
    return user


@transaction.atomic
def save_profile(user: User, *, changed: Iterable[str]) -> None:
    """Store what the user has changed of his own profile: ``changed`` names the columns, already set on ``user``."""
    fields = sorted(changed)
    if not fields:
        return
    stored = User.objects.get(pk=user.pk)
    user.save(update_fields=fields)
    audit.record(
        action="user.profile",
        actor=user,
        target=user,
        before={name: getattr(stored, name) for name in fields},
        after={name: getattr(user, name) for name in fields},
    )
