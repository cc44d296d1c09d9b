"""``manage.py sync`` from a terminal and from a script."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
import time
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from sims.models import Sim, SyncRun
from sims.services import sync_runs


def sync(*arguments: str) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command("sync", *arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


@pytest.mark.django_db
def test_it_prints_what_it_found(simulator, with_carrier):
    with with_carrier(SMARTHUB_RATE=0):
        out, err = sync("--full")
    assert f"{Sim.objects.count()} new" in out
    assert "read" in err
    assert "\r" not in err


@pytest.mark.django_db
def test_a_terminal_gets_a_bar(simulator, with_carrier):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    err = Terminal()
    with with_carrier(SMARTHUB_RATE=0):
        call_command("sync", "--full", stdout=io.StringIO(), stderr=err)
    assert "\r" in err.getvalue()
    assert "[" in err.getvalue()


@pytest.mark.django_db
@pytest.mark.parametrize("arguments", [[], ["--full", "--changes"]])
def test_exactly_one_kind_is_asked_for(arguments):
    with pytest.raises(CommandError):
        sync(*arguments)


@pytest.mark.django_db
def test_a_failure_is_an_exit_code_and_a_sentence(simulator):
    simulator.fault(call="*", kind="error", status=403)
    with pytest.raises(CommandError, match="key") as failed:
        sync("--full")
    assert failed.value.returncode == 1


@pytest.mark.django_db
def test_a_carrier_that_is_away_is_another_exit_code(simulator, monkeypatch):
    monkeypatch.setattr(sync_runs, "BACKOFF", 0.01)
    simulator.fault(call="list_change_logs", kind="error", status=503)
    with pytest.raises(CommandError, match="goes on by itself") as failed:
        sync("--changes")
    assert failed.value.returncode == 2


@pytest.mark.django_db
def test_a_run_alive_elsewhere_is_told_and_left_alone():
    SyncRun.objects.create(
        kind="full", trigger="test", lease_token="x", lease_until=timezone.now() + timedelta(minutes=5)
    )
    with pytest.raises(CommandError, match="another process") as failed:
        sync("--full", "--no-wait")
    assert failed.value.returncode == 3


@pytest.mark.django_db(transaction=True)
def test_a_run_that_dies_elsewhere_is_watched_and_gone_on_with(simulator, with_carrier):
    SyncRun.objects.create(
        kind="changes", trigger="test", lease_token="x", lease_until=timezone.now() + timedelta(seconds=0.7)
    )
    with with_carrier(SMARTHUB_RATE=0):
        out, err = sync("--changes")
    assert "another process" in err
    assert "changes:" in out
    assert SyncRun.objects.get().resumed == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_command_that_is_ended_or_killed_is_gone_on_with(how, simulator, portal_environment, with_carrier):
    simulator.fault(call="list_sims", kind="latency", seconds=0.4)
    environment = {**portal_environment, "SMARTHUB_PAGE_SIZE": "50", "SMARTHUB_RATE": "0", "SYNC_LEASE": "2"}
    process = subprocess.Popen(
        [sys.executable, "manage.py", "sync", "--full"], env=environment, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not SyncRun.objects.filter(read__gte=100).exists():
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        time.sleep(0.05)
    process.send_signal(how)
    _, err = process.communicate(timeout=20)
    assert process.returncode == (2 if how == signal.SIGTERM else -signal.SIGKILL), err
    left = SyncRun.objects.get()
    assert left.state == "running"
    simulator.clear_faults()
    with with_carrier(SMARTHUB_RATE=0):
        sync("--full")
    left.refresh_from_db()
    assert (left.state, left.resumed) == ("done", 1)
    assert left.read == Sim.objects.count() == left.total
