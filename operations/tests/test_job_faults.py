"""Whatever goes wrong with a job at the carrier, each SIM changes at most once and ends with a true result."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from operations.models import BatchChunk, Operation
from operations.services.jobs import submit
from operations.services.jobs.settle import End, settle
from operations.tests.job_helpers import (
    SUBMITS,
    assert_true_results,
    changes_by_sim,
    claimed,
    drive,
    make_all_due,
    pass_time,
    states_of,
    turn,
)
from smarthub import contract, errors

State = Operation.State


def job_faults(simulator, **faults):
    simulator.control("POST", "jobs/faults", faults)


@pytest.mark.parametrize("kind", list(SUBMITS))
def test_some_items_fail(kind, simulator, start_job):
    job_faults(simulator, half_fail=0.5)
    job = drive(start_job(kind, 6), simulator)
    states = states_of(job)
    assert set(states) <= {"done", "failed"}
    assert (job.succeeded, job.failed) == (states.get("done", 0), states.get("failed", 0))
    expected = "done_with_failures" if job.succeeded else "failed"
    assert job.state == (expected if job.failed else "done")
    assert_true_results(simulator, job)


def test_all_items_fail(simulator, start_job):
    job_faults(simulator, half_fail=1)
    job = drive(start_job("suspend", 4), simulator)
    assert (states_of(job), job.state) == ({"failed": 4}, "failed")
    failed = job.operations.first()
    assert failed is not None
    assert failed.carrier_code == "internal_error"
    assert "internal_error" in failed.message
    assert "internal_error" in job.message
    assert_true_results(simulator, job)


def test_an_item_with_a_code_we_know_is_said_in_words(simulator, start_job):
    job = start_job("suspend", 3)
    operation = job.operations.select_related("sim").order_by("pk").first()
    simulator.patch(operation.sim.giccid, status="INVENTORY", log=False, push=False)
    drive(job, simulator)
    operation.refresh_from_db()
    assert (operation.state, operation.carrier_code) == ("failed", "illegal_status")
    assert "state does not allow" in operation.message
    operation.sim.refresh_from_db()
    assert operation.sim.status == "INVENTORY", "the mirror let it through, so it was read anew"


def test_a_job_that_never_ends_is_left_to_a_person_after_the_deadline(simulator, start_job, config):
    config(BATCH_POLL_DEADLINE=100)
    job_faults(simulator, stall=True)
    job = start_job("suspend", 3)
    for _ in range(6):
        turn(job)
        make_all_due(job)
    assert states_of(job) == {"accepted": 3}
    pass_time(job, 101)
    drive(job, simulator, advance=0)
    assert states_of(job) == {"needs_attention": 3}
    assert (job.state, job.unknown) == ("done_with_failures", 3)
    assert "does not come to an end" in job.operations.first().message


def test_a_job_that_stands_still_for_a_while(simulator, start_job):
    job_faults(simulator, stall=True)
    job = start_job("suspend", 3)
    for _ in range(4):
        turn(job)
        make_all_due(job)
    job_faults(simulator, stall=False)
    drive(job, simulator)
    assert states_of(job) == {"done": 3}
    assert_true_results(simulator, job)


@pytest.mark.parametrize("kind", list(SUBMITS))
def test_a_job_that_the_carrier_forgets_undone(kind, simulator, start_job):
    job_faults(simulator, forget=True)
    job = start_job(kind, 3)
    for _ in range(5):
        turn(job)
        make_all_due(job)
    assert states_of(job) == {"accepted": 3}, "it may still run: not a word before the wait is over"
    drive(job, simulator, ageing=30)
    assert states_of(job) == {"failed": 3}
    assert job.state == "failed"
    assert "lost the job" in job.message
    assert set(job.operations.values_list("carrier_code", flat=True)) == {"job_lost"}
    assert changes_by_sim(simulator, job) == {}


@pytest.mark.parametrize("kind", list(SUBMITS))
def test_a_job_that_the_carrier_forgets_when_done(kind, simulator, start_job):
    job_faults(simulator, forget="after")
    job = drive(start_job(kind, 5), simulator)
    assert states_of(job) == {"done": 5}
    assert_true_results(simulator, job)


def test_a_plan_of_the_next_cycle_in_a_forgotten_job_is_handed_in_again(simulator, start_job):
    job_faults(simulator, forget=True)
    job = start_job("change_plan", 3)
    Operation.objects.filter(job=job).update(params={**job.params, "effective": "NEXT_CYCLE"})
    turn(job)
    job_faults(simulator, forget=False)
    drive(job, simulator, ageing=30)
    assert states_of(job) == {"done": 3}
    planned = [change for change in simulator.changes() if change["what"] == "next_plan"]
    assert len(planned) == 3


def test_a_job_that_breaks_off(simulator, start_job):
    job_faults(simulator, **{"break": True})
    job = drive(start_job("suspend", 8), simulator, ageing=30)
    assert states_of(job) == {"done": 4, "failed": 4}
    assert set(job.operations.filter(state="failed").values_list("carrier_code", flat=True)) == {"job_broke"}
    assert_true_results(simulator, job)


@pytest.mark.parametrize("fault", ["lost_answer", "error_after_change", "cut_body", "bad_json", "wrong_type"])
@pytest.mark.parametrize("kind", ["suspend", "change_plan"])
def test_the_answer_to_the_submit_is_lost(kind, fault, simulator, start_job):
    simulator.fault(call=SUBMITS[kind], kind=fault, count=1)
    job = start_job(kind, 5)
    turn(job)
    assert states_of(job) == {"unknown": 5}
    drive(job, simulator)
    assert states_of(job) == {"done": 5}
    assert len(simulator.calls(SUBMITS[kind])) == 1, "found by reading, not handed in again"
    assert_true_results(simulator, job)


def test_a_carrier_that_keeps_silent_at_the_submit(simulator, start_job, with_carrier):
    simulator.fault(call=SUBMITS["suspend"], kind="hang", seconds=2, count=1)
    job = start_job("suspend", 4)
    with with_carrier(SMARTHUB_READ_TIMEOUT=0.4):
        turn(job)
    assert states_of(job) == {"unknown": 4}
    make_all_due(job)
    drive(job, simulator)
    assert states_of(job) == {"done": 4}
    assert_true_results(simulator, job)


@pytest.mark.parametrize("kind", list(SUBMITS))
def test_a_submit_that_never_arrived_is_made_again_after_the_wait(kind, simulator, start_job):
    simulator.fault(call=SUBMITS[kind], kind="reset", count=1)
    job = start_job(kind, 4)
    for _ in range(4):
        turn(job)
        make_all_due(job)
        simulator.control("POST", "clock", {"advance": 6})
    assert len(simulator.calls(SUBMITS[kind])) == 1, "not before it is certain"
    drive(job, simulator, ageing=30)
    assert states_of(job) == {"done": 4}
    assert len(simulator.calls(SUBMITS[kind])) == 2
    assert job.chunks.get().submits == 2
    assert_true_results(simulator, job)


def test_a_job_without_an_id_that_runs_is_watched_as_long_as_sims_change(simulator, start_job, config):
    config(BATCH_LOST_SUBMIT_AFTER=60)
    simulator.fault(call=SUBMITS["suspend"], kind="lost_answer", count=1)
    job = start_job("suspend", 30)
    for _ in range(3):
        turn(job)
        make_all_due(job)
    # The carrier's job takes one SIM in 0.05 s after one second: here it has done some of them.
    simulator.control("POST", "clock", {"advance": 1.5})
    pass_time(job, 50)
    turn(job)
    make_all_due(job)
    pass_time(job, 50)
    turn(job)
    assert len(simulator.calls(SUBMITS["suspend"])) == 1
    make_all_due(job)
    drive(job, simulator)
    assert states_of(job) == {"done": 30}
    assert len(simulator.calls(SUBMITS["suspend"])) == 1
    assert_true_results(simulator, job)


def test_the_first_submit_runs_after_the_second(simulator, start_job):
    job_faults(simulator, stall=True)
    simulator.fault(call=SUBMITS["suspend"], kind="lost_answer", count=1)
    job = start_job("suspend", 4)
    turn(job)
    make_all_due(job)
    pass_time(job, 100)
    turn(job)
    make_all_due(job)
    turn(job)
    assert len(simulator.calls(SUBMITS["suspend"])) == 2
    job_faults(simulator, stall=False)
    drive(job, simulator)
    assert states_of(job) == {"done": 4}, "the second found the state changed by the first"
    assert_true_results(simulator, job)


def test_changed_back_by_somebody_before_it_was_read(simulator, start_job):
    simulator.fault(call=SUBMITS["suspend"], kind="lost_answer", count=1)
    job = start_job("suspend", 3)
    turn(job)
    simulator.control("POST", "clock", {"advance": 6})
    operation = job.operations.select_related("sim").first()
    simulator.patch(operation.sim.giccid, status="ACTIVATED")
    make_all_due(job)
    drive(job, simulator, ageing=30)
    assert states_of(job) == {"done": 3}, "the change log tells that it was made"
    assert len(simulator.calls(SUBMITS["suspend"])) == 1


@pytest.mark.parametrize("fault", [{"kind": "rate_limit", "retry_after": 1}, {"kind": "error", "status": 429}])
def test_the_carrier_asks_to_slow_down(fault, simulator, start_job):
    simulator.fault(call=SUBMITS["suspend"], count=2, **fault)
    job = start_job("suspend", 4)
    turn(job)
    assert states_of(job) == {"queued": 4}
    assert set(job.operations.values_list("sends", flat=True)) == {0}
    chunk = job.chunks.get()
    assert (chunk.state, chunk.submits) == ("waiting", 0)
    assert chunk.next_step_at > timezone.now() + timedelta(seconds=0.5)
    make_all_due(job)
    drive(job, simulator)
    assert states_of(job) == {"done": 4}
    assert_true_results(simulator, job)


@pytest.mark.parametrize("mode", ["refuse", "error"])
@pytest.mark.parametrize("turns_before", [0, 1, 2])
def test_an_outage_in_the_middle(mode, turns_before, simulator, start_job, config):
    config(BATCH_CHUNK_SIZE=3, BATCH_OPEN_CHUNKS=1)
    job = start_job("suspend", 6)
    for _ in range(turns_before):
        turn(job)
        make_all_due(job)
        simulator.control("POST", "clock", {"advance": 6})
    simulator.control("POST", "outage", {"seconds": 600, "mode": mode})
    for _ in range(2):
        turn(job)
        make_all_due(job)
    assert job.state == "running"
    simulator.control("DELETE", "outage")
    drive(job, simulator, ageing=30)
    assert states_of(job) == {"done": 6}
    assert_true_results(simulator, job)


def test_a_refused_submit_changes_nothing_and_says_why(simulator, start_job):
    job = start_job("change_plan", 3)
    Operation.objects.filter(job=job).update(params={"plan": "NO-SUCH-PLAN", "effective": "NOW"})
    drive(job, simulator)
    assert states_of(job) == {"failed": 3}
    assert job.state == "failed"
    assert "does not accept a value" in job.message
    assert changes_by_sim(simulator, job) == {}


def test_the_carrier_takes_fewer_at_once_than_we_thought(simulator, start_job):
    job = turn_until_submitting(start_job("suspend", 7))
    chunk = job.chunks.get()
    field = errors.FieldError("batchJobVO", "giccids", "invalid")
    submit._answered(chunk, errors.Rejected("invalid", status=422, field_errors=[field]))
    assert sorted(job.chunks.values_list("size", flat=True)) == [3, 4]
    assert states_of(job) == {"queued": 7}
    drive(job, simulator)
    assert states_of(job) == {"done": 7}
    assert_true_results(simulator, job)


def turn_until_submitting(job):
    """The job's chunk is claimed and written down as being submitted; the call was not made."""
    from operations.services.jobs import run

    run.run_job(job.pk)
    chunk = claimed(job)
    assert submit._start(chunk) is not None
    BatchChunk.objects.filter(pk=chunk.pk).update(lease_until=None)
    return job


