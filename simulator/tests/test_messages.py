"""Messages: what is accepted, what is refused, and what becomes of them."""

import pytest

from simulator.messages import validity_seconds
from simulator.tests.conftest import SAMPLE, Simulator


def send(carrier: Simulator, **body) -> str:
    response = carrier.post("/mt-sms", {"toGiccid": SAMPLE, "messageText": "status", **body})
    assert response.status_code == 200, response.text
    assert response.json()["status"] == "PENDING"
    return response.json()["smsMsgId"]


def offline(carrier: Simulator) -> str:
    for page in range(4):
        for sim in carrier.get("/global-sims", status="ACTIVATED", size=100, page=page)["data"]:
            if not sim.get("session", {}).get("online"):
                return sim["giccid"]
    raise AssertionError("no SIM is offline")


def test_a_message_is_delivered_later(carrier: Simulator) -> None:
    number = send(carrier)
    message = carrier.get(f"/mt-sms/{number}")
    assert (message["status"], message["toGiccid"], message["messageText"]) == ("PENDING", SAMPLE, "status")
    assert "deliveredTime" not in message
    carrier.advance(5)
    message = carrier.get(f"/mt-sms/{number}")
    assert message["status"] == "DELIVERED"
    assert message["deliveredTime"] >= message["createdTime"]
    assert carrier.sim(SAMPLE)["cycleUsage"]["smsUsage"] == 1


def test_two_calls_are_two_messages(carrier: Simulator) -> None:
    assert send(carrier) != send(carrier)
    assert [change[0] for change in carrier.changes(SAMPLE)] == ["sms", "sms"]


def test_a_message_to_an_absent_device_expires(carrier: Simulator) -> None:
    number = send(carrier, toGiccid=offline(carrier), tpvp=0)
    carrier.advance(290)
    assert carrier.get(f"/mt-sms/{number}")["status"] == "PENDING"
    carrier.advance(15)
    assert carrier.get(f"/mt-sms/{number}")["status"] == "FAILED"


@pytest.mark.parametrize(
    ("tpvp", "seconds"),
    [
        (0, 300),
        (143, 43_200),
        (144, 45_000),
        (167, 86_400),
        (168, 2 * 86_400),
        (196, 30 * 86_400),
        (197, 5 * 604_800),
        (255, 63 * 604_800),
    ],
)
def test_validity(tpvp: int, seconds: int) -> None:
    assert validity_seconds(tpvp) == seconds


@pytest.mark.parametrize(
    "body",
    [
        {"messageText": "x" * 160},
        {"messageText": "Grüße, 5 €"},
        {"messageText": "plain", "dataCoding": 1},
        {"messageText": "00" * 140, "dataCoding": 4},
        {"messageText": "3042", "dataCoding": 4, "tpvp": 255},
    ],
)
def test_what_is_accepted(carrier: Simulator, body) -> None:
    assert send(carrier, **body)


@pytest.mark.parametrize(
    ("body", "status", "field", "code"),
    [
        ({"messageText": None}, 422, "messageText", "missing_field"),
        ({"messageText": ""}, 422, "messageText", "missing_field"),
        ({"toGiccid": None}, 422, "toGiccid", "missing_field"),
        ({"toGiccid": "89860119079999999999"}, 404, "toGiccid", "missing"),
        ({"messageText": "x" * 161}, 422, "messageText", "invalid"),
        ({"messageText": "x" * 161, "dataCoding": 1}, 422, "messageText", "invalid"),
        ({"messageText": "ü", "dataCoding": 1}, 422, "messageText", "invalid"),
        ({"messageText": "漢"}, 422, "messageText", "invalid"),
        ({"messageText": "zz", "dataCoding": 4}, 422, "messageText", "invalid"),
        ({"messageText": "00 00", "dataCoding": 4}, 422, "messageText", "invalid"),
        ({"messageText": "00" * 141, "dataCoding": 4}, 422, "messageText", "invalid"),
        ({"dataCoding": 2}, 422, "dataCoding", "invalid"),
        ({"tpvp": 256}, 422, "tpvp", "invalid"),
        ({"tpvp": -1}, 422, "tpvp", "invalid"),
        ({"tpvp": "1"}, 400, None, None),
        ({"messageText": 5}, 400, None, None),
    ],
)
def test_what_is_refused(carrier: Simulator, body, status: int, field, code) -> None:
    response = carrier.post("/mt-sms", {"toGiccid": SAMPLE, "messageText": "hello", **body})
    assert response.status_code == status
    if field:
        assert response.json()["errors"][0] == {
            "resource": "globalSim" if status == 404 else "mtSms",
            "field": field,
            "code": code,
        }
    assert carrier.control("GET", "/changes?what=sms")["total"] == 0


@pytest.mark.parametrize("state", ["INVENTORY", "TEST_READY", "DEACTIVATED", "RETIRED"])
def test_only_active_sims_receive(carrier: Simulator, state: str) -> None:
    response = carrier.post("/mt-sms", {"toGiccid": carrier.example(state), "messageText": "x"})
    assert (response.status_code, response.json()["errors"][0]["code"]) == (422, "illegal_status")


@pytest.mark.parametrize("outcome", ["FAILED", "UNKNOWN"])
def test_outcome_can_be_set(carrier: Simulator, outcome: str) -> None:
    carrier.control("POST", "/sms/faults", {"outcome": outcome})
    number = send(carrier)
    carrier.advance(5)
    assert carrier.get(f"/mt-sms/{number}")["status"] == outcome


def test_unknown_message_is_missing(carrier: Simulator) -> None:
    assert carrier.call("GET", "/mt-sms/none").json()["errors"][0]["code"] == "missing"
