"""Sentry hears what broke and where, and nothing of whom it was about: neither identifiers nor secrets."""

from __future__ import annotations

import gzip
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

from smarthub_portal.sentry import scrub
from tests.running.receiver import receiver
from tests.test_production_start import COMPLETE, start

CANARIES = {
    "giccid": "89860199000000000017",
    "password": "canary-of-the-password",
    "cookie": "canary-of-the-cookie",
    "query": "canary-of-the-query",
    "local": "canary-of-a-local",
    "address": "192.0.2.77",
    "text": "canary-of-the-text",
    "key": COMPLETE["SMARTHUB_API_KEY"],
    "secret": COMPLETE["SECRET_KEY"],
}
BREAK = f"""
import django; django.setup()
import sentry_sdk, structlog
from django.test import Client
from operations.tasks import run_operation
browser = Client(raise_request_exception=False, headers={{"host": "portal.example"}}, REMOTE_ADDR="192.0.2.77")
browser.cookies["sessionid"] = {CANARIES["cookie"]!r}
form = {{"username": {CANARIES["giccid"]!r}, "password": {CANARIES["password"]!r}}}
assert browser.post("/login/?next=/sims/" + {CANARIES["query"]!r}, form, secure=True).status_code == 500
assert run_operation.apply(args=(1,)).failed()
def deep():
    local = {CANARIES["local"]!r}
    raise ValueError("SIM 89860199000000000017 said 'canary-of-the-text' to redis://u:canary-of-the-password@host/0")
try:
    deep()
except ValueError:
    structlog.get_logger("operations").exception("operation.send_failed", text={CANARIES["text"]!r})
sentry_sdk.flush(10)
"""


def _events(requests: list[tuple[str, dict[str, str], bytes]]) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for _path, headers, body in requests:
        text = (gzip.decompress(body) if headers.get("Content-Encoding") == "gzip" else body).decode()
        lines = [json.loads(line) for line in text.splitlines() if line]
        found += [(text, payload) for head, payload in pairwise(lines) if head.get("type") == "event"]
    return found


def test_what_leaves_the_portal(tmp_path: Path) -> None:
    with receiver(200) as sentry:
        dsn = sentry.url.replace("http://", "http://public@") + "/1"
        done = start(tmp_path, f"exec({BREAK!r})", SENTRY_DSN=dsn, SENTRY_ENVIRONMENT="staging")
        assert done.returncode == 0, done.stderr
    events = _events(sentry.requests)
    kinds = [(event["exception"]["values"] or [{}])[-1].get("type") for _text, event in events]
    assert kinds.count("OperationalError") >= 2, "the page's and the task's"
    assert "ValueError" in kinds, "the one that was logged"
    for text, event in events:
        for what, canary in CANARIES.items():
            assert canary not in text, what
        assert event["environment"] == "staging"
        assert not {"request", "user", "breadcrumbs", "extra", "server_name"} & event.keys()
    (logged,) = [event for _text, event in events if event.get("message") == "operation.send_failed"]
    (problem,) = logged["exception"]["values"]
    assert problem["value"] == "SIM … said '…' to redis://u:…@host/0"
    assert problem["stacktrace"]["frames"][-1]["function"] == "deep"
    assert any(event["tags"]["request_id"] for _text, event in events)


def test_nothing_is_sent_without_an_address(tmp_path: Path) -> None:
    done = start(tmp_path, "django.setup(); import sentry_sdk; print(sentry_sdk.is_initialized())")
    assert done.stdout.split() == ["False"], done.stderr


def test_texts_lose_what_they_quote() -> None:
    postgres = (
        'duplicate key value violates unique constraint "x"\nDETAIL:  Key (imsi)=(460019912345678) already exists.'
    )
    assert "4600" not in scrub(postgres)
    assert scrub("no such table: sims_sim") == "no such table: sims_sim"
    assert "t0ken" not in scrub("POST /webhooks/smarthub/t0ken/state failed")
    assert "s3cret" not in scrub("header Authorization: Bearer s3cret")
