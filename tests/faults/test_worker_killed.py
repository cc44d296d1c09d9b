"""A worker process is killed while it waits for the carrier's answer; another one takes over and finishes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from operations.models import Operation
from operations.services.dispatch import dispatch
from operations.services.requests import request_operation
from operations.tests.helpers import CALLS, WHAT, changes_of, run

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True), pytest.mark.timeout(180)]

BASE_DIR = Path(__file__).resolve().parents[2]


@contextmanager
def worker(environment: dict[str, str], log: Path, *, queue: str = "agent") -> Iterator[subprocess.Popen[bytes]]:
    """A Celery worker for one queue, in a session of its own; nothing of it is left afterwards."""
    command = [sys.executable, "-m", "celery", "-A", "smarthub_portal", "worker", "-Q", queue, "-P", "threads"]
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*command, "-c", "2", "-l", "info", "--without-gossip", "--without-mingle"],
            cwd=BASE_DIR,
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


@pytest.mark.parametrize("kind", ["suspend", "add_plan"])
@pytest.mark.parametrize("before", [False, True], ids=["changed", "not_changed"])
def test_killed_while_sending(
    transactional_db: None,
    kind: str,
    before: bool,
    simulator: Any,
    carrier_sim: Any,
    ask: Any,
    portal_environment: dict[str, str],
    tmp_path: Path,
) -> None:
    """``changed``: the carrier made the change and then kept silent; ``not_changed``: it did nothing."""
    sim = carrier_sim(kind)
    environment = {
        **portal_environment,
        "OPERATION_LEASE": "7",
        "SMARTHUB_READ_TIMEOUT": "5",
        "OPERATION_READBACK_TRIES": "4",
    }
    simulator.fault(call=CALLS[kind], kind="hang", seconds=4, before=before, count=1)
    log = tmp_path / "worker.log"

    with worker(environment, log) as process:
        operation = ask(sim, kind)
        wait_for(lambda: len(simulator.calls(CALLS[kind], sim.giccid)) == 1, log.read_text())
        assert Operation.objects.get(pk=operation.pk).state == "sending"
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)

    operation.refresh_from_db()
    assert operation.state == "sending", "nobody is left to say anything else"

    def ended() -> bool:
        # Beat's part, every other moment: what is due or whose lease has run out goes to the workers.
        dispatch()
        operation.refresh_from_db()
        return operation.state not in Operation.OPEN_STATES

    with worker(environment, log):
        wait_for(ended, log.read_text(), 120)

    states = list(operation.attempts.values_list("step", "outcome"))
    assert states[0] == ("send", "unknown"), "read back, never straight back to the queue"
    if kind == "add_plan" and before:
        assert (operation.state, changes_of(simulator, sim)) == ("needs_attention", [])
    else:
        assert operation.state == "done", operation.message
        assert [what for what, _to in changes_of(simulator, sim)] == [WHAT[kind]]


def test_killed_while_sending_a_message(
    transactional_db: None,
    simulator: Any,
    carrier_sim: Any,
    agent: Any,
    portal_environment: dict[str, str],
    tmp_path: Path,
) -> None:
    """The carrier took it and kept silent: a person is asked, and no worker ever calls again."""
    sim = carrier_sim()
    environment = {**portal_environment, "OPERATION_LEASE": "7", "SMARTHUB_READ_TIMEOUT": "5"}
    simulator.fault(call="send_sms", kind="hang", seconds=4, before=False, count=1)
    log = tmp_path / "worker.log"
    with worker(environment, log) as process:
        operation = request_operation(sim=sim, kind="send_sms", params={"text": "hello"}, actor=agent, reason="")
        wait_for(lambda: len(simulator.calls("send_sms", sim.giccid)) == 1, log.read_text())
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)

    def ended() -> bool:
        dispatch()
        operation.refresh_from_db()
        return operation.state not in Operation.OPEN_STATES

    # The dispatcher says it, without a worker.
    wait_for(ended, log.read_text(), 60)
    assert (operation.state, operation.carrier_code) == ("needs_attention", "worker_lost")
    for _again in range(3):
        run(operation)
    assert operation.state == "needs_attention"
    assert len(simulator.calls("send_sms", sim.giccid)) == 1
    assert [change["what"] for change in simulator.changes(sim.giccid)] == ["sms"]
