"""The control API: changes by somebody else, SIMs added and forgotten, logs, clock, reset."""

import pytest
import requests

from simulator.tests.conftest import FLEET, SAMPLE, Simulator, wait_for


def refused(carrier: Simulator, method: str, path: str, body) -> str:
    response = requests.request(method, f"{carrier.url}/_simulator{path}", json=body, timeout=5)
    assert 400 <= response.status_code < 500
    return response.json()["error"]


def test_help_and_fleet(carrier: Simulator) -> None:
    assert "GET /fleet" in carrier.control("GET", "/")
    fleet = carrier.control("GET", "/fleet")
    assert fleet["total"] == FLEET == sum(fleet["statuses"].values())
    for account in fleet["accounts"]:
        for status, examples in account["examples"].items():
            assert all(carrier.sim(giccid)["status"] == status for giccid in examples[:2])


def test_a_change_by_somebody_else_is_logged_and_pushed(carrier: Simulator) -> None:
    body = {"status": "RETIRED", "imei": "356938035643809", "plan": "EU-5G-M", "custom1": "moved", "msisdn": "861450"}
    sim = carrier.control("PATCH", f"/sims/{SAMPLE}", body)
    assert sim == carrier.sim(SAMPLE) == carrier.control("GET", f"/sims/{SAMPLE}")
    assert (sim["status"], sim["imei"], sim["msisdn"]) == ("RETIRED", "356938035643809", "861450")
    assert sim["customFields"]["custom1"] == "moved"
    logged = carrier.get("/global-sims/changeLogs", giccid=SAMPLE)["data"]
    assert {entry["type"] for entry in logged} == {"LOCAL_STATUS", "SERVICE_PACKAGE", "IMEI_CHANGE"}
    assert carrier.control("GET", f"/pushes?giccid={SAMPLE}")["total"] == 2
    assert {c["by"] for c in carrier.control("GET", f"/changes?giccid={SAMPLE}")["data"]} == {"control"}


def test_a_silent_change(carrier: Simulator) -> None:
    carrier.control("PATCH", f"/sims/{SAMPLE}", {"status": "DEACTIVATED", "log": False, "push": False})
    assert carrier.sim(SAMPLE)["status"] == "DEACTIVATED"
    assert carrier.get("/global-sims/changeLogs", giccid=SAMPLE)["total"] == 0
    assert carrier.control("GET", "/pushes")["total"] == 0
    assert len(carrier.changes(SAMPLE)) == 1


def test_answers_can_be_made_strange(carrier: Simulator) -> None:
    body = {"extra": {"status": "FROZEN", "colour": "red", "cycleUsage": "x"}, "drop": ["imei", "accountName"]}
    carrier.control("PATCH", f"/sims/{SAMPLE}", body)
    sim = carrier.get("/global-sims", giccid=SAMPLE)["data"][0]
    assert (sim["status"], sim["colour"], sim["cycleUsage"]) == ("FROZEN", "red", "x")
    assert not {"imei", "accountName"} & set(sim)
    assert carrier.post(f"/global-sims/{SAMPLE}/deactivate").status_code == 200


def test_apns_subscriptions_and_session_can_be_set(carrier: Simulator) -> None:
    body = {
        "apns": [{"apn": "a.example", "status": "ENABLED"}, {"apn": "b.example", "status": "DISABLED"}],
        "add_plan": "YEAR-1G",
        "session": {"online": False, "countryCode": "BR"},
        "dataUsage": 5,
        "accountName": "pilot_lab",
    }
    sim = carrier.control("PATCH", f"/sims/{SAMPLE}", body)
    assert sim["apns"] == body["apns"]
    assert sim["supplementaryServicePackages"][0]["code"] == "YEAR-1G"
    assert (sim["session"]["online"], sim["session"]["countryCode"]) == (False, "BR")
    assert sim["cycleUsage"]["dataUsage"] == 5
    assert SAMPLE in [s["giccid"] for s in carrier.get("/global-sims", accountName="pilot_lab", size=100)["data"]]


def test_sims_are_forgotten_and_added_in_their_place(carrier: Simulator) -> None:
    middle = carrier.get("/global-sims", page=200, size=1)["data"][0]["giccid"]
    carrier.control("DELETE", f"/sims/{middle}")
    assert carrier.call("GET", f"/global-sims/{middle}").status_code == 404
    assert carrier.get("/global-sims")["total"] == FLEET - 1
    new = [middle[:-1], "8986000000000000000", "89869999999999999999"]
    for giccid in new:
        sim = carrier.control("POST", "/sims", {"giccid": giccid, "status": "ACTIVATED"})
        assert (sim["giccid"], sim["status"], sim["accountName"]) == (giccid, "ACTIVATED", "example_account")
        assert carrier.sim(giccid) == sim
    walk = [sim["giccid"] for page in range(60) for sim in carrier.get("/global-sims", size=7, page=page)["data"]]
    assert len(walk) == FLEET + 2
    assert walk == sorted(set(walk))
    assert set(new) <= set(walk)
    assert carrier.post(f"/global-sims/{new[0]}/deactivate").status_code == 200
    carrier.control("POST", "/sims", {"giccid": middle})
    assert carrier.sim(middle)["status"] == "INVENTORY"
    carrier.control("DELETE", f"/sims/{new[1]}")
    assert carrier.get("/global-sims")["total"] == FLEET + 2


