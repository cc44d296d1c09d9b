"""A job is carried out in the carrier's batch jobs, and every SIM gets its own result."""

from __future__ import annotations

import pytest
from django.utils import timezone

from core.models import AuditEntry
from operations import job_tasks
from operations.models import BatchChunk, BatchJob, Operation
from operations.services.jobs import chunks
from operations.tests.job_helpers import (
    SUBMITS,
    TARGETS,
    assert_true_results,
    changes_by_sim,
    drive,
    make_all_due,
    states_of,
    turn,
)
from sims.models import Sim, TimelineEvent

State = Operation.State


@pytest.mark.parametrize("kind", list(SUBMITS))
def test_each_kind_ends_with_every_sim_done(kind, simulator, start_job):
    job = drive(start_job(kind, 6), simulator)
    assert (job.state, job.succeeded, job.failed, job.pending) == ("done", 6, 0, 0)
    assert states_of(job) == {"done": 6}
    assert len(simulator.calls(SUBMITS[kind])) == 1
    assert_true_results(simulator, job)
    assert sum(changes_by_sim(simulator, job).values()) == 6


def test_the_mirror_the_timeline_and_the_audit_tell_of_each(simulator, start_job):
    job = drive(start_job("suspend", 5), simulator)
    for operation in job.operations.select_related("sim"):
        assert operation.sim.status == TARGETS["suspend"]
        event = TimelineEvent.objects.get(sim=operation.sim, operation_id=operation.pk)
        assert (event.outcome, event.reason, event.ticket) == ("success", "the fleet moves", "T-9")
        assert event.detail["job"] == job.pk
        entry = AuditEntry.objects.get(object_type="operations.operation", object_id=operation.pk)
        assert (entry.action, entry.after["job"]) == ("operation.done", job.pk)
    assert not TimelineEvent.objects.filter(kind="status", operation_id=None, at__gte=job.created_at).exists()


def test_chunks_of_the_size_that_is_set_and_no_more_open_than_set(simulator, start_job, config):
    config(BATCH_CHUNK_SIZE=3, BATCH_OPEN_CHUNKS=2)
    job = start_job("suspend", 8)
    turn(job)
    assert list(job.chunks.order_by("number").values_list("size", flat=True)) == [3, 3, 2]
    assert job.chunks.exclude(carrier_job_id="").count() == 2
    assert job.chunks.get(number=3).state == "waiting"
    drive(job, simulator)
    assert states_of(job) == {"done": 8}
    assert len(simulator.calls(SUBMITS["suspend"])) == 3


def test_sims_are_read_back_by_lists_not_one_by_one(simulator, start_job):
    job = start_job("suspend", 12)
    before = len(simulator.calls("get_sim"))
    drive(job, simulator)
    assert len(simulator.calls("get_sim")) == before


def test_the_id_of_the_carriers_job_is_kept_before_anything_else(simulator, start_job, monkeypatch):
    job = start_job("suspend", 3)

    def stop(*_args):
        raise KeyboardInterrupt

    monkeypatch.setattr("operations.services.jobs.submit.note_accepted", stop)
    with pytest.raises(KeyboardInterrupt):
        turn(job)
    chunk = job.chunks.get()
    assert (chunk.state, bool(chunk.carrier_job_id)) == ("submitted", True)
    monkeypatch.undo()
    make_all_due(job)
    drive(job, simulator)
    assert_true_results(simulator, job)
    assert states_of(job) == {"done": 3}


def test_operations_of_different_parameters_go_in_different_chunks(simulator, start_job, carrier_sims):
    sims = carrier_sims("change_plan", 4)
    codes = sorted({"EU-100M-M", *_other_codes(sims)})[:2]
    wishes = [{"plan": codes[n % 2], "effective": "NOW"} for n in range(4)]
    job = start_job("change_plan", sims=sims, params=wishes)
    drive(job, simulator)
    assert job.chunks.count() == 2
    assert job.state == "done"
    for operation in job.operations.select_related("sim"):
        assert operation.sim.plan_id == operation.params["plan"]


def _other_codes(sims: list[Sim]) -> set[str]:
    from operations.forms import plans_for
    from sims.models import RatePlan

    return {plan.code for plan in plans_for(sims[0], RatePlan.Kind.BASIC)}


