"""The receiver: who may push, what is stored before the answer, and what is refused."""

from __future__ import annotations

import json
import logging
import time
from datetime import UTC, datetime
from typing import Any, BinaryIO, cast

import kombu.pools
import pytest
from django.conf import settings
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from notifications.models import Push
from notifications.services import dispatch, inbox, limits, reading, sources, wake  # noqa: F401
from notifications.views.receive import receive

BODY = {"eventId": "e-1", "eventType": "SIM_STATUS_CHANGE", "giccid": "8986011805021000040"}


def test_a_push_is_stored_as_it_came(post, source):
    raw = b'{ "eventType" : "SIM_STATUS_CHANGE",\r\n "giccid":"8986011805021000040","x":"\xc3\xa9" }'
    response = post(raw, "sim-status-change")
    assert response.status_code == 200
    assert response.json() == {"received": True}
    push = Push.objects.get()
    assert push.body == raw.decode()
    assert (push.source, push.path_kind, push.kind) == (source, "sim-status-change", "SIM_STATUS_CHANGE")
    assert (push.giccid, push.state, push.attempts) == ("8986011805021000040", "received", 0)


@pytest.mark.parametrize("kind", reading.KINDS)
def test_each_kind_is_told_by_its_own_address(post, kind):
    slug = kind.lower().replace("_", "-")
    assert post({"giccid": "8986011805021000040"}, slug).status_code == 200
    assert Push.objects.get().kind == kind


@pytest.mark.parametrize("kind", reading.KINDS)
def test_each_kind_is_told_by_its_body_at_the_common_address(post, kind):
    assert post({"eventType": kind}).status_code == 200
    assert Push.objects.get().kind == kind


def test_what_the_body_says_wins_over_the_address(post):
    post({"eventType": "IMEI_CHANGE"}, "mo-sms")
    assert Push.objects.get().kind == "IMEI_CHANGE"


def test_an_unknown_kind_is_kept(post):
    assert post({"eventType": "MOON_PHASE"}).status_code == 200
    assert post({"a": 1}, "x" * 300).status_code == 200
    assert {push.kind for push in Push.objects.all()} == {"MOON_PHASE", "X" * 60}


def test_a_wrong_token_is_not_found(post, token):
    assert post(BODY, token="wrong").status_code == 404
    assert post(BODY, token=token + "x").status_code == 404
    assert post(BODY, token="%00%ff").status_code == 404
    assert not Push.objects.exists()


def test_a_source_that_is_off_is_not_found(post, source):
    assert post(BODY).status_code == 200
    source.active = False
    source.save()
    sources.forget_cached()
    assert post(BODY).status_code == 404
    assert Push.objects.count() == 1


def test_a_rotated_token_ends_the_old_one(post, source):
    assert post(BODY).status_code == 200
    new = sources.rotate_token(source)
    assert post(BODY).status_code == 404
    assert post(BODY, token=new).status_code == 200


def test_only_post_is_taken(token, db):
    for method in ("get", "put", "delete", "patch"):
        assert getattr(Client(), method)(f"/webhooks/smarthub/{token}/").status_code == 405


def test_csrf_and_sign_in_are_not_asked_for(token):
    client = Client(enforce_csrf_checks=True)
    answer = client.post(f"/webhooks/smarthub/{token}/", data=json.dumps(BODY), content_type="application/json")
    assert answer.status_code == 200


def test_a_body_over_the_limit_is_refused_unread(token, monkeypatch):
    monkeypatch.setitem(settings.CONFIG, "PUSH_MAX_BYTES", 100)

    class Untouchable:
        def read(self, *_: Any) -> bytes:
            raise AssertionError("read although its length says that it is too long")

    request = RequestFactory().post("/", data=b"x", content_type="application/json")
    request.META["CONTENT_LENGTH"] = "101"
    request._stream = cast(BinaryIO, Untouchable())
    assert receive(request, token).status_code == 413
    assert not Push.objects.exists()


@pytest.mark.parametrize(("size", "status"), [(256 * 1024, 200), (256 * 1024 + 1, 413)])
def test_the_limit_is_256_kilobytes(post, size, status):
    frame = len(b'{"a":""}')
    assert post(b'{"a":"' + b"x" * (size - frame) + b'"}').status_code == status
    assert Push.objects.count() == (status == 200)


