"""The dashboard: what needs somebody, what is under way, how the fleet and the way to the carrier are doing."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from core import dashboard, slots
from core.htmx import wants_fragment
from core.views import live

EVERY = 15
"""Seconds between two questions of an open page."""


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """The page, put together by the apps; for htmx the parts that differ from those it has (``?v=``), or 204."""
    shown = {name.partition(".")[2]: slots.parts(name, request) for name in dashboard.PLACES}
    parts = [part for place in shown.values() for part in place]
    asks: dict[str, Any] = {"name": "home-live", "view": "home", "every": EVERY}
    if wants_fragment(request):
        return live.news(request, parts, **asks)
    context = {name: SafeString("".join(place)) for name, place in shown.items()}
    return render(request, "core/home.html", {**context, "poll": live.poll(parts, **asks), "is_empty": not parts})
