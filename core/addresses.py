"""Where a request comes from."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import ip_address

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str:
    """The client's IP address as text; empty where it is not known.

    Behind a proxy (``BEHIND_PROXY``) it is the last one of ``X-Forwarded-For``, which the proxy itself has added:
    those before it are what the client claims. Without a proxy the header counts for nothing.
    """
    if settings.CONFIG["BEHIND_PROXY"]:
        forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "").rsplit(",", 1)[-1].strip()
        with suppress(ValueError):
            return str(ip_address(forwarded))
    return str(request.META.get("REMOTE_ADDR") or "")
