"""Erasing a user who is gone: the row stays, since others name it as who did what; nobody can tell who it was.

The audit trail keeps the name and e-mail address that its entries hold: it is there to say who did what, and nothing
leaves it (docs/personal-data.md).
"""

from __future__ import annotations

from collections.abc import Sequence

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialToken
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib.admin.models import LogEntry
from django.contrib.auth.hashers import make_password
from django.contrib.sessions.models import Session
from django.db.models import CharField, Model, Q, Value
from django.db.models.functions import Cast, Concat

from core.erasing import Part, delete, downloads, setting
from staff.models import AccountScope, User, UserSession

NAME = "erased-"
"""How the names of erased users begin; their number follows."""


def parts(user: User) -> list[Part]:
    """Of ``user``: the columns that say who it is, sign-ins, second factor, single sign-on, downloads."""
    of_user = Q(user=user)
    named = Q(username=user.username)
    sessions = UserSession.objects.filter(of_user)
    keys = list(sessions.values_list("session_key", flat=True))
    row = User.objects.filter(pk=user.pk).exclude(username=f"{NAME}{user.pk}", email="")
    log = LogEntry.objects.filter(
        Q(user=user) | Q(content_type__app_label="staff", content_type__model="user", object_id=str(user.pk))
    )
    own = [AccountScope, EmailAddress, SocialAccount, Authenticator]
    return [
        downloads(owner=user),
        Part("the sign-ins that are open", Session.objects.filter(session_key__in=keys), delete),
        Part("address, browser", sessions, delete),
        Part("token", SocialToken.objects.filter(account__user=user), delete),
        *(Part("the whole row", model._default_manager.filter(of_user), delete) for model in own),
        *(
            Part("name, address, browser", model._default_manager.filter(named), delete)
            for model in (AccessAttempt, AccessFailureLog, AccessLog)
        ),
        Part(
            "object_repr, change_message",
            log.exclude(object_repr="", change_message=""),
            setting(object_repr="", change_message=""),
        ),
        # The last, for its name is how the others are found again after a run that was killed.
        Part("username, first_name, last_name, email, password, time_zone, preferences", row, _without_name),
    ]


def may_sign_in(user: User) -> bool:
    """Whether the user is still one: erasing somebody who works with the portal is most likely a mistake."""
    return user.is_active


def _without_name(rows: Sequence[Model]) -> None:
    blank = dict.fromkeys(("first_name", "last_name", "email", "time_zone"), "")
    number = Cast("pk", CharField())
    setting(
        username=Concat(Value(NAME), number), **blank, preferences={}, password=make_password(None), last_login=None
    )(rows)
    User.groups.through.objects.filter(user__in=[row.pk for row in rows]).delete()
