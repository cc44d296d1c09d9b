"""Icons as inline SVG."""

from __future__ import annotations

from functools import lru_cache

from django.utils.safestring import SafeString, mark_safe
from lucide.templatetags.lucide import lucide


def icon(name: str, size: int = 16, css: str = "") -> SafeString:
    """The Lucide icon ``name`` as inline SVG, hidden from screen readers: a word always stands beside it.

    Raises ``lucide.IconDoesNotExist`` for an unknown name. ``css`` is added to its class ``icon``.
    """
    return drawn(str(name) + "", size, f"icon {css}".strip())


@lru_cache(maxsize=512)
def drawn(name: str, size: int, css: str) -> SafeString:
    """The icon with just these classes."""
    attributes = {"class": css, "aria-hidden": "true", "focusable": "false"}
    return mark_safe(lucide(name, size=size, **attributes))  # noqa: S308 - the package's own file, attributes of ours
