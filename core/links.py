"""Where the records of higher apps are, and which of them a user may open, so that pages below can link to them.

The timeline belongs to ``sims`` and names batch jobs; who may see one is known to ``operations``, which says so in
``AppConfig.ready()``. The audit trail names records of all apps, by model (``operations.operation``) and key.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from django.urls import NoReverseMatch, reverse

Openable = Callable[[Any, Collection[int]], set[int]]
"""Answers those of the ids that the user may open, with a fixed number of queries."""

_openable: dict[str, Openable] = {}


def tell(kind: str, function: Openable) -> None:
    """Have ``function(user, ids)`` asked for records of ``kind``."""
    _openable[kind] = function


def openable(kind: str, user: Any, ids: Collection[int]) -> set[int]:
    """Those of ``ids`` that ``user`` may open; none of a kind that no app knows. No query for no ids."""
    function = _openable.get(kind)
    return function(user, set(ids)) if ids and function is not None else set()


Address = Callable[[str], str]
"""Answers the page of a record by its key; empty for one that has none (any more)."""
Finder = Callable[[Any, str], tuple[str, Collection[Any]]]
"""Answers, for a user and what was typed, a kind of record and the keys of those it means, in one query."""

_addresses: dict[str, Address] = {}
_finders: list[Finder] = []


def lead(model: str, address: Address) -> None:
    """Say where the records of ``model`` are, such as ``operations.operation``."""
    _addresses[model] = address


def page(view: str) -> Address:
    """An :data:`Address` for pages whose address holds the record's key."""
    return lambda key: reverse(view, args=[key])


def known() -> Collection[str]:
    """The models whose records have pages."""
    return _addresses.keys()


def address_of(model: str, key: str) -> str:
    """The page of a record; empty where there is none. Whether the user may open it is the page's business."""
    try:
        return _addresses[model](key) if model in _addresses and key else ""
    except NoReverseMatch:
        return ""


def find_by(finder: Finder) -> None:
    """Have ``finder`` asked for what was typed into a search over records of all kinds."""
    _finders.append(finder)


def found(user: Any, text: str) -> list[tuple[str, Collection[Any]]]:
    """The records that ``text`` means, by kind: a query for each finder."""
    return [finder(user, text) for finder in _finders]
