"""Background work of the inbox."""

from __future__ import annotations

from celery import shared_task

from notifications.services import dispatch, processing


@shared_task(name="notifications.tasks.process_push")
def process_push(push_id: int, attempt: int | None = None) -> None:
    """Do one push; see :func:`notifications.services.processing.process`."""
    processing.process(push_id, attempt)


@shared_task(name="notifications.tasks.dispatch_pushes")
def dispatch_pushes() -> None:
    """Hand out what is due; see :func:`notifications.services.dispatch.dispatch_due`."""
    dispatch.dispatch_due()
