"""What machines ask: is the process up, is the portal ready, what has it counted."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings
from django.core.cache import cache
from django.test import Client

from core import heartbeat
from core.views import health

ALL_QUEUES = sorted({route["queue"] for route in settings.CELERY_TASK_ROUTES.values()})


@pytest.fixture(autouse=True)
def _a_busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is late is told of in tests/running; here all answer, however long it takes."""
    monkeypatch.setattr(health, "PATIENCE", 30)


@pytest.fixture
def nobody_at_the_broker(settings: Any) -> None:
    caches = {"default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:9/0"}}
    settings.CACHES = caches


def test_process_is_up_even_without_the_broker(client: Client, nobody_at_the_broker: None) -> None:
    response = client.get("/healthz")
    assert response.status_code == 200
    assert response.content == b"ok\n"


@pytest.mark.django_db
def test_ready_when_every_queue_has_a_worker(client: Client) -> None:
    heartbeat.beat(ALL_QUEUES)
    response = client.get("/readyz")
    assert response.status_code == 200, response.content
    assert response.json() == {"ready": True, "database": "ok", "disk": "ok", "broker": "ok", "workers": "ok"}


@pytest.mark.django_db
def test_a_queue_without_worker_is_named(client: Client) -> None:
    cache.clear()
    heartbeat.beat([queue for queue in ALL_QUEUES if queue != "sync"])
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["workers"] == "no worker for sync"


@pytest.mark.django_db
def test_not_ready_without_the_broker(client: Client, nobody_at_the_broker: None) -> None:
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json() == {
        "ready": False,
        "database": "ok",
        "disk": "ok",
        "broker": "unreachable",
        "workers": "unknown",
    }


def test_a_worker_goes_on_without_the_broker(nobody_at_the_broker: None) -> None:
    heartbeat.beat(["agent"])


@pytest.mark.django_db
def test_metrics_count_requests_by_view(client: Client) -> None:
    client.get("/healthz")
    response = client.get("/metrics")
    assert response.status_code == 200
    assert 'portal_requests_total{method="GET",status="200",view="healthz"}' in response.content.decode()


@pytest.mark.parametrize(
    "extra",
    [{"REMOTE_ADDR": "192.0.2.7"}, {"HTTP_X_FORWARDED_FOR": "192.0.2.7"}, {"REMOTE_ADDR": ""}],
)
def test_metrics_are_for_loopback_only(client: Client, extra: Any) -> None:
    assert client.get("/metrics", **extra).status_code == 403


def test_metrics_with_a_token_are_for_its_bearer_only(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(settings.CONFIG, "METRICS_TOKEN", "secret-token")
    assert client.get("/metrics").status_code == 403
    assert client.get("/metrics", HTTP_AUTHORIZATION="Bearer other").status_code == 403
    assert client.get("/metrics", HTTP_AUTHORIZATION="Bearer secret-token", REMOTE_ADDR="192.0.2.7").status_code == 200
