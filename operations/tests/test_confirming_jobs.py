"""Taking a plan: what it asks, what an old one leads to, and how the SIMs come to be held."""

from __future__ import annotations

from typing import Any

import pytest

from core.models import AuditEntry
from operations.errors import Conflict, Invalid, NotAllowed, PlanChanged
from operations.models import BatchJob, Operation
from operations.services.jobs import hold as holding
from operations.services.jobs.confirm import cancel, cancel_unsent, confirm, hold_sims, pause, resume
from operations.services.jobs.counts import recount
from operations.services.jobs.forms import ConfirmForm
from operations.tests.plan_helpers import age, begun, codes, ended, held, lines, planned, rate_plan, taken


class TestConfirming:
    def test_it_runs(self, agent, make_sim):
        job = taken(planned(agent, [make_sim()]))
        assert (job.state, job.reason, job.ticket) == ("running", "the fleet moves", "T-9")
        assert job.started_at is not None
        assert job.next_step_at is not None
        assert (job.eligible, job.pending) == (1, 1)
        entry = AuditEntry.objects.get(action="job.confirmed")
        assert (entry.actor, entry.object_id, entry.ticket) == (agent, str(job.pk), "T-9")

    @pytest.mark.parametrize(("reason", "ticket", "field"), [("", "T-9", "reason"), ("x", "", "ticket")])
    def test_it_asks_why_and_for_which_ticket(self, reason, ticket, field, agent, make_sim):
        job = planned(agent, [make_sim()])
        with pytest.raises(Invalid) as caught:
            confirm(job, agent, reason, ticket)
        assert list(caught.value.errors) == [field]
        job.refresh_from_db()
        assert job.state == "planned"

    @pytest.mark.parametrize("count", [None, "", "1", "3", "02", "two"])
    def test_a_retire_asks_for_the_number(self, count, supervisor, make_sim):
        job = planned(supervisor, [make_sim(status="DEACTIVATED") for _ in range(2)], "retire")
        with pytest.raises(Invalid) as caught:
            confirm(job, supervisor, "old devices", "T-1", confirm_count=count)
        assert list(caught.value.errors) == ["confirm"]
        assert confirm(job, supervisor, "old devices", "T-1", confirm_count=2).state == "awaiting_approval"

    def test_only_its_maker(self, agent, supervisor, make_sim):
        job = planned(agent, [make_sim()])
        with pytest.raises(NotAllowed):
            taken(job, supervisor)

    def test_only_once(self, agent, make_sim):
        job = planned(agent, [make_sim()])
        taken(job)
        with pytest.raises(Conflict):
            taken(job)

    def test_nothing_to_do(self, agent, make_sim):
        with pytest.raises(Conflict):
            taken(planned(agent, [make_sim(status="RETIRED")]))

    def test_out_of_scope_there_is_no_such_job(self, agent, scoped_agent, make_sim):
        job = planned(agent, [make_sim(account="north_logistics")])
        with pytest.raises(BatchJob.DoesNotExist):
            taken(job, scoped_agent)

    def test_a_role_that_was_taken_away(self, agent, make_sim):
        from staff.models import User

        job = planned(agent, [make_sim()])
        agent.groups.clear()
        with pytest.raises(NotAllowed):
            taken(job, User.objects.get(pk=agent.pk))


class TestAnOldPlan:
    def test_that_still_holds_is_taken(self, agent, make_sim):
        job = planned(agent, [make_sim()])
        age(job)
        assert taken(job).state == "running"

    def test_that_has_changed_is_shown_again_first(self, agent, make_sim):
        sims = [make_sim(), make_sim(status="DEACTIVATED"), make_sim()]
        job = planned(agent, sims)
        age(job)
        for sim, status in zip(sims, ("RETIRED", "ACTIVATED", "ACTIVATED"), strict=True):
            sim.status = status
            sim.save()
        with pytest.raises(PlanChanged):
            taken(job)
        job.refresh_from_db()
        assert (job.state, job.eligible, job.refused) == ("planned", 2, 1)
        assert list(codes(job).values()) == ["state", "", ""]
        assert taken(job).state == "running"

    def test_a_large_one_is_checked_by_the_task(self, agent, make_sim, monkeypatch):
        from operations.services.jobs import confirm as taking
        from operations.services.jobs.plan import make_plan

        monkeypatch.setattr(taking, "PLAN_AT_ONCE", 1)
        sims = [make_sim(), make_sim()]
        job = planned(agent, sims)
        age(job)
        with pytest.raises(PlanChanged):
            taken(job)
        with pytest.raises(Conflict):
            taken(job)
        sims[0].status = "RETIRED"
        sims[0].save()
        assert make_plan(job.pk)
        job.refresh_from_db()
        assert (job.eligible, job.refused, job.lines) == (1, 1, 2)
        assert taken(job).state == "running"


