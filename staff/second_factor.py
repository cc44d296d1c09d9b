"""The second factor: an authenticator app (TOTP, RFC 6238) and recovery codes.

allauth keeps and makes both; what stands here is when they are taken. A code of the app is taken once, and none older
than the last one taken, for which the row remembers its time step. Secrets are stored encrypted (``core.encryption``).
"""

from __future__ import annotations

import re
import secrets
from typing import Any

import structlog
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal import auth as totp
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import transaction
from django.http import HttpRequest
from django.utils.safestring import SafeString

from core import audit
from core.encryption import Undecipherable, decrypt, encrypt
from staff import sessions
from staff.models import User
from staff.roles import ADMINISTRATOR

log = structlog.get_logger(__name__)

APP, RECOVERY = Authenticator.Type.TOTP, Authenticator.Type.RECOVERY_CODES
_PENDING = "second_factor_pending"
_STEP = "last_step"
ENCRYPTED = ("secret", "seed")
"""What of a factor's data is encrypted: of an app, of recovery codes."""


class FactorAdapter(DefaultMFAAdapter):
    """Tells allauth how secrets are kept and how an app names the entry."""

    def encrypt(self, text: str) -> str:
        """As all secrets that the portal has to read again."""
        return encrypt(text)

    def decrypt(self, encrypted_text: str) -> str:
        """Raises :class:`core.encryption.Undecipherable` when the keys were changed."""
        return decrypt(encrypted_text)

    def get_totp_label(self, user: Any) -> str:
        """The user name, which is what one signs in with."""
        return str(user.get_username())


def is_set_up(user: User) -> bool:
    """Whether the user is asked for a code at the sign-in."""
    return Authenticator.objects.filter(user=user, type=APP).exists()


def is_required(user: User | AnonymousUser) -> bool:
    """Whether the user's role asks for one (``MFA_REQUIRED_ROLES``). A superuser, who may do everything, has none and
    counts as an administrator."""
    roles = settings.CONFIG["MFA_REQUIRED_ROLES"]
    if not roles or not isinstance(user, User):
        return False
    return user.role in roles or (user.is_superuser and ADMINISTRATOR in roles)


def new_secret(request: HttpRequest) -> str:
    """The secret of the app that is being set up: one for as long as the session has no other, kept in it encrypted."""
    try:
        return decrypt(request.session[_PENDING])
    except (KeyError, Undecipherable):
        secret = totp.generate_totp_secret()
        request.session[_PENDING] = encrypt(secret)
        return secret


def qr_code(user: User, secret: str) -> SafeString:
    """What an app reads of the secret, as an SVG to stand in the page."""
    adapter = FactorAdapter()
    svg = adapter.build_totp_svg(adapter.build_totp_url(user, secret))
    return SafeString(svg[svg.index("<svg") :])


@transaction.atomic
def set_up(request: HttpRequest, user: User, code: str) -> list[str] | None:
    """Take the app whose secret is in the session when ``code`` is one of it; ``None`` when it is not.

    Answers the recovery codes, which are shown this once. Other sessions of the user, which had no second factor, end.
    """
    secret = new_secret(request)
    step = _step_of(secret, code)
    if step is None:
        return None
    User.objects.select_for_update().get(pk=user.pk)
    Authenticator.objects.filter(user=user).delete()
    made = totp.TOTP.activate(user, secret).instance
    made.data[_STEP] = step
    made.save(update_fields=["data"])
    codes = RecoveryCodes.activate(user).get_unused_codes()
    del request.session[_PENDING]
    request.session[sessions.FACTOR] = True
    audit.record(action="user.second_factor_set_up", actor=user, target=user)
    sessions.end(user, actor=user, why="second factor set up", keep=sessions.this_row(request))
    return codes


@transaction.atomic
def new_recovery_codes(user: User) -> list[str]:
    """Ten new ones in the place of those before; shown this once."""
    User.objects.select_for_update().get(pk=user.pk)
    Authenticator.objects.filter(user=user, type=RECOVERY).delete()
    codes = RecoveryCodes.activate(user).get_unused_codes()
    audit.record(action="user.recovery_codes_made", actor=user, target=user)
    return codes


def recovery_codes_left(user: User) -> int:
    """How many of them are not used yet."""
    kept = Authenticator.objects.filter(user=user, type=RECOVERY).first()
    return len(RecoveryCodes(kept).get_unused_codes()) if kept is not None else 0


@transaction.atomic
def remove(user: User, *, actor: User | None, why: str, keep: int | None = None) -> bool:
    """Take app and recovery codes away, and end the user's sessions but the row ``keep``. ``False``: had none."""
    removed, _by_model = Authenticator.objects.filter(user=user).delete()
    if removed:
        audit.record(action="user.second_factor_removed", actor=actor, target=user, after={"why": why})
        sessions.end(user, actor=actor, why="second factor removed", keep=keep)
    return bool(removed)


def check(user: User, code: str) -> str:
    """Take a code of the app, or a recovery code, once: answers ``app`` or ``recovery``; empty when it is neither."""
    code = re.sub(r"[\s-]", "", code)
    if not (code.isascii() and code.isdigit()):
        return ""
    try:
        return _take(user, code)
    except Undecipherable:
        log.error("second_factor.undecipherable", user=user.pk)  # ENCRYPTION_KEYS lacks the key of before
        return ""


def _take(user: User, code: str) -> str:
    if _take_app_code(user, code):
        return "app"
    kept = Authenticator.objects.filter(user=user, type=RECOVERY).first()
    if kept is None or not RecoveryCodes(kept).validate_code(code):
        return ""
    kept.record_usage()
    left = recovery_codes_left(user)
    audit.record(action="user.recovery_code_used", actor=user, target=user, after={"left": left})
    return "recovery"


@transaction.atomic
def _take_app_code(user: User, code: str) -> bool:
    kept = Authenticator.objects.select_for_update().filter(user=user, type=APP).first()
    if kept is None:
        return False
    step = _step_of(decrypt(kept.data["secret"]), code)
    if step is None or step <= kept.data.get(_STEP, 0):
        return False
    kept.data[_STEP] = step
    kept.save(update_fields=["data"])
    kept.record_usage()
    return True


def _step_of(secret: str, code: str) -> int | None:
    """The step of 30 seconds, of the present one and its neighbours, whose code this is."""
    for step in totp.yield_hotp_counters_from_time():
        expected = totp.format_hotp_value(totp.hotp_value(secret, step))
        if secrets.compare_digest(code.encode("utf-8", "replace"), expected.encode()):
            return step
    return None
