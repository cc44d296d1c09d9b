"""Handing work to Celery so that a lost broker loses nothing."""

from __future__ import annotations

import time

import structlog
from celery import Task
from django.db import transaction
from kombu.exceptions import OperationalError

log = structlog.get_logger(__name__)

SLOW = 1.0
"""Seconds without an answer from which on the broker counts as swallowing what it is sent."""
PAUSE = 5.0
"""Seconds for which nothing is sent to such a broker, so that not each click waits for it in vain."""
_not_before = 0.0


def enqueue(task: Task, *args: object, countdown: float = 0) -> bool:
    """Send ``task`` to its queue now, to be run after ``countdown`` seconds; ``False`` when the broker is away.

    The caller's row says what is to be done and a periodic dispatcher finds it, so a failure here is a
    delay and never an error for the person who clicked. After one that took long others fail at once for
    :data:`PAUSE` seconds; a broker that refuses is asked again each time.
    """
    global _not_before
    began = time.monotonic()
    if began < _not_before:
        return False
    try:
        task.apply_async(args=args, retry=False, countdown=countdown or None)
    except (OperationalError, ConnectionError, TimeoutError) as error:
        log.warning("queue.away", task=task.name, error=type(error).__name__)
        ended = time.monotonic()
        if ended - began > SLOW:
            _not_before = ended + PAUSE
        return False
    return True


def enqueue_on_commit(task: Task, *args: object) -> None:
    """Send ``task`` once the running transaction is committed; never when it is rolled back."""
    transaction.on_commit(lambda: enqueue(task, *args))
