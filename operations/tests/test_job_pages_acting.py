"""Making a batch job through its form, and the posts of a job's page: what each answers, for whom."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from core.models import AuditEntry
from operations.models import BatchJob, BatchLine, Operation
from operations.tests.job_rows import add_line, begin, planned_job
from sims.models import RatePlan

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
REASON = {"reason": "the customer asked for it", "ticket": "T-1"}


def text_of(response):
    return response.content.decode()


def job_of(response):
    """The job that a 303 leads to."""
    assert response.status_code == 303, text_of(response)
    found = re.fullmatch(r"/jobs/(\d+)/", response.headers["Location"])
    assert found is not None
    return BatchJob.objects.get(pk=found[1])


def giccids_of(job):
    lines = BatchLine.objects.filter(job=job, eligible=True).order_by("number")
    return list(lines.values_list("sim__giccid", flat=True))


@pytest.fixture
def sims(make_sim):
    return [make_sim(giccid=f"89860199000002{n:06d}", custom1="Hall 7") for n in (11, 12, 13)]


def test_pasted_identifiers_become_a_plan(agent, sims, login):
    text = f"Please suspend:\r\n{sims[0].giccid}; {sims[2].imsi}\n{sims[0].giccid}"
    job = job_of(login(agent).post("/jobs/new/", {"kind": "suspend", "identifiers": text}))
    assert (job.state, job.source, job.actor) == ("planned", "text", agent)
    assert giccids_of(job) == [sims[0].giccid, sims[2].giccid]
    assert not Operation.objects.exists()


def test_a_file_becomes_a_plan(agent, sims, login):
    file = SimpleUploadedFile("sims.csv", f"giccid\n{sims[1].giccid}\n".encode(), content_type="text/csv")
    job = job_of(login(agent).post("/jobs/new/", {"kind": "suspend", "identifiers": "", "file": file}))
    assert (job.source, giccids_of(job)) == ("file", [sims[1].giccid])


def test_ticked_rows_become_a_plan(agent, sims, login):
    ticked = "\n".join(sim.giccid for sim in sims[:2])
    job = job_of(login(agent).post("/jobs/new/", {"kind": "suspend", "giccids": ticked}))
    assert (job.source, giccids_of(job)) == ("ticked", [sim.giccid for sim in sims[:2]])


@pytest.mark.parametrize("where", ["address", "body", "one field"])
def test_all_that_match_the_lists_query_become_a_plan(where, agent, sims, make_sim, login):
    make_sim(status="DEACTIVATED", custom1="Hall 7")
    make_sim(custom1="Hall 8")
    client = login(agent)
    query = {"q": "hall 7", "status": "ACTIVATED"}
    if where == "address":
        answer = client.post("/jobs/new/?select=all&q=hall+7&status=ACTIVATED", {"kind": "suspend"})
    elif where == "body":
        answer = client.post("/jobs/new/", {"kind": "suspend", "select": "all", **query})
    else:
        answer = client.post(
            "/jobs/new/", {"kind": "suspend", "select": "all", "query": "q=hall+7&status=ACTIVATED&sort=-giccid"}
        )
    job = job_of(answer)
    assert (job.source, giccids_of(job)) == ("filter", [sim.giccid for sim in sims])


def test_a_filter_by_plan_and_the_plan_to_change_to_do_not_mix(agent, make_sim, login):
    sim = make_sim(plan="OLD")
    make_sim(plan="OTHER")
    new = RatePlan.objects.create(code="NEW", kind=RatePlan.Kind.BASIC, fetched_at=sim.observed_at)
    new.accounts.add(sim.account)
    body = {"kind": "change_plan", "plan": "NEW", "effective": "NOW"}
    job = job_of(login(agent).post("/jobs/new/?select=all&plan=OLD", body))
    assert giccids_of(job) == [sim.giccid]
    assert job.params["plan"] == "NEW"
    again = job_of(login(agent).post("/jobs/new/", {**body, "select": "all", "query": "plan=OLD"}))
    assert giccids_of(again) == [sim.giccid]


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"kind": "suspend"},
        {"kind": "explode", "identifiers": "8986"},
        {"kind": "change_plan", "identifiers": "89860199000002000011", "plan": "NOT-THERE"},
        {"kind": "set_apn", "identifiers": "89860199000002000011"},
        {"kind": "set_custom_fields", "identifiers": "89860199000002000011"},
        {"kind": "suspend", "identifiers": "89860199000002000011", "giccids": "89860199000002000012"},
    ],
)
def test_what_can_not_be_used_is_a_page_that_says_so(wrong, agent, sims, login):
    response = login(agent).post("/jobs/new/", wrong)
    assert response.status_code == 422
    assert re.search(r'role="alert"|class="error"', text_of(response))
    assert not BatchJob.objects.exists()


def test_a_file_that_is_none_is_a_page_that_says_so(agent, login):
    file = SimpleUploadedFile("photo.xlsx", b"\x89PNG\r\n\x1a\n" + bytes(100))
    response = login(agent).post("/jobs/new/", {"kind": "suspend", "file": file})
    assert response.status_code == 422
    assert 'role="alert"' in text_of(response)
    assert not BatchJob.objects.exists()


def test_what_was_pasted_is_kept_when_something_else_is_wrong(agent, sims, login):
    response = login(agent).post("/jobs/new/", {"kind": "set_apn", "identifiers": "<i>8986</i>"})
    assert "&lt;i&gt;8986&lt;/i&gt;</textarea>" in text_of(response)


def test_one_form_sent_twice_is_one_job(agent, sims, login):
    client = login(agent)
    [nonce] = re.findall(r'name="nonce" value="([^"]+)"', text_of(client.get("/jobs/new/?kind=suspend")))
    body = {"kind": "suspend", "identifiers": sims[0].giccid, "nonce": nonce}
    first = job_of(client.post("/jobs/new/", body))
    assert job_of(client.post("/jobs/new/", body)) == first
    changed = [
        {**body, "identifiers": sims[1].giccid},
        {**body, "kind": "activate"},
        {"kind": "suspend", "nonce": nonce, "file": SimpleUploadedFile("a.csv", sims[0].giccid.encode())},
        {"kind": "suspend", "nonce": nonce, "file": SimpleUploadedFile("a.csv", sims[1].giccid.encode())},
    ]
    jobs = {first.pk, *(job_of(client.post("/jobs/new/", other)).pk for other in changed)}
    assert len(jobs) == 5, "after the browser's way back, what was changed is not lost"


def test_a_viewer_makes_none(viewer, sims, login):
    client = login(viewer)
    assert client.get("/jobs/new/").status_code == 403
    assert client.post("/jobs/new/", {"kind": "suspend", "identifiers": sims[0].giccid}).status_code == 403
    assert "data-select-form" not in text_of(client.get("/sims/"))


def test_ticked_rows_come_along_into_the_form(agent, sims, login):
    client = login(agent)
    page = text_of(client.get("/sims/"))
    assert "data-select-form" in page
    assert "Select all 3 that match" in page
    body = {"kind": "change_plan", "giccids": f"{sims[0].giccid}\n{sims[1].giccid}", "prepare": "1"}
    form = client.post("/jobs/new/", body)
    assert form.status_code == 200
    assert f'name="giccids" value="{sims[0].giccid}\n{sims[1].giccid}"' in text_of(form)
    assert not BatchJob.objects.exists()


def test_the_fields_of_a_kind_come_by_themselves(agent, login):
    response = login(agent).get("/jobs/new/?kind=set_apn", headers=HTMX)
    assert 'name="apn_status"' in text_of(response)
    assert "<form" not in text_of(response)


def test_what_was_typed_for_one_kind_is_kept_while_another_is_looked_at(agent, sims, login):
    client = login(agent)

    def kept_in(response) -> dict[str, str]:
        """What the kind's part carries unseen."""
        part = text_of(response).split('id="job-params"')[1].split('class="form-actions"')[0]
        found = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', part)
        return {name: unescape(value) for name, value in found}

    typed = {"text": "Gate 7 <open>", "coding": "4", "validity": "61"}
    body = {"prepare": "1", "kind": "set_apn", **typed}
    response = client.post("/jobs/new/", body, headers=HTMX)
    assert response.status_code == 200
    assert kept_in(response) == typed
    # Typed here, too, and back again: with the text where it was written.
    body = {"prepare": "1", "kind": "send_sms", "apn": "iot.example", **kept_in(response)}
    back = client.post("/jobs/new/", body, headers=HTMX)
    assert kept_in(back) == {"apn": "iot.example"}
    assert "\nGate 7 &lt;open&gt;</textarea>" in text_of(back)
    assert '<option value="4" selected>' in text_of(back)
    assert '<option value="61" selected>' in text_of(back)
    assert "<form" not in text_of(back)
    # Without script a refused form keeps it, and what another kind was told changes nothing.
    refused = client.post("/jobs/new/", {"kind": "change_plan", "giccids": sims[0].giccid, **typed})
    assert refused.status_code == 422
    assert kept_in(refused) == typed
    job = job_of(client.post("/jobs/new/", {"kind": "suspend", "giccids": sims[0].giccid, **typed}))
    assert (job.kind, job.params) == ("suspend", {})


