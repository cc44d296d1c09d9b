"""Audit entries of sign-in, sign-out and lockout.

Django and django-axes tell of these by signals wherever they happen, so they are heard here and not in a view.
"""

from __future__ import annotations

from typing import Any

from axes.signals import user_locked_out
from django.contrib.auth.signals import user_logged_in, user_logged_out

from core import audit
from staff.models import User


def _signed_in(sender: object, user: User, **kwargs: Any) -> None:
    audit.record(action="user.signed_in", actor=user, target=user)


def _signed_out(sender: object, user: User | None, **kwargs: Any) -> None:
    if user is not None:
        audit.record(action="user.signed_out", actor=user, target=user)


def _locked_out(sender: object, username: str, **kwargs: Any) -> None:
    # Nobody is signed in: the entry is about the user of that name, where there is one, and by nobody.
    user = User.objects.filter(username=username).first()
    audit.record(action="user.locked_out", actor=None, target=user, after={"username": str(username)[:150]})


def connect() -> None:
    """Listen; called once, when the apps are ready."""
    user_logged_in.connect(_signed_in, dispatch_uid="staff.signed_in")
    user_logged_out.connect(_signed_out, dispatch_uid="staff.signed_out")
    user_locked_out.connect(_locked_out, dispatch_uid="staff.locked_out")
