"""Waking a worker for what is to be sent: one message for however many deliveries are stored meanwhile.

The rows say what is due, so a message that is lost with its broker costs seconds: a periodic dispatcher looks, too.
"""

from __future__ import annotations

from contextlib import suppress

import redis
from celery import Task
from django.core.cache import cache
from django.db import transaction

from core.queue import enqueue

_LASTS = 5
"""Seconds after which a message that nobody took is sent again."""


def wake_forward_on_commit(forward_id: int) -> None:
    """Have what waits for the webhook sent, once the running transaction is committed."""
    transaction.on_commit(lambda: wake_forward(forward_id))


def wake_forward(forward_id: int) -> None:
    """Have what waits for the webhook sent soon."""
    from notifications.delivery_tasks import send_forward  # the tasks import the services

    _wake(f"deliver-forward:{forward_id}", send_forward, forward_id)


def wake_emails_on_commit() -> None:
    """Have the e-mails that are due sent, once the running transaction is committed."""
    transaction.on_commit(wake_emails)


def wake_emails() -> None:
    """Have the e-mails that are due sent soon."""
    from notifications.delivery_tasks import send_emails  # the tasks import the services

    _wake("deliver-emails", send_emails)


def begin(forward_id: int | None = None) -> None:
    """To be called before one looks for what is due: what is committed from now on needs a message of its own."""
    with suppress(redis.RedisError, OSError):
        cache.delete("deliver-emails" if forward_id is None else f"deliver-forward:{forward_id}")


def _wake(mark: str, task: Task, *args: object) -> None:
    try:
        is_first = cache.add(mark, 1, timeout=_LASTS)
    except (redis.RedisError, OSError):
        is_first = True
    if is_first:
        enqueue(task, *args)
