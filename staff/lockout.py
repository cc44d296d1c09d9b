"""Who has guessed too often, and for how long nobody listens: passwords, second factors and "sudo" alike.

django-axes counts failures by user and address. Three limits stand on that count, each a setting: of one user from
one address, of one user from anywhere, of one address for any users. A lockout ends ``LOGIN_LOCKOUT_MINUTES`` after
the failure that began it; trying on does not make it longer. That of a user from anywhere does not hold where the
user has signed in before: else anybody could keep an administrator out by failing in his name.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from ipaddress import IPv4Address, IPv6Network, ip_address
from typing import Any

import redis
from axes.handlers.database import AxesDatabaseHandler
from axes.handlers.proxy import AxesProxyHandler
from axes.models import AccessAttempt, AccessLog
from django.conf import settings
from django.contrib.auth.signals import user_login_failed
from django.core.cache import cache
from django.db.models import QuerySet, Sum
from django.http import HttpRequest
from django.utils import timezone

from core.addresses import client_address

KNOWN_FOR = timedelta(days=90)
"""For so long after a sign-in an address counts as one that the user signs in from."""


def address_of(request: HttpRequest) -> str | None:
    """Where the client's failures are counted: its address as all of the portal sees it, behind a proxy too."""
    return _counted_as(client_address(request)) or None


def _counted_as(address: str) -> str:
    """Of an IPv6 address its first half: whoever has one has all 2^64 of the network, and would never be locked."""
    try:
        ip = ip_address(address)
    except ValueError:
        return address
    if isinstance(ip, IPv4Address) or ip.ipv4_mapped:
        return str(ip if isinstance(ip, IPv4Address) else ip.ipv4_mapped)
    return str(IPv6Network((int(ip), 64), strict=False).network_address)


class LockoutHandler(AxesDatabaseHandler):
    """Axes with the portal's three limits."""

    def get_failures(self, request: Any, credentials: dict[str, Any] | None = None) -> int:
        """Failures of this user from this address; at least ``LOGIN_FAILURES`` where another limit is reached."""
        username = (credentials or {}).get("username")
        address = request.axes_ip_address
        limit: int = settings.AXES_FAILURE_LIMIT
        recent = AccessAttempt.objects.filter(
            attempt_time__gte=request.axes_attempt_time - timedelta(minutes=settings.CONFIG["LOGIN_LOCKOUT_MINUTES"])
        )
        of_pair = _sum(recent.filter(username=username, ip_address=address))
        if of_pair >= limit:
            return of_pair
        if _sum(recent.filter(ip_address=address)) >= settings.CONFIG["LOGIN_FAILURES_ADDRESS"]:
            return limit
        of_user = _sum(recent.filter(username=username))
        if of_user >= settings.CONFIG["LOGIN_FAILURES_USER"] and not _is_known(username, address):
            return limit
        return of_pair


def sends_too_many(request: HttpRequest) -> bool:
    """Count one more way to single sign-on that begins at this address, and say whether that is beyond what the limit
    of an address allows. :func:`came_back` takes one off again.

    Nothing was guessed, so nobody's password is locked by it: else a page of somebody else's could lock an address by
    loading this one again and again. Where no counter answers, nobody is kept out.
    """
    minutes = settings.CONFIG["LOGIN_LOCKOUT_MINUTES"]
    try:
        cache.add(_begun(request), 0, timeout=minutes * 60)
        return cache.incr(_begun(request)) > settings.CONFIG["LOGIN_FAILURES_ADDRESS"]
    except (redis.RedisError, ValueError):
        return False


def came_back(request: HttpRequest) -> None:
    """Somebody who was sent to the provider has signed in."""
    with suppress(redis.RedisError, ValueError):
        cache.decr(_begun(request))


def _begun(request: HttpRequest) -> str:
    return f"sso-begun:{address_of(request)}"


def is_locked(request: HttpRequest, username: str) -> bool:
    """Whether nothing is to be checked for this user from here now. The answer to the request then says so."""
    if AxesProxyHandler.is_allowed(request, {"username": username}):
        return False
    request.axes_locked_out = True  # type: ignore[attr-defined]  # read by the middleware of axes
    return True


def failed(request: HttpRequest, username: str, what: str) -> None:
    """Count a wrong second factor or password; ``what`` was asked for is for the audit trail."""
    user_login_failed.send(sender=__name__, credentials={"username": username}, request=request, what=what)


def succeeded(request: HttpRequest, username: str) -> None:
    """Forget what was mistyped here before the right one."""
    release(username=username, address=address_of(request))


def release(*, username: str | None = None, address: str | None = None) -> int:
    """Forget failures of the user, from the address, or of the two; answers how many rows of them there were."""
    if not username and not address:
        raise ValueError("Say whom to release.")
    counted = _counted_as(address) if address else None
    return int(AxesProxyHandler.reset_attempts(username=username, ip_address=counted))


def forget_old() -> None:
    """Remove what no limit looks at any more."""
    AccessAttempt.objects.filter(attempt_time__lt=timezone.now() - timedelta(days=1)).delete()
    AccessLog.objects.filter(attempt_time__lt=timezone.now() - KNOWN_FOR).delete()


def _sum(attempts: QuerySet[Any]) -> int:
    return attempts.aggregate(sum=Sum("failures_since_start"))["sum"] or 0


def _is_known(username: str | None, address: str | None) -> bool:
    signed_in = AccessLog.objects.filter(username=username, ip_address=address)
    return bool(address) and signed_in.filter(attempt_time__gte=timezone.now() - KNOWN_FOR).exists()
