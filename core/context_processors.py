"""What every template may use."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest


def portal(request: HttpRequest) -> dict[str, Any]:
    """``demo``: whether this is a demo, which the page says so that nobody takes it for the real fleet.

    ``csp_nonce``: what a script of this page has to carry. Asking for it puts it into the page's policy.
    """
    return {"demo": settings.DEMO, "csp_nonce": getattr(request, "csp_nonce", "")}