def test_confirming_starts_it(agent, sims, login):
    job = planned_job(agent, sims)
    assert job_of(login(agent).post(f"/jobs/{job.pk}/confirm/", REASON)) == job
    job.refresh_from_db()
    assert (job.state, job.reason, job.ticket) == ("running", REASON["reason"], "T-1")
    assert login(agent).post(f"/jobs/{job.pk}/confirm/", REASON).status_code == 409


def test_confirming_without_a_reason_shows_the_page_with_the_error(agent, sims, login):
    job = planned_job(agent, sims)
    response = login(agent).post(f"/jobs/{job.pk}/confirm/", {"reason": " ", "ticket": "T-77"})
    assert response.status_code == 422
    page = text_of(response)
    assert 'aria-invalid="true"' in page
    assert 'value="T-77"' in page
    assert f'action="/jobs/{job.pk}/"' in page.split('id="filters"')[1]
    job.refresh_from_db()
    assert job.state == "planned"


def test_the_time_to_start_is_in_the_users_zone(make_user, make_sim, login):
    user = make_user("Supervisor", time_zone="Asia/Shanghai")
    job = planned_job(user, [make_sim()])
    client = login(user)
    assert "CST" in text_of(client.get(f"/jobs/{job.pk}/"))
    past = client.post(f"/jobs/{job.pk}/confirm/", {**REASON, "scheduled_for": "2020-01-01T08:00"})
    assert past.status_code == 422
    year = timezone.now().year
    moment = f"{year}-12-31T08:30" if timezone.now().month < 12 else f"{year + 1}-03-31T08:30"
    job_of(client.post(f"/jobs/{job.pk}/confirm/", {**REASON, "scheduled_for": moment}))
    job.refresh_from_db()
    assert job.state == "scheduled"
    assert job.scheduled_for is not None
    assert job.scheduled_for.isoformat().endswith("T00:30:00+00:00")


