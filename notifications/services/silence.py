"""A source that has not pushed for too long: told of once, by an event that rules can make a notification of."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from core.events import Happening, emit
from notifications.models import PushSource


def check() -> int:
    """Tell of each active source whose silence has passed its hours; answers of how many.

    Once for each silence: ``silent_since`` holds the last push of the silence that was told of.
    """
    now = timezone.now()
    told = 0
    for source in PushSource.objects.filter(active=True, silence_hours__gt=0):
        since = source.last_push_at or source.created_at
        if now - since < timedelta(hours=source.silence_hours) or source.silent_since == since:
            continue
        with transaction.atomic():
            untold = Q(silent_since=None) | ~Q(silent_since=since)
            if not PushSource.objects.filter(untold, pk=source.pk).update(silent_since=since):
                continue
            emit(
                Happening(
                    kind="push_silence",
                    key=f"{source.pk} {since.isoformat()}",
                    at=now,
                    value=round((now - since).total_seconds() / 3600, 1),
                    detail={"source": source.name, "hours": source.silence_hours, "last_push": since.isoformat()},
                )
            )
            told += 1
    return told
