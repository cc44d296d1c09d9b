"""The pages of batch jobs: list, plan, progress, downloads; for each role and out of scope."""

from __future__ import annotations

import csv
import io
import re

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from openpyxl import load_workbook

from core.models import Export
from core.tasks import make_export
from operations.kinds import KINDS
from operations.models import BatchChunk, BatchJob, BatchLine
from operations.services.transitions import tell_timeline
from operations.tests.job_rows import add_line, begin, planned_job

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
ROLES = ("Viewer", "Agent", "Supervisor", "Administrator")


def text_of(response):
    return response.content.decode()


def counts_in(response):
    return {name: int(number) for name, number in re.findall(r'data-count-([a-z]+)="(\d+)"', text_of(response))}


def state_in(response):
    found = re.findall(r'data-job-state="([a-z_]*)"', text_of(response))
    assert len(found) == 1
    return found[0]


def buttons_in(response):
    """Name of each button of the page's job with whether it can be used."""
    part = text_of(response).split('id="job"')[1].split('class="job-lines"')[0]
    found = re.findall(r"<button([^>]*)>(.*?)</button>", part, re.S)
    return {re.sub(r"<[^>]*>", "", label).strip(): "aria-disabled" not in attributes for attributes, label in found}


def rows_in(response):
    """giccid of each SIM's row with its outcome."""
    found = re.findall(r"<tr ([^>]*)>", text_of(response))
    pairs = [(re.search(r'data-giccid="(\d+)"', row), re.search(r'data-outcome="([a-z_]+)"', row)) for row in found]
    return {giccid[1]: outcome[1] for giccid, outcome in pairs if giccid and outcome}


def read_as(response):
    return re.findall(r'data-line-outcome="([a-z_]+)"', text_of(response))


@pytest.fixture
def sims(make_sim):
    return [make_sim(giccid=f"89860199000000{n:06d}") for n in range(4)]


@pytest.fixture
def plan(agent, sims):
    """An agent's plan of three SIMs; a fourth is refused, one line each is ambiguous and unknown."""
    job = planned_job(agent, sims[:3], refused=1)
    add_line(
        job,
        "found",
        sim=sims[3],
        text=sims[3].giccid,
        refusal_code="already_so",
        refusal="The SIM is suspended already.",
    )
    add_line(job, "ambiguous", text="8.98602E+18", candidates=[sims[0].giccid, sims[1].giccid])
    add_line(job, "not_found", text="<b>123</b>", note="Too short.")
    return job


@pytest.mark.parametrize("role", ROLES)
def test_everybody_reads_a_plan(role, plan, sims, make_user, login):
    response = login(make_user(role)).get(f"/jobs/{plan.pk}/")
    assert response.status_code == 200
    assert state_in(response) == "planned"
    assert counts_in(response) == {
        "eligible": 3,
        "refused": 1,
        "pending": 0,
        "succeeded": 0,
        "failed": 0,
        "unknown": 0,
    }
    assert rows_in(response) == {
        **dict.fromkeys([sim.giccid for sim in sims[:3]], "eligible"),
        sims[3].giccid: "refused",
    }
    assert read_as(response) == ["found"] * 4 + ["ambiguous", "not_found"]
    page = text_of(response)
    assert "The SIM is suspended already." in page
    assert "<b>123</b>" not in page
    assert "&lt;b&gt;123&lt;/b&gt;" in page


def test_only_its_maker_gets_the_form_to_confirm(plan, agent, supervisor, viewer, login):
    own = login(agent).get(f"/jobs/{plan.pk}/")
    assert buttons_in(own) == {"Confirm": True, "Cancel": True}
    for name in ("reason", "ticket", "scheduled_for"):
        assert f'name="{name}"' in text_of(own)
    assert buttons_in(login(viewer).get(f"/jobs/{plan.pk}/")) == {"Confirm": False, "Cancel": False}
    assert buttons_in(login(supervisor).get(f"/jobs/{plan.pk}/"))["Confirm"] is False


