"""Kinds without a batch call at the carrier are sent one by one, a few at a time, in the bulk lane."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from operations import job_tasks
from operations.models import BatchJob, Operation
from operations.services.dispatch import dispatch as dispatch_single
from operations.services.jobs import feed, rules, run
from operations.services.transitions import lane_of, lease
from operations.tests.helpers import CALLS, WHAT
from operations.tests.job_helpers import drive, make_all_due, states_of, turn
from sims.models import TimelineEvent
from sims.services.carrier import get_budget
from smarthub import Lane

KINDS = ("add_plan", "set_apn", "set_custom_fields")


def under_way(job):
    return job.operations.filter(next_attempt_at__isnull=False).count()


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_ends_with_every_sim_done(kind, simulator, start_job):
    job = drive(start_job(kind, 5), simulator)
    assert (job.state, job.succeeded) == ("done", 5)
    assert not job.chunks.exists()
    for operation in job.operations.select_related("sim"):
        changes = simulator.changes(operation.sim.giccid)
        assert [change["what"] for change in changes] == [WHAT[kind]]
        assert TimelineEvent.objects.get(operation_id=operation.pk).detail["job"] == job.pk


def test_only_a_few_at_a_time(simulator, start_job, monkeypatch):
    monkeypatch.setattr(feed, "IN_FLIGHT", 2)
    job = start_job("set_custom_fields", 5)
    job_tasks.run_job(job.pk)
    assert under_way(job) == 2
    make_all_due(job)
    job_tasks.run_job(job.pk)
    assert under_way(job) == 2, "looking again gives out no more"
    first = job.operations.filter(next_attempt_at__isnull=False).first()
    job_tasks.run_bulk_operation(first.pk)
    first.refresh_from_db()
    assert (first.state, under_way(job)) == ("done", 2), "the next one has its place"
    job_tasks.run_bulk_operation(first.pk)
    assert under_way(job) == 2, "a message that comes twice gives out nothing"
    drive(job, simulator)
    assert states_of(job) == {"done": 5}


def test_their_calls_wait_in_the_bulk_lane(simulator, start_job, with_carrier):
    with with_carrier(SMARTHUB_RATE=500.0):
        drive(start_job("set_custom_fields", 3), simulator)
        used = get_budget().state()["used_by_lane"]
    assert used["bulk"] >= 6
    assert used["agent"] <= 2, "only those of preparing the test"


def test_the_claim_outlasts_the_wait_for_the_budget(simulator, start_job):
    operation = start_job("set_custom_fields", 1).operations.get()
    assert lane_of(operation) == Lane.BULK
    assert lease(Lane.BULK) > lease(Lane.AGENT) or lease(Lane.BULK).total_seconds() >= 16


def test_paused_and_resumed(simulator, start_job, monkeypatch):
    monkeypatch.setattr(feed, "IN_FLIGHT", 1)
    job = turn(start_job("set_custom_fields", 4))
    BatchJob.objects.filter(pk=job.pk).update(state="paused")
    for _ in range(3):
        make_all_due(job)
        turn(job)
    done = states_of(job).get("done", 0)
    assert done <= 2, "what was given out goes on, and nothing more"
    assert states_of(job)["queued"] == 4 - done
    BatchJob.objects.filter(pk=job.pk).update(state="running", next_step_at=timezone.now())
    drive(job, simulator)
    assert states_of(job) == {"done": 4}


def test_cancelled_in_the_middle(simulator, start_job, monkeypatch):
    monkeypatch.setattr(feed, "IN_FLIGHT", 1)
    job = start_job("set_custom_fields", 5)
    job_tasks.run_job(job.pk)
    job_tasks.run_bulk_operation(job.operations.filter(next_attempt_at__isnull=False).get().pk)
    BatchJob.objects.filter(pk=job.pk).update(cancelled_at=timezone.now(), next_step_at=timezone.now())
    drive(job, simulator)
    assert job.state == "cancelled"
    assert states_of(job) == {"done": 1, "cancelled": 4}
    assert "was not tried" in rules.why_not_retry(job, job.actor), "said before the button is pressed"


def test_a_purchase_in_doubt_is_left_to_a_person(simulator, start_job, config):
    config(OPERATION_READBACK_TRIES=2)
    job = start_job("add_plan", 3)
    giccid = job.operations.select_related("sim").order_by("pk").first().sim.giccid
    simulator.fault(call=CALLS["add_plan"], kind="reset", giccid=giccid, count=1)
    drive(job, simulator)
    assert states_of(job) == {"done": 2, "needs_attention": 1}
    assert (job.state, job.unknown) == ("done_with_failures", 1)
    assert len(simulator.calls(CALLS["add_plan"], giccid)) == 1


@pytest.mark.parametrize("fault", ["lost_answer", "reset", "rate_limit"])
def test_faults_of_single_calls(fault, simulator, start_job):
    job = start_job("set_custom_fields", 4)
    simulator.fault(call=CALLS["set_custom_fields"], kind=fault, count=2)
    drive(job, simulator)
    assert states_of(job) == {"done": 4}
    for operation in job.operations.select_related("sim"):
        assert len(simulator.changes(operation.sim.giccid)) == 1


def test_the_broker_is_emptied(simulator, start_job, valkey):
    job = start_job("set_custom_fields", 3)
    for _ in range(10):
        valkey.flushdb()
        run.dispatch()
        if turn(job).state in BatchJob.FINAL_STATES:
            break
        make_all_due(job)
    assert states_of(job) == {"done": 3}


def test_many_due_operations_of_jobs_do_not_hold_up_a_single_one(simulator, start_job, ask, carrier_sim):
    job = start_job("set_custom_fields", 6)
    job.operations.update(next_attempt_at=timezone.now() - timedelta(hours=1))
    single = ask(carrier_sim("suspend", n=20), "suspend")
    assert dispatch_single() == 1
    assert Operation.objects.get(pk=single.pk).job_id is None
