"""A flood of pushes with a worker killed in the middle: all are stored, and each is done once in effect."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from demo.processes import dies_with_parent

BASE_DIR = Path(__file__).resolve().parent.parent
SIMS = 2000
"""SIMs of the simulated carrier that the pushes are about, in turn."""
LONGEST = 1800.0
"""Seconds after which it is given up."""


def flood(directory: Path, pushes: int) -> dict[str, Any]:
    """Fire ``pushes`` as fast as they are taken, kill the worker half-way, start another, and count what came of it.

    Each push tells of a change of its own, so each has to be exactly one entry of the timeline. A tenth comes twice.
    """
    from benchmarks.receiver import CONNECTIONS, fire, server
    from core.heartbeat import queues_without_worker
    from notifications.models import Push
    from notifications.services.sources import create_source
    from sims.models import TimelineEvent
    from tests.servers import Simulator, wait_until

    _, token = create_source("flood")
    simulator = Simulator(directory, fleet=SIMS)
    environment = {
        "SMARTHUB_BASE_URL": simulator.base_url,
        "SMARTHUB_API_KEY": simulator.api_key,
        "SMARTHUB_READ_TIMEOUT": "5",
        "PUSH_RATE": "0",
    }
    os.environ.update(environment)
    bodies = list(_bodies([sim["giccid"] for sim in simulator._seeded], pushes))
    copies = bodies[::10]
    path = f"/webhooks/smarthub/{token}/sim-status-change/"
    answers: dict[str, int] = {}
    began = time.monotonic()
    try:
        with server() as port, _celery(directory, "worker", "-Q", "push", "-P", "threads", "-c", "4") as first:
            wait_until(lambda: not queues_without_worker(["push"]), seconds=60, what="the worker")
            for part in (bodies[: pushes // 2], [*bodies[pushes // 2 :], *copies]):
                for status, number in fire(port, path, 0, CONNECTIONS, part).statuses.items():
                    answers[status] = answers.get(status, 0) + number
                if first.poll() is None:
                    done_at_kill = Push.objects.filter(state=Push.State.DONE).count()
                    os.killpg(first.pid, signal.SIGKILL)
        fired = time.monotonic() - began
        with (
            _celery(directory, "worker", "-Q", "push", "-P", "threads", "-c", "4"),
            _celery(directory, "beat", "--pidfile=", "--schedule", str(directory / "beat")),
        ):
            _wait_until_done()
        calls = len(simulator.calls("get_sim")) + len(simulator.calls("list_sims"))
    finally:
        simulator.stop()
    states = Push.objects.order_by().values_list("state", flat=True)
    entries = TimelineEvent.objects.filter(kind="status")
    return {
        "fired": pushes + len(copies),
        "answers": answers,
        "seconds_to_fire": round(fired, 1),
        "done_when_the_worker_was_killed": done_at_kill,
        "stored": Push.objects.count(),
        "states": {state: states.filter(state=state).count() for state in sorted(set(states))},
        "changes_told": pushes,
        "entries_of_the_timeline": entries.count(),
        "of_them_from_pushes": entries.filter(push_key__isnull=False).count(),
        "seconds_until_all_were_done": round(time.monotonic() - began, 1),
        "calls_to_the_carrier": calls,
    }


def _bodies(giccids: list[str], pushes: int) -> Iterator[bytes]:
    """Pushes about changes hours apart, so that no two of a SIM can be taken for one."""
    start = datetime.now(UTC) - timedelta(days=20)
    for number in range(pushes):
        turn = number // len(giccids)
        states = ("ACTIVATED", "DEACTIVATED") if turn % 2 else ("DEACTIVATED", "ACTIVATED")
        body = {
            "eventId": f"flood-{number}",
            "eventType": "SIM_STATUS_CHANGE",
            "ruleName": "State changed",
            "accountName": "example_account",
            "giccid": giccids[number % len(giccids)],
            "eventTime": (start + timedelta(hours=turn)).strftime("%Y-%m-%dT%H:%M:%S+0000"),
            "originalStatus": states[0],
            "targetStatus": states[1],
        }
        yield json.dumps(body).encode()


def _wait_until_done() -> None:
    from notifications.models import Push

    deadline = time.monotonic() + LONGEST
    while left := Push.objects.filter(next_attempt_at__isnull=False).count():
        if time.monotonic() > deadline:
            raise SystemExit(f"{left} pushes were still to be done after {LONGEST} s")
        time.sleep(0.5)


@contextmanager
def _celery(directory: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A real worker, or beat, in a session of its own, so that a kill reaches all of it."""
    with (directory / f"{arguments[0]}.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "smarthub_portal", "--quiet", *arguments, "-l", "WARNING"],
            cwd=BASE_DIR,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=dies_with_parent(),
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(15)