class TestHolding:
    def test_operations_of_the_job(self, agent, make_sim):
        sims = [make_sim(), make_sim()]
        job = begun(agent, sims)
        operations = list(Operation.objects.filter(job=job).order_by("sim__giccid"))
        assert [operation.sim_id for operation in operations] == [sim.pk for sim in sims]
        first = operations[0]
        assert (first.state, first.kind, first.reason, first.ticket) == ("queued", "suspend", "the fleet moves", "T-9")
        assert (first.actor, first.before, first.next_attempt_at, first.expires_at) == (
            agent,
            {"status": "ACTIVATED"},
            None,
            None,
        )
        assert lines(job)[sims[0].giccid].operation_id == first.pk
        assert job.held_at is not None
        assert (job.eligible, job.pending) == (2, 2)
        entry = AuditEntry.objects.get(action="operation.requested", object_id=str(first.pk))
        assert (entry.actor, entry.after["job"], entry.account_name) == (agent, job.pk, "example_account")

    def test_a_sim_is_held_once(self, agent, make_sim):
        sim, free = make_sim(), make_sim()
        jobs = [taken(planned(agent, [sim])), taken(planned(agent, [sim, free]))]
        first, second = (held(job) for job in jobs)
        assert Operation.objects.filter(sim=sim).count() == 1
        assert (first.eligible, second.eligible, second.refused) == (1, 1, 1)
        assert codes(second) == {sim.giccid: "open_operation", free.giccid: ""}

    def test_what_changed_since_is_left_out(self, agent, make_sim):
        gone, fine = make_sim(), make_sim()
        job = taken(planned(agent, [gone, fine]))
        gone.status = "RETIRED"
        gone.save()
        job = held(job)
        assert codes(job) == {gone.giccid: "state", fine.giccid: ""}
        assert [operation.sim for operation in Operation.objects.all()] == [fine]

    def test_scope_and_role_are_asked_again(self, make_user, make_sim):
        actor = make_user("Agent", ["example_account", "north_logistics"])
        ours, theirs = make_sim(), make_sim(account="north_logistics")
        job = taken(planned(actor, [ours, theirs]))
        actor.account_scopes.filter(account_name="north_logistics").delete()
        assert codes(held(job)) == {ours.giccid: "", theirs.giccid: "permission"}

    def test_nothing_left_to_hold_ends_the_job(self, agent, make_sim):
        sim = make_sim()
        job = taken(planned(agent, [sim]))
        sim.status = "RETIRED"
        sim.save()
        job = held(job)
        assert (job.state, job.eligible, job.refused, job.next_step_at) == ("failed", 0, 1, None)
        assert job.finished_at is not None

    def test_it_goes_on_where_it_died(self, agent, make_sim, monkeypatch):
        monkeypatch.setattr(holding, "HELD_AT_ONCE", 2)
        sims = [make_sim() for _ in range(5)]
        job = taken(planned(agent, sims))
        real, calls = holding.audit.record_many, []

        def die_in_the_second(**values: Any) -> None:
            real(**values)
            calls.append(1)
            if len(calls) == 2:
                raise KeyboardInterrupt

        monkeypatch.setattr(holding.audit, "record_many", die_in_the_second)
        with pytest.raises(KeyboardInterrupt):
            hold_sims(job.pk)
        assert Operation.objects.count() == 2
        assert recount(job).pending == 5
        job = held(job)
        assert Operation.objects.filter(job=job).count() == 5
        assert AuditEntry.objects.filter(action="operation.requested").count() == 5
        assert all(line.operation_id for line in lines(job).values())

    def test_in_parts(self, agent, make_sim):
        job = taken(planned(agent, [make_sim() for _ in range(3)]))
        assert not hold_sims(job.pk, most=2)
        assert Operation.objects.count() == 2
        assert hold_sims(job.pk)
        assert Operation.objects.count() == 3

    def test_each_its_own_parameters(self, agent, make_sim):
        one, two = make_sim(custom1="a", custom2="b"), make_sim(custom1="x", custom2="b")
        job = begun(agent, [one, two], "set_custom_fields", custom1="x", custom2="y")
        params = dict(Operation.objects.filter(job=job).values_list("sim__giccid", "params"))
        assert params == {one.giccid: {"custom1": "x", "custom2": "y"}, two.giccid: {"custom2": "y"}}

    def test_plans_before_and_after(self, agent, make_sim):
        rate_plan("OLD", "example_account")
        rate_plan("NEW", "example_account")
        begun(agent, [make_sim(plan="OLD")], "change_plan", plan="NEW")
        operation = Operation.objects.get()
        assert operation.params == {"plan": "NEW", "effective": "NOW"}
        assert (operation.before["plan"], operation.before["plan_name"]) == ("OLD", "Old")


