"""The id of a click is found in the task it led to, in the call to the carrier, and in every line of the log."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from celery.contrib.testing.worker import start_worker
from django.conf import settings
from django.utils import timezone

from core import metrics
from core.queue import enqueue
from core.request_context import RequestContext, current_request, set_request
from core.tasks import dispatch_exports
from sims.tasks import refresh_sim
from smarthub_portal.celery import app
from smarthub_portal.logs import logging_settings
from tests.running.receiver import receiver
from tests.servers import wait_until

REQUEST = "c0ffee00-1111-2222-3333-444455556666"


class Lines(logging.Handler):
    """Keeps the lines that production would write."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        formatter = logging_settings(level="INFO", form="json")["formatters"]["line"]
        self.setFormatter(formatter.pop("()")(**formatter))
        self.lines: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(json.loads(self.format(record)))

    def of(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["event"] == event]


@contextmanager
def kept_lines() -> Iterator[Lines]:
    lines = Lines()
    root = logging.getLogger()
    level = root.level
    root.addHandler(lines)
    root.setLevel(logging.INFO)
    try:
        yield lines
    finally:
        root.removeHandler(lines)
        root.setLevel(level)


def _tasks(outcome: str) -> float:
    return metrics.TASKS.labels("sims.tasks.refresh_sim", "agent", outcome)._value.get()


@pytest.mark.django_db(transaction=True)
def test_from_the_click_to_the_carrier(
    agent: Any, login: Callable[..., Any], make_sim: Callable[..., Any], with_carrier: Callable[..., Any]
) -> None:
    sim = make_sim(observed_at=timezone.now() - timedelta(days=1))
    before = _tasks("success")
    page = f"/sims/{sim.giccid}/"
    missing = b'{"errors": [{"code": "no_such_sim"}]}'
    with (
        receiver(404, missing) as carrier,
        with_carrier(SMARTHUB_BASE_URL=carrier.url),
        start_worker(app, pool="solo", perform_ping_check=False, queues=["agent"]),
        kept_lines() as log,  # after the worker, whose start sets logging up anew
    ):
        assert login(agent).get(page, headers={"X-Request-ID": REQUEST}).status_code == 200
        wait_until(lambda: log.of("task.ended"), seconds=20, what="the end of the task")
    ((asked, headers, _body),) = carrier.requests
    assert sim.giccid in asked
    assert headers["X-Request-ID"] == REQUEST
    (ended,) = log.of("task.ended")
    assert (ended["task"], ended["queue"], ended["outcome"]) == ("sims.tasks.refresh_sim", "agent", "success")
    assert ended["task_id"]
    assert 0 <= ended["waited"] < 60
    (call,) = log.of("carrier.call")
    assert (call["call"], call["status"], call["task_id"]) == ("get_sim", 404, ended["task_id"])
    (answered,) = log.of("request.answered")
    assert (answered["view"], answered["status"]) == ("sims:detail", 200)
    assert {line["request_id"] for line in (ended, call, answered)} == {REQUEST}
    assert sim.giccid not in json.dumps(answered), "a log line of a request names no SIM"
    assert _tasks("success") == before + 1


@pytest.mark.django_db
def test_a_task_within_a_request_gives_the_request_back() -> None:
    """Run on the spot, as the commands do: what comes after it still belongs to the request."""
    set_request(RequestContext(request_id=REQUEST))
    try:
        assert dispatch_exports.apply(throw=True).successful()
        assert current_request().request_id == REQUEST
    finally:
        set_request(RequestContext())


def test_messages_say_whose_work_they_are(valkey: Any) -> None:
    set_request(RequestContext(request_id=REQUEST))
    try:
        assert enqueue(refresh_sim, "8986")
    finally:
        set_request(RequestContext())
    assert enqueue(refresh_sim, "8987")
    later, first = (json.loads(text)["headers"] for text in valkey.lrange("agent", 0, -1))
    assert first["portal_request_id"] == REQUEST
    assert later["portal_request_id"] == ""
    assert settings.CELERY_TASK_ROUTES["sims.tasks.refresh_*"]["queue"] == "agent"
