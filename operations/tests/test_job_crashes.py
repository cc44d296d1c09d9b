"""A worker dies at any step of a job: another one goes on, no SIM changes twice and every one ends true."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from operations.models import BatchJob
from operations.services.jobs import run
from operations.tests.job_helpers import SUBMITS, assert_true_results, drive, make_all_due, states_of, turn
from smarthub import SmartHub

STEPS = {
    "before_chunks": "operations.services.jobs.run.make_chunks",
    "inside_a_chunk": "operations.services.jobs.chunks.add_chunk",
    "before_release": "operations.services.jobs.run.release_chunks",
    "before_submit_is_written": "operations.services.jobs.submit._start",
    "submit_written_but_not_sent": "operations.services.jobs.submit.get_client",
    "answered_but_id_not_stored": "operations.services.jobs.submit.store_carrier_job",
    "id_stored": "operations.services.jobs.submit.note_accepted",
    "before_poll": "operations.services.jobs.poll.get_client",
    "carriers_job_ended": "operations.services.jobs.poll.settle",
    "before_reading": "operations.services.jobs.settle.look",
    "sims_read": "operations.services.jobs.settle._told",
    "results_told_not_stored": "operations.services.jobs.settle.conclude_many",
    "inside_the_results": "operations.services.jobs.finish.record_operations",
    "results_without_audit": "operations.services.jobs.finish._audit",
    "results_stored": "operations.services.jobs.settle._go_on",
    "before_counting": "operations.services.jobs.run.recount",
    "before_the_end": "operations.services.jobs.run.end_if_over",
    "job_waits": "operations.services.jobs.run._look_later",
}


class Killed(BaseException):
    """Nothing catches it: as far as the rows can tell, the process is gone."""


def die_once(monkeypatch: pytest.MonkeyPatch, name: str, *, after: bool) -> Callable[[], int]:
    """Have ``name`` kill its caller the first time, before or ``after`` its work; answers how often it did."""
    import importlib

    module_name, attribute = name.rsplit(".", 1)
    module = importlib.import_module(module_name)
    real = getattr(module, attribute)
    deaths: list[int] = []

    def dying(*args: Any, **kwargs: Any) -> Any:
        if deaths:
            return real(*args, **kwargs)
        if after:
            real(*args, **kwargs)
        deaths.append(1)
        raise Killed

    monkeypatch.setattr(module, attribute, dying)
    return lambda: len(deaths)


def drive_through_deaths(job: BatchJob, simulator: Any, *, ageing: float = 30) -> BatchJob:
    for _ in range(60):
        try:
            if turn(job).state in BatchJob.FINAL_STATES:
                return job
        except Killed:
            job.refresh_from_db()
        make_all_due(job)
        simulator.control("POST", "clock", {"advance": 6})
    raise AssertionError(f"still {job.state}: {states_of(job)}")


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", list(STEPS))
def test_killed_at_a_step(step, after, simulator, start_job, config, monkeypatch):
    config(BATCH_CHUNK_SIZE=3, BATCH_LOST_SUBMIT_AFTER=0)
    job = start_job("suspend", 5)
    deaths = die_once(monkeypatch, STEPS[step], after=after)
    drive_through_deaths(job, simulator)
    assert deaths() == 1, "the step was not reached"
    assert (job.state, states_of(job)) == ("done", {"done": 5})
    assert (job.succeeded, job.pending) == (5, 0)
    assert_true_results(simulator, job)


@pytest.mark.parametrize("kind", list(SUBMITS))
def test_killed_between_the_carriers_answer_and_storing_it(kind, simulator, start_job, monkeypatch):
    job = start_job(kind, 4)
    real = SmartHub.submit_batch
    deaths: list[int] = []

    def answered_then_killed(*args: Any, **kwargs: Any) -> str:
        answer = real(*args, **kwargs)
        if not deaths:
            deaths.append(1)
            raise Killed
        return answer

    monkeypatch.setattr(SmartHub, "submit_batch", answered_then_killed)
    with pytest.raises(Killed):
        turn(job)
    assert states_of(job) == {"sending": 4}, "nobody is left to say anything else"
    chunk = job.chunks.get()
    assert (chunk.state, chunk.carrier_job_id) == ("submitting", "")
    make_all_due(job)
    turn(job)
    assert states_of(job) == {"unknown": 4}, "read back, never straight back to the queue"
    make_all_due(job)
    drive(job, simulator)
    assert states_of(job) == {"done": 4}
    assert len(simulator.calls(SUBMITS[kind])) == 1
    assert_true_results(simulator, job)


@pytest.mark.parametrize("step", ["_call", "_accepted"], ids=["claimed_not_sent", "answered_not_stored"])
@pytest.mark.parametrize("kind", ["add_plan", "set_apn", "set_custom_fields"])
def test_killed_in_the_single_call_of_a_sim(kind, step, simulator, start_job, monkeypatch):
    """Kinds without a batch call: only what may have been sent and can't be read back waits for a person."""
    job = start_job(kind, 3)
    deaths = die_once(monkeypatch, f"operations.services.engine.{step}", after=False)
    for _ in range(30):
        try:
            if not turn(job).pending:
                break
        except Killed:
            job.refresh_from_db()
        make_all_due(job)
    assert deaths() == 1
    in_doubt = 1 if (kind, step) == ("add_plan", "_call") else 0
    expected = {"done": 3 - in_doubt, **({"needs_attention": in_doubt} if in_doubt else {})}
    assert states_of(job) == expected
    changed = [simulator.changes(giccid) for giccid in job.operations.values_list("sim__giccid", flat=True)]
    assert sorted(len(changes) for changes in changed) == [0] * in_doubt + [1] * (3 - in_doubt)


def test_an_operation_of_a_job_is_never_taken_by_the_single_dispatcher(simulator, start_job):
    from django.utils import timezone

    from operations.services.dispatch import dispatch

    job = start_job("set_custom_fields", 2)
    job.operations.update(next_attempt_at=timezone.now())
    assert dispatch() == 0
    assert run.dispatch() == 3, "two operations and the job"
