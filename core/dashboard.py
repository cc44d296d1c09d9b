"""The dashboard's places, and the small parts that all of its cards are made of.

The page belongs to nobody: apps fill its places with functions (:mod:`core.slots`). What they answer is one element
with an id and ``hx-swap-oob``, or several, since the page brings itself up to date part by part. A part that has
nothing to show now but may have later is there, hidden (:func:`nothing`); one that is not for this user is an empty
text. What it counts it asks for by :mod:`core.facts`, at the place :data:`PLACE`.
"""

from __future__ import annotations

from django.utils.html import format_html
from django.utils.safestring import SafeString

from core.templatetags.portal import icon

PLACE = "home"

HEALTH = "home.health"
"""How fresh what the page says is: a line each."""
NOW = "home.now"
"""What needs somebody: a :func:`tile` each."""
WORK = "home.work"
"""What is under way, as cards."""
FLEET = "home.fleet"
"""How the fleet is doing, as cards in the wide column."""
SIDE = "home.side"
"""What belongs to it, as cards in the narrow column."""
PLACES = (HEALTH, NOW, WORK, FLEET, SIDE)

OUT_OF_BAND = SafeString(' hx-swap-oob="true"')


def nothing(element_id: str) -> SafeString:
    """Stands where a card may come."""
    return format_html('<div id="{}" hidden{}></div>', element_id, OUT_OF_BAND)


def figure(name: str, value: int | str, text: object, *, url: str, label: object = "", css: str = "") -> SafeString:
    """A figure that leads to the list that it counts. ``value`` is for machines and is that list's own count.

    ``text`` is what one sees, ``label`` what a screen reader says behind it where the words around do not.
    """
    said = format_html('<span class="visually-hidden"> {}</span>', label) if label else ""
    return format_html(
        '<a id="figure-{}" class="{}" href="{}" data-figure="{}" data-value="{}">{}{}</a>',
        name,
        f"figure {css}".strip(),
        url,
        name,
        value,
        text,
        said,
    )


def tile(
    name: str, value: int | str, text: str, *, url: str, label: str, icon_name: str, note: str = "", tone: str = ""
) -> SafeString:
    """A figure as a tile of its own. ``tone``: ``warn``, ``bad``, ``info`` or nothing; it colours what is above 0."""
    return format_html(
        '<a id="figure-{}" class="dash-tile{}" href="{}" data-figure="{}" data-value="{}"{}>'
        '<span class="dash-tile-label">{}{}</span><b>{}</b><span class="dash-tile-note">{}</span></a>',
        name,
        f" tone-{tone}" if tone and value else "",
        url,
        name,
        value,
        OUT_OF_BAND,
        icon(icon_name),
        label,
        text,
        note,
    )


def health(name: str, tone: str, text: object, *, url: str = "", title: str = "") -> SafeString:
    """A line about freshness: dot and words; ``tone`` as of badges. A link where the user may follow it."""
    words = format_html('<span class="dot"></span>{}', text)
    if url:
        words = format_html('<a id="health-link-{}" href="{}">{}</a>', name, url, words)
    return format_html(
        '<span id="health-{}" class="dash-sign sign-{}" data-health="{}" data-tone="{}"{}{}>{}</span>',
        name,
        tone,
        name,
        tone,
        format_html(' title="{}"', title) if title else "",
        OUT_OF_BAND,
        words,
    )
