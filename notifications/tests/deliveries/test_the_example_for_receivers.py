"""The Python of docs/webhooks.md does what it says, on what the portal really sends."""

from __future__ import annotations

import json
import re
import threading
from http.server import HTTPServer

import pytest
from django.conf import settings

from notifications.models import Forward
from notifications.services import forwards, sending

pytestmark = pytest.mark.django_db
DOCUMENT = (settings.BASE_DIR / "docs" / "webhooks.md").read_text()


@pytest.fixture
def example(monkeypatch):
    """What the document's Python defines, run as one program is."""
    names: dict[str, object] = {"__name__": "example"}
    for code in re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL):
        exec(compile(code, "docs/webhooks.md", "exec"), names)  # the project's own document
    return names


def test_the_example_takes_what_the_portal_signs_and_nothing_else(example, store, forward, receiver, administrator):
    check = example["is_from_the_portal"]
    store(forward)
    sending.send_forward(forward.pk)
    [got] = receiver.received
    assert check(forward.key, got.headers, got.body)
    assert not check(forward.key + "x", got.headers, got.body)
    new = forwards.rotate_secret(forward, actor=administrator)
    store(forward)
    sending.send_forward(forward.pk)
    both = receiver.received[-1]
    assert check(new, both.headers, both.body)
    assert check(forward.key, both.headers, both.body)
    assert not check(forward.key, got.headers, got.body + b" ")
    for name, value in (
        ("X-Portal-Timestamp", str(int(got.headers["X-Portal-Timestamp"]) + 1)),
        ("X-Portal-Timestamp", "²"),
        ("X-Portal-Timestamp", ""),
        ("X-Portal-Signature", "v1="),
        ("X-Portal-Signature", "ä"),
        ("X-Portal-Signature", got.headers["X-Portal-Signature"].upper()),
    ):
        assert not check(forward.key, {**got.headers, name: value}, got.body)
    assert not check(forward.key, {}, got.body)
    later = int(got.headers["X-Portal-Timestamp"]) + 1000
    example["time"] = type("Clock", (), {"time": staticmethod(lambda: later)})
    assert not check(forward.key, got.headers, got.body)


def test_the_receiver_of_the_example_takes_each_once(example, store, forward, administrator, monkeypatch, capsys):
    monkeypatch.setenv("PORTAL_KEY", forward.key)
    monkeypatch.setattr(example["Receiver"], "log_message", lambda *_: None)
    server = HTTPServer(("127.0.0.1", 0), example["Receiver"])
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        Forward.objects.update(url=f"http://127.0.0.1:{server.server_address[1]}/")
        [delivery] = store(forward)
        for state in ("queued", "queued"):
            type(delivery).objects.update(state=state, next_attempt_at=delivery.created_at)
            assert sending.send_forward(forward.pk) == 1
            delivery.refresh_from_db()
            assert delivery.state == "delivered"
        forwards.rotate_secret(forward, actor=administrator)
        forwards.end_previous_secret(forward, actor=administrator)
        [refused] = store(forward)
        sending.send_forward(forward.pk)
        assert refused.tries.get().status == 401
    finally:
        server.shutdown()
        server.server_close()
    assert len(example["seen"]) == 1
    assert capsys.readouterr().out.count("CYCLE_USAGE_TRACKING") == 1


def test_the_body_in_the_document_has_the_fields_of_a_real_one(store, forward, receiver):
    [shown] = re.findall(r"```json\n(.*?)```", DOCUMENT, re.DOTALL)
    store(forward)
    sending.send_forward(forward.pk)

    def fields(value: object) -> object:
        return {name: fields(inner) for name, inner in value.items()} if isinstance(value, dict) else None

    assert fields(json.loads(shown)) == fields(json.loads(receiver.received[0].body))
