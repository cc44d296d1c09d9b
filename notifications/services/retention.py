"""Letting go of what is old: closed notifications first, then events that no notification names."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from notifications.models import Event, Notification, NotificationItem, ReadMark

CHUNK = 500
MOST_CHUNKS = 40
"""Chunks of one run: what is left is the next one's."""


def prune() -> int:
    """Delete what is past its time; answers how many notifications and events.

    Closed notifications go ``NOTIFICATION_KEEP_DAYS`` after they were closed, with their read marks; open ones stay.
    Events go ``EVENT_KEEP_DAYS`` after they were recorded, but not before the last notification that names them.
    """
    return sum(_in_chunks(step) for step in (_prune_notifications, _prune_events))


def _in_chunks(step: object) -> int:
    count = 0
    for _ in range(MOST_CHUNKS):
        gone = step()  # type: ignore[operator]  # one of the two below
        count += gone
        if gone < CHUNK:
            break
    return count


def _prune_notifications() -> int:
    before = timezone.now() - timedelta(days=settings.CONFIG["NOTIFICATION_KEEP_DAYS"])
    old = Notification.objects.filter(state=Notification.State.CLOSED, closed_at__lt=before).order_by("closed_at")
    ids = list(old.values_list("pk", flat=True)[:CHUNK])
    with transaction.atomic():
        # One that was reopened meanwhile is kept: its lock is waited for.
        still = Notification.objects.filter(pk__in=ids, state=Notification.State.CLOSED)
        ids = list(still.select_for_update().values_list("pk", flat=True))
        ReadMark.objects.filter(notification__in=ids).delete()
        NotificationItem.objects.filter(notification__in=ids).delete()
        Notification.objects.filter(pk__in=ids).delete()
    return len(ids)


def _prune_events() -> int:
    before = timezone.now() - timedelta(days=settings.CONFIG["EVENT_KEEP_DAYS"])
    named = Exists(NotificationItem.objects.filter(event=OuterRef("pk")))
    # What no rule has looked at yet is kept, however old.
    old = Event.objects.filter(~named, recorded_at__lt=before, next_attempt_at=None).order_by("recorded_at")
    ids = list(old.values_list("pk", flat=True)[:CHUNK])
    Event.objects.filter(~named, pk__in=ids).delete()
    return len(ids)
