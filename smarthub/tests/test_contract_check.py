"""The contract check tells what differs, fails on a broken promise, and shows nothing private."""

import copy
from typing import Any

import pytest

from smarthub import SmartHub
from smarthub.calls import CALLS
from smarthub.contract_check import CheckResult, Endpoint, Verdict, check_contract, render
from smarthub.tests.conftest import KEY, MakeClient
from smarthub.tests.samples import CHANGE, GICCID, SIM, page
from smarthub.tests.scripted_server import ScriptedServer, Step, problem, reply, reset, route

PLAN = {"code": "P", "name": "Plan", "type": "BASIC", "billing": "POSTPAID", "price": 1.5}
ANSWERS: dict[str, Any] = {
    "/": {"endpoints": ["global-sims"]},
    "/enterprise": {"name": "Big Corp", "accounts": [{"name": "example_account", "status": "ON", "simCount": 1}]},
    "/global-sims": page(SIM),
    f"/global-sims/{GICCID}": SIM,
    "/global-sims/changeLogs": page(CHANGE),
    f"/global-sims/{GICCID}/custom-field": {"custom1": "customer 7"},
    "/account/example_account": {"name": "example_account", "balance": 10, "statusCounts": {"ACTIVATED": 1}},
    "/example_account/servicePackages": page(PLAN),
    "/share-pools": page({"code": "EU-POOL-1"}),
    "/global-sims/statistics/countries": {"month": "2024-11", "data": [{"countryCode": "DE"}]},
}
PRIVATE = (KEY, GICCID, "example_account", "Big Corp", "customer 7", "460011234567890", "8614500000040", "EU-POOL")


def run(server: ScriptedServer, client: SmartHub, changes: dict[str, Any] | None = None) -> CheckResult:
    """Check a carrier that answers as the contract says but for the changes (JSON or a step, by path)."""
    answers = copy.deepcopy(ANSWERS) | (changes or {})
    steps: dict[str, Step] = {
        path: answer if callable(answer) else reply(200, answer) for path, answer in answers.items()
    }
    server.script(route(steps))
    return check_contract(client)


def at(result: CheckResult, name: str) -> Endpoint:
    """What was found at one call."""
    return next(endpoint for endpoint in result.endpoints if endpoint.call.name == name)


def test_a_carrier_that_keeps_the_contract_passes(server: ScriptedServer, client: SmartHub):
    result = run(server, client)

    assert result.exit_status == 0, render(result)
    assert {endpoint.verdict for endpoint in result.endpoints} == {Verdict.HELD}, render(result)
    sim = at(result, "get_sim")
    assert {"giccid", "cycleUsage.dataUsage", "apns[].apn", "session.online"} <= set(sim.present)
    assert "custom2" in at(result, "get_custom_fields").absent


def test_each_reading_endpoint_is_called_once_and_nothing_is_written(server: ScriptedServer, make_client: MakeClient):
    run(server, make_client(read_retries=3), {"/share-pools": problem(503)})

    assert {seen.method for seen in server.seen} == {"GET"}
    paths = [seen.target.partition("?")[0] for seen in server.seen]
    assert len(paths) == len(set(paths)) == sum(call.is_read for call in CALLS.values())


def without(entry: dict[str, Any], name: str) -> dict[str, Any]:
    """The object without one field."""
    return {key: value for key, value in entry.items() if key != name}


LOGS = "/global-sims/changeLogs"


@pytest.mark.parametrize(
    ("path", "answer", "call"),
    [
        (LOGS, page(CHANGE, without(CHANGE, "target")), "list_change_logs"),
        (LOGS, page(without(CHANGE, "createdTime")), "list_change_logs"),
        (LOGS, page({**CHANGE, "createdTime": 1539167570}), "list_change_logs"),
        (LOGS, page({**CHANGE, "giccid": "8986"}), "list_change_logs"),
        (LOGS, page(CHANGE, number=1), "list_change_logs"),
        (LOGS, without(page(CHANGE), "total"), "list_change_logs"),
        (LOGS, {"data": {}, "page": 0, "size": 1, "total": 0}, "list_change_logs"),
        (LOGS, problem(404), "list_change_logs"),
        ("/enterprise", reply(200, text=b"<html>"), "get_enterprise"),
        ("/enterprise", reply(400, text=b"Bad"), "get_enterprise"),
        ("/", problem(404), "get_root"),
    ],
)
def test_a_broken_documented_fact_fails(path: str, answer: Any, call: str, server: ScriptedServer, client: SmartHub):
    result = run(server, client, {path: answer})

    assert result.exit_status == 1
    assert [item.call.name for item in result.endpoints if item.contradictions] == [call]
    assert at(result, call).verdict is Verdict.CONTRADICTED


def test_a_wrong_assumption_is_told_but_does_not_fail(server: ScriptedServer, client: SmartHub):
    strange = {**SIM, "status": "PAUSED", "imei": [1], "eid": "89", "apns": [{"apn": "a", "status": "HALF"}]}
    del strange["sharePoolCode"]
    result = run(server, client, {f"/global-sims/{GICCID}": strange, "/share-pools": problem(404)})

    sim = at(result, "get_sim")
    assert result.exit_status == 0
    assert sim.verdict is Verdict.DIFFERS
    assert sim.unknown == ["eid"]
    assert "sharePoolCode" in sim.absent
    assert sim.unknown_values == ["status=PAUSED", "apns[].status=HALF"]
    assert sim.unreadable == ["imei can't be read in 1 of 1"]
    assert at(result, "list_pools").verdict is Verdict.UNREACHABLE


def test_an_empty_carrier_skips_what_needs_a_sim(server: ScriptedServer, client: SmartHub):
    result = run(server, client, {"/global-sims": page(), "/enterprise": {"name": "E", "accounts": []}})

    assert at(result, "get_sim").verdict is Verdict.SKIPPED
    assert at(result, "list_plans").verdict is Verdict.SKIPPED
    assert result.exit_status == 0


@pytest.mark.parametrize("answer", [reset(), problem(500), problem(401, detail=f"bad key {KEY}")])
def test_no_usable_answer_is_neither_a_pass_nor_a_contradiction(answer: Any, server: ScriptedServer, client: SmartHub):
    result = run(server, client, dict.fromkeys(ANSWERS, answer))

    assert result.exit_status == 2
    assert at(result, "get_root").verdict is Verdict.UNREACHABLE
    assert KEY not in render(result)


def test_the_text_shows_nothing_private(server: ScriptedServer, client: SmartHub):
    leaky = {
        **SIM,
        "status": "example_account",
        GICCID: 1,
        "example_account": 2,
        "session": {"m8614500000040": 1, "ratType": ["8614500000040"]},
        "apns": [{"apn": "secret.apn", "status": "460011234567890"}],
    }
    changes = {
        f"/global-sims/{GICCID}": leaky,
        "/global-sims": page(SIM, leaky),
        "/account/example_account": problem(422, "invalid", detail="example_account " + GICCID),
        LOGS: page({**CHANGE, "type": GICCID, "createdTime": "8614500000040"}),
    }

    text = render(run(server, client, changes))

    for private in (*PRIVATE, "secret.apn"):
        assert private not in text
    assert "GET /global-sims/{giccid} (documented): " in text
    assert "(2 names not shown)" in text


def test_the_text_names_each_endpoint_and_ends_with_the_outcome(server: ScriptedServer, client: SmartHub):
    text = render(run(server, client))

    for call in CALLS.values():
        assert (f"{call.method} {call.path} (" in text) is call.is_read
    assert text.endswith("No documented fact is contradicted.")
    assert "expected and absent: " in text
