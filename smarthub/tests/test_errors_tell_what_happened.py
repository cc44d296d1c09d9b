"""Each way a call can go wrong ends in the class that says what the caller may do next."""

import pickle
import time
from typing import Any

import pytest

from smarthub import SmartHub, errors
from smarthub.tests.conftest import MakeClient
from smarthub.tests.samples import GICCID, SIM, page
from smarthub.tests.scripted_server import (
    ScriptedServer,
    Step,
    drip,
    hang,
    problem,
    raw,
    reply,
    reset,
)

CUT = b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"giccid":"89860'
CUT_CHUNKED = b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1f\r\n{"giccid":'
HTML = reply(200, text=b"<html>Welcome to the proxy</html>", headers={"Content-Type": "text/html"})

UNCLEAR: list[tuple[str, Step, str]] = [
    ("reset before an answer", reset(), "reset"),
    ("closed before an answer", raw(b""), "reset"),
    ("reset in the headers", reset(b"HTTP/1.1 200 OK\r\nConte"), "reset"),
    ("not HTTP", raw(b"SSH-2.0-OpenSSH\r\n"), "reset"),
    ("cut body", raw(CUT), "cut_body"),
    ("reset in the body", reset(CUT), "cut_body"),
    ("cut chunk", raw(CUT_CHUNKED), "cut_body"),
    ("HTML", HTML, "not_json"),
    ("empty 200", reply(200), "not_json"),
    ("a list", reply(200, ["x"]), "wrong_type"),
    ("null", reply(200, text=b"null"), "wrong_type"),
    ("not UTF-8", reply(200, text=b'{"a":"\xff\xfe"}'), "not_json"),
    ("broken gzip", reply(200, text=b"nonsense", headers={"Content-Encoding": "gzip"}), "cut_body"),
    ("500", problem(500), "server_error"),
    ("502 HTML", reply(502, text=b"<html>"), "server_error"),
    ("503", problem(503), "server_error"),
    ("408", problem(408), "http_408"),
    ("303", reply(303, headers={"Location": "/elsewhere"}), "http_303"),
    ("999", reply(999, {}), "server_error"),
]


@pytest.mark.parametrize(("step", "code"), [case[1:] for case in UNCLEAR], ids=[case[0] for case in UNCLEAR])
def test_an_unclear_answer_is_transient_for_a_read(step: Step, code: str, server: ScriptedServer, client: SmartHub):
    server.script(step)

    with pytest.raises(errors.Transient) as caught:
        client.get_sim(GICCID)

    assert (caught.value.code, caught.value.call) == (code, "get_sim")
    assert not isinstance(caught.value, errors.OutcomeUnknown)


@pytest.mark.parametrize(("step", "code"), [case[1:] for case in UNCLEAR], ids=[case[0] for case in UNCLEAR])
def test_an_unclear_answer_leaves_a_write_unknown_and_is_not_sent_again(
    step: Step, code: str, server: ScriptedServer, make_client: MakeClient
):
    server.script(step)

    with pytest.raises(errors.OutcomeUnknown) as caught:
        make_client(read_retries=3).activate(GICCID)

    assert (caught.value.code, caught.value.call) == (code, "activate")
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    "step",
    [
        hang(),
        drip(b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n"),
        drip(b"HTTP/1.1 200 OK\r\n\r\n"),
        drip(b"HTTP/1.1 2", b"0"),
        drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    ],
    ids=["silence", "headers", "body", "status line", "chunks"],
)
def test_an_answer_that_does_not_end_is_given_up_in_time(step: Step, server: ScriptedServer, make_client: MakeClient):
    server.script(step)
    client = make_client(read_timeout=0.4)

    started = time.monotonic()
    with pytest.raises(errors.Transient) as read:
        client.get_sim(GICCID)
    with pytest.raises(errors.OutcomeUnknown) as write:
        client.retire(GICCID)

    assert time.monotonic() - started < 4
    assert (read.value.code, write.value.code) == ("timeout", "timeout")


def test_nobody_listening_means_that_nothing_happened(closed_url: str, make_client: MakeClient):
    client = make_client(base_url=closed_url)

    for act in (lambda: client.activate(GICCID), lambda: client.send_sms(GICCID, "hi")):
        with pytest.raises(errors.Transient) as caught:
            act()
        assert caught.value.code == "connect"


def test_an_unknown_host_means_that_nothing_happened(make_client: MakeClient):
    # A label of 70 characters fails before any name server is asked.
    with pytest.raises(errors.Transient):
        make_client(base_url=f"http://{'x' * 70}.test").activate(GICCID)


def test_a_reused_connection_that_is_reset_leaves_a_write_unknown(server: ScriptedServer, client: SmartHub):
    server.script(reply(200, SIM), reset())
    client.get_sim(GICCID)

    with pytest.raises(errors.OutcomeUnknown):
        client.activate(GICCID)

    assert server.connections == 1
    assert len(server.seen) == 2


def test_a_body_over_the_limit_is_not_read_on(server: ScriptedServer, make_client: MakeClient):
    server.script(drip(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 4096, every=0.001))

    with pytest.raises(errors.Transient) as caught:
        make_client(max_response_bytes=100_000, read_timeout=30).get_sim(GICCID)

    assert caught.value.code == "too_large"


NO: list[tuple[Step, type[errors.Rejected], str]] = [
    (problem(401, title="Invalid api key"), errors.AuthFailed, "http_401"),
    (problem(403), errors.AuthFailed, "http_403"),
    (problem(400, detail="Body should be a JSON object"), errors.Rejected, "http_400"),
    (problem(422, "illegal_status"), errors.Rejected, "illegal_status"),
    (problem(422, "invalid", field_name="servicePackageCode"), errors.Rejected, "invalid"),
    (problem(422, "missing", field_name="servicePackageCode"), errors.Rejected, "missing"),
    (problem(404, "missing", field_name="servicePackageCode"), errors.Rejected, "missing"),
    (problem(422, "missing", field_name="giccid"), errors.NotFound, "missing"),
    (problem(404, "missing"), errors.NotFound, "missing"),
    (problem(404, code="missing"), errors.NotFound, "missing"),
    (problem(404), errors.NotFound, "http_404"),
    (reply(404), errors.NotFound, "http_404"),
    (problem(422, code="illegal_status", message="No."), errors.Rejected, "illegal_status"),
    (problem(409, errors="odd", code=5), errors.Rejected, "http_409"),
    (reply(418, ["a list"]), errors.Rejected, "http_418"),
]


@pytest.mark.parametrize(("step", "kind", "code"), NO)
def test_a_no_keeps_its_code_and_is_sent_once(
    step: Step, kind: type[errors.Rejected], code: str, server: ScriptedServer, make_client: MakeClient
):
    server.script(step)

    for act in (lambda c: c.retire(GICCID), lambda c: c.get_sim(GICCID)):
        with pytest.raises(errors.Rejected) as caught:
            act(make_client(read_retries=2))
        assert type(caught.value) is kind
        assert caught.value.code == code
    assert len(server.seen) == 2


def test_a_gateways_404_page_does_not_say_that_a_sim_is_gone(server: ScriptedServer, client: SmartHub):
    server.script(reply(404, text=b"<html>no route</html>"))

    with pytest.raises(errors.Transient):
        client.get_sim(GICCID)
    with pytest.raises(errors.Rejected) as caught:
        client.activate(GICCID)
    assert not isinstance(caught.value, errors.NotFound)


def test_details_are_kept_for_the_screen(server: ScriptedServer, client: SmartHub):
    body = {
        "type": "about:blank",
        "title": "Validation Failed",
        "status": 422,
        "detail": "custom1 is too long",
        "errors": [{"resource": "customFieldVO", "field": "custom1", "code": "invalid"}],
    }
    server.script(reply(422, body, {"X-Request-Id": "req-17"}))

    with pytest.raises(errors.Rejected) as caught:
        client.set_custom_fields(GICCID, {"custom1": "x"})

    error = caught.value
    assert (error.status, error.detail, error.request_id) == (422, "custom1 is too long", "req-17")
    assert error.field_errors == (errors.FieldError("customFieldVO", "custom1", "invalid"),)
    assert "too long" not in str(error)
    again: Any = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.detail) == (type(error), str(error), error.detail)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("0.5", 0.5), ("-3", None), ("soon", None), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0), ("", None)],
)
def test_a_429_says_how_long_to_wait_and_is_no_change(
    header: str, seconds: float | None, server: ScriptedServer, client: SmartHub
):
    server.script(reply(429, {}, {"Retry-After": header}))

    for act in (lambda: client.activate(GICCID), lambda: client.get_sim(GICCID)):
        with pytest.raises(errors.RateLimited) as caught:
            act()
        assert caught.value.retry_after == seconds


