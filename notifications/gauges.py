"""How things stand with pushes, notifications and what leaves the portal, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Min
from django.utils import timezone

from core import gauges
from core.gauges import Gauge
from notifications.models import Delivery, Notification, Push

MOST_COUNTED = 10_000
"""Rows counted at most: a flood must not make its own watching slow."""


def _seconds_since(moment: datetime | None, now: datetime) -> float:
    return max(0.0, (now - moment).total_seconds()) if moment else 0.0


def pushes() -> Iterable[Gauge]:
    """The backlog of the inbox: how much is due, and for how long the oldest has been."""
    now = timezone.now()
    due = Push.objects.filter(next_attempt_at__lte=now)
    oldest = due.order_by("next_attempt_at").values_list("next_attempt_at", flat=True).first()
    lag = _seconds_since(oldest, now)
    yield Gauge("portal_push_lag_seconds", "How long the oldest push that is due has waited.", [], [([], lag)])
    waiting = due[:MOST_COUNTED].count()
    yield Gauge("portal_pushes_due", "Pushes that are due, counted up to 10,000.", [], [([], waiting)])


def notifications() -> Iterable[Gauge]:
    """Lines that wait for a person, and messages that have not left."""
    now = timezone.now()
    lines = Notification.objects.filter(state=Notification.State.OPEN)[:MOST_COUNTED].count()
    yield Gauge("portal_notifications_open", "Open notifications, counted up to 10,000.", [], [([], lines)])
    waiting, oldest = [], []
    for channel in Delivery.Channel.values:
        queued = Delivery.objects.filter(next_attempt_at__isnull=False, channel=channel)
        waiting.append(([channel], float(queued[:MOST_COUNTED].count())))
        first = queued.filter(next_attempt_at__lte=now).aggregate(first=Min("next_attempt_at"))["first"]
        oldest.append(([channel], _seconds_since(first, now)))
    yield Gauge("portal_deliveries_waiting", "Webhooks and e-mails not sent yet.", ["channel"], waiting)
    yield Gauge("portal_delivery_lag_seconds", "How long the oldest that is due has waited.", ["channel"], oldest)


def register() -> None:
    """Have them asked when ``/metrics`` is read."""
    gauges.register("pushes", pushes)
    gauges.register("notifications", notifications)
