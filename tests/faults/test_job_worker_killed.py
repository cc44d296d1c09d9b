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
from sims.models import Sim
from tests.faults.test_worker_killed import one_of_them_on_sqlite, wait_for, worker

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True), pytest.mark.timeout(240)]

FAULTS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "submitted_and_changed": ({"call": "writes", "before": False}, tuple(SUBMITS.values())),
    "submitted_in_vain": ({"call": "writes", "before": True}, tuple(SUBMITS.values())),
    "asking_for_the_job": ({"call": "get_batch_job"}, ("get_batch_job",)),
    "reading_the_sims": ({"call": "list_sims"}, ("list_sims",)),
}
ORDER = ("activate", "suspend", "retire", "change_plan")
EACH = 2
"""SIMs of each job."""


@pytest.mark.parametrize("fault", one_of_them_on_sqlite(FAULTS))
def test_killed_in_a_call(
    transactional_db: None,
    fault: str,
    simulator: Any,
    start_job: Callable[..., BatchJob],
    carrier_sims: Callable[..., list[Sim]],
    portal_environment: dict[str, str],
    tmp_path: Path,
) -> None:
    """A job of each kind that the carrier takes as batches, all at the same step; the others go one by one."""
    rule, calls = FAULTS[fault]
    environment = {
        **portal_environment,
        "OPERATION_LEASE": "3",
        "SMARTHUB_READ_TIMEOUT": "9",
        "SMARTHUB_CONNECT_TIMEOUT": "1",
        "BATCH_LOST_SUBMIT_AFTER": "8",
        "SMARTHUB_RATE": "0",
    }
    log = tmp_path / "worker.log"
    # Two kinds each change suspended and active SIMs.
    sims = {kind: carrier_sims(kind, EACH, first=n // 2 * EACH) for n, kind in enumerate(ORDER)}
    jobs = {kind: start_job(kind, sims=sims[kind]) for kind in SUBMITS}
    # A question that is asked again hangs again, so that no job gets by while a busy machine brings the last one there.
    count = len(jobs) if rule["call"] == "writes" else 1000
    simulator.fault(kind="hang", seconds=8, count=count, **rule)

    def made() -> int:
        return sum(len(simulator.calls(call)) for call in calls)

    before = made()

    def all_hang() -> bool:
        dispatch()
        return made() - before >= len(jobs)

    with worker(environment, log, queue="bulk", threads=8) as process:
        wait_for(all_hang, log.read_text())
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
    simulator.clear_faults()
    for job in jobs.values():
        job.refresh_from_db()
        assert job.state == "running", "nobody is left to say anything else"

    def ended() -> bool:
        # Beat's part, every other moment: what is due or whose lease has run out goes to the workers.
        dispatch()
        return not BatchJob.objects.exclude(state__in=BatchJob.FINAL_STATES).exists()

    with worker(environment, log, queue="bulk", threads=8):
        wait_for(ended, log.read_text(), 150)

    for kind, job in jobs.items():
        job.refresh_from_db()
        assert (kind, job.state, states_of(job)) == (kind, "done", {"done": EACH})
        assert len(simulator.calls(SUBMITS[kind])) == (2 if fault == "submitted_in_vain" else 1), kind
        assert_true_results(simulator, job)
