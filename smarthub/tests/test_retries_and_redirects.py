"""Reads are tried again, writes never; redirects are followed as the contract says."""

import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from smarthub import Lane, SmartHub, errors
from smarthub.tests.conftest import KEY, MakeClient
from smarthub.tests.samples import GICCID, SIM
from smarthub.tests.scripted_server import ScriptedServer, problem, reply, reset


@pytest.fixture
def other() -> Iterator[ScriptedServer]:
    """Another host: the same address with another port."""
    scripted = ScriptedServer()
    scripted.script(reply(200, SIM))
    yield scripted
    scripted.stop()


def test_a_read_is_tried_again_until_it_works(server: ScriptedServer, make_client: MakeClient):
    server.script(reset(), problem(503), reply(200, text=b"<html>"), reply(200, SIM))

    assert make_client(read_retries=3).get_sim(GICCID).giccid == GICCID
    assert len(server.seen) == 4


def test_a_read_is_given_up_after_its_tries(server: ScriptedServer, make_client: MakeClient):
    server.script(problem(503))

    with pytest.raises(errors.Transient):
        make_client(read_retries=2).get_sim(GICCID)
    assert len(server.seen) == 3


def test_retry_after_is_waited_for(server: ScriptedServer, make_client: MakeClient):
    server.script(reply(429, {}, {"Retry-After": "1"}), reply(200, SIM))

    started = time.monotonic()
    make_client(read_retries=1).get_sim(GICCID)

    assert time.monotonic() - started >= 1


def test_a_retry_after_beyond_the_cap_is_left_to_the_caller(server: ScriptedServer, make_client: MakeClient):
    server.script(reply(429, {}, {"Retry-After": "3600"}), reply(200, SIM))

    with pytest.raises(errors.RateLimited) as caught:
        make_client(read_retries=3).get_sim(GICCID)

    assert caught.value.retry_after == 3600
    assert len(server.seen) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_write_is_sent_once(status: int, server: ScriptedServer, make_client: MakeClient):
    server.script(reply(status, {}, {"Retry-After": "0"}), reply(200, {}))

    with pytest.raises(errors.SmartHubError):
        make_client(read_retries=3).add_plan(GICCID, "P")
    assert len(server.seen) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_on_the_same_host_keeps_method_body_and_key(status: int, server: ScriptedServer, client: SmartHub):
    server.script(reply(status, text=b"moved", headers={"Location": "/v2/x?y=1"}), reply(200, {}))

    client.change_plan(GICCID, "P")

    first, second = server.seen
    assert (second.method, second.target) == ("PUT", "/v2/x?y=1")
    assert second.body == first.body != b""
    assert second.headers["x-api-key"] == KEY


def test_a_read_at_another_host_goes_without_the_key(server: ScriptedServer, other: ScriptedServer, client: SmartHub):
    away = other.url.replace("//", "//user:secret@") + f"/global-sims/{GICCID}"
    server.script(reply(302, headers={"Location": away}))

    assert client.get_sim(GICCID).giccid == GICCID

    assert KEY in server.seen[0].headers["x-api-key"]
    assert "x-api-key" not in other.seen[0].headers
    assert "authorization" not in other.seen[0].headers


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_write_is_not_repeated_at_another_host(
    status: int, server: ScriptedServer, other: ScriptedServer, client: SmartHub
):
    server.script(reply(status, headers={"Location": other.url + "/activate"}))

    with pytest.raises(errors.Rejected) as caught:
        client.activate(GICCID)

    assert (caught.value.code, caught.value.status) == ("redirect_refused", status)
    assert other.seen == []


@pytest.mark.parametrize("location", [None, "", "ftp://x/", "http://", "http://[", "http://127.0.0.1:x/"])
def test_a_redirect_to_nowhere_is_refused(location: str | None, server: ScriptedServer, client: SmartHub):
    server.script(reply(302, headers={} if location is None else {"Location": location}))

    with pytest.raises(errors.Rejected) as write:
        client.activate(GICCID)
    with pytest.raises(errors.Transient) as read:
        client.get_sim(GICCID)
    assert (write.value.code, read.value.code) == ("redirect_refused", "redirect_refused")


def test_at_most_five_redirects_are_followed(server: ScriptedServer, client: SmartHub):
    server.script(*[reply(302, headers={"Location": f"/{n}"}) for n in range(5)], reply(200, {}))
    client.activate(GICCID)
    assert len(server.seen) == 6

    server.script(reply(302, headers={"Location": "/again"}))
    with pytest.raises(errors.Rejected):
        client.activate(GICCID)
    assert len(server.seen) == 6


def test_a_netrc_adds_no_credentials(
    server: ScriptedServer, client: SmartHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password something\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    server.script(reply(302, headers={"Location": "/x"}), reply(200, SIM))

    client.get_sim(GICCID)

    assert len(server.seen) == 2
    assert all("authorization" not in seen.headers for seen in server.seen)


def test_cookies_are_not_kept(server: ScriptedServer, client: SmartHub):
    server.script(reply(200, SIM, {"Set-Cookie": "a=b; Path=/"}))

    client.get_sim(GICCID)
    client.get_sim(GICCID)

    assert "cookie" not in server.seen[1].headers


def test_lanes_share_connections_and_threads_do_not_mix_answers(server: ScriptedServer, client: SmartHub):
    server.script(reply(200, SIM))
    client.get_sim(GICCID)
    client.with_lane(Lane.SYNC).get_sim(GICCID)
    assert server.connections == 1

    with ThreadPoolExecutor(8) as pool:
        assert all(sim.giccid == GICCID for sim in pool.map(client.get_sim, [GICCID] * 64))
    assert server.connections <= 17


def test_a_forked_process_opens_its_own_connection(server: ScriptedServer, client: SmartHub):
    server.script(reply(200, SIM))
    client.get_sim(GICCID)

    child = os.fork()
    if child == 0:
        try:
            client.get_sim(GICCID)
        finally:
            os._exit(0)
    os.waitpid(child, 0)

    assert len(server.seen) == 2
    assert server.connections == 2


def test_the_hook_hears_of_each_http_call(server: ScriptedServer, make_client: MakeClient):
    heard: list[tuple[Any, ...]] = []
    server.script(problem(503), reply(302, headers={"Location": "/x"}), reply(200, SIM), problem(404), reset())
    client = make_client(read_retries=1, lane=Lane.PUSH, on_call=lambda *facts: heard.append(facts))

    client.get_sim(GICCID)
    with pytest.raises(errors.NotFound):
        client.retire(GICCID)
    with pytest.raises(errors.OutcomeUnknown):
        client.retire(GICCID)

    assert [(name, method, outcome, status) for name, method, outcome, status, _, _ in heard] == [
        ("get_sim", "GET", "transient", 503),
        ("get_sim", "GET", "redirect", 302),
        ("get_sim", "GET", "ok", 200),
        ("retire", "POST", "not_found", 404),
        ("retire", "POST", "unknown", None),
    ]
    assert all(0 <= seconds < 5 and lane is Lane.PUSH for *_, seconds, lane in heard)


def test_a_hook_that_breaks_does_not_break_the_call(server: ScriptedServer, make_client: MakeClient):
    server.script(reply(200, {}))
    called = threading.Event()

    def hook(*_: Any) -> None:
        called.set()
        raise RuntimeError("broken counter")

    make_client(on_call=hook).activate(GICCID)

    assert called.is_set()
