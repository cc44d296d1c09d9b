"""Webhooks go out signed, at least once, again until they are taken, and not to a receiver that is down."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from uuid import uuid4

import pytest
from django.conf import settings
from django.core.exceptions import PermissionDenied, ValidationError
from django.utils import timezone

from core.models import AuditEntry
from notifications.models import Delivery, DeliveryAttempt, Forward
from notifications.services import deliveries, delivery_upkeep, forwards, payloads, posting, sending
from notifications.tests.deliveries.receivers import let_pass

pytestmark = pytest.mark.django_db
State = Delivery.State


def states() -> list[str]:
    return list(Delivery.objects.order_by("pk").values_list("state", flat=True))


def signed_right(key: str, got) -> bool:
    """As a receiver would check it, with nothing of the portal's code."""
    signed = got.headers["X-Portal-Timestamp"].encode("ascii") + b"." + got.body
    right = "v1=" + hmac.new(key.encode("utf-8"), signed, hashlib.sha256).hexdigest()
    return right in got.headers["X-Portal-Signature"].split(",")


def test_an_event_is_told_once_signed_and_in_full(store, forward, receiver, make_rule):
    rule = make_rule(forward, name="Over quota", severity="critical")
    [delivery] = store(rule=rule)
    again = deliveries.store(rule=rule, event=delivery.event, notification=rule.notifications.get())
    assert (again, Delivery.objects.count()) == (1, 1)
    assert sending.send_forward(forward.pk) == 1
    [got] = receiver.received
    assert signed_right(forward.key, got)
    assert abs(int(got.headers["X-Portal-Timestamp"]) - time.time()) < 30
    assert got.headers["X-Portal-Delivery"] == str(delivery.uuid)
    assert got.headers["User-Agent"].startswith("SmartHub-Portal")
    body = json.loads(got.body)
    assert (body["version"], body["id"], body["type"]) == (1, str(delivery.uuid), "notification")
    assert body["rule"] == {"id": rule.pk, "name": "Over quota"}
    assert body["severity"] == "critical"
    assert body["event"]["kind"] == "CYCLE_USAGE_TRACKING"
    assert (body["event"]["value"], body["event"]["unit"]) == (112.5, "%")
    assert body["event"]["detail"]["quota"] == 104857600
    assert body["sim"]["giccid"] == delivery.event.sim.giccid
    assert (body["sim"]["plan"], body["sim"]["label"]) == ("EU-100M-M", "Hamburg 7")
    assert body["link"].endswith(f"/notifications/{rule.notifications.get().pk}/")
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts, delivery.next_attempt_at) == (State.DELIVERED, 1, None)
    attempt = delivery.tries.get()
    assert (attempt.status, attempt.answer) == (200, "thanks")
    assert sending.send_forward(forward.pk) == 0
    assert len(receiver.received) == 1


def test_half_a_character_of_the_carrier_does_no_harm(make_rule, make_event):
    rule = make_rule()
    event, line = make_event(rule)
    event.detail = {"apn": "a\ud800b"}
    body = payloads.webhook_body(uuid4(), timezone.now(), rule=rule, event=event, notification=line)
    assert json.loads(body.encode("utf-8"))["event"]["detail"] == {"apn": "a?b"}


def test_nothing_is_stored_for_a_rule_that_sends_nothing_or_a_webhook_that_is_off(store, forward):
    assert store() == []
    Forward.objects.update(active=False)
    assert store(forward) == []


def test_what_is_not_taken_comes_again_with_growing_pauses_and_is_given_up_in_the_end(store, forward, receiver):
    receiver.status = 500
    [delivery] = store(forward)
    pauses = []
    for _ in range(4):
        sending.send_forward(forward.pk)
        delivery.refresh_from_db()
        pauses.append((delivery.next_attempt_at - timezone.now()).total_seconds())
        let_pass(seconds=pauses[-1] + 1)
    for pause, least in zip(pauses, (10, 20, 40, 80), strict=True):
        assert least * 0.9 < pause < least * 1.25
    assert (delivery.state, delivery.tries.count(), len(receiver.received)) == (State.QUEUED, 4, 4)
    assert {got.headers["X-Portal-Delivery"] for got in receiver.received} == {str(delivery.uuid)}
    let_pass(hours=24)
    sending.send_forward(forward.pk)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.next_attempt_at) == (State.FAILED, None)
    assert "500" in delivery.tries.last().problem


