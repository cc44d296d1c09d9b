"""What the clock does for deliveries: wake what is due, and delete what is kept no longer."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from notifications.models import Delivery
from notifications.services import delivery_signals, forwards

PRUNE_BATCH = 2000


def dispatch_due() -> int:
    """Wake a worker for each webhook and for the e-mails that have something due; answers for how many."""
    due = Delivery.objects.filter(next_attempt_at__lte=timezone.now(), state=Delivery.State.QUEUED)
    waiting = list(due.order_by().values_list("forward_id", flat=True).distinct())
    for forward_id in waiting:
        if forward_id is None:
            delivery_signals.wake_emails()
        else:
            delivery_signals.wake_forward(forward_id)
    return len(waiting)


def prune() -> int:
    """Delete deliveries that have been over for ``DELIVERY_KEEP_DAYS``, with their tries; answers how many.

    Signing keys that sign no more go, too.
    """
    forwards.forget_ended_secrets()
    before = timezone.now() - timedelta(days=settings.CONFIG["DELIVERY_KEEP_DAYS"])
    deleted = 0
    while True:
        old = Delivery.objects.filter(created_at__lt=before, finished_at__lt=before)
        ids = list(old.order_by("created_at").values_list("pk", flat=True)[:PRUNE_BATCH])
        if not ids:
            return deleted
        # A collected e-mail takes its parts along, so the count of rows is not that of the ids.
        Delivery.objects.filter(pk__in=ids).delete()
        deleted += len(ids)
