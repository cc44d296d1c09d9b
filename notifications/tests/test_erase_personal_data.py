"""What the portal holds of a SIM, a number or a user can be erased; the audit trail never held it."""

from __future__ import annotations

import io
import json

import pytest
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.utils import timezone

from core import audit, erasing, exports, personal
from core.models import AuditEntry, Export
from notifications.management.commands import erase_personal_data
from notifications.models import Delivery, DeliveryAttempt, Event, Forward, Push, Rule
from operations.models import BatchInput, BatchJob, BatchLine, Operation, OperationAttempt
from sims.models import Note, Sim, SimReading, TimelineEvent
from sims.services.notes import add_note
from sms.models import Draft, Message
from staff.models import User

IMSI, MSISDN, IMEI, OLD_IMEI = "460019912345678", "861459912345", "490154203237518", "490154203237526"
SAID, NOTED, NAMED = "canary-of-a-message", "canary-of-a-note", "canary-of-a-label"
NOTHING_LEFT = (IMSI, MSISDN, IMEI, OLD_IMEI, SAID, NOTED, NAMED)
KEPT_IN = {"core_auditentry"}


def erase(*arguments: str) -> str:
    out = io.StringIO()
    call_command("erase_personal_data", *arguments, stdout=out)
    return out.getvalue()


def found(texts: tuple[str, ...]) -> dict[str, set[str]]:
    """The tables of the database in which one of ``texts`` stands anywhere, and which."""
    tables: dict[str, set[str]] = {}
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            rows = str([[bytes(v) if isinstance(v, memoryview) else v for v in row] for row in cursor.fetchall()])
            here = {text for text in texts if text in rows}
            if here:
                tables[table] = here
    return tables


@pytest.fixture
def whole_life(make_sim, agent, make_push):
    """A SIM of which every table holds something."""
    sim = make_sim(
        giccid="8986019900000000999", imsi=IMSI, msisdn=MSISDN, imei=IMEI, custom1=NAMED, ip_address="10.1.2.3"
    )
    SimReading.objects.create(sim=sim, raw={"imsi": IMSI, "msisdn": MSISDN, "custom1": NAMED})
    add_note(sim=sim, author=agent, text=NOTED)
    now = timezone.now()
    for number, old in enumerate((OLD_IMEI, "")):
        TimelineEvent.objects.create(
            sim=sim,
            kind="imei",
            at=now,
            log_time=now,
            from_value=old,
            to_value=(IMEI, OLD_IMEI)[number],
            tellings=[{"source": "log", "key": str(number), "time": now.isoformat(), "from": old, "to": IMEI}],
        )
    changes = {"changes": {"custom1": ["", NAMED]}}
    telling = {"source": "log", "key": "c", "time": now.isoformat(), "outcome": "success", "detail": changes}
    TimelineEvent.objects.create(sim=sim, kind="custom_fields", at=now, detail=changes, tellings=[telling])
    TimelineEvent.objects.create(sim=sim, kind="notification", at=now, detail={"event": "X", "msisdn": MSISDN})
    job = BatchJob.objects.create(
        kind="set_custom_fields",
        source="filter",
        selection=f"q={IMSI}",
        actor=agent,
        state="done",
        params={"custom1": "of all"},
    )
    operation = Operation.objects.create(
        sim=sim,
        kind="set_custom_fields",
        params={"custom1": NAMED},
        before={"custom_fields": {"custom1": NAMED}},
        reason=f"{MSISDN} called",
        message=f"no: {IMSI}",
        actor=agent,
        state="done",
        job=job,
    )
    OperationAttempt.objects.create(operation=operation, step="send", detail=f"{IMEI} is unknown")
    line = {"job": job, "outcome": "found", "params": {"custom1": NAMED}, "to_value": NAMED}
    BatchLine.objects.create(number=1, text=MSISDN, sim=sim, note=f"of {IMSI}", **line)
    BatchLine.objects.create(number=2, text=MSISDN, job=job, outcome="not_found")
    BatchInput.objects.create(job=job, lines=[[1, IMSI]])
    Message.objects.create(sim=sim, direction="mo", text=SAID)
    Draft.objects.create(text=f"Call {MSISDN}.")
    make_push(
        {"giccid": sim.giccid, "messageText": SAID, "msisdn": MSISDN}, kind="MO_SMS", giccid=sim.giccid, state="done"
    )
    make_push({"eventType": "ODD", "imei": int(IMEI)}, kind="ODD", state="ignored")
    event = Event.objects.create(
        kind="IMEI_CHANGE", key="1", at=now, sim=sim, detail={"targetImei": IMEI}, next_attempt_at=None
    )
    forward = Forward.objects.create(name="f", url="https://receiver.example/", secret="x")
    sent = Delivery.objects.create(
        channel="webhook", forward=forward, event=event, key="1", body=json.dumps({"label": NAMED}), state="delivered"
    )
    DeliveryAttempt.objects.create(delivery=sent, answer=f"thanks for {NAMED}")
    Delivery.objects.create(channel="email", key="2", email="x@example.com", body=f"device {IMEI}", state="collected")
    export = exports.directory() / "1-of-the-test.csv"
    export.write_text(MSISDN)
    Export.objects.create(
        owner=agent,
        exporter="list",
        params={"query": f"q={MSISDN}"},
        format="csv",
        title="SIMs",
        file_name="sims.csv",
        state="done",
        stored_as=export.name,
        expires_at=now + exports.kept_for(),
    )
    audit.record(
        action="job.made", actor=agent, target=sim, after={"selection": f"q=%20{IMSI}"}, reason=f"{MSISDN} called"
    )
    return sim


