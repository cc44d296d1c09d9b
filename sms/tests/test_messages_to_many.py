"""A message to many SIMs: planned, filled in for each, sent one by one, tried again, never taken back."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from core.models import AuditEntry
from operations.models import BatchJob, BatchLine, Operation
from operations.services.jobs import feed, followup, rules
from operations.services.jobs.confirm import hold_sims
from operations.services.jobs.plan import make_job
from operations.services.settle import settle_operation
from operations.tests.job_helpers import drive, make_all_due, states_of, turn
from operations.tests.plan_helpers import codes, held, planned, taken
from sims.services.mirror import Source
from sims.services.refresh import read_sims
from smarthub import Lane
from sms.models import Conversation, Draft, Message
from sms.services.retention import remove_old_texts

HTMX = {"HX-Request": "true"}
TEXT = "Secret {custom1} for {msisdn}"


@pytest.fixture
def sims(simulator, plans):
    """Six activated SIMs of the carrier and a suspended one, in the mirror."""
    giccids = [simulator.pick(status="ACTIVATED", account="example_account", n=n) for n in range(6)]
    giccids.append(simulator.pick(status="DEACTIVATED", account="example_account"))
    read_sims(giccids, lane=Lane.AGENT, source=Source.PAGE)
    from sims.models import Sim

    by_giccid = {sim.giccid: sim for sim in Sim.objects.all()}
    return [by_giccid[giccid] for giccid in giccids]


def test_each_sim_gets_its_own_text_once(simulator, sims, supervisor):
    job = planned(supervisor, sims, "send_sms", text=TEXT, coding="", validity="61")
    assert codes(job) == {sim.giccid: "" if sim.status == "ACTIVATED" else "state" for sim in sims}
    assert (job.eligible, job.cost_after) == (6, {})
    assert not Message.objects.exists()
    job = drive(held(taken(job)), simulator)
    assert (job.state, job.succeeded, job.refused) == ("done", 6, 1)
    for sim in sims[:6]:
        message = Message.objects.get(sim=sim)
        assert message.text == f"Secret {sim.custom1} for {sim.msisdn}"
        assert (message.validity, message.delivery, bool(message.carrier_id)) == (65, "pending", True)
        operation = Operation.objects.get(message_sent=message)
        assert operation.params == {"draft": Draft.objects.get().pk, "coding": None, "validity": 65}
        assert len(simulator.calls("send_sms", sim.giccid)) == 1
    assert Conversation.objects.count() == 6
    stored = json.dumps(
        [list(model.objects.values_list()) for model in (BatchJob, BatchLine, Operation, AuditEntry)], default=str
    )
    assert "Secret" not in stored
    assert "can't be taken back" in rules.why_not_undo(job, supervisor)


def test_the_page_of_the_job_counts_what_was_delivered_by_itself(simulator, sims, supervisor, login, make_user):
    def counts(html: str) -> dict[str, int]:
        found = re.findall(r'data-messages="(\w+)" data-count="(\d+)"', html)
        return {state: int(number) for state, number in found}

    job = taken(planned(supervisor, sims[:6], "send_sms", text="hello"))
    client = login(supervisor)
    page = client.get(f"/jobs/{job.pk}/").content.decode()
    assert counts(page) == {}
    [url] = re.findall(r'id="job-messages" hx-get="([^"]*)" hx-trigger="every 5s"', page)
    assert client.get(url, headers=HTMX).status_code == 204
    simulator.fault(call="send_sms", kind="error", status=422, code="invalid", giccid=sims[0].giccid, count=1)
    simulator.fault(call="send_sms", kind="lost_answer", giccid=sims[1].giccid, count=1)
    job = drive(held(job), simulator)
    answer = client.get(url, headers=HTMX)
    expected = {"pending": 4, "failed": 1, "needs_attention": 1}
    assert (answer.status_code, counts(answer.content.decode())) == (200, expected)
    assert "0 of 6 delivered" in answer.content.decode()
    # Long after the job has ended.
    Message.objects.filter(delivery="pending").update(delivery="delivered")
    answer = client.get(url, headers=HTMX)
    assert (answer.status_code, counts(answer.content.decode())) == (
        286,
        {"delivered": 4, "failed": 1, "needs_attention": 1},
    )
    assert "4 of 6 delivered" in client.get(f"/jobs/{job.pk}/").content.decode()
    for states, there in ((["failed"], [0]), (["needs_attention", "failed"], [0, 1]), (["pending"], [])):
        rows = client.get(f"/jobs/{job.pk}/", {"message": states}).content.decode()
        assert re.findall(r'data-giccid="(\d+)"', rows) == [sims[n].giccid for n in there]
    assert "Not delivered" in client.get(f"/jobs/{job.pk}/?message=failed").content.decode()
    assert Client().get(url).status_code == 302
    assert login(make_user("Viewer")).get(url, headers=HTMX).status_code == 286
    other = login(make_user("Agent", ["other_account"]))
    assert other.get(url, headers=HTMX).status_code == 404
    suspend = planned(supervisor, sims[:1], "suspend")
    assert "job-messages" not in login(supervisor).get(f"/jobs/{suspend.pk}/").content.decode()


def test_an_outage_does_not_put_every_message_in_doubt(simulator, sims, supervisor, login, monkeypatch):
    monkeypatch.setattr(feed, "IN_FLIGHT", 1)
    monkeypatch.setattr(feed, "DOUBTFUL", 2)
    simulator.fault(call="send_sms", kind="lost_answer", count=3)
    job = held(taken(planned(supervisor, sims, "send_sms", text="hello")))
    for _ in range(4):
        make_all_due(job)
        turn(job)
    assert states_of(job) == {"needs_attention": 2, "queued": 4}
    page = login(supervisor).get(f"/jobs/{job.pk}/").content.decode()
    assert "only one is tried each minute" in page
    for operation in job.operations.filter(state="needs_attention"):
        assert f'<a href="/operations/{operation.pk}/">Open the operation</a>' in page
    for doubtful in (3, 3, 3):
        # The first try is in doubt, too; the one a minute later shows that the carrier is back.
        assert states_of(job).get("needs_attention", 0) in (2, doubtful)
        Operation.objects.filter(job=job, sends__gt=0).update(first_sent_at=timezone.now() - feed.TRY_AGAIN)
        make_all_due(job)
        turn(job)
    job = drive(job, simulator)
    assert states_of(job) == {"needs_attention": 3, "done": 3}
    for happened, operation in zip((True, False, False), job.operations.filter(state="needs_attention"), strict=True):
        settle_operation(operation=operation, happened=happened, actor=supervisor, reason="asked the carrier")
    job.refresh_from_db()
    assert (job.succeeded, job.failed, job.unknown) == (4, 2, 0), "a job that ended counts what a person says later"
    assert followup.retry_failed(job, supervisor).eligible == 2
    assert [len(simulator.calls("send_sms", sim.giccid)) for sim in sims] == [1, 1, 1, 1, 1, 1, 0]


def test_what_is_too_long_for_one_sim_is_refused_there(make_sim, supervisor, agent, login):
    short, long, gone = make_sim(custom1="x"), make_sim(custom1="ł" * 71), make_sim(missing_since=timezone.now())
    job = planned(supervisor, [short, long, gone], "send_sms", text="{custom1}")
    assert codes(job) == {short.giccid: "", long.giccid: "text", gone.giccid: "missing"}
    page = login(supervisor).get(f"/jobs/{job.pk}/").content.decode()
    assert "1 message will be sent." in page
    assert "2 bytes too long" in page
    assert "{custom1}" in page, "what is sent is shown to who confirms it"
    # It gets too long while the job waits.
    short.custom1 = "y" * 161
    short.save()
    job = taken(job)
    hold_sims(job.pk)
    job.refresh_from_db()
    assert (job.state, Message.objects.count()) == ("failed", 0)


def test_the_form_refuses_what_no_sim_could_get(make_sim, agent, login):
    client = login(agent)
    data = {"kind": "send_sms", "giccids": make_sim().giccid, "coding": "", "validity": ""}
    page = client.get("/jobs/new/?kind=send_sms").content.decode()
    for name in ("text", "coding", "validity", "template"):
        assert f'name="{name}"' in page
    for text, said in (("", "Write a text"), ("{nobody}", "no placeholder"), ("x" * 161, "1 character too long")):
        response = client.post("/jobs/new/", {**data, "text": text})
        assert response.status_code == 422
        assert said in response.content.decode()
    assert not Draft.objects.exists()
    assert client.post("/jobs/new/", {**data, "text": "hello {custom2}", "validity": "7"}).status_code == 303
    assert Draft.objects.get().validity == 10


def test_only_what_certainly_failed_is_tried_again(simulator, sims, supervisor):
    refused, lost = sims[0], sims[1]
    job = held(taken(planned(supervisor, sims[:4], "send_sms", text=TEXT)))
    simulator.fault(call="send_sms", kind="error", status=422, code="invalid", giccid=refused.giccid, count=1)
    simulator.fault(call="send_sms", kind="lost_answer", giccid=lost.giccid, count=1)
    job = drive(job, simulator)
    assert (job.state, job.succeeded, job.failed, job.unknown) == ("done_with_failures", 2, 1, 1)
    again = followup.retry_failed(job, supervisor)
    assert codes(again) == {refused.giccid: ""}
    again = drive(held(taken(again)), simulator)
    assert again.state == "done"
    assert Message.objects.filter(sim=refused).count() == 2
    assert len(simulator.calls("send_sms", lost.giccid)) == 1


def test_a_job_whose_text_is_gone_sends_nothing(make_sim, supervisor, config):
    config(SMS_KEEP_DAYS=1)
    job = planned(supervisor, [make_sim()], "send_sms", text="hello")
    Draft.objects.update(created_at=timezone.now() - timedelta(days=2))
    remove_old_texts()
    again = taken(job)
    hold_sims(again.pk)
    again.refresh_from_db()
    assert (again.state, Message.objects.count()) == ("failed", 0)
    assert "text was removed" in BatchLine.objects.get().refusal


def test_approval_and_other_changes_are_as_for_all_kinds(make_sim, agent, viewer, config):
    config(BATCH_AGENT_LIMIT=2)
    sims = [make_sim() for _ in range(3)]
    job = taken(planned(agent, sims, "send_sms", text="hello"))
    assert job.state == "awaiting_approval"
    assert rules.why_not_make("send_sms", viewer)
    # A SIM that a change holds gets its message all the same, and two jobs may write to it.
    Operation.objects.create(sim=sims[0], kind="suspend", actor=agent, reason="x")
    for _job in range(2):
        assert held(taken(planned(agent, sims[:1], "send_sms", text="hello"))).eligible == 1
    assert Message.objects.filter(sim=sims[0]).count() == 2


def test_holding_takes_a_fixed_number_of_queries(make_sim, supervisor):
    counted = []
    for number in (5, 40):
        sims = [make_sim(custom1=f"c{n}") for n in range(number)]
        job = taken(planned(supervisor, sims, "send_sms", text=TEXT))
        with CaptureQueriesContext(connection) as queries:
            hold_sims(job.pk)
        counted.append(len(queries))
    assert counted[1] <= counted[0] + 2, "SQLite takes a large insert in parts"
    assert Message.objects.count() == 45


def test_nothing_is_left_of_a_plan_that_could_not_be_made(make_sim, supervisor):
    from operations.errors import Invalid

    with pytest.raises(Invalid):
        make_job(actor=supervisor, kind="send_sms", params={"text": "hello"}, source="text", identifiers="")
    assert not Draft.objects.exists()
