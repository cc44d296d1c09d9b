"""Faults: each kind does to a client what it says, and the logs tell what really happened."""

import socket
import time

import pytest
import requests

from simulator.tests.conftest import KEY, SAMPLE, Simulator

DEACTIVATE = f"/global-sims/{SAMPLE}/deactivate"
SIM = f"/global-sims/{SAMPLE}"


def last_call(carrier: Simulator) -> dict:
    return carrier.control("GET", "/calls")["data"][-1]


def test_latency(carrier: Simulator) -> None:
    carrier.fault("latency", "get_sim", seconds=0.4, count=1)
    started = time.monotonic()
    carrier.sim(SAMPLE)
    assert time.monotonic() - started >= 0.4
    started = time.monotonic()
    carrier.sim(SAMPLE)
    assert time.monotonic() - started < 0.4


def test_error_before_the_change(carrier: Simulator) -> None:
    carrier.fault("error", "deactivate", status=503, retry_after=7, count=1)
    response = carrier.post(DEACTIVATE)
    assert (response.status_code, response.headers["Retry-After"]) == (503, "7")
    assert response.json()["title"] == "Service Unavailable"
    assert carrier.changes(SAMPLE) == []
    assert carrier.post(DEACTIVATE).status_code == 200


def test_error_can_be_forbidden_or_carry_a_code(carrier: Simulator) -> None:
    carrier.fault("error", "reads", status=403, count=1)
    assert carrier.call("GET", SIM).json() == {
        "type": "about:blank",
        "title": "Access forbidden",
        "status": 403,
    }
    carrier.fault("error", "writes", status=422, code="quota_used_up")
    assert carrier.post(DEACTIVATE).json()["errors"][0]["code"] == "quota_used_up"


def test_rate_limit(carrier: Simulator) -> None:
    carrier.fault("rate_limit", retry_after=3)
    response = carrier.call("GET", SIM)
    assert (response.status_code, response.headers["Retry-After"]) == (429, "3")


@pytest.mark.parametrize(("kind", "changed"), [("reset", 0), ("lost_answer", 1)])
def test_connection_ends_without_an_answer(carrier: Simulator, kind: str, changed: int) -> None:
    carrier.fault(kind, "deactivate", count=1)
    with pytest.raises(requests.ConnectionError):
        carrier.post(DEACTIVATE)
    assert len(carrier.changes(SAMPLE)) == changed
    call = last_call(carrier)
    assert (call["call"], call["status"], call["fault"]) == ("deactivate", "lost", kind)
    assert carrier.sim(SAMPLE)["status"] == ("DEACTIVATED" if changed else "ACTIVATED")


def test_reset_is_a_reset(carrier: Simulator) -> None:
    carrier.fault("reset", "get_sim")
    host, port = carrier.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(f"GET {SIM} HTTP/1.1\r\nHost: x\r\nX-API-Key: {KEY}\r\n\r\n".encode())
        with pytest.raises(ConnectionResetError):
            connection.recv(100)


def test_error_after_the_change(carrier: Simulator) -> None:
    carrier.fault("error_after_change", "deactivate")
    assert carrier.post(DEACTIVATE).status_code == 500
    assert carrier.changes(SAMPLE) == [("status", "ACTIVATED", "DEACTIVATED")]


@pytest.mark.parametrize(("before", "changed"), [(False, 1), (True, 0)])
def test_hang(carrier: Simulator, before: bool, changed: int) -> None:
    carrier.fault("hang", "deactivate", seconds=2, before=before)
    with pytest.raises(requests.exceptions.ReadTimeout):
        carrier.call("POST", DEACTIVATE, timeout=0.3)
    assert len(carrier.changes(SAMPLE)) == changed


def test_html(carrier: Simulator) -> None:
    carrier.fault("html", status=502)
    response = carrier.post(DEACTIVATE)
    assert response.status_code == 502
    assert response.headers["Content-Type"].startswith("text/html")
    assert carrier.changes(SAMPLE) == []


