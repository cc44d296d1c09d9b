"""Background work on messages."""

from __future__ import annotations

from celery import shared_task


@shared_task
def poll_deliveries() -> int:
    """Ask the carrier for messages of which no report came; answers how many were asked for."""
    from sms.services.delivery import poll_due

    return poll_due()


@shared_task
def remove_old_texts() -> int:
    """Empty texts that are older than they may be; answers how many."""
    from sms.services.retention import remove_old_texts as remove

    return remove()
