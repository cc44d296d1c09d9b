"""What goes over the wire is exactly what the contract says, or nothing."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from smarthub import SmartHub
from smarthub.calls import CALLS
from smarthub.contract import Effective, SimStatus
from smarthub.tests.conftest import KEY
from smarthub.tests.samples import CHANGE, GICCID, SIM, page
from smarthub.tests.scripted_server import ScriptedServer, reply

Act = Callable[[SmartHub], Any]

# method, path, body or None, answer, call
WRITES: dict[str, tuple[str, str, Any, Any, Act]] = {
    "activate": ("POST", f"/global-sims/{GICCID}/activate", None, {}, lambda c: c.activate(GICCID)),
    "deactivate": ("POST", f"/global-sims/{GICCID}/deactivate", None, {}, lambda c: c.deactivate(GICCID)),
    "retire": ("POST", f"/global-sims/{GICCID}/retire", None, {}, lambda c: c.retire(GICCID)),
    "set_custom_fields": (
        "PUT",
        f"/global-sims/{GICCID}/custom-field",
        {"custom1": "é", "custom5": ""},
        {},
        lambda c: c.set_custom_fields(GICCID, {"custom1": "é", "custom5": ""}),
    ),
    "change_plan": (
        "PUT",
        f"/global-sims/{GICCID}/servicePackage",
        {"servicePackageCode": "P", "effective": "NEXT_CYCLE"},
        {},
        lambda c: c.change_plan(GICCID, "P", Effective.NEXT_CYCLE),
    ),
    "add_plan": (
        "POST",
        f"/global-sims/{GICCID}/servicePackages",
        {"servicePackageCode": "P"},
        {"code": "P", "subscriptionId": 7},
        lambda c: c.add_plan(GICCID, "P"),
    ),
    "set_apn": (
        "PUT",
        f"/global-sims/{GICCID}/apnStatus",
        {"apn": "iot.example", "status": "DISABLED"},
        {},
        lambda c: c.set_apn(GICCID, "iot.example", "DISABLED"),
    ),
    "submit_batch_activate": (
        "POST",
        "/batchJobs/global-sims/activate",
        {"giccids": [GICCID]},
        {"jobId": "j"},
        lambda c: c.submit_batch("activate", [GICCID]),
    ),
    "submit_batch_deactivate": (
        "POST",
        "/batchJobs/global-sims/deactivate",
        {"giccids": [GICCID]},
        {"jobId": "j"},
        lambda c: c.submit_batch("DEACTIVATE", [GICCID]),
    ),
    "submit_batch_retire": (
        "POST",
        "/batchJobs/global-sims/retire",
        {"giccids": [GICCID]},
        {"jobId": "j"},
        lambda c: c.submit_batch("retire", [GICCID]),
    ),
    "submit_batch_change_plan": (
        "POST",
        "/batchJobs/global-sims/servicePackage",
        {"giccids": [GICCID], "servicePackageCode": "P", "effective": "NOW"},
        {"jobId": "j"},
        lambda c: c.submit_batch("SERVICE_PACKAGE", [GICCID], plan="P"),
    ),
    "send_sms": (
        "POST",
        "/mt-sms",
        {"toGiccid": GICCID, "messageText": "4869", "dataCoding": 4, "tpvp": 0},
        {"smsMsgId": "m", "status": "PENDING"},
        lambda c: c.send_sms(GICCID, "4869", data_coding=4, tpvp=0),
    ),
}


@pytest.mark.parametrize("name", WRITES)
def test_a_write_sends_method_path_and_body_of_the_contract(name: str, server: ScriptedServer, client: SmartHub):
    method, path, body, answer, act = WRITES[name]
    server.script(reply(200, answer))

    act(client)

    assert len(server.seen) == 1
    seen = server.seen[0]
    assert (seen.method, seen.target) == (method, path)
    assert seen.headers["x-api-key"] == KEY
    if body is None:
        assert seen.body == b""
        assert seen.headers["content-length"] == "0"
        assert "content-type" not in seen.headers
    else:
        assert seen.json == body
        assert seen.headers["content-type"] == "application/json"


def test_every_write_of_the_contract_is_tried_here():
    assert set(WRITES) == {call.name for call in CALLS.values() if not call.is_read}


def test_a_put_without_body_sends_its_length(server: ScriptedServer, client: SmartHub):
    server.script(reply(200, {}))

    client._transport.request(CALLS["set_apn"], "/x", client.lane)

    assert server.seen[0].headers["content-length"] == "0"
    assert "transfer-encoding" not in server.seen[0].headers


READS: dict[str, tuple[str, Any, Act]] = {
    "get_root": ("/", {"categories": []}, lambda c: c.get_root()),
    "get_enterprise": ("/enterprise", {"name": "E", "accounts": []}, lambda c: c.get_enterprise()),
    "get_sim": (f"/global-sims/{GICCID}", SIM, lambda c: c.get_sim(GICCID)),
    "get_custom_fields": (
        f"/global-sims/{GICCID}/custom-field",
        {"custom1": "a", "custom2": None},
        lambda c: c.get_custom_fields(GICCID),
    ),
    "list_sims": (
        f"/global-sims?accountName=a&status=ACTIVATED&giccid={GICCID}&giccid={GICCID[:-1]}1&page=2&size=5",
        page(SIM, number=2, size=5, total=11),
        lambda c: c.list_sims(
            account="a", status=SimStatus.ACTIVATED, giccids=[GICCID, GICCID[:-1] + "1"], page=2, size=5
        ),
    ),
    "list_change_logs": (
        f"/global-sims/changeLogs?accountName=a&giccid={GICCID}&type=LOCAL_STATUS"
        "&startTime=2024-11-01T00:00:00+0000&endTime=2024-11-02T00:00:00+0000&page=0&size=100",
        page(CHANGE),
        lambda c: c.list_change_logs(
            account="a",
            giccid=GICCID,
            type="LOCAL_STATUS",
            start=datetime(2024, 11, 1, tzinfo=UTC),
            end=datetime(2024, 11, 2, tzinfo=UTC),
        ),
    ),
    "get_account": ("/account/a%2Fb%20c", {"name": "a/b c", "balance": 1.5}, lambda c: c.get_account("a/b c")),
    "list_plans": (
        "/a/servicePackages?page=0&size=100",
        page({"code": "P", "countryCodes": ["DE"]}),
        lambda c: c.list_plans("a"),
    ),
    "list_pools": (
        "/share-pools?accountName=a&page=0&size=100",
        page({"code": "POOL"}),
        lambda c: c.list_pools("a"),
    ),
    "country_statistics": (
        "/global-sims/statistics/countries?accountName=a&month=2024-11",
        {"month": "2024-11", "data": [{"countryCode": "DE"}]},
        lambda c: c.country_statistics("a", "2024-11"),
    ),
    "get_batch_job": (
        "/batchJobs/j%2F1?page=1&size=100",
        {"jobId": "j/1", "status": "RUNNING", "page": 1},
        lambda c: c.get_batch_job("j/1", page=1),
    ),
    "get_sms": ("/mt-sms/m", {"smsMsgId": "m", "status": "DELIVERED"}, lambda c: c.get_sms("m")),
}


@pytest.mark.parametrize("name", READS)
def test_a_read_asks_path_and_query_of_the_contract(name: str, server: ScriptedServer, client: SmartHub):
    target, answer, act = READS[name]
    server.script(reply(200, answer))

    result = act(client)

    seen = server.seen[0]
    assert seen.method == "GET"
    assert urlsplit(seen.target).path == urlsplit(target).path
    expected = [tuple(pair.split("=", 1)) for pair in urlsplit(target).query.split("&") if pair]
    assert parse_qsl(urlsplit(seen.target).query) == expected
    assert result is not None


def test_every_read_of_the_contract_is_tried_here():
    assert set(READS) == {call.name for call in CALLS.values() if call.is_read}


@pytest.mark.parametrize(
    "act",
    [
        lambda c: c.get_sim("123"),
        lambda c: c.get_sim(GICCID + "\n"),
        lambda c: c.get_sim("８" * 19),
        lambda c: c.retire("../../enterprise/00000"),
        lambda c: c.list_sims(giccids=["x"]),
        lambda c: c.list_sims(giccids=[GICCID] * 101),
        lambda c: c.list_sims(page=-1),
        lambda c: c.list_sims(size=0),
        lambda c: c.list_change_logs(start=datetime(2024, 1, 1)),  # noqa: DTZ001 # the naive time is the point
        lambda c: c.get_account(".."),
        lambda c: c.get_account(""),
        lambda c: c.get_batch_job("."),
        lambda c: c.set_custom_fields(GICCID, {"custom6": "x"}),
        lambda c: c.set_custom_fields(GICCID, {}),
        lambda c: c.set_custom_fields(GICCID, {"custom1": None}),
        lambda c: c.change_plan(GICCID, ""),
        lambda c: c.change_plan(GICCID, "P", "SOMETIME"),
        lambda c: c.set_apn(GICCID, "a", "ON"),
        lambda c: c.submit_batch("activate", []),
        lambda c: c.submit_batch("activate", [GICCID], plan="P"),
        lambda c: c.submit_batch("SERVICE_PACKAGE", [GICCID]),
        lambda c: c.submit_batch("explode", [GICCID]),
        lambda c: c.send_sms(GICCID, ""),
        lambda c: c.send_sms(GICCID, "x", data_coding=2),
        lambda c: c.send_sms(GICCID, "x", tpvp=256),
    ],
)
def test_bad_input_is_refused_before_any_call(act: Act, server: ScriptedServer, client: SmartHub):
    server.script(reply(200, {}))

    with pytest.raises(ValueError):
        act(client)

    assert server.seen == []


@pytest.mark.parametrize("key", ["", " x", "a\nb", "schlüssel"])
def test_a_key_that_no_header_carries_is_refused_without_being_shown(key: str):
    with pytest.raises(ValueError) as caught:
        SmartHub("http://127.0.0.1:1", key)

    assert not key.strip() or key not in str(caught.value)


@pytest.mark.parametrize("url", ["", "ftp://x", "http://", "example.test/v1"])
def test_a_base_url_must_be_one(url: str):
    with pytest.raises(ValueError):
        SmartHub(url, KEY)


@pytest.mark.parametrize("suffix", ["", "/v1", "/v1/"])
def test_the_base_url_is_taken_literally(suffix: str, server: ScriptedServer):
    server.script(reply(200, {"name": "E"}))

    SmartHub(server.url + suffix, KEY).get_enterprise()

    assert server.seen[0].target == f"{suffix.rstrip('/')}/enterprise"
