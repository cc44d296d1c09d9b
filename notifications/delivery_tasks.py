"""Sending what leaves the portal, in a queue of its own: receivers may be slow."""

from __future__ import annotations

from celery import shared_task

from notifications.services import delivery_upkeep, mailing, sending


@shared_task(name="notifications.delivery_tasks.send_forward")
def send_forward(forward_id: int) -> None:
    """Send what is due to one webhook; see :func:`notifications.services.sending.send_forward`."""
    sending.send_forward(forward_id)


@shared_task(name="notifications.delivery_tasks.send_emails")
def send_emails() -> None:
    """Send the e-mails that are due; see :func:`notifications.services.mailing.send_emails`."""
    mailing.send_emails()


@shared_task(name="notifications.delivery_tasks.dispatch_deliveries")
def dispatch_deliveries() -> None:
    """Wake what is due; see :func:`notifications.services.delivery_upkeep.dispatch_due`."""
    delivery_upkeep.dispatch_due()


@shared_task(name="notifications.delivery_tasks.prune_deliveries")
def prune_deliveries() -> None:
    """Delete what is kept no longer; see :func:`notifications.services.delivery_upkeep.prune`."""
    delivery_upkeep.prune()