def test_an_answer_about_another_sim_is_not_taken(server: ScriptedServer, client: SmartHub):
    server.script(reply(200, SIM))

    with pytest.raises(errors.Transient) as caught:
        client.get_sim(GICCID[:-1] + "1")
    assert caught.value.code == "wrong_sim"


@pytest.mark.parametrize("body", [{}, {"data": {}}, {"data": None}, page(number=3)])
def test_a_page_that_is_none_is_an_error(body: Any, server: ScriptedServer, client: SmartHub):
    server.script(reply(200, body))

    with pytest.raises(errors.Transient):
        client.list_sims()


@pytest.mark.parametrize("body", [{}, {"jobId": None}, {"jobId": ""}, {"jobId": {}}])
def test_a_job_without_id_is_of_unknown_outcome(body: Any, server: ScriptedServer, client: SmartHub):
    server.script(reply(200, body))

    with pytest.raises(errors.OutcomeUnknown):
        client.submit_batch("activate", [GICCID])
    with pytest.raises(errors.OutcomeUnknown):
        client.add_plan(GICCID, "P")
    with pytest.raises(errors.OutcomeUnknown):
        client.send_sms(GICCID, "hi")


def test_no_content_is_a_yes(server: ScriptedServer, client: SmartHub):
    server.script(raw(b"HTTP/1.1 204 No Content\r\n\r\n"))

    client.activate(GICCID)

    assert len(server.seen) == 1
