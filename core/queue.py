"""Handing work to Celery so that a lost broker loses nothing."""

from __future__ import annotations

import structlog
from celery import Task
from django.db import transaction
from kombu.exceptions import OperationalError

log = structlog.get_logger(__name__)


def enqueue(task: Task, *args: object, countdown: float = 0) -> bool:
    """Send ``task`` to its queue now, to be run after ``countdown`` seconds; ``False`` when the broker is away.

    The caller's row says what is to be done and a periodic dispatcher finds it, so a failure here is a
    delay and never an error for the person who clicked.
    """
    try:
        task.apply_async(args=args, retry=False, countdown=countdown or None)
    except (OperationalError, ConnectionError, TimeoutError) as error:
        log.warning("queue.away", task=task.name, error=type(error).__name__)
        return False
    return True


def enqueue_on_commit(task: Task, *args: object) -> None:
    """Send ``task`` once the running transaction is committed; never when it is rolled back."""
    transaction.on_commit(lambda: enqueue(task, *args))
