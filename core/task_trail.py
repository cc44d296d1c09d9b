"""What happens around every task: it carries the id of the request that led to it, is counted, timed and logged.

A message takes along the id of the request that sends it, and the moment. Connected in ``smarthub_portal/celery.py``.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import structlog
from celery import Task, signals

from core.metrics import observe_task
from core.request_context import RequestContext, current_request, set_request

log = structlog.get_logger(__name__)

REQUEST_ID = "portal_request_id"
SENT_AT = "portal_sent_at"
"""Headers of a message: whose work it is, and the Unix time at which it may run."""

_BEGUN = "portal_begun"


@dataclass(frozen=True)
class _Begun:
    at: float
    wait: float | None
    queue: str
    before: RequestContext


def connect() -> None:
    """Have Celery call what is below for each message and each task of this process."""
    signals.before_task_publish.connect(_note_sender, dispatch_uid="core.task_trail")
    signals.task_prerun.connect(_begin, dispatch_uid="core.task_trail")
    signals.task_postrun.connect(_end, dispatch_uid="core.task_trail")


def _note_sender(headers: dict[str, Any], **_: Any) -> None:
    headers[REQUEST_ID] = current_request().request_id
    headers[SENT_AT] = time.time()


def _begin(task: Task, task_id: str, **_: Any) -> None:
    request = task.request
    queue = (request.delivery_info or {}).get("routing_key") or "none"
    sent_at = request.get(SENT_AT)
    # A countdown is no waiting: what is to run later is taken from the queue at once and held by the worker.
    wait = max(0.0, time.time() - sent_at) if isinstance(sent_at, float) and not request.eta else None
    setattr(request, _BEGUN, _Begun(time.perf_counter(), wait, queue, current_request()))
    structlog.contextvars.bind_contextvars(task=task.name, task_id=task_id, queue=queue)
    set_request(RequestContext(request_id=str(request.get(REQUEST_ID) or "")))


def _end(task: Task, state: str | None = None, **_: Any) -> None:
    begun: _Begun | None = getattr(task.request, _BEGUN, None)
    if begun is None:
        return
    seconds = time.perf_counter() - begun.at
    outcome = (state or "ABORTED").lower()
    observe_task(task=task.name, queue=begun.queue, outcome=outcome, seconds=seconds, wait=begun.wait)
    waited = None if begun.wait is None else round(begun.wait, 3)
    # Whose work it was, also where the task itself said so meanwhile.
    set_request(RequestContext(request_id=str(task.request.get(REQUEST_ID) or "")))
    log.info("task.ended", outcome=outcome, seconds=round(seconds, 3), waited=waited)
    structlog.contextvars.unbind_contextvars("task", "task_id", "queue")
    set_request(begun.before)
