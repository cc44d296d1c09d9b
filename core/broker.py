"""How things stand at the broker: messages that wait, queues that nobody takes from."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from core.gauges import Gauge
from core.heartbeat import queues_without_worker


def queues() -> list[str]:
    """The queues that tasks are sent to, by name."""
    return sorted({str(route["queue"]) for route in settings.CELERY_TASK_ROUTES.values()})


@lru_cache(maxsize=1)
def _client() -> redis.Redis:
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_connect_timeout=1, socket_timeout=1, retry=Retry(NoBackoff(), 0)
    )


def gauges() -> Iterable[Gauge]:
    """The length of each queue, and whether a worker takes from it. Raises what the driver does."""
    names = queues()
    pipeline = _client().pipeline(transaction=False)
    for name in names:
        pipeline.llen(name)
    lengths: list[Any] = pipeline.execute()
    yield Gauge(
        "portal_queue_length",
        "Messages waiting in a queue.",
        ["queue"],
        [([name], length) for name, length in zip(names, lengths, strict=True)],
    )
    missing = queues_without_worker(names)
    yield Gauge(
        "portal_queue_has_worker",
        "1 where a living worker takes from the queue, else 0.",
        ["queue"],
        [([name], float(name not in missing)) for name in names],
    )
