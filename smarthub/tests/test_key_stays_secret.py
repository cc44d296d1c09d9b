"""The key stands in one header of a request and nowhere else."""

import http.client
import logging
import traceback
from collections.abc import Callable

import pytest

from smarthub import SmartHub, errors
from smarthub.tests.conftest import KEY, MakeClient
from smarthub.tests.samples import GICCID, SIM
from smarthub.tests.scripted_server import ScriptedServer, Step, hang, problem, raw, reply, reset

ECHO = {"X-Request-Id": KEY, "X-Correlation-Id": f"a-{KEY}"}
PATHS: dict[str, Step] = {
    "reset": reset(),
    "cut": raw(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"),
    "not HTTP": raw(f"{KEY} is not HTTP\r\n\r\n".encode()),
    "broken header": raw(f"HTTP/1.1 200 OK\r\nContent-Length: {KEY}\r\n\r\n".encode()),
    "silence": hang(),
    "401": problem(401, KEY, detail=f"Invalid api key {KEY}", code=KEY),
    "422": problem(422, "invalid", field_name=KEY, message=KEY),
    "404": reply(404, {"title": KEY}, ECHO),
    "500": reply(500, {"title": KEY}, ECHO),
    "429": reply(429, {}, {**ECHO, "Retry-After": KEY}),
    "HTML": reply(200, text=f"<html>{KEY}</html>".encode(), headers=ECHO),
    "list": reply(200, ["x"], ECHO),
    "redirect": reply(302, headers={"Location": f"http://127.0.0.1:{KEY}/"}),
    "redirect away": reply(302, headers={"Location": f"ftp://{KEY}/"}),
    "unreadable": reply(200, {"giccid": "x"}, ECHO),
}
ACTS: list[Callable[[SmartHub], object]] = [lambda c: c.get_sim(GICCID), lambda c: c.add_plan(GICCID, "P")]


def everything_about(error: BaseException) -> str:
    """All that a log, a page or an error tracker would show of an exception, its frames' locals included."""
    parts = [repr(error), str(error), repr(error.__dict__), repr(error.args)]
    parts.append("".join(traceback.format_exception(error)))
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if "/tests/" not in frame.f_code.co_filename:  # the test's own frames know the key, of course
            parts.append(repr(frame.f_locals))
    seen = {id(error)}
    todo = [error.__cause__, error.__context__]
    while todo:
        cause = todo.pop()
        if cause is None or id(cause) in seen:
            continue
        seen.add(id(cause))
        request = getattr(cause, "request", None)
        parts += [repr(cause), str(cause), repr(getattr(request, "headers", ""))]
        todo += [cause.__cause__, cause.__context__]
    return "\n".join(parts)


@pytest.mark.parametrize("act", ACTS, ids=["read", "write"])
@pytest.mark.parametrize("path", PATHS)
def test_no_error_shows_the_key(
    path: str,
    act: Callable[[SmartHub], object],
    server: ScriptedServer,
    make_client: MakeClient,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)
    caplog.set_level(logging.DEBUG)
    server.script(PATHS[path])

    with pytest.raises(errors.SmartHubError) as caught:
        act(make_client(read_timeout=0.5, read_retries=1))

    assert server.seen[0].headers["x-api-key"] == KEY
    logged = "\n".join(record.getMessage() for record in caplog.records)
    printed = "".join(capfd.readouterr())
    shown = everything_about(caught.value)
    for text in (logged, printed):
        assert KEY not in text
    assert KEY not in shown


@pytest.mark.parametrize("act", ACTS, ids=["read", "write"])
def test_no_causes_are_carried_along(act: Callable[[SmartHub], object], server: ScriptedServer, client: SmartHub):
    for step in PATHS.values():
        if step is PATHS["silence"]:
            continue
        server.script(step)
        with pytest.raises(errors.SmartHubError) as caught:
            act(client)
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None


def test_a_connection_that_fails_shows_no_key(closed_url: str, make_client: MakeClient):
    with pytest.raises(errors.Transient) as caught:
        make_client(base_url=closed_url).get_root()

    assert KEY not in everything_about(caught.value)


def test_a_client_does_not_show_the_key(client: SmartHub, server: ScriptedServer):
    server.script(reply(200, SIM))
    client.get_sim(GICCID)

    for thing in (client, client._transport, client._transport._exchanger, client._transport.secret):
        assert KEY not in repr(thing)
        assert KEY not in str(thing)
    session = client._transport._exchanger._session()
    assert KEY not in repr(session.headers)


def test_errors_hold_no_body_in_their_text(server: ScriptedServer, client: SmartHub):
    server.script(problem(422, "invalid", detail="the number 8614500000040 is blocked"))

    with pytest.raises(errors.Rejected) as caught:
        client.activate(GICCID)

    assert "8614500000040" not in str(caught.value) + repr(caught.value)
