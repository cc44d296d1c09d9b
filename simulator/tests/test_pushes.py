"""Pushes: what is sent, where to, how often, and how they go wrong."""

import uuid

import pytest

from simulator.pushes import sign
from simulator.tests.conftest import SAMPLE, Receiver, Simulator, wait_for


def suspend(carrier: Simulator, giccid: str = SAMPLE) -> None:
    assert carrier.post(f"/global-sims/{giccid}/deactivate").status_code == 200


def outcome(carrier: Simulator, state: str) -> dict:
    def found() -> dict | None:
        rows = carrier.control("GET", "/pushes")["data"]
        return rows[0] if rows and rows[0]["state"] == state else None

    return wait_for(found)


def test_status_change_is_pushed_to_its_own_address(carrier: Simulator, receiver: Receiver) -> None:
    suspend(carrier)
    wait_for(lambda: receiver.received)
    path, headers, _ = receiver.received[0]
    assert path == "/webhooks/smarthub/token/sim-status-change/"
    assert headers["Content-Type"] == "application/json"
    assert "X-SmartHub-Signature" not in headers
    (body,) = receiver.bodies()
    assert uuid.UUID(body.pop("eventId"))
    assert body.pop("eventTime")
    assert body.pop("ruleName")
    assert body == {
        "eventType": "SIM_STATUS_CHANGE",
        "accountName": "example_account",
        "giccid": SAMPLE,
        "originalStatus": "ACTIVATED",
        "targetStatus": "DEACTIVATED",
    }
    assert outcome(carrier, "delivered")["attempts"] == 1


def test_apn_imei_and_message_pushes(carrier: Simulator, receiver: Receiver) -> None:
    carrier.put(f"/global-sims/{SAMPLE}/apnStatus", {"apn": "iot.example", "status": "DISABLED"})
    carrier.control("PATCH", f"/sims/{SAMPLE}", {"imei": "356938035643809"})
    number = carrier.post("/mt-sms", {"toGiccid": SAMPLE, "messageText": "x"}).json()["smsMsgId"]
    carrier.advance(5)
    wait_for(lambda: len(receiver.received) == 3)
    apn, imei, report = receiver.bodies()
    assert (apn["apn"], apn["originalStatus"], apn["targetStatus"]) == ("iot.example", "ENABLED", "DISABLED")
    assert (imei["originalImei"], imei["targetImei"]) == ("353270091234567", "356938035643809")
    assert (report["smsMsgId"], report["status"], report["toGiccid"]) == (number, "DELIVERED", SAMPLE)
    assert [path.split("/")[-2] for path, _, _ in receiver.received] == [
        "sim-apn-status-change",
        "imei-change",
        "mt-sms-status-report",
    ]


def test_signature(carrier: Simulator, receiver: Receiver) -> None:
    shown = carrier.control("PUT", "/push-target", {"url": receiver.url, "secret": "s3cret"})
    assert shown == {"url": receiver.url, "has_secret": True}
    suspend(carrier)
    wait_for(lambda: receiver.received)
    _, headers, body = receiver.received[0]
    assert headers["X-SmartHub-Signature"] == f"sha256={sign('s3cret', body)}"


@pytest.mark.parametrize("answer", [500, 302, None])
def test_what_is_not_200_is_sent_again(carrier: Simulator, receiver: Receiver, answer: int | None) -> None:
    receiver.answers = [answer]
    suspend(carrier)
    wait_for(lambda: len(receiver.received) == 2)
    first, second = receiver.bodies()
    assert first == second
    assert outcome(carrier, "delivered")["attempts"] == 2


def test_no_receiver_keeps_a_push_pending(carrier: Simulator) -> None:
    carrier.control("PUT", "/push-target", {"url": "http://127.0.0.1:9/x/"})
    suspend(carrier)
    row = wait_for(lambda: [r for r in carrier.control("GET", "/pushes")["data"] if r["attempts"]])[0]
    assert (row["state"], row["answer"]) == ("pending", "ConnectionRefusedError")


