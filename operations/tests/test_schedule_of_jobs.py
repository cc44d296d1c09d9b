"""A job for a date and time: it waits, holds nothing meanwhile, and is checked again when it starts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from core.models import AuditEntry
from operations.errors import Invalid
from operations.models import BatchJob, Operation
from operations.services.approval import approve
from operations.services.jobs.confirm import cancel, hold_sims, start_scheduled
from operations.tests.plan_helpers import codes, held, planned, taken

LATER = timedelta(hours=5)


def let_it_come(job: BatchJob) -> None:
    past = timezone.now() - timedelta(seconds=1)
    BatchJob.objects.filter(pk=job.pk).update(scheduled_for=past, next_step_at=past)


def test_it_waits_for_its_time(agent, make_sim):
    start = timezone.now() + LATER
    sim = make_sim()
    job = taken(planned(agent, [sim]), scheduled_for=start)
    assert (job.state, job.scheduled_for, job.next_step_at, job.started_at) == ("scheduled", start, start, None)
    assert not start_scheduled(job.pk)
    assert not hold_sims(job.pk)
    assert not Operation.objects.exists()
    assert planned(agent, [sim]).eligible == 1, "it holds nothing meanwhile"


def test_it_starts(agent, make_sim):
    job = taken(planned(agent, [make_sim()]), scheduled_for=timezone.now() + LATER)
    let_it_come(job)
    assert start_scheduled(job.pk)
    assert not start_scheduled(job.pk)
    job = held(job)
    assert (job.state, job.pending) == ("running", 1)
    assert AuditEntry.objects.filter(action="job.started", object_id=str(job.pk)).count() == 1


def test_it_is_checked_again_when_it_starts(agent, make_sim):
    gone, fine, busy = make_sim(), make_sim(), make_sim()
    job = taken(planned(agent, [gone, fine, busy]), scheduled_for=timezone.now() + LATER)
    gone.status = "RETIRED"
    gone.save()
    Operation.objects.create(sim=busy, kind="suspend", actor=agent, reason="x", state="sending")
    let_it_come(job)
    assert start_scheduled(job.pk)
    job = held(job)
    assert codes(job) == {gone.giccid: "state", fine.giccid: "", busy.giccid: "open_operation"}
    assert (job.eligible, job.refused) == (1, 2)


@pytest.mark.parametrize("offset", [timedelta(seconds=-1), timedelta(days=400)])
def test_times_that_are_none(offset, agent, make_sim):
    job = planned(agent, [make_sim()])
    with pytest.raises(Invalid) as caught:
        taken(job, scheduled_for=timezone.now() + offset)
    assert list(caught.value.errors) == ["scheduled_for"]
    job.refresh_from_db()
    assert job.state == "planned"


def test_a_time_in_another_zone_is_the_same_moment(agent, make_sim):
    start = (datetime.now(UTC) + timedelta(days=2)).replace(microsecond=0)
    job = taken(planned(agent, [make_sim()]), scheduled_for=start.astimezone(ZoneInfo("Asia/Tokyo")))
    assert job.scheduled_for == start


def test_approval_comes_first(agent, supervisor, make_sim, config):
    config(BATCH_AGENT_LIMIT=0)
    job = taken(planned(agent, [make_sim()]), scheduled_for=timezone.now() + LATER)
    assert job.state == "awaiting_approval"
    assert not start_scheduled(job.pk)
    job = approve(job, supervisor)
    assert (job.state, job.next_step_at) == ("scheduled", job.scheduled_for)


def test_approved_after_its_time_it_starts_at_once(agent, supervisor, make_sim, config):
    config(BATCH_AGENT_LIMIT=0)
    job = taken(planned(agent, [make_sim()]), scheduled_for=timezone.now() + LATER)
    BatchJob.objects.filter(pk=job.pk).update(scheduled_for=timezone.now() - timedelta(seconds=1))
    assert approve(job, supervisor).state == "running"


def test_it_can_be_cancelled(agent, make_sim):
    job = cancel(taken(planned(agent, [make_sim()]), scheduled_for=timezone.now() + LATER), agent)
    assert (job.state, job.next_step_at) == ("cancelled", None)
    assert not start_scheduled(job.pk)
