"""Change logs: filters, the limit of 30 days, paging."""

import pytest

from simulator.clock import DAY, format_time, parse_time
from simulator.tests.conftest import SAMPLE, Simulator

PATH = "/global-sims/changeLogs"


def now(carrier: Simulator) -> float:
    return parse_time(carrier.control("GET", "/clock")["time"])


def walk(carrier: Simulator, **query) -> list[dict]:
    found: list[dict] = []
    page = 0
    while True:
        answer = carrier.get(PATH, page=page, size=7, **query)
        if not answer["data"]:
            assert answer["total"] == len(found)
            return found
        found += answer["data"]
        page += 1


def test_past_is_there_at_the_start_and_can_be_walked(carrier: Simulator) -> None:
    found = walk(carrier)
    assert len(found) > 20
    assert {entry["type"] for entry in found} == {"LOCAL_STATUS", "SERVICE_PACKAGE", "IMEI_CHANGE"}
    assert all(set(e) == {"giccid", "type", "original", "target", "createdTime", "status"} for e in found)


def test_filters(carrier: Simulator) -> None:
    whole = walk(carrier)
    kind = [e for e in whole if e["type"] == "IMEI_CHANGE"]
    assert walk(carrier, type="IMEI_CHANGE") == kind
    one = whole[0]["giccid"]
    assert walk(carrier, giccid=one) == [e for e in whole if e["giccid"] == one]
    account = walk(carrier, accountName="example_account")
    assert 0 < len(account) < len(whole)
    assert all(carrier.sim(e["giccid"])["accountName"] == "example_account" for e in account)
    assert walk(carrier, accountName="nobody") == walk(carrier, type="OTHER") == []


def test_both_ends_of_the_range_are_included(carrier: Simulator) -> None:
    whole = walk(carrier)
    moment = sorted(e["createdTime"] for e in whole)[len(whole) // 2]
    assert walk(carrier, startTime=moment, endTime=moment) == [e for e in whole if e["createdTime"] == moment]
    assert walk(carrier, startTime=moment) == [e for e in whole if e["createdTime"] >= moment]
    assert walk(carrier, endTime=moment) == [e for e in whole if e["createdTime"] <= moment]


def test_other_zones_are_read(carrier: Simulator) -> None:
    moment = int(now(carrier)) - 5 * DAY
    plus8 = format_time(moment + 8 * 3600).replace("+0000", "+08:00")
    assert walk(carrier, startTime=plus8) == walk(carrier, startTime=format_time(moment))


def test_thirty_days_back_at_most(carrier: Simulator) -> None:
    moment = now(carrier)
    assert carrier.get(PATH, startTime=format_time(moment - 30 * DAY + 30))["total"] > 0
    for query in (
        {"startTime": format_time(moment - 30 * DAY - 2)},
        {"startTime": format_time(moment - 30 * DAY + 60), "endTime": format_time(moment + DAY)},
    ):
        response = carrier.call("GET", PATH, params=query)
        assert response.status_code == 422
        assert response.json()["errors"] == [{"resource": "globalSim", "field": "startTime", "code": "invalid"}]


@pytest.mark.parametrize("name", ["startTime", "endTime"])
def test_no_time_is_invalid(carrier: Simulator, name: str) -> None:
    response = carrier.call("GET", PATH, params={name: "yesterday"})
    assert response.json()["errors"][0]["field"] == name


def test_entries_older_than_thirty_days_are_forgotten(carrier: Simulator) -> None:
    carrier.post(f"/global-sims/{SAMPLE}/deactivate")
    assert len(walk(carrier, giccid=SAMPLE)) == 1
    carrier.advance(30 * DAY + 5)
    assert walk(carrier) == []
    assert carrier.changes(SAMPLE) == [("status", "ACTIVATED", "DEACTIVATED")]
