"""Names of countries for the codes that the carrier tells (ISO 3166, two letters)."""

from __future__ import annotations

from functools import lru_cache

from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django_countries import countries

_CACHED = 2_000
"""Names kept, each in each language."""


def country_name(code: str | None) -> str:
    """The name of a country or territory in the user's language.

    A code that names none stands as it is; no code is "Unknown". Upper or lower case does not matter.
    """
    return _name(code or "", get_language())


def country_label(code: str | None) -> str:
    """Name and code, ``Germany (DE)``; the code alone where it has no name."""
    name = country_name(code)
    return f"{name} ({code})" if code and name != code else name


@lru_cache(maxsize=_CACHED)
def _name(code: str, _language: str | None) -> str:
    if not code:
        return _("Unknown")
    known = str(countries.name(code.upper()))
    if known:
        return known
    # In use, and in the lists of operators, without being in ISO 3166.
    return _("Kosovo") if code.upper() == "XK" else code
