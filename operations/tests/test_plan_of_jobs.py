"""Making a plan: who may, what is taken, what is refused and why; nothing is held and nothing sent."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import QueryDict

from core.models import AuditEntry
from operations.errors import Conflict, Invalid, NotAllowed
from operations.models import BatchInput, BatchJob, BatchLine, Operation
from operations.services.jobs import plan as planning
from operations.services.jobs.plan import choose_candidate, make_job, make_plan, recheck
from operations.tests.plan_helpers import codes, lines, planned, rate_plan
from sims.models import RatePlan


def by_query(actor: Any, query: str, kind: str = "suspend", **params: Any) -> BatchJob:
    return make_job(actor=actor, kind=kind, params=params, source="filter", query=QueryDict(query))


def by_text(actor: Any, text: str, kind: str = "suspend", **params: Any) -> BatchJob:
    return make_job(actor=actor, kind=kind, params=params, source="text", identifiers=text)


class TestWho:
    @pytest.mark.parametrize(
        ("role", "kind", "may"),
        [
            ("Viewer", "suspend", False),
            ("Agent", "suspend", True),
            ("Agent", "retire", True),
            ("Supervisor", "retire", True),
            ("Administrator", "change_plan", True),
        ],
    )
    def test_roles(self, role, kind, may, make_user, make_sim):
        actor, sim = make_user(role), make_sim(status="DEACTIVATED" if kind == "retire" else "ACTIVATED", plan="OLD")
        params = {"plan": rate_plan("NEW", "example_account").code} if kind == "change_plan" else {}
        if may:
            assert planned(actor, [sim], kind, **params).eligible == 1
        else:
            with pytest.raises(NotAllowed):
                planned(actor, [sim], kind, **params)
            assert not BatchJob.objects.exists()

    def test_what_is_out_of_scope_is_not_found(self, scoped_agent, make_sim):
        ours, theirs = make_sim(), make_sim(account="north_logistics")
        job = planned(scoped_agent, [ours, theirs])
        assert lines(job)[theirs.giccid].outcome == "not_found"
        assert lines(job)[theirs.giccid].sim_id is None
        assert (job.eligible, job.refused, job.lines) == (1, 0, 2)
        assert [row.account_name for row in job.accounts.all()] == ["example_account"]

    def test_a_filter_matches_only_ones_own_accounts(self, scoped_agent, make_sim):
        ours = make_sim()
        make_sim(account="north_logistics")
        job = by_query(scoped_agent, "status=ACTIVATED")
        assert list(lines(job)) == [ours.giccid]


class TestChoosing:
    def test_all_that_match_when_the_plan_is_made(self, agent, make_sim):
        ours = [make_sim(), make_sim()]
        make_sim(status="RETIRED")
        job = by_query(agent, "status=ACTIVATED&select=all&kind=suspend&sort=-seen")
        assert list(lines(job)) == [sim.giccid for sim in ours]
        assert job.selection == "status=ACTIVATED"
        make_sim()
        assert recheck(job) == {"eligible": 0, "refused": 0, "changed": 0}
        assert BatchLine.objects.filter(job=job).count() == 2

    @pytest.mark.parametrize("query", ["q=%00ab%00" + "x" * 300, "q=8"])
    def test_a_filter_that_can_not_be_used_is_not_every_sim(self, query, agent, make_sim):
        make_sim()
        with pytest.raises(Invalid):
            by_query(agent, query)
        assert not BatchJob.objects.exists()

    def test_nothing_chosen(self, agent, db):
        for attempt in (
            lambda: by_query(agent, "status=NONE"),
            lambda: planned(agent, []),
            lambda: by_text(agent, " "),
        ):
            with pytest.raises(Invalid):
                attempt()

    def test_more_than_a_job_takes(self, agent, make_sim, config):
        config(BATCH_MAX_LINES=2)
        sims = [make_sim() for _ in range(3)]
        for attempt in (
            lambda: by_query(agent, "status=ACTIVATED"),
            lambda: planned(agent, sims),
            lambda: by_text(agent, "\n".join(sim.giccid for sim in sims)),
        ):
            with pytest.raises(Invalid) as caught:
                attempt()
            assert "2" in str(caught.value)
        assert not BatchJob.objects.exists()

    def test_pasted_text(self, agent, make_sim):
        one, two = make_sim(), make_sim()
        job = by_text(agent, f"{one.giccid}\n{two.msisdn}\n{one.giccid}\n89860199999999999999")
        assert [line.outcome for line in lines_in_order(job)] == ["found", "found", "duplicate", "not_found"]
        assert (job.eligible, job.lines) == (2, 4)

    def test_a_file(self, agent, make_sim):
        sim = make_sim()
        file = SimpleUploadedFile("delivery.csv", f"giccid\n{sim.giccid}\n".encode())
        job = make_job(actor=agent, kind="suspend", params={}, source="file", file=file)
        assert (job.eligible, job.selection) == (1, "delivery.csv")

    def test_a_file_that_can_not_be_read_is_said_at_its_field(self, agent, db):
        file = SimpleUploadedFile("delivery.zip", b"PK\x03\x04" + b"\x00" * 100)
        with pytest.raises(Invalid) as caught:
            make_job(actor=agent, kind="suspend", params={}, source="file", file=file)
        assert list(caught.value.errors) == ["file"]

    def test_one_form_sent_twice_is_one_plan(self, agent, supervisor, make_sim):
        sim, nonce = make_sim(), str(uuid.uuid4())
        wish: dict[str, Any] = {"kind": "suspend", "params": {}, "source": "ticked", "giccids": [sim.giccid]}
        first = make_job(actor=agent, nonce=nonce, **wish)
        assert make_job(actor=agent, nonce=nonce, **wish).pk == first.pk
        assert make_job(actor=supervisor, nonce=nonce, **wish).pk != first.pk, "nobody gets another's"


def lines_in_order(job: BatchJob) -> list[BatchLine]:
    return list(BatchLine.objects.filter(job=job).order_by("number"))


class TestVerdicts:
    def test_states(self, agent, make_sim):
        from django.utils import timezone

        sims = {
            "": make_sim(),
            "already_so": make_sim(status="DEACTIVATED"),
            "state": make_sim(status="INVENTORY"),
            "missing": make_sim(missing_since=timezone.now()),
        }
        retired = make_sim(status="RETIRED")
        job = planned(agent, [*sims.values(), retired])
        assert codes(job) == {**{sim.giccid: code for code, sim in sims.items()}, retired.giccid: "state"}
        assert (job.eligible, job.refused) == (1, 4)
        fine = lines(job)[sims[""].giccid]
        assert (fine.from_value, fine.to_value, fine.refusal) == ("Activated", "Suspended", "")
        assert all(line.refusal for text, line in lines(job).items() if text != fine.text)

    def test_a_sim_that_another_operation_holds(self, agent, make_sim):
        busy = make_sim()
        Operation.objects.create(sim=busy, kind="suspend", actor=agent, reason="x", state="unknown")
        job = planned(agent, [busy])
        assert codes(job) == {busy.giccid: "open_operation"}

    def test_a_plan_holds_nothing(self, agent, make_sim):
        sim = make_sim()
        assert planned(agent, [sim]).eligible == planned(agent, [sim]).eligible == 1
        assert not Operation.objects.exists()

    def test_change_of_plan_with_its_cost(self, agent, make_sim):
        rate_plan("OLD", "example_account", "north_logistics", price="2.50")
        rate_plan("NEW", "example_account", price="4.00")
        rate_plan("FREE", "example_account", price=None)
        moves = [make_sim(plan="OLD"), make_sim(plan="OLD"), make_sim(plan="FREE"), make_sim()]
        there, elsewhere = make_sim(plan="NEW"), make_sim(plan="OLD", account="north_logistics")
        job = planned(agent, [*moves, there, elsewhere], "change_plan", plan="NEW", effective="")
        assert codes(job) == {
            **{sim.giccid: "" for sim in moves},
            there.giccid: "already_so",
            elsewhere.giccid: "plan",
        }
        assert (job.cost_before["EUR"], job.cost_after["EUR"]) == ("5.0000", "16.0000")
        assert job.params == {"plan": "NEW", "effective": "NOW"}
        assert lines(job)[moves[0].giccid].from_value == "OLD"

    @pytest.mark.parametrize("plan", ["ADDON", "STUB", "NONE", "", "x\x00"])
    def test_no_such_basic_plan(self, plan, agent, make_sim):
        rate_plan("ADDON", "example_account", kind="SUPPLEMENTARY")
        RatePlan.objects.create(code="STUB", kind="BASIC")
        with pytest.raises(Invalid) as caught:
            planned(agent, [make_sim()], "change_plan", plan=plan)
        assert list(caught.value.errors) == ["plan"]
        assert not BatchJob.objects.exists()

    def test_apn(self, agent, make_sim):
        on = make_sim(apns=[{"apn": "iot", "status": "ENABLED"}])
        off = make_sim(apns=[{"apn": "iot", "status": "DISABLED"}])
        other = make_sim(apns=[{"apn": "m2m", "status": "ENABLED"}])
        job = planned(agent, [on, off, other, make_sim(apns=[])], "set_apn", apn="iot", apn_status="DISABLED")
        assert list(codes(job).values()) == ["", "already_so", "state", "state"]

    def test_custom_fields_keep_what_was_not_given(self, agent, make_sim):
        differs = make_sim(custom1="gate", custom2="old", custom3="note")
        same = make_sim(custom1="gate", custom2="", custom3="note")
        job = planned(agent, [differs, same], "set_custom_fields", custom1="gate", custom3="", clear=["custom2"])
        assert job.params == {"custom1": "gate", "custom2": ""}
        assert codes(job) == {differs.giccid: "", same.giccid: "already_so"}
        assert lines(job)[differs.giccid].params == {"custom2": ""}

    @pytest.mark.parametrize("params", [{}, {"custom1": ""}, {"custom1": "x", "clear": ["custom1"]}, {"clear": ["x"]}])
    def test_custom_fields_that_say_nothing(self, params, agent, make_sim):
        with pytest.raises(Invalid):
            planned(agent, [make_sim()], "set_custom_fields", **params)

    def test_a_purchase_in_doubt_stands_against_another(self, agent, make_sim):
        rate_plan("ADDON", "example_account", kind="SUPPLEMENTARY", price="9.00")
        doubtful, fine = make_sim(), make_sim()
        Operation.objects.create(sim=doubtful, kind="add_plan", actor=agent, reason="x", state="needs_attention")
        job = planned(agent, [doubtful, fine], "add_plan", plan="ADDON")
        assert codes(job) == {doubtful.giccid: "open_operation", fine.giccid: ""}
        assert (job.cost_before, job.cost_after) == ({}, {"EUR": "9.0000"})

    def test_queries_do_not_grow_with_the_sims(self, agent, make_sim, django_assert_max_num_queries):
        rate_plan("OLD", "example_account")
        rate_plan("NEW", "example_account")
        sims = [make_sim(plan="OLD") for _ in range(60)]
        with django_assert_max_num_queries(30):
            assert planned(agent, sims, "change_plan", plan="NEW").eligible == 60


class TestAmbiguousLines:
    @pytest.fixture
    def job(self, agent, make_sim):
        shared = "460019911112222"
        sims = [make_sim(imsi=shared), make_sim(imsi=shared)]
        job = by_text(agent, f"{shared}\n{sims[1].giccid}")
        assert [line.outcome for line in lines_in_order(job)] == ["ambiguous", "found"]
        return job

    def test_the_maker_chooses(self, job, agent):
        first = lines_in_order(job)[0].candidates[0]
        job = choose_candidate(job, 1, first, agent)
        line = lines_in_order(job)[0]
        assert (line.outcome, line.sim and line.sim.giccid, line.eligible) == ("found", first, True)
        assert job.eligible == 2

    def test_choosing_what_another_line_means_is_a_duplicate(self, job, agent):
        taken = lines_in_order(job)[1].text
        job = choose_candidate(job, 1, taken, agent)
        assert (lines_in_order(job)[0].outcome, job.eligible) == ("duplicate", 1)

    def test_nobody_else_and_nothing_else(self, job, agent, supervisor, make_sim):
        candidate = lines_in_order(job)[0].candidates[0]
        with pytest.raises(NotAllowed):
            choose_candidate(job, 1, candidate, supervisor)
        for number, giccid in ((1, make_sim().giccid), (2, candidate), (9, candidate)):
            with pytest.raises(Conflict):
                choose_candidate(job, number, giccid, agent)
        assert BatchJob.objects.get().eligible == 1


class TestLargePlans:
    @pytest.fixture(autouse=True)
    def _small(self, monkeypatch):
        monkeypatch.setattr(planning, "PLAN_AT_ONCE", 2)

    @pytest.mark.parametrize("source", ["ticked", "text", "filter"])
    def test_are_made_by_the_task(self, source, agent, make_sim):
        sims = [make_sim() for _ in range(3)]
        giccids = [sim.giccid for sim in sims]
        job = {
            "ticked": lambda: planned(agent, sims),
            "text": lambda: by_text(agent, "\n".join(giccids)),
            "filter": lambda: by_query(agent, "status=ACTIVATED"),
        }[source]()
        assert (job.planned_at, BatchLine.objects.count()) == (None, 0)
        assert make_plan(job.pk)
        job.refresh_from_db()
        assert (job.eligible, list(lines(job)), job.next_step_at) == (3, giccids, None)
        assert not BatchInput.objects.exists()
        assert not make_plan(job.pk)

    def test_a_plan_that_died_in_the_middle_is_made_anew(self, agent, make_sim, monkeypatch):
        from django.utils import timezone

        from operations.services.jobs import choose

        monkeypatch.setattr(choose, "PART", 2)
        sims = [make_sim() for _ in range(5)]
        job = planned(agent, sims)
        real = planning.Writer.write

        def die_in_the_second(self: Any, part: Any) -> None:
            if self.totals.lines:
                raise KeyboardInterrupt
            real(self, part)

        monkeypatch.setattr(planning.Writer, "write", die_in_the_second)
        with pytest.raises(KeyboardInterrupt):
            make_plan(job.pk)
        assert BatchLine.objects.filter(job=job).count() == 2
        assert not make_plan(job.pk), "its lease still holds"
        monkeypatch.setattr(planning.Writer, "write", real)
        BatchJob.objects.filter(pk=job.pk).update(next_step_at=timezone.now())
        assert make_plan(job.pk)
        assert list(lines(job)) == [sim.giccid for sim in sims]

    @pytest.mark.parametrize("overtaken", [False, True])
    def test_a_long_look_at_lines_holds_the_claim(self, overtaken, agent, make_sim, monkeypatch):
        from django.utils import timezone

        from operations.identifiers import lookup

        monkeypatch.setattr(lookup, "BATCH", 2)
        sims = [make_sim() for _ in range(6)]
        job = by_text(agent, "\n".join(sim.giccid for sim in sims))
        held: list[Any] = []
        real = lookup._answers

        def look(*args: Any, **kwargs: Any) -> Any:
            held.append(BatchJob.objects.values_list("lease_until", flat=True).get(pk=job.pk))
            if overtaken and len(held) == 2:
                BatchJob.objects.filter(pk=job.pk).update(lease_until=timezone.now())
            return real(*args, **kwargs)

        monkeypatch.setattr(lookup, "_answers", look)
        assert make_plan(job.pk)
        assert len(held) == (2 if overtaken else 3)
        assert held == sorted(set(held)), "held for longer each time"
        assert BatchLine.objects.filter(job=job).count() == (0 if overtaken else 6)

    def test_a_filter_that_matches_too_many_by_then(self, agent, make_sim, config):
        for _ in range(3):
            make_sim()
        job = by_query(agent, "status=ACTIVATED")
        config(BATCH_MAX_LINES=2)
        assert make_plan(job.pk)
        job.refresh_from_db()
        assert (job.state, BatchLine.objects.count()) == ("cancelled", 0)
        assert "2" in job.message


def test_making_a_plan_is_told(agent, make_sim):
    job = planned(agent, [make_sim()])
    entry = AuditEntry.objects.get(action="job.made")
    assert (entry.actor, entry.object_type, entry.object_id) == (agent, "operations.batchjob", str(job.pk))
