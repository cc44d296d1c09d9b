"""Pushes in; events, rules and notifications; webhooks and e-mails out."""

from notifications.models.delivery import Delivery, DeliveryAttempt, Forward
from notifications.models.event import Event, Rule, Severity
from notifications.models.notification import Notification, NotificationItem, ReadMark, ReadUpTo
from notifications.models.push import Push, PushSource

__all__ = [
    "Delivery",
    "DeliveryAttempt",
    "Event",
    "Forward",
    "Notification",
    "NotificationItem",
    "Push",
    "PushSource",
    "ReadMark",
    "ReadUpTo",
    "Rule",
    "Severity",
]
