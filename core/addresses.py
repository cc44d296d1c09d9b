"""Where a request comes from."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import ip_address

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str:
    """The client's IP address as text; empty where it is not known.

    Behind proxies (``BEHIND_PROXY``) each adds to ``X-Forwarded-For`` the address that called it, so the client's is
    the ``PROXY_COUNT``-th from the end: those before it are what the client claims. A header with fewer came by another
    way than through them, and without a proxy it counts for nothing at all.
    """
    config = settings.CONFIG
    if config["BEHIND_PROXY"]:
        forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
        if 0 < config["PROXY_COUNT"] <= len(forwarded):
            with suppress(ValueError):
                return str(ip_address(forwarded[-config["PROXY_COUNT"]].strip()))
    return str(request.META.get("REMOTE_ADDR") or "")
