"""What every template may use."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest


def portal(request: HttpRequest) -> dict[str, Any]:
    """``demo``: whether this is a demo, which the page says so that nobody takes it for the real fleet."""
    return {"demo": settings.DEMO}