def test_lost_and_duplicated(carrier: Simulator, receiver: Receiver) -> None:
    carrier.control("POST", "/pushes/faults", {"lost": 1})
    suspend(carrier)
    assert outcome(carrier, "lost")["attempts"] == 0
    carrier.control("POST", "/pushes/faults", {"duplicated": 1})
    carrier.post(f"/global-sims/{SAMPLE}/activate")
    wait_for(lambda: len(receiver.received) == 2)
    first, second = receiver.bodies()
    assert first == second
    assert first["targetStatus"] == "ACTIVATED"


@pytest.mark.parametrize("fault", [{"delayed": 1, "delay_seconds": 0.8}, {"out_of_order": 1}])
def test_late_ones_are_overtaken(carrier: Simulator, receiver: Receiver, fault: dict) -> None:
    carrier.control("POST", "/pushes/faults", fault)
    suspend(carrier)
    carrier.control("DELETE", "/pushes/faults")
    carrier.post(f"/global-sims/{SAMPLE}/activate")
    wait_for(lambda: len(receiver.received) == 2)
    assert [body["targetStatus"] for body in receiver.bodies()] == ["ACTIVATED", "DEACTIVATED"]


def test_order_is_kept_otherwise(carrier: Simulator, receiver: Receiver) -> None:
    for n in range(20):
        carrier.post(f"/global-sims/{SAMPLE}/{'activate' if n % 2 else 'deactivate'}")
    wait_for(lambda: len(receiver.received) == 20)
    assert [body["targetStatus"] for body in receiver.bodies()] == ["DEACTIVATED", "ACTIVATED"] * 10


def test_any_body_can_be_sent(carrier: Simulator, receiver: Receiver) -> None:
    for body in ({"eventType": "MO_SMS", "giccid": SAMPLE}, {"eventType": "BRAND_NEW"}, [1, 2]):
        carrier.control("POST", "/pushes", body)
    wait_for(lambda: len(receiver.received) == 3)
    paths = sorted(path.removeprefix("/webhooks/smarthub/token/") for path, _, _ in receiver.received)
    assert paths == ["", "", "mo-sms/"]


def test_many_bodies_are_sent_and_what_waits_can_be_hurried(carrier: Simulator, receiver: Receiver) -> None:
    carrier.control("POST", "/pushes/faults", {"delayed": 1, "delay_seconds": 3600})
    bodies = [{"eventType": "MO_SMS", "giccid": SAMPLE, "smsMsgId": f"m{number}"} for number in range(3)]
    assert carrier.control("POST", "/pushes/many", {"bodies": bodies}) == {"queued": 3}
    assert carrier.control("POST", "/pushes/hurry") == {"pending": 3}
    wait_for(lambda: len(receiver.received) == 3)
    assert sorted(body["smsMsgId"] for body in receiver.bodies()) == ["m0", "m1", "m2"]


def test_events_happen_by_themselves(carrier: Simulator, receiver: Receiver) -> None:
    carrier.control("PUT", "/life", {"events_per_hour": 3600, "mo_sms": True})
    kinds: set[str] = set()

    def all_seen() -> bool:
        carrier.advance(20)
        kinds.update(body["eventType"] for body in receiver.bodies())
        return {"IMEI_CHANGE", "MO_SMS", "NO_SESSION_CONNECTION"} <= kinds and any("PREPAID" in k for k in kinds)

    wait_for(all_seen, 30)
    carrier.control("PUT", "/life", {"events_per_hour": 0})
    (change, *_) = carrier.control("GET", "/changes?source=network")["data"]
    assert (change["what"], change["by"]) == ("imei", "network")
    assert carrier.sim(change["giccid"])["imei"]
    assert carrier.get("/global-sims/changeLogs", giccid=change["giccid"], type="IMEI_CHANGE")["total"] >= 1


def test_bad_target_is_refused(carrier: Simulator) -> None:
    with pytest.raises(AssertionError, match="http"):
        carrier.control("PUT", "/push-target", {"url": "ftp://x"})
