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
    return news(request, slots.parts(SLOT, request))


def news(
    request: HttpRequest, parts: list[SafeString], *, name: str = "live", view: str = "live", every: int = EVERY
) -> HttpResponse:
    """The answer to a :func:`poll` with these arguments: those of ``parts`` that the page does not have yet, or 204."""
    known = set(request.GET.get("v", "").split("."))
    changed = [part for part in parts if _version(part) not in known]
    if not changed:
        return HttpResponse(status=204)
    asks = poll(parts, name=name, view=view, every=every)
    return HttpResponse(format_html("{}{}", asks, SafeString("".join(changed))))


def poll(parts: list[SafeString], *, name: str = "live", view: str = "live", every: int = EVERY) -> SafeString:
    """The element by which a page asks; ``parts`` are what it shows. Asks at once after the event ``live-changed``.

    ``name`` is its id, ``view`` what it asks, every so many seconds.
    """
    return format_html(
        '<div id="{0}" hidden hx-get="{1}?v={2}" hx-trigger="every {3}s, live-changed from:body" hx-target="this" '
        'hx-swap="outerHTML"></div>',
        name,
        reverse(view),
        ".".join(_version(part) for part in parts),
        every,
    )


def _version(part: str) -> str:
    return hashlib.blake2b(part.encode(), digest_size=6).hexdigest()
