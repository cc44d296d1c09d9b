"""Keeping the inbox from growing for ever. What pushes led to (timeline, messages, notifications) stays."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Max
from django.utils import timezone

from core.pushes import personal
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


def remove_personal() -> int:
    """Take personal data out of bodies that are older than it may be kept; answers of how many pushes.

    The field goes with its name, so a body that was seen to is not found again. One that is no JSON goes whole.
    """
    ends = time.monotonic() + LONGEST
    count = 0
    for kind, (field, setting) in personal().items():
        days = settings.CONFIG[setting]
        if days:
            count += _remove_field(kind, field, timezone.now() - timedelta(days=days), ends)
    return count


def _remove_field(kind: str, field: str, before: datetime, ends: float) -> int:
    count = 0
    old = Push.objects.filter(kind=kind, received_at__lt=before, body__contains=f'"{field}"').exclude(
        state__in=_UNFINISHED
    )
    while time.monotonic() < ends and (part := list(old.order_by("pk").only("pk", "body")[:CHUNK])):
        for push in part:
            push.body = _without(push.body, field)
        Push.objects.bulk_update(part, ["body"], batch_size=200)
        count += len(part)
    return count


def _without(body: str, field: str) -> str:
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(told, dict) or field not in told:
        return ""
    del told[field]
    text = json.dumps(told, ensure_ascii=False)
    # Somewhere deeper, where nobody reads it.
    return "" if f'"{field}"' in text else text
