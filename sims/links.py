"""Addresses of accounts, plans and pools, whose names are the carrier's: any text at all, the empty one too.

Most stand in the path. One that would not come back out of it in one piece (an empty segment, a dot segment, a line
break) is the value of ``?key=`` behind the name ``-`` instead.
"""

from __future__ import annotations

import re
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse

BY_KEY = "-"
"""Stands in the path for a name that stands in the query."""

_TAKEN = (BY_KEY, "compare", "cost")
"""Words that stand for pages of their own where a name would stand."""

# Proxies merge empty segments, browsers fold dot segments away, and the path's pattern ends at a line break.
_FRAGILE = re.compile(r"[\x00-\x1f\x7f\\]|(?:\A|/)\.{0,2}(?:/|\Z)")


def account_url(name: str) -> str:
    """The page of an account."""
    return _page("sims:account", name)


def pool_url(code: str) -> str:
    """The page of a share pool."""
    return _page("sims:pool", code)


def plan_url(code: str) -> str:
    """The page of a rate plan."""
    return _page("sims:plan", code)


def sims_url(**filters: str | list[str]) -> str:
    """The list of SIMs with these filters; an empty account, plan or pool is asked for as ``none``."""
    pairs = {name: value or "none" for name, value in filters.items()}
    return f"{reverse('sims:list')}?{urlencode(pairs, doseq=True)}"


def key_of(request: HttpRequest, key: str) -> str:
    """The name that an address means, ``key`` being what stands in its path."""
    return request.GET["key"] if key == BY_KEY and "key" in request.GET else key


def _page(view: str, key: str) -> str:
    if _FRAGILE.search(key) or key in _TAKEN:
        return f"{reverse(view, args=[BY_KEY])}?{urlencode({'key': key})}"
    return reverse(view, args=[key])
