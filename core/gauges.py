"""How things stand now, for Prometheus: asked of the database and of Valkey when ``/metrics`` is read.

An app registers its questions in ``AppConfig.ready()``. They are small and answered by an index (none reads the SIMs);
an answer is kept for a few seconds, however many read. Where it does not come in time its gauges are missing, and
``portal_gauges_answered`` says so.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import structlog
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from core.patience import within

log = structlog.get_logger(__name__)

PATIENCE = 1.0
"""Seconds one part may take."""
KEPT = 5.0
"""Seconds for which an answer is kept."""


@dataclass(frozen=True)
class Gauge:
    """A metric as it stands now: its name, what it says, the names of its labels, and the values by them."""

    name: str
    help: str
    labels: Sequence[str]
    values: Iterable[tuple[Sequence[str], float]]


Question = Callable[[], Iterable[Gauge]]
_questions: dict[str, Question] = {}
_kept: dict[str, tuple[float, list[Gauge] | None]] = {}
_lock = threading.Lock()


def register(part: str, question: Question) -> None:
    """Have ``question`` asked for the gauges of ``part``, a name of one word."""
    _questions[part] = question


def forget() -> None:
    """Ask anew at the next reading."""
    _kept.clear()


def ask(part: str) -> list[Gauge] | None:
    """The gauges of ``part`` as of now; ``None`` when nobody answers in time. Never raises."""
    try:
        return within(PATIENCE, lambda: list(_questions[part]()))
    except Exception as error:  # noqa: BLE001 - whatever a driver raises, the other parts are still wanted
        log.warning("gauges.unanswered", part=part, error=type(error).__name__)
        return None


def _recent(part: str) -> list[Gauge] | None:
    # One asks at a time: a crowd of readers is no crowd for the database.
    with _lock:
        at, found = _kept.get(part, (-KEPT, None))
        if time.monotonic() - at >= KEPT:
            found = ask(part)
            _kept[part] = (time.monotonic(), found)
        return found


class GaugeCollector(Collector):
    """All that is registered, in the form of the Prometheus library."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Each gauge that was answered, and for each part whether it was."""
        answered = GaugeMetricFamily(
            "portal_gauges_answered", "1 where a part's gauges could be asked in time, else 0.", labels=["part"]
        )
        for part in _questions:
            found = _recent(part)
            answered.add_metric([part], 0 if found is None else 1)
            for gauge in found or ():
                family = GaugeMetricFamily(gauge.name, gauge.help, labels=gauge.labels)
                for labels, value in gauge.values:
                    family.add_metric(labels, value)
                yield family
        yield answered
