"""The audit trail can not be changed, and what is done to it behind the database's back is found."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction

from core import audit, audit_chain, audit_guard, audit_verify
from core.models import AuditChain, AuditEntry, AuditSeal

pytestmark = pytest.mark.django_db


def act(number: int = 1, **fields) -> list[AuditEntry]:
    return [audit.record(action="test.act", actor=None, after={"number": n}, **fields) for n in range(number)]


def verify(*arguments: str) -> tuple[int, str]:
    """The exit status of the command and what it prints."""
    out = StringIO()
    try:
        call_command("verify_audit", *arguments, stdout=out, stderr=out)
    except SystemExit as end:
        return int(end.code or 0), out.getvalue()
    return 0, out.getvalue()


def tamper(statement: str, **parameters: Any) -> None:
    """Run it as the owner of the tables could, who takes the triggers away and puts them back."""
    connection.check_constraints()
    with connection.cursor() as cursor:
        audit_guard.remove(connection)
        cursor.execute(statement, parameters)
    audit_guard.install(connection)


@pytest.mark.parametrize("table", audit_guard.TABLES)
@pytest.mark.parametrize("act_of", ["UPDATE", "DELETE", "TRUNCATE", "REPLACE"])
def test_the_database_refuses_to_change_it(table, act_of):
    act(2)
    audit_chain.seal()
    column, key = ("action", "id") if table == "core_auditentry" else ("digest", "sequence")
    statements = {
        "UPDATE": f"UPDATE {table} SET {column} = 'other'",
        "DELETE": f"DELETE FROM {table} WHERE {key} = (SELECT max({key}) FROM {table})",
    }
    if connection.vendor == "postgresql":
        statements["TRUNCATE"] = f"TRUNCATE {table} CASCADE"
    else:
        statements["REPLACE"] = f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}"
    if act_of not in statements:
        pytest.skip("not of this database")
    connection.check_constraints()
    with pytest.raises(IntegrityError, match=audit_guard.MESSAGE), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statements[act_of])
    assert AuditEntry.objects.count() == AuditSeal.objects.count() == 2


def test_the_canonical_form_is_the_documented_one(administrator):
    values = {"b": [1.0, 1e22, 1e23, 0.1, -0.0, 1.5e-7, True, None], "a": {"é": "ß\u2028", "n": 10**30}}
    entry = AuditEntry.objects.create(
        at=datetime(2026, 3, 29, 3, 30, 0, 123999, tzinfo=UTC),
        actor=administrator,
        action="a.b",
        after=values,
        address="2001:db8::1",
        reason="why\n",
    )
    row = AuditEntry.objects.values_list(*audit_chain.FIELDS).get(pk=entry.pk)
    whole = ["1", "10000000000000000000000", "100000000000000000000000", "0.1", "0", "1.5e-07", "true", "null"]
    after = '{"a":{"n":1000000000000000000000000000000,"\\u00e9":"\\u00df\\u2028"},"b":[' + ",".join(whole) + "]}"
    assert audit_chain.canonical(7, "ab", row).decode() == (
        f'[7,"ab",{entry.pk},"2026-03-29T03:30:00.123Z",{administrator.pk},"a.b","","","",{{}},{after},'
        '"why\\n","","2001:0db8:0000:0000:0000:0000:0000:0001",""]'
    )


def test_an_untouched_trail_verifies_and_that_is_noted():
    act(3)
    assert audit_chain.seal() == 3
    status, out = verify()
    head = AuditSeal.objects.get(sequence=3).digest
    assert (status, f"sealed entries: 3\nhead: {head}\n" in out) == (0, True)
    noted = audit_verify.last_noted()
    assert noted is not None
    assert noted.after == {"seals": 3, "head": head, "problems": 0}
    audit_verify.verify_daily()
    assert AuditEntry.objects.filter(action=audit_verify.VERIFIED).count() == 1, "once a day"
    assert (audit_chain.seal(), verify("--head", head)[0]) == (1, 0), "an older head is in the chain still"


TAMPERING = {
    "a word of an entry": (
        "UPDATE core_auditentry SET reason = 'other' WHERE id = %(second)s",
        "changed: entry {second}",
    ),
    "the time of an entry": (
        "UPDATE core_auditentry SET at = %(time)s WHERE id = %(second)s",
        "changed: entry {second}",
    ),
    "an entry removed": ("DELETE FROM core_auditentry WHERE id = %(second)s", "missing: entry {second}, sealed as 2"),
    "a seal removed": ("DELETE FROM core_auditseal WHERE sequence = 2", "missing: seals 2 to 2"),
    "the first removed": ("DELETE FROM core_auditseal WHERE sequence = 1", "missing: seals 1 to 1"),
    "a seal changed": ("UPDATE core_auditseal SET digest = %(zeros)s WHERE sequence = 2", "out of place: seal 3"),
    "seals exchanged": (
        "UPDATE core_auditseal SET entry_id = CASE sequence WHEN 2 THEN -1 ELSE %(second)s END "
        "WHERE sequence IN (2, 3)",
        "changed: entry {second}, sealed as 3",
    ),
    "an entry slipped in": (
        "UPDATE core_auditseal SET entry_id = 0 WHERE sequence = 2",
        "not sealed: entry {second}",
    ),
}


@pytest.mark.parametrize(("statement", "found"), TAMPERING.values(), ids=TAMPERING.keys())
def test_what_was_done_to_it_is_found(statement, found):
    second = act(5)[1]
    audit_chain.seal()
    audit_chain.seal()  # what is settled now is not looked for any more
    assert verify()[0] == 0
    tamper(statement, second=second.pk, time=second.at - timedelta(seconds=1), zeros="0" * 64)
    status, out = verify()
    assert (status, found.format(second=second.pk) in out) == (1, True), out


def test_a_chain_made_anew_by_somebody_without_the_key_is_found(monkeypatch):
    entries = act(3)
    audit_chain.seal()
    tamper("UPDATE core_auditentry SET reason = 'other' WHERE id = %(pk)s", pk=entries[1].pk)
    tamper("DELETE FROM core_auditseal")
    tamper("DELETE FROM core_auditchain")
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(settings, "SECRET_KEY", "guessed")
        audit_chain.seal()
    status, out = verify()
    assert (status, "not signed: seal 3" in out) == (1, True), out
    act()
    with pytest.raises(audit_chain.UnknownHead):
        audit_chain.seal()
    assert AuditSeal.objects.count() == 3, "nothing is built upon it"


def test_a_new_key_goes_on_where_the_old_one_was(monkeypatch):
    for keys in (["one"], ["two", "one"], ["two"]):
        monkeypatch.setitem(settings.CONFIG, "ENCRYPTION_KEYS", keys)
        act()
        assert audit_chain.seal() == 1
    assert verify()[0] == 0
    monkeypatch.setitem(settings.CONFIG, "ENCRYPTION_KEYS", ["three"])
    assert verify()[0] == 1, "the old one has to stay until a seal has the new one"
    assert verify("--accept", "The key was lost.")[0] == 0
    accepted = AuditEntry.objects.get(action="audit.accepted")
    assert (accepted.reason, verify()[0]) == ("The key was lost.", 0)


def test_an_end_cut_off_is_found_by_an_older_head():
    last = act(3)[-1]
    audit_chain.seal()
    head = AuditSeal.objects.get(sequence=3).digest
    tamper("DELETE FROM core_auditentry WHERE id = %(pk)s", pk=last.pk)
    tamper("DELETE FROM core_auditseal WHERE sequence = 3")
    tamper(
        "UPDATE core_auditseal SET signature = %(it)s WHERE sequence = 2",
        it=audit_chain.sign(AuditSeal.objects.get(sequence=2).digest),
    )
    tamper("DELETE FROM core_auditchain")
    assert verify()[0] == 0, "to the chain alone it is the end"
    status, out = verify("--head", head)
    assert (status, "head not found" in out) == (1, True), out


def test_an_end_cut_off_between_two_runs_is_found_by_what_the_sealing_noted():
    act()
    audit_chain.seal()
    last = act()[0]
    audit_chain.seal()
    tamper("DELETE FROM core_auditentry WHERE id = %(pk)s", pk=last.pk)
    tamper("DELETE FROM core_auditseal WHERE sequence = 2")
    status, out = verify()
    assert (status, f"missing: entry {last.pk}, which the sealing has seen" in out) == (1, True), out


def test_what_is_not_sealed_for_too_long_is_found(monkeypatch):
    [entry] = act()
    assert verify()[0] == 0, "it will be"
    monkeypatch.setattr(audit_verify, "SEALED_WITHIN", timedelta(0))
    status, out = verify()
    assert (status, f"not sealed: entry {entry.pk}" in out) == (1, True), out


def test_an_entry_slipped_in_between_old_ones_is_found_and_only_accepted_by_hand():
    [entry] = act()
    AuditEntry.objects.create(pk=entry.pk + 10, action="test.act")
    for _time in range(3):
        audit_chain.seal()
    AuditEntry.objects.create(pk=entry.pk + 5, action="test.act", reason="never happened")
    audit_chain.seal()
    status, out = verify()
    assert (status, f"not sealed: entry {entry.pk + 5}" in out) == (1, True), out
    assert verify("--accept", "Restored by hand.")[0] == 0


def test_missing_triggers_are_found():
    connection.check_constraints()
    audit_guard.remove(connection)
    status, out = verify()
    assert (status, out.count("not guarded")) == (1, 4 if connection.vendor == "postgresql" else 6), out


def test_it_is_sealed_in_chunks_and_stays_valid_when_loaded_from_a_dump(monkeypatch, tmp_path):
    monkeypatch.setattr(audit_chain, "CHUNK", 2)
    act(5, reason="Ärger \u2028 \\", ticket="T-1")
    assert (audit_chain.seal(seconds=0), audit_chain.seal(), audit_chain.seal()) == (2, 3, 0)
    dump = tmp_path / "trail.json"
    call_command("dumpdata", "core.auditentry", "core.auditseal", "core.auditchain", output=str(dump))
    head = audit_chain.head()
    for table in ("core_auditentry", "core_auditseal", "core_auditchain"):
        tamper(f"DELETE FROM {table}")
    assert head is not None
    assert verify("--head", head.digest)[0] == 1
    tamper("DELETE FROM core_auditentry")
    call_command("loaddata", str(dump), verbosity=0)
    assert verify("--head", head.digest)[0] == 0
    act()
    assert (audit_chain.seal(), AuditSeal.objects.count(), AuditChain.objects.count()) == (2, 7, 1)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"), reason="SQLite has one writer")
def test_an_entry_committed_late_is_sealed_late():
    written, may_commit = threading.Event(), threading.Event()

    def slow() -> None:
        with transaction.atomic():
            act()
            written.set()
            may_commit.wait(10)
        connection.close()

    writer = threading.Thread(target=slow)
    writer.start()
    written.wait(10)
    act()
    for _time in range(3):
        audit_chain.seal()
    assert AuditSeal.objects.count() == 1
    may_commit.set()
    writer.join()
    assert audit_chain.seal() == 1
    early, late = AuditSeal.objects.order_by("sequence")
    assert (late.entry_id < early.entry_id, verify()[0]) == (True, 0)
    for _time in range(3):
        audit_chain.seal()
    assert AuditChain.objects.get().settled == AuditEntry.objects.latest("pk").pk


@pytest.mark.django_db(transaction=True)
def test_many_that_seal_at_once_make_one_chain():
    start = threading.Barrier(4)
    failed: list[Exception] = []

    def work() -> None:
        try:
            start.wait(10)
            for _time in range(5):
                act()
                audit_chain.seal()
        except Exception as error:  # noqa: BLE001 - the test looks at it
            failed.append(error)
        finally:
            connection.close()

    sealers = [threading.Thread(target=work) for _ in range(4)]
    for sealer in sealers:
        sealer.start()
    for sealer in sealers:
        sealer.join()
    assert failed == []
    audit_chain.seal()
    assert list(AuditSeal.objects.order_by("sequence").values_list("sequence", flat=True)) == list(range(1, 21))
    assert verify()[0] == 0