def test_a_chunked_body_is_read_where_the_server_ends_it(token, rf):
    class Ends:
        def __init__(self, data: bytes) -> None:
            self.data = data

        def read(self, size: int) -> bytes:
            taken, self.data = self.data[:size], self.data[size:]
            return taken

    def chunked(data: bytes, **extra: Any) -> int:
        request = rf.post("/", content_type="application/json", HTTP_TRANSFER_ENCODING="chunked", **extra)
        request.META.pop("CONTENT_LENGTH", None)
        request.META["wsgi.input"] = Ends(data)
        return receive(request, token).status_code

    assert chunked(json.dumps(BODY).encode(), **{"wsgi.input_terminated": True}) == 200
    assert chunked(b"x" * (256 * 1024 + 1), **{"wsgi.input_terminated": True}) == 413
    assert chunked(json.dumps(BODY).encode()) == 411
    assert Push.objects.count() == 1


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"   ",
        b"not json",
        b"[1]",
        b'"text"',
        b"null",
        b"{",
        b'{"a":1}}',
        b'{"a":"\xff\xfe"}',
        b'{"a":"\x00"}',
        b"\x00",
        b'{"a":NaN}',
        b'{"a":1e999}',
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}",
        b"[" * 100_000,
        '{"a":1}'.encode("utf-16"),
    ],
    ids=range(17),
)
def test_what_is_no_json_object_is_refused_and_kept_as_rejected(post, raw):
    response = post(raw, "sim-status-change")
    assert response.status_code == 400
    push = Push.objects.get()
    assert (push.state, push.kind, push.next_attempt_at) == ("rejected", "SIM_STATUS_CHANGE", None)
    assert push.problem
    assert len(push.body) <= inbox.REJECTED_CHARACTERS
    assert "\x00" not in push.body


@pytest.mark.parametrize(
    "raw",
    [
        b'{"eventType":"A\\u0000B","giccid":"\\u00001","accountName":"\\u0000","eventId":"\\u0000"}',
        b'{"eventType":"\\ud800","giccid":"\\udc00","eventId":"\\ud800x"}',
        b'{"eventType":["MO_SMS"],"giccid":{"a":1},"eventId":null,"accountName":true,"eventTime":5}',
        b'{"eventType":"' + b"x" * 500 + b'","giccid":"' + b"9" * 500 + b'","eventId":"' + b"e" * 500 + b'"}',
        b'{"giccid":8986011805021000040,"eventId":7}',
        b'\xef\xbb\xbf{"eventType":"MO_SMS"}',
        b"{}",
    ],
    ids=["nul", "surrogates", "types", "long", "numbers", "bom", "empty"],
)
def test_strange_fields_are_stored_all_the_same(post, raw):
    assert post(raw).status_code == 200
    push = Push.objects.get()
    assert push.body == raw.decode()
    assert push.key


def test_a_kind_with_nul_in_the_address_is_stored(post):
    assert post(BODY, "a%00b").status_code == 200
    assert post(b"nonsense", "a%00b").status_code == 400


def test_rejected_bodies_are_capped_by_source(post, monkeypatch):
    monkeypatch.setattr(inbox, "REJECTED_KEPT", 3)
    post(BODY)
    for number in range(8):
        assert post(b"nonsense %d" % number).status_code == 400
    rejected = Push.objects.filter(state="rejected").order_by("pk")
    assert [push.body for push in rejected] == ["nonsense 5", "nonsense 6", "nonsense 7"]
    assert Push.objects.filter(state="received").count() == 1


def test_a_push_costs_one_statement_once_its_source_is_known(post):
    post(BODY)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        post({**BODY, "eventId": "e-2"})
    statements = [query["sql"] for query in queries if not query["sql"].startswith(("SAVEPOINT", "RELEASE"))]
    assert len(statements) == 1
    assert statements[0].startswith("INSERT")


def test_the_source_knows_its_last_push(post, source):
    before = timezone.now()
    post(BODY)
    source.refresh_from_db()
    assert source.last_push_at >= before


