"""Counts and times for Prometheus, read at ``/metrics``.

Each process counts for itself. Where several processes of one machine are to be read as one (web processes,
workers), set ``PROMETHEUS_MULTIPROC_DIR`` to an empty directory for all of them before they start: the library
then keeps its counts in files there and ``/metrics`` answers their sum.
"""

from __future__ import annotations

import os

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

REQUESTS = Counter("portal_requests_total", "Requests answered.", ["view", "method", "status"])
REQUEST_SECONDS = Histogram("portal_request_seconds", "Time to answer a request.", ["view"], buckets=_BUCKETS)
CARRIER_CALLS = Counter("portal_carrier_calls_total", "Calls to the carrier.", ["call", "lane", "outcome"])
CARRIER_BREAKER = Counter(
    "portal_carrier_breaker_total", "Times the breaker of the carrier opened and closed.", ["event"]
)
CARRIER_SECONDS = Histogram("portal_carrier_seconds", "Time of a call to the carrier.", ["call"], buckets=_BUCKETS)


def observe_request(*, view: str, method: str, status: int, seconds: float) -> None:
    """Count one answered request. ``view`` is the view's name and never the path, so that series stay few."""
    REQUESTS.labels(view, method, str(status)).inc()
    REQUEST_SECONDS.labels(view).observe(seconds)


def observe_carrier_call(*, call: str, lane: str, outcome: str, seconds: float) -> None:
    """Count one call to the carrier. ``call`` names the call and never a SIM; ``outcome`` is ok or an error class."""
    CARRIER_CALLS.labels(call, lane, outcome).inc()
    CARRIER_SECONDS.labels(call).observe(seconds)


def exposition() -> bytes:
    """All metrics in Prometheus' text format."""
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        registry = CollectorRegistry()
        MultiProcessCollector(registry)
        return generate_latest(registry)
    return generate_latest(REGISTRY)
