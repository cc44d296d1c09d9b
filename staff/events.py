"""Audit entries of sign-in, sign-out and lockout.

Django and django-axes tell of these by signals wherever they happen, so they are heard here and not in a view.
"""

from __future__ import annotations

from typing import Any

from axes.signals import user_locked_out
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.http import HttpRequest

from core import audit
from staff import sessions
from staff.models import User


def _signed_in(sender: object, request: HttpRequest, user: User, **kwargs: Any) -> None:
    sessions.begin(request, user)
    how = getattr(request, "arrival", sessions.Arrival()).how
    audit.record(action="user.signed_in", actor=user, target=user, after={"how": how})


def _signed_out(sender: object, request: HttpRequest, user: User | None, **kwargs: Any) -> None:
    if user is not None:
        sessions.forget(request)
        audit.record(action="user.signed_out", actor=user, target=user)


def _failed(sender: object, credentials: dict[str, Any], request: HttpRequest | None = None, **kwargs: Any) -> None:
    # What fails in a lockout is not even looked at; and names that nobody has would let anybody fill the trail.
    if request is None or not _was_counted(request):
        return
    user = User.objects.filter(username=str(credentials.get("username") or "")[:150]).first()
    if user is not None:
        what = str(kwargs.get("what", "password"))
        audit.record(action="user.sign_in_failed", actor=None, target=user, after={"wrong": what})


def _locked_out(sender: object, request: HttpRequest, username: str, **kwargs: Any) -> None:
    # Told with each attempt; it is worth an entry when it begins.
    if not _was_counted(request):
        return
    # Nobody is signed in: the entry is about the user of that name, where there is one, and by nobody.
    # What was typed is kept only then: it may be a password in the wrong field.
    user = User.objects.filter(username=str(username)[:150]).first()
    after = {"username": user.username} if user else {}
    audit.record(action="user.locked_out", actor=None, target=user, after=after)


def _was_counted(request: HttpRequest) -> bool:
    # Axes hears of a failure first: its receivers stand in the module that is imported above.
    return getattr(request, "axes_failures_since_start", None) is not None


def connect() -> None:
    """Listen; called once, when the apps are ready."""
    user_logged_in.connect(_signed_in, dispatch_uid="staff.signed_in")
    user_login_failed.connect(_failed, dispatch_uid="staff.sign_in_failed")
    user_logged_out.connect(_signed_out, dispatch_uid="staff.signed_out")
    user_locked_out.connect(_locked_out, dispatch_uid="staff.locked_out")
