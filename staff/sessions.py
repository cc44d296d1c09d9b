"""Sign-ins while they last: begun, seen, listed to their owner, ended.

Each is a session of Django's with stamps in it (seconds since 1970) and a :class:`UserSession` row beside it, which is
written at the beginning and then once a minute at most.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import structlog
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.models import Session
from django.db import DatabaseError, transaction
from django.http import HttpRequest
from django.utils import timezone

from core import audit
from core.addresses import client_address
from staff.devices import device_name, is_handheld
from staff.models import User, UserSession

log = structlog.get_logger(__name__)

SIGNED_IN, SEEN, SUDO, FACTOR, ROW = "signed_in_at", "seen_at", "sudo_at", "second_factor", "sign_in_row"
"""Keys in the session: when it began, was last used and was last confirmed; whether with a second factor; its row."""
RENEW_AFTER = 60
"""Seconds: the session is written no more often than this for being used."""


@dataclass(frozen=True)
class Arrival:
    """How somebody signs in, for :func:`begin`; a view puts it on the request as ``arrival``."""

    how: str = "password"
    """``password`` or ``sso``, with ``+code`` where a second factor followed."""
    factor: bool = False
    """Whether a second factor was shown, or counts as shown."""
    shown_at: float | None = None
    """When they showed who they are, in seconds since 1970; ``None`` for just now."""


@dataclass(frozen=True)
class SignIn:
    """One line of the list of a user's sessions."""

    pk: int
    device: str
    handheld: bool
    address: str
    how: str
    started_at: datetime
    last_seen_at: datetime
    is_this: bool


def now() -> float:
    """Seconds since 1970."""
    return timezone.now().timestamp()


def this_row(request: HttpRequest) -> int:
    """The key of the row beside the request's session; 0 for none."""
    return int(request.session.get(ROW) or 0)


def begin(request: HttpRequest, user: User) -> None:
    """Stamp the session of who has just signed in. To have shown who one is counts as a confirmation, too."""
    arrival: Arrival = getattr(request, "arrival", Arrival())
    request.session[SUDO] = now() if arrival.shown_at is None else min(now(), arrival.shown_at)
    _adopt(request, user, arrival)


def _adopt(request: HttpRequest, user: User, arrival: Arrival) -> None:
    session = request.session
    if session.session_key is None:
        session.create()
    before = session.get(ROW)
    if before:
        UserSession.objects.filter(pk=before, user=user).delete()
    row, _made = UserSession.objects.update_or_create(
        session_key=session.session_key,
        defaults={"user": user, "how": arrival.how, "started_at": timezone.now(), **_seen(request)},
    )
    session[SIGNED_IN] = session[SEEN] = now()
    session[FACTOR] = arrival.factor
    session[ROW] = row.pk


def _seen(request: HttpRequest) -> dict[str, Any]:
    return {
        "last_seen_at": timezone.now(),
        "address": client_address(request) or None,
        "agent": request.headers.get("User-Agent", "").replace("\0", "")[:300],
    }


def why_over(request: HttpRequest) -> str:
    """``age`` or ``idle`` when the session is past its time, else an empty text."""
    signed_in, seen = request.session.get(SIGNED_IN), request.session.get(SEEN)
    if signed_in is None or seen is None:
        return ""
    if now() - signed_in > settings.CONFIG["SESSION_AGE"]:
        return "age"
    return "idle" if now() - seen > settings.CONFIG["SESSION_IDLE"] else ""


def close(request: HttpRequest, why: str) -> None:
    """End the request's own session, which is past its time; the request goes on as nobody's."""
    user = cast(User, request.user)
    UserSession.objects.filter(pk=this_row(request), user=user).delete()
    audit.record(action="user.session_expired", actor=user, target=user, after={"why": why})
    request.session.flush()
    request.user = AnonymousUser()


def renew(request: HttpRequest) -> None:
    """Note that the session is in use, once a minute. Where nothing can be written, reading goes on."""
    seen = request.session.get(SEEN)
    if seen is not None and 0 <= now() - seen < RENEW_AFTER:
        return
    try:
        with transaction.atomic():
            if seen is None:
                # From before these stamps were made: it is in the list from now on.
                _adopt(request, cast(User, request.user), Arrival(how=""))
            else:
                request.session[SEEN] = now()
                UserSession.objects.filter(pk=this_row(request)).update(**_seen(request))
            # At once, and not at the end of the request: what others write meanwhile is not to be lost.
            request.session.save()
            request.session.modified = False
    except (DatabaseError, UpdateError) as error:
        request.session.modified = False
        log.warning("session.not_renewed", error=type(error).__name__)


def forget(request: HttpRequest) -> None:
    """The session ends by sign-out: its row goes."""
    UserSession.objects.filter(pk=this_row(request)).delete()


def follow_new_key(request: HttpRequest) -> None:
    """The session has got a new key, as after a change of the password: its row knows it."""
    if request.session.session_key is None:
        request.session.create()
    UserSession.objects.filter(pk=this_row(request)).update(session_key=request.session.session_key)


def list_sign_ins(request: HttpRequest) -> list[SignIn]:
    """All sessions of the request's user that last, this one first and then those seen last."""
    rows = UserSession.objects.filter(user=cast(User, request.user)).order_by("-last_seen_at")
    alive = set(
        Session.objects.filter(
            session_key__in=[row.session_key for row in rows], expire_date__gt=timezone.now()
        ).values_list("session_key", flat=True)
    )
    idle = now() - settings.CONFIG["SESSION_IDLE"]
    this = this_row(request)
    found = [
        SignIn(
            pk=row.pk,
            device=device_name(row.agent),
            handheld=is_handheld(row.agent),
            address=row.address or "",
            how=row.how,
            started_at=row.started_at,
            last_seen_at=row.last_seen_at,
            is_this=row.pk == this,
        )
        for row in rows
        if row.pk == this or (row.session_key in alive and row.last_seen_at.timestamp() >= idle - RENEW_AFTER)
    ]
    return sorted(found, key=lambda sign_in: not sign_in.is_this)


@transaction.atomic
def end(user: User, *, actor: User | None, why: str, only: int | None = None, keep: int | None = None) -> int:
    """End sessions of ``user``: all, the one row ``only``, or all but the row ``keep``. Answers how many there were."""
    rows = UserSession.objects.filter(user=user)
    if only is not None:
        rows = rows.filter(pk=only)
    if keep is not None:
        rows = rows.exclude(pk=keep)
    keys = list(rows.values_list("session_key", flat=True))
    Session.objects.filter(session_key__in=keys).delete()
    rows.filter(session_key__in=keys).delete()
    if keys:
        audit.record(action="user.sessions_ended", actor=actor, target=user, after={"why": why, "number": len(keys)})
    return len(keys)


def tidy() -> int:
    """Remove sessions that are over, and rows without a session; answers how many rows."""
    Session.objects.filter(expire_date__lt=timezone.now()).delete()
    gone = UserSession.objects.exclude(session_key__in=Session.objects.values("session_key"))
    count, _by_model = gone.delete()
    return count