def test_a_retire_asks_for_the_number(supervisor, make_sim, login):
    job = planned_job(supervisor, [make_sim(status="DEACTIVATED")], kind="retire")
    page = text_of(login(supervisor).get(f"/jobs/{job.pk}/"))
    assert 'name="confirm"' in page
    assert "approved by a second person" in page


def test_out_of_scope_does_not_exist(supervisor, make_sim, scoped_agent, login):
    own = planned_job(supervisor, [make_sim(account="example_account")])
    mixed = planned_job(supervisor, [make_sim(account="example_account"), make_sim(account="north_logistics")])
    client = login(scoped_agent)
    assert client.get(f"/jobs/{own.pk}/").status_code == 200
    for part in ("", "live/", "badge/", "chunks/", "lines.csv", "lines.xlsx", "choose/?line=1"):
        assert client.get(f"/jobs/{mixed.pk}/{part}").status_code == 404, part
    for action in ("confirm", "approve", "refuse", "cancel", "pause", "resume", "retry", "undo", "choose"):
        assert client.post(f"/jobs/{mixed.pk}/{action}/", {"reason": "x"}).status_code == 404, action
    page = text_of(client.get("/jobs/"))
    assert f'data-job="{own.pk}"' in page
    assert f'data-job="{mixed.pk}"' not in page
    mixed.refresh_from_db()
    assert mixed.state == "planned"


@pytest.mark.parametrize("pk", ["0", "999999999", "99999999999999999999999999"])
def test_a_job_that_is_not_there(pk, viewer, login):
    assert login(viewer).get(f"/jobs/{pk}/").status_code == 404


def test_a_stranger_is_asked_to_sign_in(plan, client):
    for address in ("/jobs/", "/jobs/new/", f"/jobs/{plan.pk}/", f"/jobs/{plan.pk}/lines.csv", "/approvals/"):
        response = client.get(address)
        assert (response.status_code, response.url.split("?")[0]) == (302, "/login/")


STATES = ["done", "failed", "cancelled", "expired", "needs_attention", "queued", "sending", "accepted", "unknown"]
OUTCOMES = ["succeeded", "failed", "failed", "failed", "unknown", "pending", "pending", "pending", "pending"]


@pytest.fixture
def running(supervisor, make_sim):
    """A job that has an operation in every state."""
    sims = [make_sim(giccid=f"89860199000001{n:06d}") for n in range(len(STATES))]
    return begin(planned_job(supervisor, sims), STATES)


def test_each_sim_shows_its_outcome_and_the_counts_say_the_same(running, supervisor, login):
    response = login(supervisor).get(f"/jobs/{running.pk}/")
    assert list(rows_in(response).values()) == OUTCOMES
    counted = counts_in(response)
    assert {name: counted[name] for name in ("pending", "succeeded", "failed", "unknown")} == {
        "pending": 4,
        "succeeded": 1,
        "failed": 3,
        "unknown": 1,
    }
    assert state_in(response) == "running"
    assert buttons_in(response) == {"Pause": True, "Cancel": True}


@pytest.mark.parametrize("outcome", ["pending", "succeeded", "failed", "unknown", "eligible", "refused"])
def test_rows_are_filtered_by_outcome(outcome, running, supervisor, login):
    response = login(supervisor).get(f"/jobs/{running.pk}/", {"outcome": outcome})
    assert set(rows_in(response).values()) <= {outcome}
    assert len(rows_in(response)) == OUTCOMES.count(outcome)


@pytest.mark.parametrize("outcome", ["eligible", "refused", "not_found", "ambiguous"])
def test_lines_of_a_plan_are_filtered_by_outcome(outcome, plan, agent, login):
    response = login(agent).get(f"/jobs/{plan.pk}/", {"outcome": outcome})
    found = list(rows_in(response).values()) or read_as(response)
    assert found == [outcome] * (3 if outcome == "eligible" else 1)


