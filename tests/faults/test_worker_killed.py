"""A worker process is killed while it waits for the carrier's answer; another one takes over and finishes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from operations.models import Operation
from operations.services.dispatch import dispatch
from operations.services.requests import request_operation
from operations.tests.helpers import CALLS, KINDS, WHAT, changes_of, run

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True), pytest.mark.timeout(180)]

BASE_DIR = Path(__file__).resolve().parents[2]


@contextmanager
def worker(
    environment: dict[str, str], log: Path, *, queue: str = "agent", threads: int = 2
) -> Iterator[subprocess.Popen[bytes]]:
    """A Celery worker for one queue, in a session of its own; nothing of it is left afterwards."""
    command = [sys.executable, "-m", "celery", "-A", "smarthub_portal", "worker", "-Q", queue, "-P", "threads"]
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*command, "-c", str(threads), "-l", "info", "--without-gossip", "--without-mingle"],
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


def one_of_them_on_sqlite(names: Iterable[str]) -> list[Any]:
    """Parameters for a test that starts workers: all on PostgreSQL, the first on SQLite, where a kill differs by what
    becomes of the transaction and not by the step."""
    first, *others = names
    return [first, *(pytest.param(name, marks=pytest.mark.postgres) for name in others)]


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


FAULTS: dict[str, dict[str, Any]] = {
    "changed": {"call": "writes", "before": False},
    "not_changed": {"call": "writes", "before": True},
    "reading": {"call": "get_sim"},
}
"""Where the carrier keeps silent: after it made the change, instead of making it, when the SIM is read."""


@pytest.mark.parametrize("fault", one_of_them_on_sqlite(FAULTS))
def test_killed_with_every_kind_under_way(
    transactional_db: None,
    fault: str,
    simulator: Any,
    carrier_sim: Any,
    ask: Any,
    portal_environment: dict[str, str],
    tmp_path: Path,
) -> None:
    """All seven kinds at once. A purchase reads its SIM before it is sent, too, so ``reading`` may kill it there."""
    sims = {kind: carrier_sim(kind, n=n) for n, kind in enumerate(KINDS)}
    environment = {
        **portal_environment,
        "OPERATION_LEASE": "7",
        "SMARTHUB_READ_TIMEOUT": "5",
        "OPERATION_READBACK_TRIES": "4",
        "SMARTHUB_RATE": "0",
    }
    simulator.fault(kind="hang", seconds=4, count=len(KINDS), **FAULTS[fault])
    log = tmp_path / "worker.log"
    before = {kind: len(simulator.calls("get_sim", sim.giccid)) for kind, sim in sims.items()}

    def all_hang() -> bool:
        # As beat does, for what the broker was too slow to take.
        dispatch()
        if fault == "reading":
            return all(len(simulator.calls("get_sim", sim.giccid)) > before[kind] for kind, sim in sims.items())
        return all(simulator.calls(CALLS[kind], sim.giccid) for kind, sim in sims.items())

    with worker(environment, log, threads=8) as process:
        operations = {kind: ask(sim, kind) for kind, sim in sims.items()}
        wait_for(all_hang, log.read_text())
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
    for operation in operations.values():
        operation.refresh_from_db()
    states = {kind: operation.state for kind, operation in operations.items()}
    if fault == "reading":
        # A purchase reads its SIM before it is sent, too.
        purchase = states.pop("add_plan")
        assert purchase in {"queued", "sending", "accepted", "done"}, purchase
        assert set(states.values()) <= {"sending", "accepted", "done"}, states
        assert set(states.values()) != {"done"}, "nothing was under way"
    else:
        assert set(states.values()) == {"sending"}, "nobody is left to say anything else"

    def ended() -> bool:
        # Beat's part, every other moment: what is due or whose lease has run out goes to the workers.
        dispatch()
        return not Operation.objects.filter(state__in=Operation.OPEN_STATES).exists()

    with worker(environment, log, threads=8):
        wait_for(ended, log.read_text(), 120)

    for kind, operation in operations.items():
        operation.refresh_from_db()
        changes = [what for what, _to in changes_of(simulator, sims[kind])]
        steps = list(operation.attempts.values_list("step", "outcome"))
        if fault != "reading":
            assert steps[0] == ("send", "unknown"), f"{kind} is read back, never straight back to the queue"
        if kind == "add_plan" and operation.state == "needs_attention":
            assert fault != "changed"
            assert changes == [], "asked, not bought twice"
        else:
            assert (operation.state, changes) == ("done", [WHAT[kind]]), (kind, operation.message)


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