def test_a_plan_for_the_next_cycle_is_done_when_accepted_and_due_when_the_cycle_turns(simulator, start_job):
    job = start_job("change_plan", 3)
    Operation.objects.filter(job=job).update(params={**job.params, "effective": "NEXT_CYCLE"})
    drive(job, simulator)
    assert job.state == "done"
    for operation in job.operations.select_related("sim"):
        assert operation.effective_at == operation.sim.cycle_end
        assert operation.next_attempt_at > operation.effective_at
        assert TimelineEvent.objects.get(operation_id=operation.pk).outcome == "scheduled"


def test_a_sim_whose_state_changed_since_the_plan_is_not_sent(simulator, start_job):
    job = start_job("suspend", 4)
    gone = job.operations.order_by("pk").first()
    Sim.objects.filter(pk=gone.sim_id).update(status="RETIRED")
    drive(job, simulator)
    assert states_of(job) == {"done": 3, "failed": 1}
    assert (job.state, job.succeeded, job.failed) == ("done_with_failures", 3, 1)
    gone.refresh_from_db()
    assert gone.message.startswith("Not sent")
    assert gone.sim.giccid not in changes_by_sim(simulator, job)


def test_a_paused_job_sends_nothing_more_but_follows_what_was_sent(simulator, start_job, config):
    config(BATCH_CHUNK_SIZE=2, BATCH_OPEN_CHUNKS=1)
    job = turn(start_job("suspend", 6))
    BatchJob.objects.filter(pk=job.pk).update(state="paused")
    for _ in range(6):
        make_all_due(job)
        simulator.control("POST", "clock", {"advance": 6})
        turn(job)
    assert states_of(job) == {"done": 2, "queued": 4}
    assert (job.state, len(simulator.calls(SUBMITS["suspend"]))) == ("paused", 1)
    BatchJob.objects.filter(pk=job.pk).update(state="running", next_step_at=timezone.now())
    drive(job, simulator)
    assert states_of(job) == {"done": 6}


def test_a_chunk_that_was_released_before_the_pause_waits_too(simulator, start_job):
    job = start_job("suspend", 2)
    job_tasks.run_job(job.pk)
    assert job.chunks.get().next_step_at is not None
    BatchJob.objects.filter(pk=job.pk).update(state="paused")
    turn(job)
    assert (job.chunks.get().state, simulator.calls(SUBMITS["suspend"])) == ("waiting", [])


def test_cancelled_in_the_middle(simulator, start_job, config):
    config(BATCH_CHUNK_SIZE=2, BATCH_OPEN_CHUNKS=1)
    job = turn(start_job("suspend", 6))
    BatchJob.objects.filter(pk=job.pk).update(cancelled_at=timezone.now(), next_step_at=timezone.now())
    drive(job, simulator)
    assert states_of(job) == {"done": 2, "cancelled": 4}
    assert job.state == "cancelled"
    assert_true_results(simulator, job)
    assert not job.chunks.exclude(state="done").exists()


def test_two_workers_at_one_chunk_submit_it_once(simulator, start_job, monkeypatch):
    job = start_job("suspend", 3)
    job_tasks.run_job(job.pk)
    chunk = job.chunks.get()
    first = chunks.claim_chunk(chunk.pk)
    assert first is not None
    assert chunks.claim_chunk(chunk.pk) is None
    BatchChunk.objects.filter(pk=chunk.pk).update(next_step_at=timezone.now())
    drive(job, simulator)
    assert not chunks.keep(first), "the one that lost its claim may not go on"
    assert len(simulator.calls(SUBMITS["suspend"])) == 1


def test_the_broker_is_emptied(simulator, start_job, valkey):
    from operations.services.jobs.run import dispatch

    job = start_job("suspend", 4)
    for _ in range(20):
        valkey.flushdb()
        assert dispatch() >= 1, "what is due is found in the database"
        if turn(job).state in BatchJob.FINAL_STATES:
            break
        make_all_due(job)
        simulator.control("POST", "clock", {"advance": 6})
    assert job.state == "done"
    assert_true_results(simulator, job)


def test_a_larger_job_asks_the_database_no_more_often(simulator, start_job, carrier_sims):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    counts = []
    for first, count in ((0, 5), (5, 40)):
        job = start_job("suspend", sims=carrier_sims("suspend", count, first=first))
        with CaptureQueriesContext(connection) as queries:
            drive(job, simulator)
        assert job.state == "done"
        counts.append(len(queries))
    assert counts[1] <= counts[0] + 10, counts