def test_rows_are_filtered_by_reason_and_found_by_identifier(running, plan, agent, supervisor, login):
    client = login(supervisor)
    assert list(rows_in(client.get(f"/jobs/{running.pk}/?reason=illegal_status")).values()) == ["failed"]
    assert len(rows_in(client.get(f"/jobs/{running.pk}/?reason=cancelled"))) == 1
    assert "illegal_status" in text_of(client.get(f"/jobs/{running.pk}/"))
    giccid = BatchLine.objects.filter(job=running).values_list("sim__giccid", flat=True)[2]
    assert list(rows_in(client.get(f"/jobs/{running.pk}/", {"q": giccid}))) == [giccid]
    assert list(rows_in(client.get(f"/jobs/{plan.pk}/?reason=already_so")).values()) == ["refused"]
    assert read_as(client.get(f"/jobs/{plan.pk}/", {"q": "E+18"})) == ["ambiguous"]


def test_failures_are_grouped(supervisor, make_sim, login):
    job = planned_job(supervisor, [make_sim() for _ in range(5)])
    begin(job, ["failed"] * 3 + ["done"] * 2, state="done_with_failures")
    response = login(supervisor).get(f"/jobs/{job.pk}/")
    page = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", text_of(response)))
    assert "3 × illegal_status The SIM is retired." in page
    assert buttons_in(response) == {"Retry failed": True, "Undo": True}


def test_a_retire_can_not_be_undone_and_the_button_says_so(supervisor, make_sim, login):
    job = begin(planned_job(supervisor, [make_sim()], kind="retire"), ["done"], state="done")
    assert buttons_in(login(supervisor).get(f"/jobs/{job.pk}/")) == {"Retry failed": False, "Undo": False}


def test_the_live_part_answers_nothing_new_then_the_new_then_the_end(running, supervisor, login):
    client = login(supervisor)
    [live] = re.findall(r'hx-get="(/jobs/\d+/live/\?version=[^"]*)"', text_of(client.get(f"/jobs/{running.pk}/")))
    assert client.get(live, headers=HTMX).status_code == 204
    BatchJob.objects.filter(pk=running.pk).update(succeeded=2, pending=3)
    moved = client.get(live, headers=HTMX)
    assert moved.status_code == 200
    assert counts_in(moved)["succeeded"] == 2
    assert "<html" not in text_of(moved)
    assert "list-changed" in moved.headers["HX-Trigger-After-Settle"]
    BatchJob.objects.filter(pk=running.pk).update(state="done")
    ended = client.get(live, headers=HTMX)
    assert ended.status_code == 286
    assert state_in(ended) == "done"
    assert "live/" not in text_of(ended)


def test_a_plan_that_is_being_made_shows_that(agent, login):
    job = BatchJob.objects.create(kind="suspend", source="text", actor=agent)
    response = login(agent).get(f"/jobs/{job.pk}/")
    assert state_in(response) == "planned"
    assert "The plan is being made" in text_of(response)
    assert 'hx-trigger="every 1s"' in text_of(response)


def test_the_rows_are_brought_up_to_date_without_moving_the_address(running, supervisor, login):
    client = login(supervisor)
    headers = {**HTMX, "HX-Target": "results", "HX-Trigger": "list-refresh"}
    response = client.get(f"/jobs/{running.pk}/?outcome=failed", headers=headers)
    assert set(rows_in(response).values()) == {"failed"}
    assert "HX-Push-Url" not in response.headers
    empty = client.get(f"/jobs/{running.pk}/?outcome=eligible", headers=headers)
    assert empty.headers["HX-Retarget"] == "#results"


