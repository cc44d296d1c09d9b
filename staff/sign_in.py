"""The steps of a sign-in after it is known who comes: a second factor where there is one, and then the session."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from django.contrib.auth import login
from django.http import HttpRequest
from django.urls import reverse
from django.utils.crypto import constant_time_compare
from django.utils.http import url_has_allowed_host_and_scheme

from core.encryption import Undecipherable, decrypt, encrypt
from staff import second_factor, sessions
from staff.models import User

BACKEND = "staff.backends.PortalBackend"
WAITS_FOR = 600
"""Seconds within which the second factor has to follow."""
_PENDING = "sign_in_pending"


@dataclass(frozen=True)
class Pending:
    """A sign-in that lacks its second factor."""

    user_id: int
    proof: str
    """Of the password that was right, encrypted: with another password it is void."""
    how: str
    target: str
    at: float


def own_page(request: HttpRequest, target: str, *, otherwise: str = "home") -> str:
    """``target`` when it is a page of this portal, else the address of the view ``otherwise``."""
    is_ours = url_has_allowed_host_and_scheme(
        target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return target if is_ours else reverse(otherwise)


def proceed(
    request: HttpRequest,
    user: User,
    *,
    how: str,
    target: str,
    factor_counts: bool = False,
    shown_at: float | None = None,
) -> bool:
    """Sign ``user`` in, or remember that a code has to follow: answers whether the user is in.

    ``factor_counts``: the way they came stands for a second factor. ``shown_at``: when they showed who they are, in
    seconds since 1970, where that was not just now.
    """
    if not factor_counts and second_factor.is_set_up(user):
        proof = encrypt(user.get_session_auth_hash())
        pending = Pending(user_id=user.pk, proof=proof, how=how, target=target, at=sessions.now())
        request.session[_PENDING] = asdict(pending)
        return False
    _enter(request, user, sessions.Arrival(how=how, factor=factor_counts, shown_at=shown_at))
    return True


def pending(request: HttpRequest) -> tuple[User, Pending] | None:
    """Whose code is awaited; ``None`` when nobody's is, or not any more."""
    kept = request.session.get(_PENDING)
    if kept is None:
        return None
    waiting = Pending(**kept)
    user = User.objects.filter(pk=waiting.user_id, is_active=True).first()
    in_time = 0 <= sessions.now() - waiting.at < WAITS_FOR
    if user is None or not in_time or not _is_proof(waiting.proof, user):
        del request.session[_PENDING]
        return None
    return user, waiting


def finish(request: HttpRequest, user: User, waiting: Pending) -> None:
    """The second factor was right."""
    _enter(request, user, sessions.Arrival(how=f"{waiting.how}+code", factor=True))


def _is_proof(proof: str, user: User) -> bool:
    try:
        return constant_time_compare(decrypt(proof), user.get_session_auth_hash())
    except Undecipherable:
        return False


def _enter(request: HttpRequest, user: User, arrival: sessions.Arrival) -> None:
    request.session.pop(_PENDING, None)
    request.session.set_expiry(None)
    request.arrival = arrival  # type: ignore[attr-defined]  # read by sessions.begin, which hears of the sign-in
    login(request, user, backend=BACKEND)
