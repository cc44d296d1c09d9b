"""Keeping the inbox from growing for ever. What pushes led to (timeline, messages, notifications) stays."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Max
from django.utils import timezone

from notifications.models import Push

CHUNK = 1000
LONGEST = 60.0
"""Seconds of one run; what is left is done by the next."""
_UNFINISHED = (Push.State.RECEIVED, Push.State.FAILED)
_KEPT_LONGER = (Push.State.IGNORED, Push.State.DEAD, Push.State.REJECTED)


def prune() -> int:
    """Delete finished pushes that are too old or too many, the oldest first; answers how many.

    Done ones go after ``PUSH_KEEP_DAYS`` and when they are not among the newest ``PUSH_KEEP_MOST`` pushes of all;
    those that a person may still want to look into go after ``PUSH_KEEP_FAILED_DAYS``.
    """
    config = settings.CONFIG
    now = timezone.now()
    ends = time.monotonic() + LONGEST
    newest = Push.objects.aggregate(newest=Max("pk"))["newest"] or 0
    before = now - timedelta(days=config["PUSH_KEEP_DAYS"])
    count = _prune([Push.State.DONE], before, newest - config["PUSH_KEEP_MOST"], ends)
    for state in _KEPT_LONGER:
        count += _prune([state], now - timedelta(days=config["PUSH_KEEP_FAILED_DAYS"]), 0, ends)
    return count


def _prune(states: Sequence[str], before: datetime, up_to: int, ends: float) -> int:
    """Delete in short transactions, so that nobody waits for it."""
    count = 0
    while time.monotonic() < ends:
        oldest = Push.objects.filter(state__in=states).order_by("pk").values_list("pk", "received_at")[:CHUNK]
        going = [pk for pk, received_at in oldest if received_at < before or pk <= up_to]
        # A replayed push may have been taken up again meanwhile.
        count += Push.objects.filter(pk__in=going, state__in=states).delete()[0]
        if len(going) < CHUNK:
            break
    return count
