"""A worker of the bulk queue is killed while it hands in a chunk or reads its SIMs; another one finishes the job."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from operations.models import BatchJob
from operations.services.jobs.run import dispatch
from operations.tests.job_helpers import SUBMITS, assert_true_results, states_of
from tests.faults.test_worker_killed import wait_for, worker

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True), pytest.mark.timeout(240)]

SUBMIT = SUBMITS["suspend"]
FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "submitted_and_changed": ({"call": SUBMIT, "before": False}, SUBMIT),
    "submitted_in_vain": ({"call": SUBMIT, "before": True}, SUBMIT),
    "asking_for_the_job": ({"call": "get_batch_job"}, "get_batch_job"),
    "reading_the_sims": ({"call": "list_sims"}, "list_sims"),
}


@pytest.mark.parametrize("fault", list(FAULTS))
def test_killed_in_a_call(
    transactional_db: None,
    fault: str,
    simulator: Any,
    start_job: Callable[..., BatchJob],
    portal_environment: dict[str, str],
    tmp_path: Path,
) -> None:
    rule, call = FAULTS[fault]
    environment = {
        **portal_environment,
        "OPERATION_LEASE": "3",
        "SMARTHUB_READ_TIMEOUT": "4",
        "SMARTHUB_CONNECT_TIMEOUT": "1",
        "BATCH_LOST_SUBMIT_AFTER": "8",
    }
    log = tmp_path / "worker.log"
    job = start_job("suspend", 8)
    simulator.fault(kind="hang", seconds=3, count=1, **rule)
    before = len(simulator.calls(call))

    def hangs() -> bool:
        dispatch()
        return len(simulator.calls(call)) > before

    with worker(environment, log, queue="bulk") as process:
        wait_for(hangs, log.read_text())
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
    job.refresh_from_db()
    assert job.state == "running", "nobody is left to say anything else"

    def ended() -> bool:
        # Beat's part, every other moment: what is due or whose lease has run out goes to the workers.
        dispatch()
        job.refresh_from_db()
        return job.state in BatchJob.FINAL_STATES

    with worker(environment, log, queue="bulk"):
        wait_for(ended, log.read_text(), 150)

    assert (job.state, states_of(job)) == ("done", {"done": 8})
    assert len(simulator.calls(SUBMIT)) == (2 if fault == "submitted_in_vain" else 1)
    assert_true_results(simulator, job)
