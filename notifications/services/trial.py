"""Trying a rule on what happened in the last days: the same matching as the real thing, without effect."""

from __future__ import annotations

DAYS = (7, 30, 90)
MOST_EVENTS = 100_000
"""Events that one trial looks at, the newest ones."""