@pytest.mark.parametrize("length", ["-1", "x", "1e3", "²"])
def test_a_length_that_is_none_is_refused(length, token):
    request = RequestFactory().post("/", b"{}", content_type="application/json")
    request.META["CONTENT_LENGTH"] = length
    assert receive(request, token).status_code == 400
    assert not Push.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_worker_is_woken_once_for_many_pushes(post, valkey, monkeypatch):
    monkeypatch.setattr(wake, "PAUSE", 60.0)
    for number in range(5):
        assert post({**BODY, "eventId": f"e-{number}"}).status_code == 200
    assert valkey.llen("push") == 1
    assert wake._timer is not None, "a signal follows for those that came meanwhile"
    wake._signal_late()
    assert valkey.llen("push") == 1, "the one in the queue is good for them"
    wake.begin_drain()
    wake._signal_late()
    assert valkey.llen("push") == 2, "a drain that has begun to look may have missed them"


@pytest.mark.django_db(transaction=True)
def test_a_broker_that_is_away_delays_a_push_and_loses_none(post, monkeypatch, valkey, make_sim):
    from smarthub_portal.celery import app

    make_sim(giccid=BODY["giccid"])
    with monkeypatch.context() as away:
        nowhere = app.connection_for_write("redis://127.0.0.1:9/0")
        away.setattr(app.amqp, "_producer_pool", kombu.pools.producers[nowhere])
        assert post(BODY).status_code == 200
    assert valkey.llen("push") == 0
    began = time.monotonic()
    assert post({**BODY, "eventId": "e-2"}).status_code == 200
    assert time.monotonic() - began < 1, "waited for a broker that was away a moment ago"
    assert dispatch.drain() == 2


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_away_is_503(post, token):
    """The table is gone, as near to a database that is away as one connection of a test comes."""
    table = Push._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO {table}_away")
    try:
        response = post(BODY)
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {table}_away RENAME TO {table}")
    assert response.status_code == 503
    assert response["Retry-After"]
    assert token not in response.content.decode()
    assert not Push.objects.exists()
    assert post(BODY).status_code == 200


def test_the_token_is_kept_as_a_digest_only(source, token):
    assert token not in str(vars(source))
    assert source.token_digest == sources.digest(token)


def test_no_token_and_no_body_in_the_log(post, token, caplog):
    with caplog.at_level(logging.DEBUG):
        post(BODY, token="wrong-but-secret")
        post(b"very private", "mo-sms")
        Client().get(f"/webhooks/smarthub/{token}/")
        post({"eventType": "MO_SMS", "messageText": "very private"})
    logged = [record for record in caplog.records if record.name == "django.request"]
    others = [record for record in caplog.records if record.name != "django.db.backends"]
    text = "\n".join(record.getMessage() for record in others)
    # What the formatter writes of a record besides its message.
    text += "\n".join(repr(vars(record)) for record in others)
    assert len(logged) >= 3
    assert "/webhooks/smarthub/…" in text
    assert token not in text
    assert "wrong-but-secret" not in text
    assert "very private" not in text


@pytest.mark.parametrize("opening", ["[", '{"a":', '{"\\u0061":'])
def test_a_body_is_refused_for_its_depth_by_a_fixed_measure(opening, post, monkeypatch):
    closing = "}" if opening.startswith("{") else "]"

    def nested(levels: int) -> bytes:
        return b'{"a":' + (opening * levels + "1" + closing * levels).encode() + b"}"

    assert post(nested(reading.DEEPEST - 1)).status_code == 200
    # From one too many, over what a stack just holds, to what no parser reads.
    for levels in (reading.DEEPEST, *range(900, 1000, 3), 20_000):
        assert post(nested(levels)).status_code == 400
    assert post(b'{"a":"' + b"[" * 5000 + b'"}').status_code == 200


def test_a_time_that_no_zone_can_show_is_no_time():
    for text in ("0001-01-01T00:00:00+0000", "9999-12-31T23:59:59+0000", "9999-12-31T23:59:59-1000"):
        assert reading.read_time(text) is None
    assert reading.read_time("2026-11-22T15:00:00+0800") == datetime(2026, 11, 22, 7, tzinfo=UTC)


def test_ensure_source_is_idempotent(db):
    first = sources.ensure_source("demo", "t" * 40)
    first.active = False
    first.save()
    again = sources.ensure_source("demo", "u" * 40)
    assert again.pk == first.pk
    found = sources.find_active("u" * 40)
    assert found is not None
    assert found.source_id == first.pk
    assert sources.find_active("t" * 40) is None
