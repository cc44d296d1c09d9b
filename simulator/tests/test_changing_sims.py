"""Calls that change one SIM: states, codes, what is idempotent, what is logged."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from simulator.clock import parse_time
from simulator.tests.conftest import SAMPLE, Simulator

STATES = ("INVENTORY", "TEST_READY", "ACTIVATED", "DEACTIVATED", "RETIRED")
ALLOWED = {
    "activate": ("ACTIVATED", {"INVENTORY", "TEST_READY", "DEACTIVATED"}),
    "deactivate": ("DEACTIVATED", {"ACTIVATED"}),
    "retire": ("RETIRED", {"DEACTIVATED"}),
}


def code_of(response) -> str:
    return response.json()["errors"][0]["code"]


def entries(carrier: Simulator, giccid: str) -> list[tuple[str, str, str, str]]:
    data = carrier.get("/global-sims/changeLogs", giccid=giccid, size=100)["data"]
    return [(e["type"], e["original"], e["target"], e["status"]) for e in data]


@pytest.mark.parametrize("call", ALLOWED)
@pytest.mark.parametrize("state", STATES)
def test_states_allow_what_the_contract_says(carrier: Simulator, call: str, state: str) -> None:
    giccid = carrier.example(state)
    before, logged = carrier.sim(giccid), entries(carrier, giccid)
    target, allowed = ALLOWED[call]
    response = carrier.post(f"/global-sims/{giccid}/{call}")
    after = carrier.sim(giccid)
    if state in allowed:
        assert (response.status_code, response.json()) == (200, {"giccid": giccid})
        assert after["status"] == target
        assert after["updatedTime"] > before["updatedTime"]
        assert carrier.changes(giccid) == [("status", state, target)]
        assert entries(carrier, giccid) == [*logged, ("LOCAL_STATUS", state, target, "SUCCESS")]
        assert "activatedTime" in after
    else:
        assert (response.status_code, code_of(response)) == (422, "illegal_status")
        assert response.json()["title"] == "Validation Failed"
        assert after == before
        assert carrier.changes(giccid) == []


def test_usage_stands_still_while_suspended(carrier: Simulator) -> None:
    carrier.post(f"/global-sims/{SAMPLE}/deactivate")
    suspended = carrier.sim(SAMPLE)
    assert suspended["session"]["online"] is False
    carrier.advance(7300)
    assert carrier.sim(SAMPLE)["cycleUsage"] == suspended["cycleUsage"]
    carrier.post(f"/global-sims/{SAMPLE}/activate")
    carrier.advance(7300)
    active = carrier.sim(SAMPLE)
    assert active["cycleUsage"]["cycleStart"] != suspended["cycleUsage"]["cycleStart"] or (
        active["cycleUsage"]["dataUsage"] > suspended["cycleUsage"]["dataUsage"]
    )
    assert active["session"]["online"] is True


def test_two_activations_at_once_are_one_change(carrier: Simulator) -> None:
    giccid = carrier.example("DEACTIVATED")
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda _: carrier.post(f"/global-sims/{giccid}/activate").status_code, range(8)))
    assert sorted(statuses) == [200] + [422] * 7
    assert carrier.changes(giccid) == [("status", "DEACTIVATED", "ACTIVATED")]


def test_plan_changes_now_and_is_idempotent(carrier: Simulator) -> None:
    body = {"servicePackageCode": "WORLD-1G-M", "effective": "NOW"}
    for _ in range(2):
        assert carrier.put(f"/global-sims/{SAMPLE}/servicePackage", body).status_code == 200
    assert carrier.sim(SAMPLE)["basicServicePackage"]["code"] == "WORLD-1G-M"
    assert carrier.changes(SAMPLE) == [("plan", "EU-100M-M", "WORLD-1G-M")]
    assert entries(carrier, SAMPLE) == [("SERVICE_PACKAGE", "EU-100M-M", "WORLD-1G-M", "SUCCESS")]
    assert carrier.sim(SAMPLE)["cycleUsage"]["dataQuota"] == 1024**3


def test_plan_for_the_next_cycle_shows_when_it_turns(carrier: Simulator) -> None:
    body = {"servicePackageCode": "EU-1G-M", "effective": "NEXT_CYCLE"}
    before = carrier.sim(SAMPLE)
    for _ in range(2):
        assert carrier.put(f"/global-sims/{SAMPLE}/servicePackage", body).status_code == 200
    assert carrier.sim(SAMPLE)["basicServicePackage"] == before["basicServicePackage"]
    assert carrier.changes(SAMPLE) == [("next_plan", None, "EU-1G-M")]
    assert entries(carrier, SAMPLE) == []
    now = parse_time(carrier.control("GET", "/clock")["time"])
    carrier.advance(parse_time(before["cycleUsage"]["cycleEnd"]) - now + 5)
    assert carrier.sim(SAMPLE)["basicServicePackage"]["code"] == "EU-1G-M"
    assert carrier.changes(SAMPLE)[1:] == [("plan", "EU-100M-M", "EU-1G-M")]
    (entry,) = carrier.get("/global-sims/changeLogs", giccid=SAMPLE)["data"]
    assert entry["createdTime"] == before["cycleUsage"]["cycleEnd"]


def test_a_change_now_voids_the_one_planned(carrier: Simulator) -> None:
    path = f"/global-sims/{SAMPLE}/servicePackage"
    carrier.put(path, {"servicePackageCode": "EU-1G-M", "effective": "NEXT_CYCLE"})
    carrier.put(path, {"servicePackageCode": "EU-5G-M", "effective": "NOW"})
    carrier.advance(32 * 86_400)
    assert carrier.sim(SAMPLE)["basicServicePackage"]["code"] == "EU-5G-M"


@pytest.mark.parametrize(
    ("body", "status", "field", "code"),
    [
        ({"effective": "NOW"}, 422, "servicePackageCode", "missing_field"),
        ({"servicePackageCode": "EU-1G-M"}, 422, "effective", "missing_field"),
        ({"servicePackageCode": "NONE", "effective": "NOW"}, 422, "servicePackageCode", "invalid"),
        ({"servicePackageCode": "TOPUP-50M", "effective": "NOW"}, 422, "servicePackageCode", "invalid"),
        ({"servicePackageCode": "EU-1G-M", "effective": "SOON"}, 422, "effective", "invalid"),
        ({"servicePackageCode": 7, "effective": "NOW"}, 400, None, None),
        ([], 400, None, None),
    ],
)
def test_bad_plan_changes(carrier: Simulator, body, status: int, field: str | None, code: str | None) -> None:
    response = carrier.put(f"/global-sims/{SAMPLE}/servicePackage", body)
    assert response.status_code == status
    if field:
        assert response.json()["errors"] == [
            {"resource": "servicePackageVO", "field": field, "code": code},
        ]
    else:
        assert response.json()["title"] == "Bad Request"
    assert carrier.changes(SAMPLE) == []


def test_supplementary_plan_is_bought_each_time(carrier: Simulator) -> None:
    bought = [
        carrier.post(f"/global-sims/{SAMPLE}/servicePackages", {"servicePackageCode": "TOPUP-50M"}).json()
        for _ in range(2)
    ]
    assert carrier.sim(SAMPLE)["supplementaryServicePackages"] == bought
    assert bought[0]["subscriptionId"] != bought[1]["subscriptionId"]
    assert (bought[0]["code"], bought[0]["status"], bought[0]["dataUsage"]) == ("TOPUP-50M", "ACTIVE", 0)
    assert carrier.changes(SAMPLE) == [("subscription", None, "TOPUP-50M")] * 2
    assert entries(carrier, SAMPLE) == [("SERVICE_PACKAGE", "", "TOPUP-50M", "SUCCESS")] * 2
    carrier.advance(31 * 86_400)
    assert {s["status"] for s in carrier.sim(SAMPLE)["supplementaryServicePackages"]} == {"EXPIRED"}


def test_bad_purchases(carrier: Simulator) -> None:
    path = f"/global-sims/{SAMPLE}/servicePackages"
    assert code_of(carrier.post(path, {"servicePackageCode": "EU-1G-M"})) == "invalid"
    assert code_of(carrier.post(path, {})) == "missing_field"
    assert carrier.post(path).status_code == 400
    assert carrier.changes(SAMPLE) == []


def test_apn_is_switched_once_and_has_no_change_log(carrier: Simulator) -> None:
    path = f"/global-sims/{SAMPLE}/apnStatus"
    for _ in range(2):
        assert carrier.put(path, {"apn": "iot.example", "status": "DISABLED"}).status_code == 200
    assert carrier.sim(SAMPLE)["apns"] == [{"apn": "iot.example", "status": "DISABLED"}]
    assert carrier.changes(SAMPLE) == [("apn", {"iot.example": "ENABLED"}, {"iot.example": "DISABLED"})]
    assert entries(carrier, SAMPLE) == []
    assert code_of(carrier.put(path, {"apn": "other.example", "status": "ENABLED"})) == "invalid"
    assert code_of(carrier.put(path, {"apn": "iot.example", "status": "ON"})) == "invalid"
    assert code_of(carrier.put(path, {"apn": "iot.example"})) == "missing_field"


def test_retired_sims_take_no_plan_and_no_apn(carrier: Simulator) -> None:
    giccid = carrier.example("RETIRED")
    apn = carrier.sim(giccid)["apns"][0]["apn"]
    base = f"/global-sims/{giccid}"
    responses = [
        carrier.put(f"{base}/servicePackage", {"servicePackageCode": "EU-1G-M", "effective": "NOW"}),
        carrier.post(f"{base}/servicePackages", {"servicePackageCode": "TOPUP-50M"}),
        carrier.put(f"{base}/apnStatus", {"apn": apn, "status": "DISABLED"}),
    ]
    assert [(r.status_code, code_of(r)) for r in responses] == [(422, "illegal_status")] * 3
    assert carrier.changes(giccid) == []


def test_custom_fields_keep_set_and_empty(carrier: Simulator) -> None:
    path = f"/global-sims/{SAMPLE}/custom-field"
    assert carrier.get(path) == {
        "custom1": "CR-100040",
        "custom2": "Hamburg 1",
        "custom3": "",
        "custom4": "",
        "custom5": "",
    }
    assert carrier.put(path, {"custom2": "", "custom5": "ä" * 100, "other": 1}).status_code == 200
    fields = carrier.get(path)
    assert (fields["custom1"], fields["custom2"], fields["custom5"]) == ("CR-100040", "", "ä" * 100)
    assert carrier.sim(SAMPLE)["customFields"]["custom2"] == ""
    assert carrier.put(path, {}).status_code == 200
    assert len(carrier.changes(SAMPLE)) == 1


def test_bad_custom_fields_change_nothing(carrier: Simulator) -> None:
    path = f"/global-sims/{SAMPLE}/custom-field"
    response = carrier.put(path, {"custom1": "x" * 101, "custom2": "fine"})
    assert response.status_code == 422
    assert response.json()["errors"] == [{"resource": "customFieldVO", "field": "custom1", "code": "invalid"}]
    assert carrier.put(path, {"custom1": 5}).status_code == 400
    assert carrier.call("PUT", path, data=b'{"custom1": "\\ud800"}').status_code == 400
    assert carrier.call("PUT", path, data=b"[" * 100_000).status_code == 400
    assert carrier.put(path, {"custom1": None}).status_code == 400
    assert carrier.call("PUT", path, data=b"{not json").json()["detail"] == "Body should be a JSON object"
    assert carrier.call("PUT", path, data=b"").status_code == 400
    assert carrier.changes(SAMPLE) == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "activate", None),
        ("POST", "deactivate", None),
        ("POST", "retire", None),
        ("GET", "custom-field", None),
        ("PUT", "custom-field", {"custom1": "x"}),
        ("PUT", "servicePackage", {"servicePackageCode": "EU-1G-M", "effective": "NOW"}),
        ("POST", "servicePackages", {"servicePackageCode": "TOPUP-50M"}),
        ("PUT", "apnStatus", {"apn": "iot.example", "status": "ENABLED"}),
    ],
)
def test_unknown_sim_is_missing_for_every_call(carrier: Simulator, method: str, path: str, body) -> None:
    response = carrier.call(method, f"/global-sims/89860119079999999999/{path}", json=body)
    assert (response.status_code, code_of(response)) == (404, "missing")


def test_updated_time_moves_with_each_change_even_within_a_second(carrier: Simulator) -> None:
    times = [carrier.sim(SAMPLE)["updatedTime"]]
    for n in range(4):
        carrier.put(f"/global-sims/{SAMPLE}/custom-field", {"custom3": str(n)})
        times.append(carrier.sim(SAMPLE)["updatedTime"])
    assert times == sorted(set(times))
