"""Who gets in from the single sign-on, and as what: users made, linked and given their role by their groups."""

from __future__ import annotations

from typing import Any

from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from core import audit
from staff import automation, sessions
from staff.models import User
from staff.oidc import Claims
from staff.roles import highest_role
from staff.services import describe, set_role


class NoEntry(Exception):
    """The provider knows the person, the portal does not let them in. ``sentence`` says why, for the person."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sentence = sentence


def role_of(claims: Claims) -> str:
    """The highest role that the person's groups are mapped to; empty for none."""
    groups = claims.get(settings.CONFIG["OIDC_GROUPS_CLAIM"], [])
    if isinstance(groups, str):
        groups = [groups]
    if not isinstance(groups, list):
        return ""
    mapped: dict[str, str] = settings.CONFIG["OIDC_GROUP_ROLES"]
    return highest_role(mapped[group] for group in groups if isinstance(group, str) and group in mapped)


def user_for(claims: Claims) -> User:
    """The portal's user of this person, with the role of their groups; made or linked at the first sign-in.

    Raises :class:`NoEntry`; who has lost the last group that gives a role has then lost the role and the sessions.
    """
    role = role_of(claims)
    known = _known(claims["sub"])
    if not role:
        if known is not None:
            _take_role(known)
        raise NoEntry("no group", _("None of your groups gives access to this portal."))
    try:
        return _brought_up_to_date(known, claims, role)
    except IntegrityError:
        # The same person came twice at once, for the first time.
        raise NoEntry("twice at once", _("Please try again.")) from None


@transaction.atomic
def _brought_up_to_date(known: User | None, claims: Claims, role: str) -> User:
    found = known or _linked_by_email(claims)
    user = found or _made(claims)
    if not user.is_active:
        raise NoEntry("inactive", _("Your user is deactivated."))
    if user.role != role:
        before = describe(user) if found is not None else {}
        set_role(user, role)
        _note(user, before)
    return user


def is_of(user: User, claims: Claims) -> bool:
    """Whether these are the claims of ``user``."""
    known = _known(claims["sub"])
    return known is not None and known.pk == user.pk


def comes_by_sso(user: User) -> bool:
    """Whether the user is known to the provider that is set."""
    return SocialAccount.objects.filter(provider=_issuer(), user=user).exists()


def _issuer() -> str:
    # A name of a person is one of its issuer: with another provider nobody is known.
    return str(settings.CONFIG["OIDC_ISSUER"])[:200]


def _known(sub: str) -> User | None:
    account = SocialAccount.objects.select_related("user").filter(provider=_issuer(), uid=sub).first()
    return account.user if account is not None else None


def _link(user: User, claims: Claims) -> None:
    if not claims["sub"] or len(claims["sub"]) > 191:
        raise NoEntry("sub", _("The provider's name for you can't be kept."))
    SocialAccount.objects.create(user=user, provider=_issuer(), uid=claims["sub"])


def _linked_by_email(claims: Claims) -> User | None:
    """The one local user of the same address, when that is allowed and the provider has verified it.

    Who knew the password until now may have been anybody who typed that address into a profile: password, second
    factor and sessions of before end.
    """
    address = _email(claims)
    if not settings.CONFIG["OIDC_LINK_BY_EMAIL"] or claims.get("email_verified") is not True or not address:
        return None
    found = list(
        User.objects.filter(email__iexact=address, is_superuser=False).exclude(username=automation.USERNAME)[:2]
    )
    if len(found) != 1 or SocialAccount.objects.filter(user=found[0]).exists():
        return None
    user = found[0]
    user.set_unusable_password()
    user.save(update_fields=["password"])
    Authenticator.objects.filter(user=user).delete()
    sessions.end(user, actor=None, why="linked to single sign-on")
    _link(user, claims)
    audit.record(action="user.linked", actor=None, target=user, after={"email": address})
    return user


def _made(claims: Claims) -> User:
    username = str(claims.get("preferred_username") or claims.get("email") or claims["sub"])[:150]
    try:
        User.username_validator(username)
    except ValidationError:
        raise NoEntry("username", _("The provider's name for you can't be a user name here.")) from None
    if User.objects.filter(username__iexact=username).exists():
        raise NoEntry(
            "username taken", _("There is a user of your name already. An administrator has to join the two.")
        )
    user = User(username=username, all_accounts=settings.CONFIG["OIDC_ALL_ACCOUNTS"], email=_email(claims))
    user.first_name, user.last_name = (str(claims.get(name) or "")[:150] for name in ("given_name", "family_name"))
    user.set_unusable_password()
    user.save()
    _link(user, claims)
    return user


def _email(claims: Claims) -> str:
    address = str(claims.get("email") or "")
    try:
        validate_email(address)
    except ValidationError:
        return ""
    return address[:254]


@transaction.atomic
def _take_role(user: User) -> None:
    if user.role and not user.is_superuser:
        before = describe(user)
        set_role(user, "")
        _note(user, before)
    sessions.end(user, actor=None, why="no group gives access")


def _note(user: User, before: dict[str, Any]) -> None:
    audit.record(
        action="user.changed" if before else "user.created",
        actor=None,
        target=user,
        before=before,
        after=describe(user),
        reason=_("By the groups of the single sign-on."),
    )