@pytest.mark.parametrize("typed", ["", "2", "3x"])
def test_a_retire_with_another_number_is_not_taken(typed, supervisor, make_sim, login):
    job = planned_job(supervisor, [make_sim(status="DEACTIVATED") for _ in range(3)], kind="retire")
    client = login(supervisor)
    assert client.post(f"/jobs/{job.pk}/confirm/", {**REASON, "confirm": typed}).status_code == 422
    assert job_of(client.post(f"/jobs/{job.pk}/confirm/", {**REASON, "confirm": "3"})).state == "awaiting_approval"


def test_another_person_does_not_confirm(agent, supervisor, viewer, sims, login):
    job = planned_job(agent, sims)
    for user in (supervisor, viewer):
        assert login(user).post(f"/jobs/{job.pk}/confirm/", REASON).status_code == 403
        assert login(viewer).post(f"/jobs/{job.pk}/cancel/").status_code == 403
    job.refresh_from_db()
    assert job.state == "planned"


@pytest.fixture
def waiting(agent, make_sim, login):
    """An agent's retire that waits for somebody else."""
    job = planned_job(agent, [make_sim(status="DEACTIVATED")], kind="retire")
    return job_of(login(agent).post(f"/jobs/{job.pk}/confirm/", {**REASON, "confirm": "1"}))


def test_the_queue_shows_what_one_may_decide_and_the_menu_counts_it(waiting, agent, viewer, supervisor, login):
    client = login(supervisor)
    page = text_of(client.get("/approvals/"))
    assert f'data-approval-job="{waiting.pk}"' in page
    assert 'data-approvals="1"' in page
    for user in (agent, viewer):
        assert login(user).get("/approvals/").status_code == 403
        assert "data-approvals" not in text_of(login(user).get("/jobs/"))


def test_nobody_approves_his_own(supervisor, make_sim, login):
    client = login(supervisor)
    job = planned_job(supervisor, [make_sim(status="DEACTIVATED")], kind="retire")
    client.post(f"/jobs/{job.pk}/confirm/", {**REASON, "confirm": "1"})
    assert "data-approval-job" not in text_of(client.get("/approvals/"))
    assert client.post(f"/jobs/{job.pk}/approve/").status_code == 403
    assert client.post(f"/jobs/{job.pk}/refuse/", {"reason": "x"}).status_code == 403
    page = text_of(client.get(f"/jobs/{job.pk}/"))
    assert re.search(r"<button[^>]*disabled[^>]*>(<svg.*?</svg>)?Approve</button>", page, re.S)


