"""After a job: a plan of only what failed, and the way back to each SIM's own former state or values."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from operations.errors import Conflict, NotAllowed
from operations.models import BatchJob, Operation
from operations.services.jobs import plan as planning
from operations.services.jobs.confirm import cancel
from operations.services.jobs.followup import retry_failed, undo
from operations.services.jobs.plan import make_plan, recheck
from operations.tests.plan_helpers import begun, codes, ended, held, lines, planned, rate_plan, taken
from sims.models import TimelineEvent


class TestRetry:
    def test_only_what_failed(self, agent, make_sim):
        sims = [make_sim() for _ in range(6)]
        states = ("done", "failed", "expired", "cancelled", "needs_attention", "failed")
        job = ended(begun(agent, sims), dict(zip([sim.giccid for sim in sims], states, strict=True)))
        again = retry_failed(job, agent)
        assert (again.parent, again.source, again.kind, again.state) == (job, "retry", "suspend", "planned")
        assert list(codes(again)) == [sims[1].giccid, sims[2].giccid, sims[5].giccid]
        assert again.eligible == 3
        assert held(taken(again)).pending == 3

    def test_what_works_no_more_is_refused_in_the_plan(self, agent, make_sim):
        sim = make_sim()
        job = ended(begun(agent, [sim]), {sim.giccid: "failed"})
        sim.status = "RETIRED"
        sim.save()
        assert codes(retry_failed(job, agent)) == {sim.giccid: "state"}

    def test_each_with_the_parameters_it_had(self, agent, make_sim):
        sims = [make_sim(custom1="a"), make_sim(custom1="b")]
        job = ended(begun(agent, sims, "set_custom_fields", custom1="x"))
        back = begun_of(undo(job, agent), agent)
        back = ended(back, {sim.giccid: "failed" for sim in sims})
        again = retry_failed(back, agent)
        assert [line.params for line in lines(again).values()] == [{"custom1": "a"}, {"custom1": "b"}]
        assert recheck(again) == {"eligible": 0, "refused": 0, "changed": 0}

    def test_what_stands_against_it(self, agent, viewer, make_sim):
        sim = make_sim()
        running = begun(agent, [sim])
        with pytest.raises(Conflict):
            retry_failed(running, agent)
        with pytest.raises(Conflict):
            retry_failed(ended(running), agent)
        with pytest.raises(NotAllowed):
            retry_failed(running, viewer)

    def test_cancelled_ones_were_not_tried(self, agent, make_sim):
        job = cancel(begun(agent, [make_sim()]), agent)
        BatchJob.objects.filter(pk=job.pk).update(state="cancelled")
        with pytest.raises(Conflict):
            retry_failed(job, agent)

    def test_a_large_one_is_planned_by_the_task(self, agent, make_sim, monkeypatch):
        monkeypatch.setattr(planning, "PLAN_AT_ONCE", 1)
        sims = [make_sim(), make_sim()]
        job = planned(agent, sims)
        make_plan(job.pk)
        job.refresh_from_db()
        job = ended(held(taken(job)), {sim.giccid: "failed" for sim in sims})
        again = retry_failed(job, agent)
        assert again.planned_at is None
        assert make_plan(again.pk)
        again.refresh_from_db()
        assert (again.eligible, again.lines) == (2, 2)


def begun_of(job: BatchJob, actor) -> BatchJob:
    """A follow-up confirmed, let through and held."""
    job = taken(job, actor)
    BatchJob.objects.filter(pk=job.pk, state="awaiting_approval").update(state="running")
    return held(job)


class TestUndo:
    def test_states(self, supervisor, make_sim):
        sims = [make_sim(status="DEACTIVATED"), make_sim(status="INVENTORY"), make_sim(status="DEACTIVATED")]
        job = ended(begun(supervisor, sims, "activate"), {sims[2].giccid: "failed"})
        back = undo(job, supervisor)
        assert (back.kind, back.source, back.parent, back.params) == ("suspend", "undo", job, {})
        assert codes(back) == {sims[0].giccid: "", sims[1].giccid: "state"}
        assert "Inventory" in lines(back)[sims[1].giccid].refusal
        back = ended(held(taken(back)))
        sims[0].refresh_from_db()
        assert sims[0].status == "DEACTIVATED"
        assert codes(undo(job, supervisor)) == {sims[0].giccid: "changed_since", sims[1].giccid: "state"}
        assert codes(undo(back, supervisor)) == {sims[0].giccid: ""}

    def test_each_to_its_own_plan(self, supervisor, make_sim):
        for code in ("A", "B", "NEW"):
            rate_plan(code, "example_account", price={"A": "1", "B": "2", "NEW": "5"}[code])
        sims = [make_sim(plan="A"), make_sim(plan="B"), make_sim()]
        job = ended(begun(supervisor, sims, "change_plan", plan="NEW"))
        back = undo(job, supervisor)
        assert codes(back) == {sims[0].giccid: "", sims[1].giccid: "", sims[2].giccid: "state"}
        assert [line.params for line in list(lines(back).values())[:2]] == [
            {"plan": "A", "effective": "NOW"},
            {"plan": "B", "effective": "NOW"},
        ]
        assert (back.cost_before, back.cost_after) == ({"EUR": "10.0000"}, {"EUR": "3.0000"})
        ended(held(taken(back)))
        for sim in sims:
            sim.refresh_from_db()
        assert [sim.plan_id for sim in sims] == ["A", "B", "NEW"]

    def test_a_plan_that_is_yet_to_come(self, supervisor, make_sim):
        for code in ("A", "NEW"):
            rate_plan(code, "example_account")
        sim = make_sim(plan="A")
        job = begun(supervisor, [sim], "change_plan", plan="NEW", effective="NEXT_CYCLE")
        now = timezone.now()
        Operation.objects.filter(job=job).update(state="done", finished_at=now, effective_at=now + timedelta(days=3))
        BatchJob.objects.filter(pk=job.pk).update(state="done", succeeded=1)
        line = lines(undo(job, supervisor))[sim.giccid]
        assert (line.refusal_code, line.params) == ("", {"plan": "A", "effective": "NEXT_CYCLE"})

    def test_apn_and_texts(self, supervisor, make_sim):
        sim = make_sim(apns=[{"apn": "iot", "status": "ENABLED"}], custom1="a", custom2="b")
        switched = ended(begun(supervisor, [sim], "set_apn", apn="iot", apn_status="DISABLED"))
        sim.refresh_from_db()
        written = ended(begun(supervisor, [sim], "set_custom_fields", custom1="x"))
        assert lines(undo(switched, supervisor))[sim.giccid].params == {"apn": "iot", "apn_status": "ENABLED"}
        back = undo(written, supervisor)
        assert lines(back)[sim.giccid].params == {"custom1": "a"}
        ended(held(taken(back)))
        sim.refresh_from_db()
        assert (sim.custom1, sim.custom2) == ("a", "b")

    @pytest.mark.parametrize("kind", ["retire", "add_plan"])
    def test_what_can_not_be_taken_back(self, kind, supervisor, make_sim):
        sim = make_sim(status="DEACTIVATED")
        job = BatchJob.objects.create(kind=kind, source="ticked", actor=supervisor, state="done", succeeded=1)
        job.accounts.create(account_name=sim.account_id)
        with pytest.raises(Conflict) as caught:
            undo(job, supervisor)
        assert "can't be taken back" in str(caught.value)

    def test_what_stands_against_it(self, supervisor, viewer, make_sim):
        running = begun(supervisor, [sim := make_sim()])
        with pytest.raises(Conflict):
            undo(running, supervisor)
        with pytest.raises(NotAllowed):
            undo(running, viewer)
        with pytest.raises(Conflict):
            undo(ended(running, {sim.giccid: "failed"}), supervisor)


class TestChangedSince:
    @pytest.fixture
    def sim(self, make_sim):
        return make_sim()

    @pytest.fixture
    def job(self, supervisor, sim):
        return ended(begun(supervisor, [sim]))

    def verdict(self, job, user) -> str:
        (code,) = codes(undo(job, user)).values()
        return code

    def test_untouched(self, job, supervisor):
        assert self.verdict(job, supervisor) == ""

    def test_the_mirror_shows_another_value(self, job, sim, supervisor):
        sim.status = "ACTIVATED"
        sim.save()
        assert self.verdict(job, supervisor) == "changed_since"

    @pytest.mark.parametrize(
        ("kind", "state", "code"),
        [
            ("activate", "done", "changed_since"),
            ("suspend", "needs_attention", "changed_since"),
            ("suspend", "failed", ""),
            ("set_custom_fields", "done", ""),
            ("activate", "queued", "open_operation"),
        ],
    )
    def test_a_newer_operation(self, kind, state, code, job, sim, supervisor):
        Operation.objects.create(sim=sim, kind=kind, state=state, actor=supervisor, reason="x")
        assert self.verdict(job, supervisor) == code

    @pytest.mark.parametrize(("to", "code"), [("ACTIVATED", "changed_since"), ("DEACTIVATED", "")])
    def test_somebody_else_at_the_carrier(self, to, code, job, sim, supervisor):
        TimelineEvent.objects.create(
            sim=sim, kind="status", at=timezone.now() + timedelta(minutes=5), from_value="x", to_value=to
        )
        assert self.verdict(job, supervisor) == code

    def test_it_is_asked_again_when_the_undo_starts(self, job, sim, supervisor):
        back = taken(undo(job, supervisor))
        TimelineEvent.objects.create(
            sim=sim, kind="status", at=timezone.now() + timedelta(minutes=5), to_value="ACTIVATED"
        )
        assert codes(held(back)) == {sim.giccid: "changed_since"}
        back.refresh_from_db()
        assert back.state == "failed"
