"""Signs of life of the workers: each writes, per queue it takes from, a key that lapses when it stops.

The keys lie in the broker's Valkey, so a worker that has lost the broker shows no life either.
"""

from __future__ import annotations

from typing import Any

import structlog
from celery import bootsteps
from django.core.cache import cache

log = structlog.get_logger(__name__)

EVERY = 5.0
"""Seconds between two signs of life."""
LASTS = 20
"""Seconds after which a worker without one counts as gone."""


def _key(queue: str) -> str:
    return f"worker-alive:{queue}"


def beat(queues: list[str]) -> None:
    """Say that a worker that takes from ``queues`` is alive. A Valkey that is away is waited for, not fatal."""
    try:
        cache.set_many({_key(queue): True for queue in queues}, timeout=LASTS)
    except Exception as error:  # noqa: BLE001 - any failure here must not stop the worker's timer
        log.warning("heartbeat.failed", error=type(error).__name__)


def queues_without_worker(queues: list[str]) -> list[str]:
    """Those of ``queues`` that no living worker takes from. Raises the cache's error when Valkey is away."""
    alive = cache.get_many([_key(queue) for queue in queues])
    return [queue for queue in queues if _key(queue) not in alive]


class SignOfLife(bootsteps.StartStopStep):
    """The part of a Celery worker that calls :func:`beat`; added in ``smarthub_portal/celery.py``."""

    requires = {"celery.worker.components:Timer"}

    def __init__(self, parent: Any, **kwargs: Any) -> None:
        super().__init__(parent, **kwargs)
        self._entry: Any = None

    def start(self, worker: Any) -> None:
        """Show life now and from now on."""
        queues = [str(name) for name in worker.app.amqp.queues.consume_from]
        beat(queues)
        self._entry = worker.timer.call_repeatedly(EVERY, beat, (queues,), priority=10)

    def stop(self, worker: Any) -> None:
        """Show life no more; the keys lapse by themselves, since another worker may share a queue."""
        if self._entry is not None:
            self._entry.cancel()
            self._entry = None