def test_the_chunks_show_the_carriers_job(running, supervisor, login):
    BatchChunk.objects.create(job=running, number=1, size=9, state="submitted", carrier_job_id="JOB-77")
    page = text_of(login(supervisor).get(f"/jobs/{running.pk}/"))
    assert "JOB-77" in page
    assert "JOB-77" in text_of(login(supervisor).get(f"/jobs/{running.pk}/chunks/", headers=HTMX))


def test_the_csv_holds_every_line_and_no_formula(plan, sims, agent, login):
    add_line(plan, "not_found", text="=1+1", note="No identifier.")
    response = login(agent).get(f"/jobs/{plan.pk}/lines.csv")
    assert response.headers["Content-Disposition"].startswith("attachment")
    lines = list(csv.DictReader(io.StringIO(b"".join(response.streaming_content).decode())))
    assert [line["giccid"] for line in lines[:4]] == [sim.giccid for sim in sims]
    assert [line["outcome"] for line in lines] == ["eligible"] * 3 + ["refused", "", "", ""]
    assert [line["read_as"] for line in lines[4:]] == ["ambiguous", "not_found", "not_found"]
    assert lines[3]["reason_code"] == "already_so"
    assert lines[6]["given"] == "'=1+1"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_the_xlsx_keeps_identifiers_as_text(start, plan, sims, agent, login):
    add_line(plan, "not_found", text=f"{start}cmd", note="\x01odd")
    response = login(agent).get(f"/jobs/{plan.pk}/lines.xlsx")
    book = load_workbook(io.BytesIO(b"".join(response.streaming_content)))
    rows = list(book.active.iter_rows())
    header = [cell.value for cell in rows[0]]
    giccid = rows[1][header.index("giccid")]
    assert (giccid.value, giccid.data_type, giccid.number_format) == (sims[0].giccid, "s", "@")
    assert all(cell.data_type != "f" for row in rows for cell in row)
    assert rows[-1][header.index("given")].value.startswith("'")


def test_a_download_takes_the_filters_of_the_address(plan, agent, login):
    response = login(agent).get(f"/jobs/{plan.pk}/lines.csv?outcome=refused")
    assert len(list(csv.reader(io.StringIO(b"".join(response.streaming_content).decode())))) == 2


def test_a_large_xlsx_is_made_in_the_background(
    plan, sims, supervisor, scoped_agent, make_sim, login, monkeypatch, tmp_path
):
    monkeypatch.setattr("core.exports.IN_REQUEST", 1)
    monkeypatch.setitem(settings.CONFIG, "DATA_DIR", tmp_path)
    client, address = login(supervisor), f"/jobs/{plan.pk}/lines.xlsx?outcome=eligible"
    assert f'href="/jobs/{plan.pk}/lines.xlsx?outcome=eligible"' in text_of(
        client.get(f"/jobs/{plan.pk}/?outcome=eligible")
    )
    assert "made in the background" in text_of(client.get(address)), "a get makes nothing"
    response = client.post(address)
    assert (response.status_code, response.headers["Location"]) == (303, "/exports/")
    export = Export.objects.get(owner=supervisor)
    make_export(export.pk)
    file = client.get(f"/exports/{export.pk}/file/")
    rows = list(load_workbook(io.BytesIO(b"".join(file.streaming_content))).active.iter_rows(values_only=True))
    assert [row[4] for row in rows[1:]] == [sim.giccid for sim in sims[:3]]
    elsewhere = planned_job(supervisor, [make_sim(account="north_logistics")])
    assert login(scoped_agent).post(f"/jobs/{elsewhere.pk}/lines.xlsx").status_code == 404
    supervisor.all_accounts = False
    supervisor.save()
    assert client.get(f"/exports/{export.pk}/file/").status_code == 404, "who may see less now does not get it"