def test_cut_body(carrier: Simulator) -> None:
    carrier.fault("cut_body")
    with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.ConnectionError)):
        carrier.call("GET", SIM)
    with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.ConnectionError)):
        carrier.post(DEACTIVATE)
    assert len(carrier.changes(SAMPLE)) == 1


def test_bad_json_and_wrong_type(carrier: Simulator) -> None:
    carrier.fault("bad_json", "get_sim", count=1)
    with pytest.raises(requests.exceptions.JSONDecodeError):
        carrier.call("GET", SIM).json()
    carrier.fault("wrong_type", "get_sim", count=1)
    assert isinstance(carrier.call("GET", SIM).json(), list)


def test_redirect(carrier: Simulator) -> None:
    carrier.fault("redirect", "deactivate", status=301, count=1)
    response = carrier.post(f"/v1{DEACTIVATE}")
    assert (response.status_code, response.headers["Location"]) == (301, DEACTIVATE)
    carrier.fault("redirect", "get_sim", location="http://127.0.0.1:9/elsewhere", count=1)
    response = carrier.call("GET", SIM)
    assert (response.status_code, response.headers["Location"]) == (307, "http://127.0.0.1:9/elsewhere")
    assert carrier.changes(SAMPLE) == []


def test_probability_count_sim_and_removal(carrier: Simulator) -> None:
    number = carrier.fault("error", "get_sim", probability=0.5)
    statuses = [carrier.call("GET", SIM).status_code for _ in range(60)]
    assert 10 < statuses.count(500) < 50
    (rule,) = carrier.control("GET", "/faults")["data"]
    assert (rule["id"], rule["hits"]) == (number, statuses.count(500))
    carrier.control("DELETE", f"/faults/{number}")
    other = carrier.example("ACTIVATED")
    carrier.fault("error", "*", giccid=other, count=2)
    assert [carrier.call("GET", SIM).status_code for _ in range(2)] == [200, 200]
    statuses = [carrier.call("GET", f"/global-sims/{other}").status_code for _ in range(3)]
    assert statuses == [500, 500, 200]
    carrier.fault("error")
    carrier.control("DELETE", "/faults")
    assert carrier.call("GET", SIM).status_code == 200


def test_latency_and_another_fault_together(carrier: Simulator) -> None:
    carrier.fault("latency", seconds=0.2)
    carrier.fault("error", status=500)
    started = time.monotonic()
    assert carrier.call("GET", SIM).status_code == 500
    assert time.monotonic() - started >= 0.2
    assert last_call(carrier)["fault"] == "latency,error"


def test_a_refused_key_uses_up_no_fault(carrier: Simulator) -> None:
    carrier.fault("error", count=1)
    assert carrier.call("GET", SIM, headers={"X-API-Key": "no"}).status_code == 401
    assert carrier.control("GET", "/faults")["data"][0]["hits"] == 0


def test_outage(carrier: Simulator) -> None:
    carrier.control("POST", "/outage", {"seconds": 60, "mode": "refuse"})
    with pytest.raises(requests.ConnectionError):
        carrier.post(DEACTIVATE)
    carrier.control("POST", "/outage", {"seconds": 60, "mode": "error"})
    assert carrier.call("GET", SIM).status_code == 503
    carrier.control("DELETE", "/outage")
    assert carrier.sim(SAMPLE)["status"] == "ACTIVATED"
    carrier.control("POST", "/outage", {"seconds": 0})
    assert carrier.control("GET", "/outage") == {"mode": None}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"kind": "other"},
        {"kind": "error", "call": "x"},
        {"kind": "error", "probability": 2},
        [1],
        {"kind": "error", "count": 0},
        {"kind": "error", "nonsense": 1},
        {"kind": "latency", "seconds": "1"},
    ],
)
def test_bad_rules_are_refused(carrier: Simulator, body) -> None:
    response = requests.post(f"{carrier.url}/_simulator/faults", json=body, timeout=5)
    assert response.status_code == 422
    assert response.json()["error"]
    assert carrier.control("GET", "/faults")["data"] == []
