"""Who may do what, asked of the database once a request."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import ModelBackend


class PortalBackend(ModelBackend):
    """Django's own way to sign in. What a user may do comes with the role and the accounts, in one query
    (:attr:`staff.models.User.grants`) instead of one for each."""

    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        """All permissions as ``app.codename``, by role or given singly; none for an inactive user, or for ``obj``."""
        if user_obj.is_superuser or not user_obj.is_active or user_obj.is_anonymous or obj is not None:
            return super().get_all_permissions(user_obj, obj=obj)
        return set(user_obj.grants.permissions)
