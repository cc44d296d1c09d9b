"""Which records of higher apps a user may open, so that pages below link to no others.

The timeline belongs to ``sims`` and names batch jobs; who may see one is known to ``operations``, which says so in
``AppConfig.ready()``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

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
