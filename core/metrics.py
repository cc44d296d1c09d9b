"""Counts and times for Prometheus, read at ``/metrics``; what is asked when they are read is in ``core.gauges``.

Each process counts for itself. Where several processes of one machine are to be read as one (web processes,
workers), set ``PROMETHEUS_MULTIPROC_DIR`` to a directory of all of them, emptied before they start: the library
then keeps its counts in files there and ``/metrics`` answers their sum.
"""

from __future__ import annotations

import os
import socket

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest, values
from prometheus_client.multiprocess import MultiProcessCollector

from core.gauges import GaugeCollector

_MANY_PROCESSES = bool(os.environ.get("PROMETHEUS_MULTIPROC_DIR"))
if _MANY_PROCESSES:
    # Containers share the directory, and each of them has a process 1.
    values.ValueClass = values.MultiProcessValue(lambda: f"{socket.gethostname()}-{os.getpid()}")

_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_LONG_BUCKETS = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1800.0)

REQUESTS = Counter("portal_requests_total", "Requests answered.", ["view", "method", "status"])
REQUEST_SECONDS = Histogram("portal_request_seconds", "Time to answer a request.", ["view"], buckets=_BUCKETS)
CARRIER_CALLS = Counter("portal_carrier_calls_total", "Calls to the carrier.", ["call", "lane", "outcome"])
CARRIER_BREAKER = Counter(
    "portal_carrier_breaker_total", "Times the breaker of the carrier opened and closed.", ["event"]
)
CARRIER_SECONDS = Histogram("portal_carrier_seconds", "Time of a call to the carrier.", ["call"], buckets=_BUCKETS)
PUSHES = Counter("portal_pushes_total", "Pushes worked on, by what became of them.", ["outcome"])
PUSH_SECONDS = Histogram("portal_push_seconds", "Time from a push's coming to its end.", buckets=_LONG_BUCKETS)
TASKS = Counter("portal_tasks_total", "Tasks ended.", ["task", "queue", "outcome"])
TASK_SECONDS = Histogram("portal_task_seconds", "Time a task ran.", ["task"], buckets=_LONG_BUCKETS)
TASK_WAIT = Histogram("portal_task_wait_seconds", "Time a task waited in its queue.", ["queue"], buckets=_LONG_BUCKETS)


def observe_request(*, view: str, method: str, status: int, seconds: float) -> None:
    """Count one answered request. ``view`` is the view's name and never the path, so that series stay few."""
    REQUESTS.labels(view, method, str(status)).inc()
    REQUEST_SECONDS.labels(view).observe(seconds)


def observe_carrier_call(*, call: str, lane: str, outcome: str, seconds: float) -> None:
    """Count one call to the carrier. ``call`` names the call and never a SIM; ``outcome`` is ok or an error class."""
    CARRIER_CALLS.labels(call, lane, outcome).inc()
    CARRIER_SECONDS.labels(call).observe(seconds)


def observe_task(*, task: str, queue: str, outcome: str, seconds: float, wait: float | None) -> None:
    """Count one ended task: ``success``, ``failure``, …; ``wait`` is ``None`` where nobody knows it."""
    TASKS.labels(task, queue, outcome).inc()
    TASK_SECONDS.labels(task).observe(seconds)
    if wait is not None:
        TASK_WAIT.labels(queue).observe(wait)


def observe_push(*, outcome: str, seconds: float) -> None:
    """Count one try of a push; ``seconds`` since it came, which count when that was its end."""
    PUSHES.labels(outcome).inc()
    if outcome in {"done", "ignored", "dead"}:
        PUSH_SECONDS.observe(seconds)


def exposition() -> bytes:
    """All metrics in Prometheus' text format."""
    counted = REGISTRY
    if _MANY_PROCESSES:
        counted = CollectorRegistry()
        MultiProcessCollector(counted)
    asked = CollectorRegistry()
    asked.register(GaugeCollector())
    return generate_latest(counted) + generate_latest(asked)
