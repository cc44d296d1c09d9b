"""Working off the inbox: once in effect, in any order, through kills, with every failure visible."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from core import pushes
from core.models import AuditEntry
from core.pushes import PushProblem
from notifications.models import Push
from notifications.services import dispatch, processing
from smarthub.errors import RateLimited

BODY = {"eventType": "TEST_EVENT", "eventId": "e-1", "giccid": "8986011805021000040"}


def test_a_handler_gets_what_the_push_says(make_push, handler):
    push = make_push({**BODY, "accountName": "a", "eventTime": "2024-11-05T10:32:50+0800", "more": [1]})
    assert processing.process(push.pk) == "done"
    (event,) = handler.events
    assert (event.push_id, event.kind, event.giccid) == (push.pk, "TEST_EVENT", "8986011805021000040")
    assert (event.account_name, event.key) == ("a", "e-1")
    assert event.event_time == datetime(2024, 11, 5, 2, 32, 50, tzinfo=UTC)
    assert event.body["more"] == [1]
    push.refresh_from_db()
    assert (push.state, push.result, push.problem, push.attempts) == ("done", "noted", "", 1)
    assert push.finished_at is not None
    assert (push.next_attempt_at, push.lease_until) == (None, None)


@pytest.mark.parametrize("told", [None, "yesterday", 5, "2024-11-05T10:32:50", "9999-12-31T23:59:59-2300"])
def test_without_a_readable_time_the_time_of_receipt_counts(make_push, handler, told):
    push = make_push({**BODY, "eventTime": told})
    processing.process(push.pk)
    assert handler.events[0].event_time == push.received_at


def test_a_handler_never_meets_what_the_database_refuses(make_push, handler):
    push = make_push({**BODY, "a\x00": ["\x00", {"b": "\ud800"}]})
    assert processing.process(push.pk) == "done"
    assert handler.events[0].body["a\ufffd"] == ["\ufffd", {"b": "\ufffd"}]


def test_an_event_id_makes_a_copy(make_push, handler):
    first, second = make_push(BODY), make_push({**BODY, "sentAgain": True})
    assert processing.process(first.pk) == "done"
    assert processing.process(second.pk) == "done"
    assert len(handler.events) == 1
    second.refresh_from_db()
    assert second.result == f"copy of #{first.pk}"


def test_without_an_event_id_the_same_body_is_a_copy_in_any_spelling(make_push, handler):
    one = {"eventType": "TEST_EVENT", "giccid": "1", "n": {"a": 1, "b": 2}}
    other = {"n": {"b": 2, "a": 1}, "giccid": "1", "eventType": "TEST_EVENT"}
    for body in (one, other, {**one, "n": 3}):
        processing.process(make_push(body).pk)
    assert [event.body["n"] for event in handler.events] == [{"a": 1, "b": 2}, 3]


def test_an_event_id_used_for_two_things_hides_nothing(make_push, handler):
    for giccid in ("1", "2"):
        processing.process(make_push({**BODY, "giccid": giccid}).pk)
    assert [event.giccid for event in handler.events] == ["1", "2"]


def test_a_copy_of_a_push_that_failed_is_done(make_push, handler):
    handler.errors = [PushProblem("unknown SIM")]
    first, second = make_push(BODY), make_push(BODY)
    assert processing.process(first.pk) == "failed"
    assert processing.process(second.pk) == "done"
    assert len(handler.events) == 2


def test_an_attempt_that_was_made_is_not_made_again(make_push, handler):
    handler.errors = [ValueError("once")]
    push = make_push(BODY)
    processing.process(push.pk, 0)
    processing.process(push.pk, 0)
    assert len(handler.events) == 1
    processing.process(push.pk, 1)
    assert len(handler.events) == 2
    push.refresh_from_db()
    assert push.state == "done"


def test_a_finished_push_is_not_done_again(make_push, handler):
    push = make_push(BODY)
    for _ in range(3):
        processing.process(push.pk)
        dispatch.drain()
    assert processing.process(push.pk + 1000) == ""
    assert len(handler.events) == 1


def test_a_kind_nobody_acts_on_is_ignored_and_says_so(make_push):
    push = make_push({"eventType": "MOON_PHASE"})
    nameless = make_push({"giccid": "1"})
    assert processing.process(push.pk) == "ignored"
    assert processing.process(nameless.pk) == "ignored"
    push.refresh_from_db()
    nameless.refresh_from_db()
    assert "MOON_PHASE" in push.problem
    assert "kind" in nameless.problem


def test_an_error_is_tried_again_with_growing_pauses_and_then_parked(make_push, handler):
    handler.errors = [ValueError("the carrier is away")] * 100
    push = make_push(BODY)
    pauses = []
    while processing.process(push.pk) == "failed":
        push.refresh_from_db()
        assert push.problem == "ValueError: the carrier is away"
        pauses.append((push.next_attempt_at - timezone.now()).total_seconds())
    push.refresh_from_db()
    assert (push.state, push.attempts, push.next_attempt_at) == ("dead", 8, None)
    assert push.finished_at is not None
    assert pauses == sorted(pauses)
    assert pauses[0] > 8
    assert pauses[-1] > 3000


def test_a_push_that_cannot_be_used_is_parked_sooner_with_what_is_wrong(make_push, handler):
    handler.errors = [PushProblem("giccid is missing")] * 100
    push = make_push(BODY)
    states = [processing.process(push.pk) for _ in range(4)]
    assert states == ["failed", "failed", "dead", ""]
    push.refresh_from_db()
    assert push.problem == "giccid is missing"


def test_a_carrier_that_asks_for_patience_gets_it(make_push, handler):
    handler.errors = [RateLimited("slow_down", retry_after=600)]
    push = make_push(BODY)
    processing.process(push.pk)
    push.refresh_from_db()
    assert push.next_attempt_at > timezone.now() + timedelta(seconds=590)


def test_a_worker_killed_in_a_batch_loses_nothing(make_push, handler, monkeypatch):
    pushes = [make_push({**BODY, "eventId": f"e-{n}"}) for n in range(3)]
    handler.errors = [None, KeyboardInterrupt()]  # ends the worker where it stands, as a kill does
    with pytest.raises(KeyboardInterrupt):
        dispatch.drain()
    assert {push.state for push in Push.objects.all()} == {"received"}
    assert dispatch.drain() == 0, "another worker took them while the lease ran"

    past = timezone.now() - timedelta(seconds=1)
    Push.objects.update(lease_until=past, next_attempt_at=past)
    batches = []
    work = processing._work

    def counted(claimed):
        batches.append(len(claimed))
        return work(claimed)

    monkeypatch.setattr(processing, "_work", counted)
    assert dispatch.drain() == 3
    assert batches[:3] == [1, 1, 1], "what may have killed a worker is done alone"
    assert set(Push.objects.values_list("state", "attempts")) == {("done", 2)}
    assert len({event.push_id for event in handler.events}) == len(pushes)


def test_a_worker_whose_lease_ran_out_does_not_write_over_its_successor(make_push, handler, monkeypatch):
    push = make_push(BODY)

    def overtaken(event):
        Push.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
        monkeypatch.setitem(pushes._handlers, "TEST_EVENT", [handler])
        assert processing.process(push.pk) == "done"
        return "too late"

    monkeypatch.setitem(pushes._handlers, "TEST_EVENT", [overtaken])
    assert processing.process(push.pk) == ""
    push.refresh_from_db()
    assert (push.state, push.result, push.attempts) == ("done", "noted", 2)


def test_a_push_that_kills_its_worker_each_time_is_parked(make_push, handler):
    push = make_push(BODY, attempts=8, lease_until=timezone.now() - timedelta(seconds=1))
    assert processing.process(push.pk) == "dead"
    push.refresh_from_db()
    assert "killed" in push.problem
    assert not handler.events


def test_a_drain_does_what_is_due_and_nothing_else(make_push, handler):
    late = make_push(BODY, next_attempt_at=timezone.now() - timedelta(minutes=1))
    fresh = make_push({**BODY, "eventId": "e-2"})
    later = make_push({**BODY, "eventId": "e-3"}, state="failed", next_attempt_at=timezone.now() + timedelta(hours=1))
    done = make_push({**BODY, "eventId": "e-4"}, state="done", next_attempt_at=None)
    assert dispatch.drain() == 2
    assert {event.push_id for event in handler.events} == {late.pk, fresh.pk}
    for untouched in (later, done):
        before = untouched.next_attempt_at
        untouched.refresh_from_db()
        assert untouched.next_attempt_at == before


def test_copies_within_a_batch_are_done_once_and_a_poor_one_holds_nobody_up(make_push, handler):
    pushes = [make_push(BODY) for _ in range(3)]
    make_push({"eventType": "MOON_PHASE"})
    Push.objects.filter(pk=make_push({**BODY, "eventId": "e-2"}).pk).update(body="[]")
    assert dispatch.drain() == 5
    assert len(handler.events) == 1
    assert [Push.objects.get(pk=push.pk).result for push in pushes] == [
        "noted",
        f"copy of #{pushes[0].pk}",
        f"copy of #{pushes[0].pk}",
    ]
    assert sorted(Push.objects.values_list("state", flat=True)) == ["dead", "done", "done", "done", "ignored"]


def test_no_more_than_so_many_drains_and_none_is_forgotten(make_push, handler):
    slots = [dispatch._take_slot() for _ in range(dispatch.DRAINS)]
    make_push(BODY)
    assert dispatch.drain() == 0, "enough are at it"
    assert not handler.events
    assert slots[0] is not None
    dispatch._leave_slot(slots[0])
    assert dispatch._asked_again(), "whoever ends looks again"
    assert dispatch.drain() == 1


def test_a_drain_lets_others_come_first_after_a_while(make_push, handler, monkeypatch, valkey):
    monkeypatch.setattr(dispatch, "SLICE", 0)
    monkeypatch.setattr(processing, "BATCH", 1)
    for n in range(2):
        make_push({**BODY, "eventId": f"e-{n}"})
    assert dispatch.drain() == 1
    assert valkey.llen("push") == 1, "it goes on in a task of its own"


def test_a_slow_carrier_has_the_rest_of_a_batch_given_back(make_push, handler, monkeypatch):
    pushes = [make_push({**BODY, "eventId": f"e-{n}"}) for n in range(2)]
    lease = iter([60, 60, 0, 0])
    monkeypatch.setattr(processing, "lease_seconds", lambda: next(lease, 60))
    processing._work(processing._claim(Push.objects.order_by("pk")))
    states = [Push.objects.values_list("state", "attempts", "lease_until").get(pk=push.pk) for push in pushes]
    assert states == [("done", 1, None), ("received", 0, None)]


def test_a_scoped_account_comes_from_the_mirror_not_from_the_sender(make_push, handler, make_sim):
    make_sim(giccid="8986011805021000040", account="real_account")
    push = make_push({**BODY, "accountName": "claimed_account"})
    processing.process(push.pk)
    push.refresh_from_db()
    assert push.account_name == "real_account"


def test_replay_does_a_push_again_from_the_start(make_push, handler, administrator):
    handler.errors = [PushProblem("unknown SIM")] * 3
    push = make_push(BODY)
    for _ in range(3):
        processing.process(push.pk)
    assert dispatch.replay(Push.objects.filter(pk=push.pk), actor=administrator) == 1
    push.refresh_from_db()
    assert (push.state, push.attempts, push.problem) == ("received", 0, "")
    assert processing.process(push.pk, 0) == "done"
    entry = AuditEntry.objects.get(action="push.replayed")
    assert (entry.actor, entry.object_id, entry.before) == (administrator, str(push.pk), {"state": "dead"})


def test_replay_of_a_done_push_runs_its_handlers_although_copies_are_done(make_push, handler):
    copies = [make_push(BODY) for _ in range(3)]
    for push in copies:
        processing.process(push.pk)
    dispatch.replay(Push.objects.all(), actor=None)
    for push in copies:
        processing.process(push.pk)
    assert len(handler.events) == 2


def test_replay_leaves_what_is_rejected_waiting_or_held(make_push, handler):
    make_push(BODY)
    make_push(BODY, state="rejected")
    make_push(BODY, state="failed", lease_until=timezone.now() + timedelta(seconds=30))
    assert dispatch.replay(Push.objects.all(), actor=None) == 0


def test_the_command_replays_dead_ones_or_those_named(make_push, handler):
    dead = make_push(BODY, state="dead")
    ignored = make_push({**BODY, "eventId": "e-2"}, state="ignored")
    out = StringIO()
    call_command("replay_pushes", stdout=out)
    assert out.getvalue().startswith("1 ")
    dead.refresh_from_db()
    assert dead.state == "received"
    call_command("replay_pushes", "--id", str(ignored.pk), stdout=out)
    ignored.refresh_from_db()
    assert ignored.state == "received"
    with pytest.raises(CommandError):
        call_command("replay_pushes", "--id", "999999", stdout=out)
    Push.objects.filter(pk=dead.pk).update(state="dead")
    said = StringIO()
    call_command("replay_pushes", "--source", "tenant", "--giccid", BODY["giccid"], "--dry-run", stdout=said)
    call_command("replay_pushes", "--giccid", "77", "--kind", "TEST_EVENT", stdout=said)
    assert said.getvalue() == "1 pushes would be done again.\n0 pushes are being done again.\n"
    call_command("replay_pushes", "--state", "done", "--kind", "OTHER", stdout=out)