def test_approving_lets_it_go_on(waiting, supervisor, login):
    client = login(supervisor)
    job = job_of(client.post(f"/jobs/{waiting.pk}/approve/"))
    assert (job.state, job.decided_by) == ("running", supervisor)
    assert client.post(f"/jobs/{waiting.pk}/approve/").status_code == 409
    assert "Nothing waits for you" in text_of(client.get("/approvals/"))


def test_refusing_needs_a_reason(waiting, supervisor, agent, login):
    client = login(supervisor)
    assert client.post(f"/jobs/{waiting.pk}/refuse/", {"reason": ""}).status_code == 422
    job = job_of(client.post(f"/jobs/{waiting.pk}/refuse/", {"reason": "not this customer"}))
    assert (job.state, job.decision_reason) == ("cancelled", "not this customer")
    assert "not this customer" in text_of(login(agent).get(f"/jobs/{waiting.pk}/"))


def test_pausing_resuming_cancelling(supervisor, sims, login):
    job = begin(planned_job(supervisor, sims), ["queued"] * 3)
    client = login(supervisor)
    for action, state, wrong in (("pause", "paused", "pause"), ("resume", "running", "resume")):
        assert job_of(client.post(f"/jobs/{job.pk}/{action}/")).state == state
        assert client.post(f"/jobs/{job.pk}/{wrong}/").status_code == 409
    assert job_of(client.post(f"/jobs/{job.pk}/cancel/")).cancelled_at is not None


@pytest.mark.parametrize("action", ["confirm", "approve", "refuse", "cancel", "pause", "resume", "retry", "undo"])
def test_a_viewer_changes_nothing_and_a_get_is_refused(action, supervisor, viewer, sims, login):
    job = begin(planned_job(supervisor, sims), ["done", "failed", "failed"], state="done_with_failures")
    assert login(viewer).post(f"/jobs/{job.pk}/{action}/", REASON).status_code in (403, 409)
    assert login(viewer).get(f"/jobs/{job.pk}/{action}/").status_code == 405
    assert BatchJob.objects.count() == 1


def test_retry_and_undo_make_plans_of_their_own(supervisor, make_sim, login):
    sims = [make_sim(status="DEACTIVATED"), make_sim()]
    job = begin(planned_job(supervisor, sims), ["done", "failed"], state="done_with_failures")
    client = login(supervisor)
    again = job_of(client.post(f"/jobs/{job.pk}/retry/"))
    assert (again.state, again.parent, giccids_of(again)) == ("planned", job, [sims[1].giccid])
    back = job_of(client.post(f"/jobs/{job.pk}/undo/"))
    assert (back.state, back.kind, back.parent) == ("planned", "activate", job)


def test_an_ambiguous_line_is_chosen(agent, sims, login):
    job = planned_job(agent, sims[:1])
    line = add_line(job, "ambiguous", text="8.98602E+19", candidates=[sims[1].giccid, sims[2].giccid])
    client = login(agent)
    dialog = client.get(f"/jobs/{job.pk}/choose/?line={line.number}", headers=HTMX)
    assert re.findall(r'name="giccid" value="(\d+)"', text_of(dialog)) == [sims[1].giccid, sims[2].giccid]
    foreign = client.post(f"/jobs/{job.pk}/choose/", {"line": line.number, "giccid": sims[0].giccid})
    assert foreign.status_code == 422
    job_of(client.post(f"/jobs/{job.pk}/choose/", {"line": line.number, "giccid": sims[2].giccid}))
    assert giccids_of(job) == [sims[0].giccid, sims[2].giccid]
    assert AuditEntry.objects.get(action="job.line_chosen").after["giccid"] == sims[2].giccid
    for number in ("1", "99", "x", ""):
        assert client.post(f"/jobs/{job.pk}/choose/", {"line": number, "giccid": "1"}).status_code == 404


def test_more_lines_than_a_job_takes_are_refused_with_a_sentence(agent, config, login):
    config(BATCH_MAX_LINES=1000)
    text = "\r\n".join(f"8986019900{n:010d}" for n in range(1, 1002))
    response = login(agent).post("/jobs/new/", {"kind": "suspend", "identifiers": text})
    assert response.status_code == 422
    assert re.search(r'role="alert">.*1,?00[01]', text_of(response), re.S)
    assert not BatchJob.objects.exists()


def test_a_paste_as_large_as_a_job_takes_reaches_the_portal(agent, config, login):
    config(BATCH_MAX_LINES=10)
    text = "\r\n".join(f"8986 0199 00{n:010d}" for n in range(1, 100_001))
    assert login(agent).post("/jobs/new/", {"kind": "suspend", "identifiers": text}).status_code == 422
