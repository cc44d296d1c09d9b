"""Whatever bytes come to the address of the pushes: an answer to each, and each that is taken comes to an end."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from hypothesis import strategies as st

from notifications.models import Push
from notifications.services import dispatch, limits, sources
from notifications.services.reading import KINDS
from tests.fuzz import cases, inputs

pytestmark = pytest.mark.django_db

FIELDS = [
    "eventId",
    "eventType",
    "ruleName",
    "accountName",
    "giccid",
    "eventTime",
    "dataUsage",
    "threshold",
    "thresholdPercent",
    "originalImei",
    "targetImei",
    "lastSessionTime",
    "noSessionHours",
    "servicePackageCode",
    "expiredTime",
    "originalStatus",
    "targetStatus",
    "apn",
    "smsMsgId",
    "fromGiccid",
    "toGiccid",
    "messageText",
    "dataCoding",
    "receivedTime",
    "status",
    "reportTime",
]
DEEP = [b"[" * 100_000, b'{"a":' * 100_000, b'{"a":' + b"[" * 900 + b"]" * 900 + b"}", b'{"a":' + b"9" * 5000 + b"}"]
BYTES = [*DEEP, b'{"a":1e999}', b'{"a":NaN}', b"{}", b"[]", b"null", b'"', b"\xff\xfe{}", b"\xef\xbb\xbf{}", b"{}" * 2]


def bodies(giccid: str) -> st.SearchStrategy[bytes]:
    """Pushes with fields of any kind, other JSON, and bytes that are none."""
    values = inputs.anything | st.sampled_from([giccid, "ACTIVATED", "DELIVERED", "2026-11-01T00:00:00+0000", 4, 255])
    told = st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=8), values, max_size=12)
    kinds = st.sampled_from(KINDS) | inputs.texts
    pushes = st.builds(lambda body, kind: {"eventType": kind, "giccid": giccid, **body}, told, kinds)
    written = (pushes | inputs.anything).map(lambda value: json.dumps(value).encode())
    raw = st.binary(max_size=300) | st.sampled_from(BYTES)
    cut = st.builds(lambda body, at: body[: at % (len(body) + 1)], written, st.integers(0, 400))
    return written | raw | cut | written.map(gzip.compress)


def test_every_push_is_answered_and_comes_to_an_end(simulator, mirrored, login, administrator, monkeypatch):
    sim = mirrored(simulator.pick(status="ACTIVATED"))
    source, token = sources.create_source("tenant")
    client, reader, answered = Client(), login(administrator), Counter[str]()
    monkeypatch.setattr(limits, "wait_before", lambda *_: 0)

    def case(given: tuple[bytes, str, dict[str, str]]) -> None:
        body, kind, headers = given
        with transaction.atomic():
            answer = client.generic(
                "POST", f"/webhooks/smarthub/{token}/{kind}", body, content_type="application/json", headers=headers
            )
            answered[str(answer.status_code)] += 1
            assert answer.status_code in (200, 400, 404, 411, 413), answer.status_code
            assert inputs.MARKER.encode() not in answer.content
            kept = Push.objects.filter(source=source)
            assert kept.exists() == (answer.status_code == 200 or (answer.status_code == 400 and b"length" not in body))
            if answer.status_code == 200:
                dispatch.drain()
                push = kept.get()
                assert push.state in ("done", "ignored", "failed"), push.state
                assert "Traceback" not in push.problem
                page = reader.get(f"/pushes/{push.pk}/").content
                assert inputs.MARKER.encode() not in page
            transaction.set_rollback(True)

    kind = st.sampled_from(["", "mo-sms/", "imei-change/", "sim-status-change/", "mt-sms-status-report/"])
    lengths: st.SearchStrategy[dict[str, str]] = st.sampled_from(
        [{}, {}, {"Content-Encoding": "gzip"}, {"X-SmartHub-Signature": "sha256=\u00e9"}, {"X-Request-ID": "x" * 9000}]
    )
    first: list[Any] = [(raw, "", {}) for raw in BYTES]
    cases.run(case, st.tuples(bodies(sim.giccid), kind, lengths), few=20, share=0.3, first=first)
    cases.told("Pushes", answered)


@pytest.mark.parametrize("length", ["x", "-1", "²", "9" * 5000, "1e3", "0", "5"])
def test_a_length_that_is_none_is_a_refusal(length):
    _source, token = sources.create_source("tenant")
    client = Client(raise_request_exception=False)
    answer = client.generic("POST", f"/webhooks/smarthub/{token}/", b"{}xxxxxxx", CONTENT_LENGTH=length)
    assert answer.status_code in (400, 413)
