"""The tags of SIMs, as rules ask for them."""

from __future__ import annotations

from collections.abc import Iterable


def tags_of(sims: Iterable[int], names: Iterable[str]) -> dict[int, frozenset[str]]:
    """By SIM, which of the tags called ``names`` it bears."""
    return {}