def test_the_receiver_says_when_to_come_again_and_all_wait(store, forward, receiver):
    receiver.status, receiver.headers = 429, {"Retry-After": "600"}
    store(forward)
    store(forward)
    assert sending.send_forward(forward.pk) == 1
    times = Delivery.objects.values_list("next_attempt_at", flat=True)
    waits = [(time - timezone.now()).total_seconds() for time in times if time is not None]
    assert len(waits) == 2
    assert all(590 < wait < 610 for wait in waits)
    receiver.status = 200
    let_pass(seconds=620)
    assert sending.send_forward(forward.pk) == 2
    assert states() == [State.DELIVERED, State.DELIVERED]


@pytest.mark.parametrize("value", ["Wed, 21 Oct 2026 07:28:00 GMT", "soon", "-5", "9" * 30, ""])
def test_an_odd_retry_after_does_no_harm(store, forward, receiver, value):
    receiver.status, receiver.headers = 503, {"Retry-After": value}
    [delivery] = store(forward)
    sending.send_forward(forward.pk)
    delivery.refresh_from_db()
    assert 9 < (delivery.next_attempt_at - timezone.now()).total_seconds() < 3700


def test_a_receiver_that_is_down_is_left_alone_then_tried_with_one_and_then_gets_all(
    store, forward, receiver, administrator, loopback_allowed
):
    other, _key = forwards.create_forward(name="Other", url=receiver.url("/other"), actor=administrator)
    receiver.status = 500
    for _ in range(sending.BREAK_AFTER + 5):
        store(forward)
    assert sending.send_forward(forward.pk) == sending.BREAK_AFTER
    forward.refresh_from_db()
    pause = (forward.closed_until - timezone.now()).total_seconds()
    assert 290 < pause <= 300
    assert sending.send_forward(forward.pk) == 0
    assert not Delivery.objects.filter(next_attempt_at__lt=forward.closed_until, attempts=0).exists()

    receiver.status = 200
    store(other)
    assert sending.send_forward(other.pk) == 1, "others are not affected"

    receiver.status = 500
    let_pass(seconds=310)
    assert sending.send_forward(forward.pk) == 1, "one probe"
    forward.refresh_from_db()
    assert 590 < (forward.closed_until - timezone.now()).total_seconds() <= 600

    receiver.status = 200
    let_pass(seconds=610)
    assert sending.send_forward(forward.pk) == sending.BREAK_AFTER + 5
    forward.refresh_from_db()
    assert (forward.failures, forward.closed_until) == (0, None)
    assert set(states()) == {State.DELIVERED}


def test_the_pause_never_exceeds_an_hour_and_ends_what_grows_too_old(store, forward, receiver):
    receiver.status = 500
    Forward.objects.update(failures=40)
    [delivery] = store(forward)
    sending.send_forward(forward.pk)
    forward.refresh_from_db()
    assert 3590 < (forward.closed_until - timezone.now()).total_seconds() <= 3600
    Delivery.objects.update(next_attempt_at=timezone.now(), give_up_at=timezone.now() + timedelta(minutes=5))
    assert sending.send_forward(forward.pk) == 0
    delivery.refresh_from_db()
    assert (delivery.state, len(receiver.received)) == (State.FAILED, 1)


def test_one_that_the_receiver_refuses_does_not_hold_up_the_others(store, forward, receiver):
    [refused] = store(forward)
    receiver.status = 400
    sending.send_forward(forward.pk)
    receiver.status = 200
    for _ in range(3):
        store(forward)
    assert sending.send_forward(forward.pk) == 3
    refused.refresh_from_db()
    assert (refused.state, refused.attempts) == (State.QUEUED, 1)
    assert refused.next_attempt_at > timezone.now()


def test_one_worker_at_a_time_sends_to_a_webhook_and_one_that_died_is_followed(store, forward, receiver):
    store(forward)
    Forward.objects.update(lease_until=timezone.now() + sending.LEASE)
    assert sending.send_forward(forward.pk) == 0
    let_pass(seconds=sending.LEASE.total_seconds() + 1)
    assert sending.send_forward(forward.pk) == 1


