"""A full disk and a database that only reads, made for real: a clear answer, nothing half-done, recovery by itself."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.db import Error, connection
from django.test import Client
from django.utils import timezone

from core import exports
from core.models import AuditEntry, Export
from core.spreadsheets import Column, Table
from notifications.models import Delivery, Forward, Push
from notifications.services import sending, sources
from notifications.tests.deliveries.conftest import forward, loopback_allowed, make_event, make_rule, receiver, store
from operations import tasks
from operations.models import BatchJob, Operation
from operations.services import engine
from operations.tests.fixtures import ask, carrier_sim, plans
from operations.tests.helpers import changes_of, make_due, run
from operations.tests.plan_helpers import planned
from staff.tests.test_second_factor import SET_UP, code_of, new_secret, set_up
from tests.fixtures import PASSWORD

__all__ = [
    "ask",
    "carrier_sim",
    "forward",
    "loopback_allowed",
    "make_event",
    "make_rule",
    "plans",
    "receiver",
    "store",
]

pytestmark = pytest.mark.django_db(transaction=True)

State = Operation.State
KINDS = ["read_only", "full"]
WRITTEN = ("operations_operation", "notifications_push")
"""Tables that lie on the full disk, on PostgreSQL."""


@contextlib.contextmanager
def reading_only() -> Iterator[None]:
    """The database as an operator makes it read-only: by itself, not by anything of ours."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA query_only = ON")
        try:
            yield
        finally:
            with connection.cursor() as cursor:
                cursor.execute("PRAGMA query_only = OFF")
        return
    name = connection.ops.quote_name(connection.settings_dict["NAME"])
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    connection.close()
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE")
            cursor.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        connection.close()


@contextlib.contextmanager
def full_sqlite() -> Iterator[None]:
    """Not one page more for the file, and the pages that are there are full."""
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA max_page_count")
        [most] = cursor.fetchone()
        cursor.execute("VACUUM")
        cursor.execute("PRAGMA max_page_count = 1")
    try:
        for size in (3000, 300, 30, 0):
            with contextlib.suppress(Error):
                while True:
                    AuditEntry.objects.create(action="filler", reason="x" * size)
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"PRAGMA max_page_count = {most}")


@contextlib.contextmanager
def full_postgres() -> Iterator[None]:
    """Tables that are written lie, emptied, on a file system with no room left."""
    # The server is that of other processes' tests, too.
    name = f"small_{os.getpid()}"
    with small_disk() as disk:
        place = disk / "tables"
        place.mkdir()
        with connection.cursor() as cursor:
            cursor.execute("SHOW data_directory")
            data = Path(cursor.fetchone()[0])
            if not data.exists():
                pytest.skip("needs a PostgreSQL on this machine")
            # The server may run as another user.
            os.chown(place, data.stat().st_uid, data.stat().st_gid)
            # Rows that other tests took back have left pages behind, with room in them.
            cursor.execute(f"TRUNCATE {', '.join(WRITTEN)} CASCADE")
            cursor.execute(f"CREATE TABLESPACE {name} LOCATION '{place}'")
            for table in WRITTEN:
                cursor.execute(f"ALTER TABLE {table} SET TABLESPACE {name}")
        try:
            with filled(disk):
                yield
        finally:
            with connection.cursor() as cursor:
                for table in WRITTEN:
                    cursor.execute(f"ALTER TABLE {table} SET TABLESPACE pg_default")
                cursor.execute(f"DROP TABLESPACE {name}")


@contextlib.contextmanager
def small_disk() -> Iterator[Path]:
    """A file system of 4 MB; skipped where the machine lets nobody mount one."""
    with tempfile.TemporaryDirectory(prefix="portal-disk-") as directory:
        # The database's own user goes through it.
        Path(directory).chmod(0o711)
        disk = Path(directory) / "disk"
        disk.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=4m,mode=755", "portal-test", str(disk)]
        if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
            pytest.skip("needs the right to mount a file system")
        try:
            yield disk
        finally:
            subprocess.run(["umount", "-l", str(disk)], check=True)


