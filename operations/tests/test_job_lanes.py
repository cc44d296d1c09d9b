"""While jobs use up the call budget, a click is carried out as if the system were idle."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from operations import job_tasks, tasks
from operations.models import BatchChunk, BatchJob, Operation
from operations.tests.job_helpers import assert_true_results
from sims.services.carrier import get_budget

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

RATE = 5.0
"""Calls a second: slow enough that a click behind the six workers would wait for more than a second."""
CLICKS = 6
STARTS_WITHIN = 1.0
"""Seconds from the request to the sending; the promise of the portal. One of all clicks may find the machine busy."""
SLOWER_BY = 1.0
AT_WORST_BY = 5.0
"""Seconds that a whole operation may take longer than when idle: half of them, and each one on a busy machine."""


def seconds_of(operation: Operation) -> tuple[float, float]:
    """From the wish to its sending, and to its end."""
    operation = Operation.objects.get(pk=operation.pk)
    assert operation.state == "done", operation.message
    assert operation.first_sent_at is not None
    assert operation.finished_at is not None
    sent = operation.first_sent_at - operation.created_at
    return sent.total_seconds(), (operation.finished_at - operation.created_at).total_seconds()


def due() -> list[tuple[Callable[[int], None], int]]:
    """Tasks for what is due now of all jobs, as the dispatcher would hand them over."""
    now = timezone.now()
    chunks = BatchChunk.objects.filter(next_step_at__lte=now).values_list("pk", flat=True)
    jobs = BatchJob.objects.filter(next_step_at__lte=now).values_list("pk", flat=True)
    operations = Operation.objects.filter(next_attempt_at__lte=now, job__isnull=False).values_list("pk", flat=True)
    found: list[tuple[Callable[[int], None], int]] = [(job_tasks.step_chunk, pk) for pk in chunks]
    found += [(job_tasks.run_job, pk) for pk in jobs]
    return found + [(job_tasks.run_bulk_operation, pk) for pk in operations]


@contextmanager
def bulk_workers(count: int) -> Iterator[list[Exception]]:
    """Threads that take steps of jobs as fast as they can, like workers of the bulk queue."""
    stop = threading.Event()
    errors: list[Exception] = []

    def work(number: int) -> None:
        try:
            while not stop.is_set():
                found = due()
                for task, pk in found[number % max(1, len(found)) :][:3]:
                    task(pk)
                if not found:
                    stop.wait(0.05)
        except Exception as error:  # noqa: BLE001 - the test looks at it
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield errors
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)


def wait_for(condition: Callable[[], Any], what: str, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def click(ask: Any, sim: Any) -> Operation:
    """The request and, as by a free worker of the agent's queue, its task."""
    operation: Operation = ask(sim, "set_custom_fields", custom5="on the phone")
    tasks.run_operation(operation.pk)
    return operation


def test_a_click_starts_at_once_and_ends_as_on_an_idle_system(
    transactional_db, simulator, start_job, carrier_sims, carrier_sim, ask, with_carrier, config
):
    clicked = [carrier_sim("suspend", n=n) for n in range(CLICKS + 1)]
    sims = [sim for sim in carrier_sims("suspend", 117, account=None) if sim not in clicked]
    config(BATCH_CHUNK_SIZE=10, BATCH_OPEN_CHUNKS=4)
    with with_carrier(SMARTHUB_RATE=RATE):
        idle = seconds_of(click(ask, clicked[0]))
        jobs = [start_job("suspend", sims=sims[:60]), start_job("set_custom_fields", sims=sims[60:])]
        with bulk_workers(6) as errors:
            budget = get_budget()
            times = []
            for number, sim in enumerate(clicked[1:], start=1):

                def saturated(calls: int = 3 * number) -> bool:
                    state = budget.state()
                    return bool(errors) or (state["waiting"]["bulk"] >= 2 and state["used_by_lane"]["bulk"] >= calls)

                wait_for(saturated, "jobs do not use up the budget")
                times.append(seconds_of(click(ask, sim)))
            assert not errors
            running = BatchJob.objects.filter(pk__in=[job.pk for job in jobs], state="running").count()
            used = budget.state()["used_by_lane"]
        assert running, "the clicks were made while a job ran"
        assert used["bulk"] > used["agent"]
    *starts, slowest = sorted(sent for sent, _ended in times)
    assert max(starts) < STARTS_WITHIN, times
    assert slowest < AT_WORST_BY, times
    ends = [ended for _sent, ended in times]
    assert median(ends) < idle[1] + SLOWER_BY, (idle, times)
    assert max(ends) < idle[1] + AT_WORST_BY, (idle, times)


def test_many_workers_on_jobs_leave_true_results(transactional_db, simulator, start_job, carrier_sims, config):
    config(BATCH_CHUNK_SIZE=7, BATCH_OPEN_CHUNKS=3)
    simulator.fault(call="submit_batch_deactivate", kind="lost_answer", count=1)
    simulator.fault(call="get_batch_job", kind="error", probability=0.2)
    job = start_job("suspend", sims=carrier_sims("suspend", 40, account=None))
    with bulk_workers(4) as errors:
        wait_for(lambda: errors or BatchJob.objects.get(pk=job.pk).state != "running", "the job does not end", 90)
        assert not errors
    job.refresh_from_db()
    assert (job.state, job.succeeded) == ("done", 40)
    assert_true_results(simulator, job)
