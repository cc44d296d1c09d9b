"""The user in whose name the portal asks for changes by itself, such as a rule's. Nobody signs in as it."""

from __future__ import annotations

from typing import Any, cast

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX, make_password
from django.contrib.auth.models import Permission
from django.core.exceptions import ImproperlyConfigured

from staff.models import User

USERNAME = "automation"
PERMISSIONS = ("operations.change_sim_state", "operations.change_sim_settings")
"""All that it may do. It has no role: it sees no page, and what it asks for waits for a person unless told else."""


def automation_user() -> User:
    """The service user. Deactivated, it asks for nothing any more."""
    user = User.objects.filter(username=USERNAME).first()
    return user if user is not None else cast(User, make_automation(User, Permission))


def make_automation(user_model: Any, permission_model: Any) -> Any:
    """Make the user with just its permissions, with the models of today or of a migration.

    Raises :class:`ImproperlyConfigured` where a person has the name.
    """
    user, made = user_model.objects.get_or_create(
        username=USERNAME, defaults={"password": make_password(None), "all_accounts": True, "is_active": True}
    )
    if not made and not user.password.startswith(UNUSABLE_PASSWORD_PREFIX):
        raise ImproperlyConfigured(
            f"There is a user called {USERNAME}, a name that the portal needs for itself: please rename the user."
        )
    wanted = [
        permission
        for permission in permission_model.objects.select_related("content_type").filter(
            codename__in=[name.split(".")[1] for name in PERMISSIONS]
        )
        if f"{permission.content_type.app_label}.{permission.codename}" in PERMISSIONS
    ]
    user.user_permissions.set(wanted)
    return user
