"""Waiting for an answer no longer than one is willing to, whatever the one asked does."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from django.db import connection

T = TypeVar("T")

_AT_ONCE = threading.BoundedSemaphore(8)
"""Questions under way in this process; with so many without an answer, further ones are not asked."""


def within(seconds: float, ask: Callable[[], T]) -> T:
    """What ``ask`` answers or raises; :class:`TimeoutError` when that takes longer than ``seconds``.

    It runs in a thread with a database connection of its own, which an answer that comes too late gives back: a
    server behind a network that swallows everything holds that thread, and not the request.
    """
    if not _AT_ONCE.acquire(blocking=False):
        raise TimeoutError("earlier questions have no answer yet")
    answer: Future[T] = Future()

    def work() -> None:
        try:
            answer.set_result(ask())
        except BaseException as error:  # noqa: BLE001 - raised where the answer is waited for
            answer.set_exception(error)
        finally:
            connection.close()
            _AT_ONCE.release()

    threading.Thread(target=work, name="within", daemon=True).start()
    return answer.result(timeout=seconds)