def test_an_id_that_arrives_after_the_claim_was_lost_is_kept(simulator, start_job):
    job = turn_until_submitting(start_job("suspend", 3))
    slow = job.chunks.get()
    giccids = list(job.operations.values_list("sim__giccid", flat=True))
    submit.mark_lost(claimed(job))
    assert states_of(job) == {"unknown": 3}
    from sims.services.carrier import get_client
    from smarthub import Lane

    job_id = get_client(Lane.BULK).submit_batch("DEACTIVATE", giccids)
    submit.store_carrier_job(slow, job_id)
    chunk = job.chunks.get()
    assert (chunk.state, chunk.carrier_job_id) == ("submitted", job_id)
    drive(job, simulator)
    assert states_of(job) == {"done": 3}
    assert len(simulator.calls(SUBMITS["suspend"])) == 1


def test_strange_items(simulator, start_job):
    """Items of other SIMs, twice the same, with a status nobody knows, and one SIM left out."""
    job_faults(simulator, forget=True)
    job = turn(start_job("suspend", 4))
    changed, odd, silent, refused = job.operations.select_related("sim").order_by("sim__giccid")
    for operation in (changed, odd):
        simulator.patch(operation.sim.giccid, status="DEACTIVATED")
    stranger = contract.BatchItem(giccid="8986019999999999999", status="SUCCESS")
    items = {
        stranger.giccid: stranger,
        changed.sim.giccid: contract.BatchItem(giccid=changed.sim.giccid, status="SUCCESS"),
        odd.sim.giccid: contract.BatchItem(giccid=odd.sim.giccid, status="HALF_DONE"),
        refused.sim.giccid: contract.BatchItem(giccid=refused.sim.giccid, status="FAILED"),
    }
    settle(claimed(job), End.COMPLETED, items)
    assert [Operation.objects.get(pk=op.pk).state for op in (changed, odd, refused)] == ["done", "done", "failed"]
    assert "does not say why" in Operation.objects.get(pk=refused.pk).message
    pass_time(job, 100)
    settle(claimed(job), End.COMPLETED, items)
    silent.refresh_from_db()
    assert (silent.state, silent.carrier_code) == ("failed", "job_without_result")
    assert job.chunks.get().state == "done"


def test_a_success_that_only_the_change_log_shows(simulator, start_job):
    job = start_job("suspend", 2)
    turn(job)
    simulator.control("POST", "clock", {"advance": 6})
    operation = job.operations.select_related("sim").first()
    simulator.patch(operation.sim.giccid, extra={"status": "ACTIVATED"})
    make_all_due(job)
    drive(job, simulator)
    assert states_of(job) == {"done": 2}


def test_a_success_that_nothing_shows_goes_to_a_person(simulator, start_job, config):
    from operations.services.jobs.settle import ALL_SUCCEEDED

    config(OPERATION_READBACK_TRIES=3)
    job_faults(simulator, forget=True)
    job = turn(start_job("suspend", 2))
    for tries in (1, 2, 3):
        assert states_of(job) == {"accepted": 2}, tries
        settle(claimed(job), End.COMPLETED, ALL_SUCCEEDED)
    assert states_of(job) == {"needs_attention": 2}
    assert job.chunks.get().state == "done"
