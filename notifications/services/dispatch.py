"""Handing out pushes that wait, and having finished ones done again."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from core import audit
from core.queue import enqueue, enqueue_on_commit
from notifications.models import Push
from notifications.services.processing import OPEN

BATCH = 500
HANDED_OUT_FOR = timedelta(seconds=60)
"""A push that was handed out and not taken is handed out again after this."""
REPLAYABLE = (Push.State.DONE, Push.State.IGNORED, Push.State.FAILED, Push.State.DEAD)


def dispatch_due() -> int:
    """Enqueue the pushes that are due: messages lost with a broker, retries, leases that ran out.

    At most :data:`BATCH` a turn, the longest waiting first; answers how many were enqueued. Stops at once when the
    broker is away: they stay due.
    """
    from notifications.tasks import process_push  # the tasks import the services

    now = timezone.now()
    due = Push.objects.filter(state__in=OPEN, next_attempt_at__lte=now).order_by("next_attempt_at")
    sent: list[int] = []
    for push_id, attempts in due.values_list("pk", "attempts")[:BATCH]:
        if not enqueue(process_push, push_id, attempts):
            break
        sent.append(push_id)
    # Only those still waiting: a worker may have taken one meanwhile, and its lease is not ours to move.
    Push.objects.filter(pk__in=sent, next_attempt_at__lte=now).update(next_attempt_at=now + HANDED_OUT_FOR)
    return len(sent)


def replay(pushes: QuerySet[Push], *, actor: AbstractBaseUser | None) -> int:
    """Have finished, failed or parked pushes done again, from the first attempt on; answers how many.

    A rejected body can't be replayed, and a push that a worker holds is left to it.
    """
    now = timezone.now()
    ids = list(
        pushes.filter(state__in=REPLAYABLE, lease_until__isnull=True).order_by("pk").values_list("pk", flat=True)
    )
    count = 0
    for start in range(0, len(ids), BATCH):
        count += _replay_batch(ids[start : start + BATCH], now + HANDED_OUT_FOR, actor)
    return count


def _replay_batch(ids: Iterable[int], next_attempt_at: object, actor: AbstractBaseUser | None) -> int:
    from notifications.tasks import process_push  # the tasks import the services

    with transaction.atomic():
        wanted = Push.objects.filter(pk__in=list(ids), state__in=REPLAYABLE, lease_until__isnull=True)
        taken = list(wanted.select_for_update().order_by("pk"))
        for push in taken:
            audit.record(
                action="push.replayed",
                actor=actor,
                target=push,
                account_name=push.account_name,
                before={"state": push.state},
            )
            enqueue_on_commit(process_push, push.pk, 0)
        return Push.objects.filter(pk__in=[push.pk for push in taken]).update(
            state=Push.State.RECEIVED,
            attempts=0,
            next_attempt_at=next_attempt_at,
            lease_until=None,
            finished_at=None,
            result="",
            problem="",
        )
