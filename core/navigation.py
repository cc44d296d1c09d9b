"""Entries of the main navigation that carry a number, which open pages keep up to date (:mod:`core.views.live`)."""

from __future__ import annotations

from django.utils.html import format_html
from django.utils.safestring import SafeString

from core.templatetags.portal import icon


def entry(*, url: str, icon_name: str, label: str, count: SafeString, current: bool) -> SafeString:
    """One line of the navigation; ``count`` is a :func:`count_badge`."""
    return format_html(
        '<li><a class="nav-link" href="{}"{}>{}<span>{}</span>{}</a></li>',
        url,
        SafeString(' aria-current="page"') if current else "",
        icon(icon_name),
        label,
        count,
    )


def count_badge(name: str, number: int, *, text: str, label: str, out_of_band: bool = False) -> SafeString:
    """The number of an entry, as ``data-<name>``: ``text`` for the eye, ``label`` for the ear; hidden at 0.

    ``out_of_band`` is for the slot ``live.badges``, where it takes the place of the one on the page.
    """
    attributes = SafeString(' hx-swap-oob="true"' if out_of_band else "")
    if not number:
        return format_html('<span id="badge-{}" data-{}="0" hidden{}></span>', name, name, attributes)
    return format_html(
        '<span id="badge-{}" class="nav-count" data-{}="{}"{}>'
        '<span aria-hidden="true">{}</span><span class="visually-hidden">{}</span></span>',
        name,
        name,
        text,
        attributes,
        text,
        label,
    )