def test_nothing_of_a_sim_is_left(whole_life, make_sim):
    other = make_sim(custom1=NAMED[:-1])
    before = found(NOTHING_LEFT)
    assert len(before) >= 16, before
    assert not KEPT_IN & before.keys(), "nothing could be erased from there"
    told = erase("--msisdn", MSISDN)
    assert "Nothing was erased" in told
    assert found(NOTHING_LEFT) == before
    done = erase("--msisdn", MSISDN, "--really")
    # A row may hold it twice, by itself and as a number in its text: what went for the one is counted no more.
    own = [line for line in done.splitlines()[:-1] if "the numbers in" not in line]
    assert own == [line for line in told.splitlines()[:-1] if "the numbers in" not in line], (
        "what it said is what it did"
    )
    assert found(NOTHING_LEFT) == {}
    assert not list(exports.directory().glob("*of-the-test*"))
    whole_life.refresh_from_db()
    assert whole_life.search == whole_life.giccid
    other.refresh_from_db()
    assert other.custom1
    assert TimelineEvent.objects.filter(sim=whole_life).count() == 5, "that it happened stays"
    entry = AuditEntry.objects.get(action="personal_data.erased")
    assert entry.after["giccid"] == whole_life.giccid
    assert entry.after["rows"]["sims_sim"] == 1
    again = erase("--giccid", whole_life.giccid, "--really")
    assert not [line for line in again.splitlines() if line.startswith("  ")], again
    for number in (IMSI, MSISDN):
        assert personal.digest(number) in str(
            AuditEntry.objects.filter(action="job.made").values_list("after", "reason")
        )


def test_a_run_that_was_killed_is_begun_again(whole_life, monkeypatch):
    """Killed after every second part that did something, and begun anew with the same words."""
    real, calls = erasing.run, []

    def killed(part):
        done = real(part)
        if done:
            calls.append(part)
            if len(calls) % 2 == 0:
                raise KeyboardInterrupt
        return done

    monkeypatch.setattr(erasing, "CHUNK", 1)
    monkeypatch.setattr(erase_personal_data, "run", killed)
    for _run in range(30):
        try:
            erase("--msisdn", MSISDN, "--really")
        except KeyboardInterrupt:
            continue
        break
    assert len(calls) >= 16
    assert found(NOTHING_LEFT) == {}


def test_what_is_still_worked_with_is_left_and_told(whole_life, agent, make_push):
    waiting = Operation.objects.create(sim=whole_life, kind="send_sms", actor=agent, state="queued", exclusive=False)
    Message.objects.create(sim=whole_life, direction="mt", text=SAID, operation=waiting)
    make_push({"messageText": SAID}, kind="MO_SMS", giccid=whole_life.giccid, state="received")
    with pytest.raises(CommandError, match="2 rows are still worked with"):
        erase("--giccid", whole_life.giccid, "--really")
    assert found(NOTHING_LEFT) == {"sms_message": {SAID}, "notifications_push": {SAID}}
    Operation.objects.update(state="done")
    Push.objects.update(state="done")
    erase("--giccid", whole_life.giccid, "--really")
    assert found(NOTHING_LEFT) == {}


def test_the_carrier_tells_again_what_it_knows(simulator, mirrored):
    giccid = "8986011805021000040"
    before = mirrored(giccid)
    erase("--giccid", giccid, "--really")
    assert Sim.objects.get(pk=before.pk).imsi == ""
    assert mirrored(giccid).imsi == before.imsi != ""


def test_a_user_who_is_gone(make_user, make_sim, administrator, login):
    gone = make_user(
        "Agent", ["example_account"], username="canary.name", email="canary@example.com", first_name="Canary"
    )
    login(gone)
    sim = make_sim()
    Note.objects.create(sim=sim, author=gone, text="stays")
    operation = Operation.objects.create(
        sim=sim, kind="suspend", actor=gone, state="cancelled", message="Cancelled by canary.name before it was sent."
    )
    rule = Rule.objects.create(name="r", emails=["Canary@example.com", "o@example.com"], kinds=["X"])
    mail = {"channel": "email", "email": "canary@example.com", "body": "", "state": "delivered"}
    Delivery.objects.create(key="mail", **mail)
    with pytest.raises(CommandError, match="deactivate"):
        erase("--user", "canary.name", "--really")
    User.objects.filter(pk=gone.pk).update(is_active=False)
    erase("--user", "canary.name", "--really")
    assert found(("canary", "Canary")) == {}
    gone.refresh_from_db()
    assert gone.username == f"erased-{gone.pk}"
    assert not gone.has_usable_password()
    assert not Group.objects.filter(user=gone).exists()
    operation.refresh_from_db()
    assert operation.message == "Cancelled by [erased] before it was sent."
    rule.refresh_from_db()
    assert rule.emails == ["o@example.com"]
    with pytest.raises(CommandError, match="no user"):
        erase("--user", "canary.name", "--really")


@pytest.mark.parametrize("wrong", [("--msisdn", "12"), ("--imei", "49015420323751x"), ("--giccid", "1")])
def test_what_nobody_means_is_refused(db, wrong):
    with pytest.raises(CommandError):
        erase(*wrong, "--really")


def test_numbers_in_the_trail_are_digests_and_a_giccid_is_not():
    masked = personal.masked(
        {
            "q": f"q=%2B{MSISDN}&x=1",
            "s": [IMSI],
            "n": 20_000_000_000,
            "giccid": "89860199000000000017",
            "day": "2026-11-22",
        }
    )
    assert masked["q"] == f"q=%2B{personal.digest(MSISDN)}&x=1"
    assert masked["s"] == [personal.digest(IMSI)]
    assert (masked["n"], masked["giccid"], masked["day"]) == (20_000_000_000, "89860199000000000017", "2026-11-22")
    uuid = "550e8400-e29b-41d4-a716-446655440000"
    assert personal.masked(uuid) == uuid
