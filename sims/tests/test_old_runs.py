"""Runs of the sync go after their time; what the next one goes on from stays."""

from datetime import timedelta

import pytest
from django.utils import timezone

from sims.models import SyncRun
from sims.tasks import forget_old_runs


@pytest.mark.django_db
def test_old_runs_go_but_the_newest_of_each_kind_and_end():
    old = timezone.now() - timedelta(days=91)
    made = {"trigger": "schedule", "finished_at": old}
    for kind, state in (("changes", "done"), ("changes", "done"), ("changes", "failed"), ("full", "done")):
        SyncRun.objects.create(kind=kind, state=state, **made)
    SyncRun.objects.create(kind="full", state="running", trigger="schedule")
    new = SyncRun.objects.create(kind="reference", state="done", trigger="schedule", finished_at=timezone.now())
    assert forget_old_runs() == 1
    assert SyncRun.objects.filter(kind="changes").count() == 2
    assert SyncRun.objects.filter(pk=new.pk).exists()
    assert forget_old_runs() == 0
