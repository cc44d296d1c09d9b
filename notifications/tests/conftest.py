"""A source to push from, and handlers that note what they were given."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client

from core import pushes
from core.pushes import PushEvent
from notifications.models import Push, PushSource
from notifications.services import inbox, limits, sources, wake
from operations.tests.fixtures import carrier_sim, plans
from operations.tests.job_fixtures import config

__all__ = ["carrier_sim", "config", "plans"]

Post = Callable[..., Any]


@pytest.fixture(autouse=True)
def _nothing_remembered() -> Iterator[None]:
    """What a process keeps of sources, limits and signals belongs to one test."""

    def forget() -> None:
        sources.forget_cached()
        limits.forget()
        wake.forget()
        inbox._last_push_noted.clear()

    forget()
    yield
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer) and thread.function is wake._signal_late:
            thread.cancel()
            thread.join()
    forget()


@pytest.fixture
def source_and_token(db: None) -> tuple[PushSource, str]:
    return sources.create_source("tenant")


@pytest.fixture
def source(source_and_token: tuple[PushSource, str]) -> PushSource:
    return source_and_token[0]


@pytest.fixture
def token(source_and_token: tuple[PushSource, str]) -> str:
    return source_and_token[1]


@pytest.fixture
def post(token: str) -> Post:
    """``post(body, kind="")``: a push to the source; a dict is sent as JSON, bytes as they are."""
    client = Client(raise_request_exception=False)

    def send(body: Any, kind: str = "", token: str = token, **headers: Any) -> Any:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        path = f"/webhooks/smarthub/{token}/" + (f"{kind}/" if kind else "")
        return client.post(path, data=raw, content_type="application/json", **headers)

    return send


@pytest.fixture
def make_push(source: PushSource) -> Callable[..., Push]:
    """``make_push(body, path_kind="", **fields)``: a stored push, not yet processed."""

    def make(body: dict[str, Any], path_kind: str = "", **fields: Any) -> Push:
        raw = json.dumps(body).encode()
        inbox.receive(source_id=source.pk, path_kind=path_kind, raw=raw)
        push = Push.objects.latest("pk")
        if fields:
            Push.objects.filter(pk=push.pk).update(**fields)
            push.refresh_from_db()
        return push

    return make


class Handler:
    """Notes each event; ``errors`` are raised one by one (``None``: a success) before it succeeds."""

    def __init__(self) -> None:
        self.events: list[PushEvent] = []
        self.errors: list[BaseException | None] = []
        self.answer = "noted"

    def __call__(self, event: PushEvent) -> str:
        self.events.append(event)
        if self.errors and (error := self.errors.pop(0)) is not None:
            raise error
        return self.answer


@pytest.fixture
def handler(monkeypatch: pytest.MonkeyPatch) -> Handler:
    """The only handler of the kind ``TEST_EVENT``; the kinds of the apps keep theirs."""
    noting = Handler()
    monkeypatch.setitem(pushes._handlers, "TEST_EVENT", [noting])
    return noting