def test_a_slow_receiver_makes_room_for_the_others(store, forward, receiver, monkeypatch):
    monkeypatch.setattr(sending, "SLICE", 0.0)
    woken: list[int] = []
    monkeypatch.setattr(sending.delivery_signals, "wake_forward", woken.append)
    store(forward)
    sending.send_forward(forward.pk)
    assert woken == [forward.pk]
    assert Forward.objects.get().lease_until is None


@pytest.mark.django_db(transaction=True)
def test_killed_between_sending_and_storing_it_comes_twice_with_one_id(store, forward, receiver, portal_environment):
    """At least once: the receiver tells the two apart by the id."""
    [delivery] = store(forward)
    killed: list[int] = []

    def kill(handler):
        if not killed:
            killed.append(worker.pid)
            os.kill(worker.pid, signal.SIGKILL)

    receiver.instead = kill
    code = (
        "import django; django.setup();"
        f"from notifications.services.sending import send_forward; send_forward({forward.pk})"
    )
    worker = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=settings.BASE_DIR,
        env={**portal_environment, "FORWARD_ALLOW_PRIVATE": "1"},
    )
    assert worker.wait(60) == -signal.SIGKILL
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts, len(receiver.received)) == (State.QUEUED, 1, 1)
    assert sending.send_forward(forward.pk) == 0, "its lease still holds"
    receiver.instead = None
    let_pass(seconds=sending.LEASE.total_seconds() + 1)
    assert sending.send_forward(forward.pk) == 1
    assert [got.headers["X-Portal-Delivery"] for got in receiver.received] == [str(delivery.uuid)] * 2
    assert receiver.received[0].body == receiver.received[1].body
    assert states() == [State.DELIVERED]


def test_a_test_goes_out_whatever_the_breaker_says_and_is_tried_once(forward, receiver, administrator, agent):
    Forward.objects.update(active=False, failures=12, closed_until=timezone.now() + timedelta(hours=1))
    receiver.status = 404
    failed = deliveries.store_test(forward, actor=administrator)
    assert sending.send_forward(forward.pk) == 1
    failed.refresh_from_db()
    forward.refresh_from_db()
    assert (failed.state, forward.failures) == (State.FAILED, 12)
    receiver.status = 204
    taken = deliveries.store_test(forward, actor=administrator)
    assert sending.send_forward(forward.pk) == 1
    taken.refresh_from_db()
    forward.refresh_from_db()
    assert (taken.state, forward.failures, forward.closed_until) == (State.DELIVERED, 0, None)
    body = json.loads(receiver.received[-1].body)
    assert (body["type"], body["id"]) == ("test", str(taken.uuid))
    assert signed_right(forward.key, receiver.received[-1])
    with pytest.raises(PermissionDenied):
        deliveries.store_test(forward, actor=agent)


def test_sent_again_it_has_its_id_and_a_new_day(store, forward, receiver, administrator, agent):
    receiver.status = 500
    [delivery] = store(forward)
    assert not deliveries.resend(delivery, actor=administrator), "it is under way"
    let_pass(hours=25)
    sending.send_forward(forward.pk)
    delivery.refresh_from_db()
    assert delivery.state == State.FAILED
    with pytest.raises(PermissionDenied):
        deliveries.resend(delivery, actor=agent)
    receiver.status = 200
    assert deliveries.resend(delivery, actor=administrator)
    delivery.refresh_from_db()
    assert delivery.give_up_at > timezone.now() + timedelta(hours=23)
    assert sending.send_forward(forward.pk) == 1
    assert {got.headers["X-Portal-Delivery"] for got in receiver.received} == {str(delivery.uuid)}
    assert AuditEntry.objects.get(action="delivery.resent").actor == administrator


