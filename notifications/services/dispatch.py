"""Draining the inbox, and having finished pushes done again."""

from __future__ import annotations

import time
from collections.abc import Iterable

import redis
from django.contrib.auth.models import AbstractBaseUser
from django.core.cache import cache
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from core import audit
from core.queue import enqueue
from notifications.models import Push
from notifications.services.processing import process_batch
from notifications.services.wake import begin_drain, wake

BATCH = 500
DRAINS = 2
"""Drains at a time, over all workers: a flood of pushes leaves the other threads of a worker to the agents."""
SLICE = 10.0
"""Seconds after which a drain lets the other tasks in its queue come first."""
_SLOT_LASTS = 15
"""Seconds after which the place of a drain whose worker was killed is free again."""
_AGAIN = "inbox-again"
REPLAYABLE = (Push.State.DONE, Push.State.IGNORED, Push.State.FAILED, Push.State.DEAD)


def drain() -> int:
    """Do what is due, batch by batch, until nothing is; answers how many pushes were taken on.

    Returns at once where :data:`DRAINS` others are at it: the last of them looks again before it ends.
    """
    from notifications.tasks import drain_inbox  # the tasks import the services

    begin_drain()
    count = 0
    ends = time.monotonic() + SLICE
    while (slot := _take_slot()) is not None:
        try:
            while taken := process_batch():
                count += taken
                if time.monotonic() > ends:
                    enqueue(drain_inbox)
                    return count
                _keep_slot(slot)
        finally:
            _leave_slot(slot)
        if not _asked_again():
            break
    return count


def _take_slot() -> str | None:
    """A free place, or ``None`` when all are taken. Without Valkey nobody counts: a claim keeps drains apart anyway."""
    try:
        for _ in range(2):
            for number in range(DRAINS):
                slot = f"inbox-drain:{number}"
                if cache.add(slot, 1, timeout=_SLOT_LASTS):
                    return slot
            # Whoever leaves a place after this was written sees it; whoever left before is met by the second try.
            cache.set(_AGAIN, 1, timeout=60)
    except (redis.RedisError, OSError):
        return ""
    return None


def _keep_slot(slot: str) -> None:
    try:
        if slot:
            cache.set(slot, 1, timeout=_SLOT_LASTS)
    except (redis.RedisError, OSError):
        return


def _leave_slot(slot: str) -> None:
    try:
        if slot:
            cache.delete(slot)
    except (redis.RedisError, OSError):
        return


def _asked_again() -> bool:
    try:
        return bool(cache.delete(_AGAIN))
    except (redis.RedisError, OSError):
        return False


def replay(pushes: QuerySet[Push], *, actor: AbstractBaseUser | None) -> int:
    """Have finished, failed or parked pushes done again, from the first attempt on; answers how many.

    A rejected body can't be replayed, and a push that a worker holds is left to it. Each push is in the audit trail.
    """
    wanted = pushes.filter(state__in=REPLAYABLE, lease_until__isnull=True).order_by("pk")
    count, last = 0, 0
    while ids := list(wanted.filter(pk__gt=last).values_list("pk", flat=True)[:BATCH]):
        count += _replay_batch(ids, actor)
        last = ids[-1]
    return count


def _replay_batch(ids: Iterable[int], actor: AbstractBaseUser | None) -> int:
    with transaction.atomic():
        wanted = Push.objects.filter(pk__in=list(ids), state__in=REPLAYABLE, lease_until__isnull=True)
        taken = list(wanted.select_for_update().order_by("pk").only("pk", "state", "account_name"))
        audit.record_many(
            action="push.replayed",
            actor=actor,
            model=Push,
            acted=[audit.Acted(push.pk, push.account_name, before={"state": push.state}) for push in taken],
        )
        Push.objects.filter(pk__in=[push.pk for push in taken]).update(
            state=Push.State.RECEIVED,
            attempts=0,
            next_attempt_at=timezone.now(),
            lease_until=None,
            finished_at=None,
            result="",
            problem="",
        )
        transaction.on_commit(wake)
    return len(taken)