def test_pages_take_a_fixed_number_of_queries(supervisor, make_sim, login):
    client = login(supervisor)
    counted = []
    for number in (3, 40):
        job = begin(planned_job(supervisor, [make_sim() for _ in range(number)]), ["failed"] * number)
        client.get("/jobs/")
        each = []
        for address in (f"/jobs/{job.pk}/", f"/jobs/{job.pk}/live/", "/jobs/"):
            with CaptureQueriesContext(connection) as queries:
                assert client.get(address).status_code == 200
            each.append(len(queries))
        counted.append(each)
    assert counted[0] == counted[1]


def test_the_list_is_filtered_and_searched(plan, running, agent, login):
    client = login(agent)
    assert re.findall(r'data-job="(\d+)"', text_of(client.get("/jobs/"))) == [str(running.pk), str(plan.pk)]
    for query in ("state=planned", "who=agent", f"q={plan.pk}"):
        assert re.findall(r'data-job="(\d+)"', text_of(client.get(f"/jobs/?{query}"))) == [str(plan.pk)], query
    assert re.findall(r'data-job="(\d+)"', text_of(client.get("/jobs/?q=t-9"))) == [str(running.pk)]


def test_an_empty_list_leads_to_the_first_job(agent, viewer, login):
    assert "/jobs/new/" in text_of(login(agent).get("/jobs/"))
    assert "/jobs/new/" not in text_of(login(viewer).get("/jobs/"))


def test_the_page_of_an_operation_leads_to_its_job_only_who_may_see_that(supervisor, make_sim, scoped_agent, login):
    sims = [make_sim(), make_sim(account="north_logistics")]
    job = begin(planned_job(supervisor, sims), ["done", "done"], state="done")
    own = job.operations.get(sim=sims[0])
    link = f'href="/jobs/{job.pk}/"'
    assert link in text_of(login(supervisor).get(f"/operations/{own.pk}/"))
    response = login(scoped_agent).get(f"/operations/{own.pk}/")
    assert response.status_code == 200
    assert link not in text_of(response)


def test_the_timeline_leads_to_a_job_only_who_may_see_that(supervisor, make_sim, scoped_agent, login):
    sims = [make_sim(), make_sim(account="north_logistics")]
    mixed = begin(planned_job(supervisor, sims), ["done", "done"], state="done")
    own = begin(planned_job(supervisor, sims[:1]), ["done"], state="done")
    for job in (mixed, own):
        tell_timeline(job.operations.get(sim=sims[0]), "success")
    both = [f'href="/jobs/{job.pk}/"' for job in (mixed, own)]
    for address in (f"/sims/{sims[0].giccid}/", f"/sims/{sims[0].giccid}/timeline/"):
        everything, limited = (text_of(login(user).get(address)) for user in (supervisor, scoped_agent))
        assert [link in everything for link in both] == [True, True], address
        assert [link in limited for link in both] == [False, True], address


def test_custom_fields_are_named_as_people_know_them(supervisor, make_sim, login):
    sim = make_sim(custom2="old")
    params = {"custom2": "new"}
    job = planned_job(supervisor, [sim], kind="set_custom_fields", params=params)
    begin(job, ["done"], state="done")
    operation = job.operations.get()
    operation.before = KINDS["set_custom_fields"].before(sim)
    operation.save(update_fields=["before"])
    tell_timeline(operation, "success")
    assert KINDS["set_custom_fields"].change(operation) == ("Custom field 2: old", "Custom field 2: new")
    client = login(supervisor)
    for address in ("/operations/", f"/operations/{operation.pk}/", f"/sims/{sim.giccid}/", f"/jobs/{job.pk}/"):
        page = text_of(client.get(address))
        assert "Custom field 2" in page, address
        assert "custom2:" not in page, address


def test_a_plan_that_changes_nothing_takes_no_time(supervisor, make_sim, login):
    client, sims = login(supervisor), [make_sim()]
    assert "Takes about" in text_of(client.get(f"/jobs/{planned_job(supervisor, sims).pk}/"))
    assert "Takes about" not in text_of(client.get(f"/jobs/{planned_job(supervisor, [], refused=1).pk}/"))
