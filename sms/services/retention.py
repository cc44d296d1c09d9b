"""Texts of messages go after ``SMS_KEEP_DAYS``; that there was a message stays."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils import timezone

from operations.models import BatchJob, Operation
from sms.models import Draft, Message

log = structlog.get_logger(__name__)

CHUNK = 1_000
"""Rows of one statement: nobody waits long for a lock."""
MOST_CHUNKS = 200
"""Of one run; the next one goes on."""

_STILL_TO_SEND = (
    BatchJob.State.AWAITING_APPROVAL,
    BatchJob.State.SCHEDULED,
    BatchJob.State.RUNNING,
    BatchJob.State.PAUSED,
)


def remove_old_texts() -> int:
    """Empty the texts that are older than they may be; answers how many. What is yet to be sent keeps its own."""
    days = settings.CONFIG["SMS_KEEP_DAYS"]
    if not days:
        return 0
    before = timezone.now() - timedelta(days=days)
    waiting = Q(operation__state__in=Operation.OPEN_STATES)
    messages = Message.objects.filter(at__lt=before, text_removed_at__isnull=True).exclude(waiting).order_by("at")
    removed = _remove(messages) + _remove(_old_drafts(before))
    if removed:
        log.info("sms.texts_removed", number=removed)
    return removed


def _old_drafts(before: datetime) -> QuerySet[Draft]:
    jobs = BatchJob.objects.filter(kind=Operation.Kind.SEND_SMS, state__in=_STILL_TO_SEND)
    needed = [params.get("draft") for params in jobs.values_list("params", flat=True)]
    drafts = Draft.objects.filter(created_at__lt=before, text_removed_at__isnull=True)
    return drafts.exclude(pk__in=[pk for pk in needed if pk]).order_by("pk")


def _remove(rows: QuerySet[Message] | QuerySet[Draft]) -> int:
    removed = 0
    for _chunk in range(MOST_CHUNKS):
        keys = list(rows.values_list("pk", flat=True)[:CHUNK])
        if not keys:
            break
        removed += rows.model._default_manager.filter(pk__in=keys).update(text="", text_removed_at=timezone.now())
    return removed
