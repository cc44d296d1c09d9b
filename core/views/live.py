"""What keeps small things on every open page up to date, such as badges of the navigation: one poll for all of them.

Apps fill the slot ``live.badges`` with functions that answer elements to be swapped out of band, each with an id of
its own. The page asks with the versions of the parts it has and gets those that differ.
"""

from __future__ import annotations

import hashlib

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from core import slots

SLOT = "live.badges"
EVERY = 5
"""Seconds between two questions of a page."""


@require_safe
def badges(request: HttpRequest) -> HttpResponse:
    """The parts whose version is not among ``?v=``, with the poll that has the new ones; 204 when there are none."""
    parts = slots.parts(SLOT, request)
    known = set(request.GET.get("v", "").split("."))
    changed = [part for part in parts if _version(part) not in known]
    if not changed:
        return HttpResponse(status=204)
    return HttpResponse(format_html("{}{}", poll(parts), SafeString("".join(changed))))


def poll(parts: list[SafeString]) -> SafeString:
    """The element by which a page asks; ``parts`` are what it shows. Asks at once after the event ``live-changed``."""
    return format_html(
        '<div id="live" hidden hx-get="{}?v={}" hx-trigger="every {}s, live-changed from:body" hx-target="this" '
        'hx-swap="outerHTML"></div>',
        reverse("live"),
        ".".join(_version(part) for part in parts),
        EVERY,
    )


def _version(part: str) -> str:
    return hashlib.blake2b(part.encode(), digest_size=6).hexdigest()