def test_what_the_control_api_refuses(carrier: Simulator) -> None:
    assert "status must be" in refused(carrier, "PATCH", f"/sims/{SAMPLE}", {"status": "FROZEN"})
    assert "unknown: colour" in refused(carrier, "PATCH", f"/sims/{SAMPLE}", {"colour": "red"})
    assert "plan must be" in refused(carrier, "PATCH", f"/sims/{SAMPLE}", {"plan": "TOPUP-50M"})
    assert "JSON object" in refused(carrier, "PATCH", f"/sims/{SAMPLE}", [1])
    assert "unknown" in refused(carrier, "PATCH", "/sims/89860119079999999999", {"imei": "1"})
    assert "digits" in refused(carrier, "POST", "/sims", {"giccid": "abc"})
    assert "already" in refused(carrier, "POST", "/sims", {"giccid": SAMPLE})
    assert "advance" in refused(carrier, "POST", "/clock", {"advance": -1})
    assert "mode" in refused(carrier, "POST", "/outage", {"mode": "other"})
    assert "not a time" in refused(carrier, "GET", "/calls?since=yesterday", None)


def test_logs_can_be_filtered_and_read_on(carrier: Simulator) -> None:
    carrier.sim(SAMPLE)
    carrier.post(f"/global-sims/{SAMPLE}/deactivate")
    calls = carrier.control("GET", f"/calls?giccid={SAMPLE}")
    assert [(c["call"], c["method"], c["status"]) for c in calls["data"]] == [
        ("get_sim", "GET", 200),
        ("deactivate", "POST", 200),
    ]
    first = calls["data"][0]
    assert carrier.control("GET", f"/calls?since={first['id']}")["total"] == 1
    assert carrier.control("GET", f"/calls?since={first['time'].replace('+', '%2B')}")["total"] == 2
    assert carrier.control("GET", "/calls?call=get_sim&limit=1")["total"] == 1
    change = carrier.control("GET", "/changes")["data"][0]
    assert change["call_id"] == calls["data"][1]["id"]
    assert carrier.control("GET", f"/changes?since={change['id']}") == {"total": 0, "data": []}


def test_reset_brings_the_seed_back(carrier: Simulator) -> None:
    before = carrier.sim(SAMPLE)
    total = carrier.get("/global-sims/changeLogs")["total"]
    carrier.control("DELETE", f"/sims/{carrier.example('INVENTORY')}")
    carrier.post(f"/global-sims/{SAMPLE}/deactivate")
    carrier.fault("error")
    carrier.advance(400 * 86_400)
    carrier.control("POST", "/reset")
    after = carrier.sim(SAMPLE)
    assert {**after, "updatedTime": 0, "session": 0, "cycleUsage": 0} == {
        **before,
        "updatedTime": 0,
        "session": 0,
        "cycleUsage": 0,
    }
    assert carrier.get("/global-sims")["total"] == FLEET
    assert carrier.get("/global-sims/changeLogs")["total"] == total
    assert carrier.control("GET", "/changes") == {"total": 0, "data": []}
    assert carrier.control("GET", "/faults")["data"] == []


@pytest.mark.parametrize("seconds", [3600, 40 * 86_400])
def test_clock_advances(carrier: Simulator, seconds: int) -> None:
    before = carrier.control("GET", "/clock")["unix"]
    assert 0 <= carrier.control("POST", "/clock", {"advance": seconds})["unix"] - before - seconds < 5


def test_numbers_in_the_logs_go_on_after_a_reset(carrier: Simulator) -> None:
    carrier.post(f"/global-sims/{SAMPLE}/deactivate")
    before = [carrier.control("GET", f"/{log}")["data"][-1]["id"] for log in ("calls", "changes", "pushes")]
    carrier.control("POST", "/reset")
    carrier.post(f"/global-sims/{SAMPLE}/deactivate")
    after = [carrier.control("GET", f"/{log}")["data"] for log in ("calls", "changes", "pushes")]
    assert [len(rows) for rows in after] == [1, 1, 1]
    assert all(rows[0]["id"] > number for rows, number in zip(after, before, strict=True))


def test_the_clock_stands_still_at_speed_0_and_goes_on_from_there(carrier: Simulator) -> None:
    stopped = carrier.control("POST", "/clock", {"speed": 0})["unix"]
    assert carrier.control("GET", "/clock")["unix"] == stopped
    carrier.control("POST", "/clock", {"speed": 1000})
    wait_for(lambda: carrier.control("GET", "/clock")["unix"] > stopped)