def test_a_new_key_signs_from_then_on_and_the_one_before_along_with_it_for_a_day(
    store, forward, receiver, administrator, config
):
    def who_takes_it(*keys: str) -> list[bool]:
        store(forward)
        sending.send_forward(forward.pk)
        return [signed_right(key, receiver.received[-1]) for key in keys]

    second = forwards.rotate_secret(forward, actor=administrator)
    rotated = Forward.objects.get()
    assert rotated.previous_until is not None
    assert timedelta(hours=23) < rotated.previous_until - timezone.now() <= timedelta(hours=24)
    assert who_takes_it(forward.key, second) == [True, True]
    # A key that can't be read any more leaves the other one alone.
    Forward.objects.update(previous_secret="from another installation")
    assert who_takes_it(forward.key, second) == [False, True]
    Forward.objects.update(previous_secret=rotated.previous_secret, previous_until=timezone.now())
    assert who_takes_it(forward.key, second) == [False, True]
    delivery_upkeep.prune()
    assert not Forward.objects.get().previous_secret, "a key that signs no more is not kept"
    config(FORWARD_KEY_OVERLAP_HOURS=0)
    key = forwards.rotate_secret(forward, actor=administrator)
    assert who_takes_it(second, key) == [False, True]
    receiver.received.clear()
    stored = Forward.objects.get().secret
    assert key not in stored
    assert key not in str(list(AuditEntry.objects.values()))
    Forward.objects.update(secret="from another installation")
    store(forward)
    sending.send_forward(forward.pk)
    assert "ENCRYPTION_KEYS" in DeliveryAttempt.objects.latest("pk").problem
    assert not receiver.received


def test_switched_off_what_waits_is_given_up_and_a_new_address_is_tried_at_once(
    store, forward, receiver, administrator, loopback_allowed
):
    receiver.status = 500
    store(forward)
    sending.send_forward(forward.pk)
    Forward.objects.update(failures=12, closed_until=timezone.now() + timedelta(hours=1))
    forward.refresh_from_db()
    receiver.status = 200
    forwards.change_forward(forward, name="New", url=receiver.url("/new"), active=True, actor=administrator)
    assert sending.send_forward(forward.pk) == 1
    assert receiver.received[-1].path == "/new"
    [waiting] = store(forward)
    forward.refresh_from_db()
    forwards.change_forward(forward, name="New", url=forward.url, active=False, actor=administrator)
    waiting.refresh_from_db()
    assert (waiting.state, waiting.problem) == (State.FAILED, "The webhook was switched off.")
    changes = list(AuditEntry.objects.filter(action="forward.changed").order_by("pk").values_list("after", flat=True))
    assert [change["active"] for change in changes] == [True, False]
    assert [change.get("address") for change in changes] == ["changed", None]
    assert "/new" not in str(changes), "a path may be a secret"


def test_a_webhook_to_a_private_address_or_of_a_taken_name_is_not_made(administrator, receiver, resolver, forward):
    settings.CONFIG["FORWARD_ALLOW_PRIVATE"] = False
    resolver(["10.0.0.1"])
    for url in (receiver.url(), "https://inner.example/", "ftp://hooks.example/"):
        with pytest.raises(ValidationError):
            forwards.create_forward(name="x", url=url, actor=administrator)
    resolver(["93.184.216.34"])
    with pytest.raises(ValidationError, match="already"):
        forwards.create_forward(name="Ticket system", url="https://hooks.example/", actor=administrator)
    assert Forward.objects.count() == 1


def test_the_clock_wakes_what_is_due_and_deletes_what_is_old(store, forward, receiver, monkeypatch):
    woken: list[int] = []
    monkeypatch.setattr(delivery_upkeep.delivery_signals, "wake_forward", woken.append)
    store(forward)
    store(forward)
    assert delivery_upkeep.dispatch_due() == 1
    assert woken == [forward.pk]
    sending.send_forward(forward.pk)
    assert delivery_upkeep.dispatch_due() == 0
    let_pass(days=31)
    [kept] = store(forward)
    assert delivery_upkeep.prune() == 2
    assert Delivery.objects.get() == kept


def test_neither_key_nor_answer_is_in_the_log(store, forward, receiver, caplog):
    caplog.set_level("DEBUG")
    receiver.answer = b"canary-answer"
    store(forward)
    sending.send_forward(forward.pk)
    assert forward.key not in caplog.text
    assert "canary-answer" not in caplog.text
    assert posting.KEPT == 2048