class TestPauseAndCancel:
    def test_pause_and_resume(self, agent, make_sim):
        job = taken(planned(agent, [make_sim()]))
        assert pause(job, agent).state == "paused"
        assert not hold_sims(job.pk)
        assert not Operation.objects.exists()
        with pytest.raises(Conflict):
            pause(job, agent)
        assert resume(job, agent).state == "running"
        with pytest.raises(Conflict):
            resume(job, agent)
        assert hold_sims(job.pk)

    @pytest.mark.parametrize("act", [pause, cancel])
    def test_who_may(self, act, agent, make_user, make_sim):
        job = taken(planned(agent, [make_sim()]))
        for role in ("Viewer", "Agent"):
            with pytest.raises(NotAllowed):
                act(job, make_user(role))
        act(job, make_user("Supervisor"))

    def test_a_plan(self, agent, make_sim):
        job = cancel(planned(agent, [make_sim()]), agent, "a mistake")
        assert job.state == "cancelled"
        assert "a mistake" in job.message
        with pytest.raises(Conflict):
            taken(job)
        with pytest.raises(Conflict):
            cancel(job, agent)

    @pytest.mark.parametrize("paused", [False, True])
    def test_what_is_not_sent_yet(self, paused, agent, make_sim):
        sims = [make_sim() for _ in range(3)]
        job = begun(agent, sims)
        Operation.objects.filter(sim=sims[0]).update(state="accepted")
        if paused:
            pause(job, agent)
        job = cancel(job, agent)
        assert job.cancelled_at is not None
        assert job.state == "running", "what the carrier has is followed to its end"
        states = dict(Operation.objects.values_list("sim__giccid", "state"))
        assert states == {sims[0].giccid: "accepted", sims[1].giccid: "cancelled", sims[2].giccid: "cancelled"}
        assert (job.pending, job.failed) == (1, 2)
        assert AuditEntry.objects.filter(action="operation.cancelled").count() == 2
        assert cancel_unsent(job.pk)
        assert planned(agent, sims[1:]).eligible == 2

    def test_before_its_sims_are_held(self, agent, make_sim):
        job = cancel(taken(planned(agent, [make_sim(), make_sim()])), agent)
        assert set(codes(job).values()) == {"cancelled"}
        assert not hold_sims(job.pk)
        assert not Operation.objects.exists()
        assert (job.eligible, job.refused, job.pending) == (0, 2, 0)

    def test_an_ended_job(self, agent, make_sim):
        job = ended(begun(agent, [make_sim()]))
        for act in (cancel, pause, resume):
            with pytest.raises(Conflict):
                act(job, agent)


@pytest.mark.parametrize(
    ("typed", "taken"), [("1234", True), ("1,234", True), ("1.234", False), ("123", False), ("", False)]
)
def test_the_number_to_retire_may_be_typed_as_the_page_writes_it(typed, taken):
    job = BatchJob(kind="retire", eligible=1234)
    form = ConfirmForm({"reason": "old devices", "ticket": "T-1", "confirm": typed}, job=job)
    assert form.is_valid() is taken