@contextlib.contextmanager
def filled(disk: Path) -> Iterator[None]:
    """Not a byte left."""
    with (disk / "filler").open("wb", buffering=0) as filler, contextlib.suppress(OSError):
        while True:
            filler.write(bytes(4096))
    try:
        yield
    finally:
        (disk / "filler").unlink()


@pytest.fixture
def fault() -> Callable[[str], Any]:
    """``fault("read_only")`` or ``fault("full")``, to be used in a ``with``."""

    def make(kind: str) -> Any:
        if kind == "read_only":
            return reading_only()
        return full_sqlite() if connection.vendor == "sqlite" else full_postgres()

    return make


@pytest.mark.parametrize("kind", KINDS)
def test_a_change_is_refused_whole_and_taken_afterwards(kind, fault, make_sim, agent, login):
    sim = make_sim()
    client = login(agent)
    client.raise_request_exception = False
    address, form = f"/sims/{sim.giccid}/operations/", {"kind": "suspend", "reason": "x" * 900}
    with fault(kind):
        pages = [client.get(page).status_code for page in ("/healthz", f"/sims/{sim.giccid}/", "/operations/")]
        answers = [client.post(address, {**form, "nonce": "nonce-1-of-two"})]
        answers += [client.post(address, {**form, "nonce": "nonce-2-of-two"}, headers={"HX-Request": "true"})]
        found = Operation.objects.count()
    assert pages == [200, 200, 200], "what is known is shown"
    for answer in answers:
        assert answer.status_code == 503
        assert answer["Retry-After"] == "30"
        assert b"at the moment" in answer.content
    assert found == 0
    assert not AuditEntry.objects.filter(action="operation.requested").exists()

    assert client.post(address, {**form, "nonce": "nonce-1-of-two"}).status_code == 303
    assert Operation.objects.count() == AuditEntry.objects.filter(action="operation.requested").count() == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_job_is_confirmed_whole_or_not_at_all(kind, fault, make_sim, agent, login):
    if kind == "full" and connection.vendor == "postgresql":
        pytest.skip("the row that changes finds room in its page")
    client = login(agent)
    client.raise_request_exception = False
    job = planned(agent, [make_sim() for _ in range(3)])
    address, form = f"/jobs/{job.pk}/confirm/", {"reason": "x" * 900, "ticket": "T-1"}
    with fault(kind):
        answer = client.post(address, form)
        assert (answer.status_code, answer["Retry-After"]) == (503, "30")
        assert client.get(f"/jobs/{job.pk}/").status_code == 200
    job.refresh_from_db()
    assert (job.state, job.reason) == ("planned", "")
    assert not AuditEntry.objects.filter(action="job.confirmed").exists()

    assert client.post(address, form).status_code == 303
    assert BatchJob.objects.get(pk=job.pk).state == "running"


def test_a_second_factor_is_set_up_with_its_codes_or_not_at_all(viewer, login):
    client = login(viewer)
    client.raise_request_exception = False
    client.get("/profile/")
    with reading_only():
        answer = client.get(SET_UP)
        assert (answer.status_code, answer["Retry-After"]) == (503, "30"), "the secret lies in the session till then"
    code = code_of(new_secret(client))
    with reading_only():
        assert client.post(SET_UP, {"code": code}).status_code == 503
    assert not Authenticator.objects.exists()
    _secret, codes = set_up(client)
    assert Authenticator.objects.count() == 2

    entering = Client(raise_request_exception=False)
    entering.post("/login/", {"username": viewer.username, "password": PASSWORD})
    with reading_only():
        assert entering.post("/login/code/", {"code": codes[0]}).status_code == 503
        assert entering.get("/profile/").status_code == 302, "not in"
    assert entering.post("/login/code/", {"code": codes[0]}).status_code == 302
    assert entering.get("/profile/").status_code == 200, "the code was not used up"


