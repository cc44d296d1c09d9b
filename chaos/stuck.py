"""What is still open: rows that wait for a step of the portal's own. A person's decision is no such step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone


def open_rows() -> Iterable[tuple[str, QuerySet[Any]]]:
    """Everything that may be open, by its name."""
    from core.models import Export
    from notifications.models import Delivery, Event, Push
    from operations.models import BatchChunk, BatchJob, Operation, OperationAttempt
    from sims.models import SimTally, SyncRun
    from sms.models import Message

    now = timezone.now()
    planned = Q(state=BatchJob.State.PLANNED, planned_at__isnull=False)
    yield "operations", Operation.objects.filter(state__in=Operation.OPEN_STATES)
    yield "operations due", Operation.objects.filter(next_attempt_at__lte=now)
    yield "attempts without an end", OperationAttempt.objects.filter(finished_at=None)
    yield "jobs", BatchJob.objects.exclude(state__in=BatchJob.FINAL_STATES).exclude(planned)
    yield "chunks", BatchChunk.objects.exclude(state=BatchChunk.State.DONE)
    yield "pushes", Push.objects.filter(state__in=(Push.State.RECEIVED, Push.State.FAILED))
    yield "events", Event.objects.filter(next_attempt_at__isnull=False)
    yield "deliveries", Delivery.objects.filter(state=Delivery.State.QUEUED)
    yield "messages on their way", Message.objects.filter(delivery=Message.Delivery.PENDING)
    yield "messages to ask for", Message.objects.filter(next_poll_at__isnull=False)
    yield "downloads", Export.objects.filter(state__in=Export.OPEN_STATES)
    yield "syncs whose worker is gone", SyncRun.objects.filter(state=SyncRun.State.RUNNING, lease_until__lte=now)
    yield "tallies to sum up", SimTally.objects.exclude(batch=0)
    for model in (Operation, BatchJob, BatchChunk, Push, Delivery, Export):
        name = f"leases of {model._meta.verbose_name_plural}"
        yield name, model._default_manager.filter(lease_until__isnull=False)


def open_now() -> dict[str, int]:
    """How many rows of each name are open; empty when nothing is."""
    counted = {name: rows.count() for name, rows in open_rows()}
    return {name: count for name, count in counted.items() if count}
