"""The second person: what waits, who decides, what comes of it; for jobs and for single retires by agents."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import RequestFactory
from django.utils import timezone

from core.models import AuditEntry
from operations import selectors_jobs, slots, tasks
from operations.errors import Conflict, Invalid, NotAllowed
from operations.models import BatchJob, Operation
from operations.services.approval import approve, lapse_job, refuse, withdraw
from operations.services.jobs import rules
from operations.services.requests import request_operation
from operations.tests.helpers import changes_of, make_due, run_to_end
from operations.tests.plan_helpers import begun, ended, planned, taken
from staff.models import User


@pytest.fixture
def limits(config):
    """Small ones: an agent's 2, anybody's 4."""
    config(BATCH_AGENT_LIMIT=2, BATCH_SUPERVISOR_LIMIT=4)


class TestWhatWaits:
    @pytest.mark.parametrize(
        ("role", "count", "waits"),
        [
            ("Agent", 2, False),
            ("Agent", 3, True),
            ("Agent", 5, True),
            ("Supervisor", 3, False),
            ("Supervisor", 4, False),
            ("Supervisor", 5, True),
            ("Administrator", 5, True),
        ],
    )
    def test_by_size(self, role, count, waits, limits, make_user, make_sim):
        job = planned(make_user(role), [make_sim() for _ in range(count)])
        assert bool(rules.approval_needed(job)) == waits
        assert taken(job).state == ("awaiting_approval" if waits else "running")

    def test_only_what_will_change_counts(self, limits, agent, make_sim):
        sims = [make_sim(), make_sim(), make_sim(status="RETIRED"), make_sim(status="RETIRED")]
        assert taken(planned(agent, sims)).state == "running"

    @pytest.mark.parametrize("role", ["Agent", "Supervisor", "Administrator"])
    def test_every_batch_retire(self, role, make_user, make_sim):
        job = planned(make_user(role), [make_sim(status="DEACTIVATED")], "retire")
        job = taken(job, confirm_count=1)
        assert job.state == "awaiting_approval"
        assert job.approval_lapses_at is not None
        assert not Operation.objects.exists(), "nothing is held while it waits"


class TestDecidingJobs:
    @pytest.fixture
    def job(self, agent, make_sim):
        return taken(planned(agent, [make_sim(status="DEACTIVATED")], "retire"), confirm_count=1)

    def test_approved(self, job, supervisor):
        job = approve(job, supervisor)
        assert (job.state, job.decided_by) == ("running", supervisor)
        assert job.next_step_at is not None
        assert AuditEntry.objects.get(action="job.approved").actor == supervisor
        with pytest.raises(Conflict):
            approve(job, supervisor)

    def test_refused_with_a_reason(self, job, supervisor):
        with pytest.raises(Invalid):
            refuse(job, supervisor, " ")
        job = refuse(job, supervisor, "these are still in use")
        assert (job.state, job.decided_by, job.decision_reason) == ("cancelled", supervisor, "these are still in use")
        assert job.next_step_at is None
        with pytest.raises(Conflict):
            approve(job, supervisor)

    @pytest.mark.parametrize("role", ["Viewer", "Agent"])
    def test_a_role_that_may_not(self, role, job, make_user):
        for act in (lambda user: approve(job, user), lambda user: refuse(job, user, "no")):
            with pytest.raises(NotAllowed):
                act(make_user(role))

    def test_nobody_approves_his_own(self, supervisor, make_user, make_sim):
        job = taken(planned(supervisor, [make_sim(status="DEACTIVATED")], "retire"), confirm_count=1)
        for act in (lambda: approve(job, supervisor), lambda: refuse(job, supervisor, "no")):
            with pytest.raises(NotAllowed):
                act()
        assert approve(job, make_user("Supervisor")).state == "running"

    def test_not_even_with_a_higher_role_since(self, job, agent):
        from django.contrib.auth.models import Group

        agent.groups.add(Group.objects.get(name="Administrator"))
        with pytest.raises(NotAllowed):
            approve(job, User.objects.get(pk=agent.pk))

    def test_who_does_not_see_every_account(self, agent, make_user, make_sim):
        sims = [make_sim(status="DEACTIVATED"), make_sim(status="DEACTIVATED", account="north_logistics")]
        job = taken(planned(agent, sims, "retire"), confirm_count=2)
        with pytest.raises(BatchJob.DoesNotExist):
            approve(job, make_user("Supervisor", ["example_account"]))
        assert approve(job, make_user("Supervisor", ["example_account", "north_logistics"])).state == "running"

    def test_it_lapses(self, job, supervisor):
        assert not lapse_job(job.pk)
        past = timezone.now() - timedelta(seconds=1)
        BatchJob.objects.filter(pk=job.pk).update(approval_lapses_at=past)
        with pytest.raises(Conflict):
            approve(job, supervisor)
        assert lapse_job(job.pk)
        job.refresh_from_db()
        assert (job.state, job.next_step_at) == ("cancelled", None)
        assert "lapsed" in job.message
        assert AuditEntry.objects.get(action="job.lapsed").actor is None
        assert not lapse_job(job.pk)

    def test_the_dispatcher_finds_it_when_it_lapses(self, job):
        assert job.next_step_at == job.approval_lapses_at


def waiting(user):
    """As the navigation counts it."""
    request = RequestFactory().get("/")
    request.user = user
    return slots.approvals_waiting(request)


class TestTheQueue:
    def test_holds_what_one_may_decide(self, agent, supervisor, viewer, make_user, make_sim):
        theirs = taken(planned(agent, [make_sim(status="DEACTIVATED")], "retire"), confirm_count=1)
        own = taken(planned(supervisor, [make_sim(status="DEACTIVATED")], "retire"), confirm_count=1)
        single = request_operation(
            sim=(sim := make_sim(status="DEACTIVATED")),
            kind="retire",
            params={"confirm": sim.giccid[-4:]},
            actor=agent,
            reason="broken",
        )
        queue = selectors_jobs.approval_queue(supervisor)
        assert (list(queue.jobs), list(queue.operations)) == ([theirs], [single])
        assert waiting(supervisor) == 2
        everything = selectors_jobs.approval_queue(make_user("Administrator"))
        assert list(everything.jobs) == [theirs, own]
        for user in (agent, viewer):
            assert waiting(user) == 0
            assert not selectors_jobs.approval_queue(user).jobs.exists()
        scoped = make_user("Supervisor", ["north_logistics"])
        assert waiting(scoped) == 0
        approve(single, supervisor)
        refuse(theirs, supervisor, "no")
        assert waiting(supervisor) == 0


class TestSeeing:
    def test_all_accounts_or_nothing(self, agent, scoped_agent, make_user, make_sim):
        ours = planned(agent, [make_sim()])
        both = planned(agent, [make_sim(), make_sim(account="north_logistics")])
        assert list(selectors_jobs.list_jobs(scoped_agent)) == [ours]
        with pytest.raises(BatchJob.DoesNotExist):
            selectors_jobs.get_job(scoped_agent, both.pk)
        assert set(selectors_jobs.list_jobs(agent)) == {ours, both}
        assert not selectors_jobs.list_jobs(make_user("Agent", [])).exists()

    def test_a_plan_without_a_sim_is_its_makers(self, scoped_agent, agent, make_user, make_sim):
        job = planned(scoped_agent, [make_sim(account="north_logistics")])
        assert list(selectors_jobs.list_jobs(scoped_agent)) == [job]
        assert list(selectors_jobs.list_jobs(agent)) == [job]
        assert not selectors_jobs.list_jobs(make_user("Agent", ["example_account"])).exists()


class TestASingleRetire:
    @pytest.fixture
    def wish(self, agent, carrier_sim):
        sim = carrier_sim("retire")
        return request_operation(
            sim=sim, kind="retire", params={"confirm": sim.giccid[-4:]}, actor=agent, reason="broken", ticket="T-3"
        )

    def test_waits(self, wish, simulator, valkey):
        assert wish.state == "awaiting_approval"
        assert wish.next_attempt_at == wish.expires_at > timezone.now() + timedelta(hours=23)
        tasks.run_operation(wish.pk)
        wish.refresh_from_db()
        assert (wish.state, wish.sends) == ("awaiting_approval", 0)
        assert changes_of(simulator, wish.sim) == []

    def test_of_a_supervisor_goes_through(self, supervisor, make_sim):
        sim = make_sim(status="DEACTIVATED")
        operation = request_operation(
            sim=sim, kind="retire", params={"confirm": sim.giccid[-4:]}, actor=supervisor, reason="broken"
        )
        assert operation.state == "queued"

    def test_approved(self, wish, supervisor, simulator):
        operation = approve(wish, supervisor)
        assert operation.state == "queued"
        assert operation.expires_at <= timezone.now() + timedelta(hours=1)
        assert operation.attempts.get(step="person").detail == "Approved by supervisor."
        assert AuditEntry.objects.get(action="operation.approved").actor == supervisor
        run_to_end(operation)
        assert operation.state == "done"
        assert changes_of(simulator, operation.sim) == [("status", "RETIRED")]

    def test_refused(self, wish, supervisor, simulator):
        with pytest.raises(Invalid):
            refuse(wish, supervisor, "")
        operation = refuse(wish, supervisor, "still in use")
        assert (operation.state, operation.message) == ("cancelled", "Refused by supervisor: still in use")
        with pytest.raises(Conflict):
            approve(operation, supervisor)
        assert simulator.calls("retire") == []

    def test_nobody_his_own_and_no_agent(self, wish, agent, make_user):
        for user in (agent, make_user("Agent"), make_user("Viewer")):
            with pytest.raises(NotAllowed):
                approve(wish, user)
            with pytest.raises(NotAllowed):
                refuse(wish, user, "no")

    def test_out_of_scope(self, wish, make_user):
        with pytest.raises(Operation.DoesNotExist):
            approve(wish, make_user("Supervisor", ["north_logistics"]))

    def test_taken_back(self, wish, agent, supervisor):
        with pytest.raises(NotAllowed):
            withdraw(wish, supervisor)
        assert withdraw(wish, agent).state == "cancelled"
        with pytest.raises(Conflict):
            approve(wish, supervisor)

    def test_lapses(self, wish, supervisor, simulator):
        Operation.objects.filter(pk=wish.pk).update(expires_at=timezone.now())
        make_due(wish)
        with pytest.raises(Conflict):
            approve(wish, supervisor)
        tasks.run_operation(wish.pk)
        wish.refresh_from_db()
        assert (wish.state, wish.next_attempt_at) == ("expired", None)
        assert "lapsed" in wish.message
        assert changes_of(simulator, wish.sim) == []

    def test_holds_its_sim(self, wish, supervisor):
        assert planned(supervisor, [wish.sim], "activate").refused == 1


class TestItsPage:
    @pytest.fixture
    def wish(self, agent, make_sim):
        sim = make_sim(status="DEACTIVATED")
        return request_operation(
            sim=sim, kind="retire", params={"confirm": sim.giccid[-4:]}, actor=agent, reason="broken"
        )

    def test_who_sees_which_buttons(self, wish, login, agent, supervisor, viewer):
        path = f"/operations/{wish.pk}/"
        page = login(supervisor).get(path).content.decode()
        assert f'action="{path}approve/"' in page
        assert f'action="{path}refuse/"' in page
        own = login(agent).get(path).content.decode()
        assert f'action="{path}approve/"' not in own
        assert f'action="{path}cancel/"' in own
        assert "Your role does not allow approving this." in own
        assert f'action="{path}cancel/"' not in login(viewer).get(path).content.decode()

    @pytest.mark.parametrize(
        ("who", "act", "status", "state"),
        [
            ("supervisor", "approve", 303, "queued"),
            ("supervisor", "refuse", 303, "cancelled"),
            ("supervisor", "cancel", 403, "awaiting_approval"),
            ("agent", "approve", 403, "awaiting_approval"),
            ("agent", "refuse", 403, "awaiting_approval"),
            ("agent", "cancel", 303, "cancelled"),
            ("viewer", "approve", 403, "awaiting_approval"),
        ],
    )
    def test_posts(self, who, act, status, state, wish, login, request):
        client = login(request.getfixturevalue(who))
        response = client.post(f"/operations/{wish.pk}/{act}/", {"reason": "because"})
        assert response.status_code == status
        wish.refresh_from_db()
        assert wish.state == state

    def test_without_a_reason_and_too_late(self, wish, login, supervisor):
        client, path = login(supervisor), f"/operations/{wish.pk}"
        refused = client.post(f"{path}/refuse/", {"reason": ""})
        assert refused.status_code == 422
        assert 'name="reason"' in refused.content.decode()
        assert client.post(f"{path}/approve/").status_code == 303
        late = client.post(f"{path}/approve/")
        assert late.status_code == 409
        assert client.get(f"{path}/approve/").status_code == 405

    def test_out_of_scope(self, wish, login, make_user):
        client = login(make_user("Supervisor", ["north_logistics"]))
        for act in ("approve", "refuse", "cancel"):
            assert client.post(f"/operations/{wish.pk}/{act}/", {"reason": "x"}).status_code == 404


def test_an_undo_by_an_agent_is_asked_for(agent, supervisor, make_sim):
    from operations.services.jobs.followup import undo

    job = ended(begun(agent, [make_sim()]))
    back = undo(job, agent)
    assert rules.approval_needed(back)
    assert taken(back).state == "awaiting_approval"
    assert not rules.approval_needed(undo(job, supervisor))


def test_the_number_in_the_navigation_keeps_itself_up_to_date(make_user, agent, make_sim, login, limits):
    for role in ("Viewer", "Agent"):
        client = login(make_user(role))
        assert "data-approvals" not in client.get("/sims/").content.decode() + client.get("/live/").content.decode()
    client, limited = login(make_user("Supervisor")), login(make_user("Supervisor", ["example_account"]))
    page = client.get("/sims/").content.decode()
    assert 'data-approvals="0" hidden' in page
    [live] = re.findall(r'hx-get="(/live/[^"]*)"', page)
    assert client.get(live).status_code == 204
    taken(planned(agent, [make_sim(), make_sim(), make_sim(account="north_logistics")]))
    answer = client.get(live).content.decode()
    assert re.search(r'id="badge-approvals"[^>]*data-approvals="1"[^>]*hx-swap-oob', answer)
    [live] = re.findall(r'hx-get="(/live/[^"]*)"', answer)
    assert client.get(live).status_code == 204
    assert 'data-approvals="0"' in limited.get("/live/").content.decode(), (
        "not all of its accounts are open to this one"
    )