def test_a_webhook_is_sent_when_that_can_be_noted_and_again_when_it_was_not(forward, receiver, store, monkeypatch):
    store(forward)
    with reading_only(), pytest.raises(Error):
        sending.send_forward(forward.pk)
    assert receiver.received == []
    post, broken = sending.post, contextlib.ExitStack()

    def post_and_break(*given: Any, **named: Any) -> Any:
        answer = post(*given, **named)
        broken.enter_context(reading_only())
        return answer

    monkeypatch.setattr(sending, "post", post_and_break)
    with broken, pytest.raises(Error):
        sending.send_forward(forward.pk)
    monkeypatch.setattr(sending, "post", post)
    assert Delivery.objects.get().state == Delivery.State.QUEUED

    past = timezone.now() - sending.LEASE
    Forward.objects.update(lease_until=past)
    Delivery.objects.update(next_attempt_at=past)
    assert sending.send_forward(forward.pk) == 1
    assert Delivery.objects.get().state == Delivery.State.DELIVERED
    first, second = (got.headers["X-Portal-Delivery"] for got in receiver.received)
    assert first == second


@pytest.mark.parametrize("kind", KINDS)
def test_a_push_that_is_not_stored_is_not_taken(kind, fault, administrator):
    _source, token = sources.create_source(name="carrier", actor=administrator)
    body = json.dumps({"eventType": "SIM_STATUS_CHANGE", "giccid": "1" * 20, "note": "x" * 20_000})

    def push() -> Any:
        return Client().post(f"/webhooks/smarthub/{token}/", body, content_type="application/json")

    with fault(kind):
        answer = push()
        assert (answer.status_code, answer["Retry-After"]) == (503, "10")
        assert not Push.objects.exists()
    assert push().status_code == 200
    assert Push.objects.count() == 1


def test_a_worker_keeps_what_it_has_to_do(simulator, carrier_sim, ask, monkeypatch):
    """Once before anything is sent, once when the carrier's answer is to be written down."""
    sim = carrier_sim("suspend")
    operation = ask(sim, "suspend")
    with reading_only(), pytest.raises(Error):
        tasks.run_operation(operation.pk)
    assert simulator.changes(sim.giccid) == []
    call, broken = engine._call, contextlib.ExitStack()

    def call_and_break(*given: Any) -> Any:
        answer = call(*given)
        broken.enter_context(reading_only())
        return answer

    monkeypatch.setattr(engine, "_call", call_and_break)
    with broken, pytest.raises(Error):
        tasks.run_operation(operation.pk)
    monkeypatch.setattr(engine, "_call", call)
    operation.refresh_from_db()
    assert operation.state == State.SENDING
    make_due(operation)
    assert run(operation).state == State.DONE
    assert len(changes_of(simulator, sim)) == 1


def test_a_download_waits_for_room_and_leaves_nothing_behind(agent, monkeypatch):
    table = Table("Long", "long", (Column("n"),), lambda: iter([["x" * 100_000]] * 60), lambda: 60)
    monkeypatch.setitem(
        exports._exporters, "numbers", exports.Exporter("numbers", lambda *_: table, lambda _user: None)
    )
    with small_disk() as disk:
        monkeypatch.setitem(settings.CONFIG, "DATA_DIR", disk)
        export = exports.request_export(agent, "numbers", {}, format_="csv")
        for _ in range(4):
            Export.objects.update(next_attempt_at=export.created_at)
            exports.make(export.pk)
            export.refresh_from_db()
            assert (export.state, export.attempts) == (Export.State.WAITING, 0)
        assert "no room" in export.message
        assert list(exports.directory().iterdir()) == []
        with filled(disk):
            ready = Client().get("/readyz")
        assert (ready.status_code, ready.json()["disk"]) == (503, "full")
        assert Client().get("/readyz").json()["disk"] == "ok"
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        Export.objects.update(next_attempt_at=export.created_at)
        exports.make(export.pk)
        export.refresh_from_db()
        assert export.state == Export.State.DONE


def test_readiness_says_that_the_database_only_reads():
    if connection.vendor != "postgresql":
        pytest.skip("SQLite is as writable as its directory")
    with reading_only():
        answer = Client().get("/readyz")
        assert (answer.status_code, answer.json()["database"]) == (503, "read-only")
        assert Client().get("/healthz").status_code == 200
    assert Client().get("/readyz").json()["database"] == "ok"


def test_a_fault_of_ours_is_no_trouble_of_the_database(viewer, login):
    client = login(viewer)
    client.raise_request_exception = False
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE operations_operation RENAME TO elsewhere")
    try:
        assert client.get("/operations/").status_code == 500
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE elsewhere RENAME TO operations_operation")
