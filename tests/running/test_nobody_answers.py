"""A server that takes connections and never says a word holds up no probe, no push and no reading of metrics."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Task
from django.db import connection
from django.test import Client

from core import gauges, patience, queue, storage
from core.views import health
from sims.tasks import refresh_sim
from smarthub_portal.celery import app
from tests.running.receiver import black_hole


@pytest.fixture
def silent_valkey(settings: Any) -> Iterator[str]:
    """The cache behind a network that swallows everything; the address of that Valkey."""
    with black_hole() as port:
        url = f"redis://127.0.0.1:{port}/0"
        settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": url}}
        yield url


@pytest.mark.django_db
def test_readiness_with_a_silent_valkey(client: Client, silent_valkey: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache gives up by itself, before patience ends."""
    monkeypatch.setattr(health, "PATIENCE", 30)
    began = time.monotonic()
    response = client.get("/readyz")
    assert time.monotonic() - began < 20
    assert response.status_code == 503
    others = {"database": "ok", "disk": "ok"}
    assert response.json() == {"ready": False, **others, "broker": "unreachable", "workers": "unknown"}


def test_only_one_click_waits_for_a_silent_broker(silent_valkey: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first one finds out, at the price of some seconds; those after it are left to the dispatcher at once."""
    tried: list[bool] = []
    send = Task.apply_async

    def to_the_silent(task: Task, **options: Any) -> Any:
        tried.append(True)
        with app.connection_for_write(silent_valkey) as connection:
            return send(task, connection=connection, **options)

    monkeypatch.setattr(Task, "apply_async", to_the_silent)
    monkeypatch.setattr(queue, "_not_before", 0.0)
    began = time.monotonic()
    assert queue.enqueue(refresh_sim, "8986") is False
    assert 1 < time.monotonic() - began < 20
    assert [queue.enqueue(refresh_sim, "8986") for _ in range(100)] == [False] * 100
    assert len(tried) == 1


def test_readiness_with_a_silent_database(client: Client, valkey: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    hold = threading.Event()
    monkeypatch.setattr(health, "PATIENCE", 1.0)
    monkeypatch.setattr(storage, "database_state", lambda: hold.wait(20))
    assert client.get("/readyz").json()["database"] == "unreachable"
    assert not hold.is_set(), "it did not wait for the end"
    hold.set()


def test_so_many_questions_without_an_answer_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    places = threading.BoundedSemaphore(2)
    monkeypatch.setattr(patience, "_AT_ONCE", places)
    hold = threading.Event()
    for _ in range(2):
        with pytest.raises(TimeoutError):
            patience.within(0.01, lambda: hold.wait(20))
    with pytest.raises(TimeoutError, match="earlier questions"):
        patience.within(5, lambda: True)
    hold.set()
    for _ in range(2):
        assert places.acquire(timeout=20), "a late answer gives its place back"
    places.release()
    assert patience.within(20, lambda: "answered") == "answered"


def test_metrics_say_what_could_not_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked() -> Any:
        raise OSError("away")

    monkeypatch.setattr(gauges, "_questions", {"away": asked, "there": lambda: [gauges.Gauge("g", "h", [], [([], 7)])]})
    gauges.forget()
    families = {family.name: family for family in gauges.GaugeCollector().collect()}
    gauges.forget()
    answered = {sample.labels["part"]: sample.value for sample in families["portal_gauges_answered"].samples}
    assert answered == {"away": 0, "there": 1}
    assert families["g"].samples[0].value == 7


@pytest.mark.postgres
@pytest.mark.django_db
def test_a_silent_database_is_an_error_after_seconds(settings: Any) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("an embedded database has no network")
    options = connection.settings_dict["OPTIONS"]
    assert 0 < options["connect_timeout"] <= 10
    assert 0 < options["tcp_user_timeout"] <= 30_000
