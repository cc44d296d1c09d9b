"""The carrier refuses a batch whole, or its SIMs can't be read: every SIM still gets the end that is its own."""

from __future__ import annotations

import pytest

from operations.services.jobs import refused
from operations.tests.job_helpers import (
    SUBMITS,
    assert_true_results,
    changes_by_sim,
    drive,
    make_all_due,
    pass_time,
    states_of,
    turn,
)

SUBMIT = SUBMITS["suspend"]


@pytest.fixture(autouse=True)
def hurry(monkeypatch):
    """Reads that fail are made again without a wait."""
    monkeypatch.setattr("smarthub.transport._BACKOFF_CAP", 0.01)


def refuse(simulator, giccid, code, status=422, call=SUBMIT, **more):
    """The carrier refuses every batch that this SIM is in."""
    simulator.fault(call=call, kind="error", status=status, code=code, giccid=giccid, **more)


@pytest.mark.parametrize(
    ("code", "status", "words"),
    [("invalid", 422, "does not accept a value"), ("missing", 404, "does not know"), ("illegal_status", 422, "state")],
)
def test_the_sims_that_spoil_a_batch_are_found_and_the_others_change(code, status, words, simulator, start_job):
    job = start_job("suspend", 9)
    bad = list(job.operations.order_by("pk").values_list("sim__giccid", flat=True))[2:8:5]
    for giccid in bad:
        refuse(simulator, giccid, code, status)
    drive(job, simulator)
    assert (job.state, job.succeeded, job.failed) == ("done_with_failures", 7, 2)
    failed = job.operations.filter(state="failed")
    assert sorted(failed.values_list("sim__giccid", flat=True)) == sorted(bad)
    assert set(failed.values_list("carrier_code", flat=True)) == {code}
    assert all(words in message for message in failed.values_list("message", flat=True))
    assert_true_results(simulator, job)
    taken = [call for call in simulator.calls(SUBMIT) if str(call["status"]) == "200"]
    assert len(taken) == job.chunks.exclude(carrier_job_id="").count(), "none that was taken was handed in anew"
    assert len(simulator.calls(SUBMIT)) < 2 * 9


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_refusal_of_the_call_itself_ends_the_chunk(status, simulator, start_job):
    simulator.fault(call=SUBMIT, kind="error", status=status)
    job = drive(start_job("suspend", 6), simulator)
    assert (job.state, job.failed) == ("failed", 6)
    assert len(simulator.calls(SUBMIT)) == 1
    assert ("refuses the portal's key" if status != 400 else "make sense of the call") in job.message
    assert changes_by_sim(simulator, job) == {}


def test_a_job_that_is_refused_altogether_does_not_hand_in_every_sim(simulator, start_job, config, monkeypatch):
    config(BATCH_CHUNK_SIZE=4, BATCH_OPEN_CHUNKS=1)
    monkeypatch.setattr(refused, "MOST_IN_VAIN", 2)
    simulator.fault(call=SUBMIT, kind="error", status=422, code="invalid")
    job = drive(start_job("suspend", 12), simulator)
    assert (job.state, states_of(job)) == ("failed", {"failed": 12})
    assert len(simulator.calls(SUBMIT)) < 12
    assert changes_by_sim(simulator, job) == {}


def test_a_refusal_because_the_lost_submit_had_landed_after_all(simulator, start_job):
    """The second submit meets SIMs that the first has changed, and a carrier that refuses it whole for that."""
    simulator.control("POST", "jobs/faults", {"stall": True})
    simulator.fault(call=SUBMIT, kind="lost_answer", count=1)
    job = start_job("suspend", 5)
    turn(job)
    make_all_due(job)
    pass_time(job, 100)
    turn(job)
    assert states_of(job) == {"queued": 5}, "certainly not there, as far as anybody can tell"
    simulator.control("POST", "jobs/faults", {"stall": False})
    simulator.control("POST", "clock", {"advance": 10})
    bad, *_rest = job.operations.order_by("pk").values_list("sim__giccid", flat=True)
    refuse(simulator, bad, "illegal_status")
    make_all_due(job)
    drive(job, simulator)
    assert states_of(job) == {"done": 5}
    assert len(simulator.calls(SUBMIT)) == 2
    assert_true_results(simulator, job)


def test_sims_that_cannot_be_read_go_to_a_person_after_the_deadline(simulator, start_job, config):
    config(BATCH_POLL_DEADLINE=100)
    job = start_job("suspend", 7)
    unreadable = job.operations.order_by("pk")[3].sim.giccid
    simulator.fault(call="list_sims", kind="error", status=500, giccid=unreadable)
    for _ in range(5):
        turn(job)
        make_all_due(job)
        simulator.control("POST", "clock", {"advance": 6})
    assert states_of(job) == {"accepted": 7}, "patience first"
    pass_time(job, 101)
    drive(job, simulator)
    assert states_of(job) == {"done": 6, "needs_attention": 1}
    assert (job.state, job.succeeded, job.unknown, job.pending) == ("done_with_failures", 6, 1, 0)
    left = job.operations.get(state="needs_attention")
    assert (left.sim.giccid, left.carrier_code) == (unreadable, "not_read")
    assert "could not be read for a long time" in left.message
    assert_true_results(simulator, job)


@pytest.mark.parametrize("submit_lost", [False, True], ids=["submitted", "in_doubt"])
def test_a_carrier_that_stays_away_ends_the_job_after_the_deadline(submit_lost, simulator, start_job, config):
    config(BATCH_POLL_DEADLINE=100)
    if submit_lost:
        simulator.fault(call=SUBMIT, kind="lost_answer", count=1)
    job = turn(start_job("suspend", 4))
    simulator.control("POST", "outage", {"seconds": 600, "mode": "error"})
    make_all_due(job)
    for _ in range(2):
        pass_time(job, 101)
        turn(job)
        make_all_due(job)
    turn(job)
    assert states_of(job) == {"needs_attention": 4}
    assert (job.state, job.unknown) == ("done_with_failures", 4)


def test_a_fault_of_our_own_does_not_keep_a_job_for_ever(simulator, start_job, config, monkeypatch):
    from operations.services.jobs import poll

    def broken(*_args, **_kwargs):
        raise ZeroDivisionError

    config(BATCH_POLL_DEADLINE=100)
    job = turn(start_job("suspend", 3))
    monkeypatch.setattr(poll, "settle", broken)
    simulator.control("POST", "clock", {"advance": 10})
    make_all_due(job)
    turn(job)
    assert "error of its own" in job.chunks.get().message
    pass_time(job, 101)
    drive(job, simulator)
    assert states_of(job) == {"done": 3}, "what can be told is told"
    assert_true_results(simulator, job)


def test_a_sim_that_the_carrier_does_not_list_any_more(simulator, start_job):
    """It vanished while the submit was in doubt: the others are handed in again, and so it gets the carrier's word."""
    simulator.control("POST", "jobs/faults", {"forget": True})
    simulator.fault(call=SUBMIT, kind="lost_answer", count=1)
    job = turn(start_job("suspend", 3))
    simulator.control("POST", "jobs/faults", {"forget": False})
    gone = job.operations.order_by("pk")[0]
    simulator.control("DELETE", f"sims/{gone.sim.giccid}")
    make_all_due(job)
    drive(job, simulator, ageing=30)
    gone.refresh_from_db()
    assert (gone.state, gone.carrier_code) == ("failed", "missing")
    assert states_of(job) == {"done": 2, "failed": 1}
