"""Taking pushes in: the raw body is in the database before the sender is answered."""

from __future__ import annotations

import time
from datetime import timedelta
from functools import partial

from django.db import transaction
from django.utils import timezone

from core.queue import enqueue
from notifications.models import Push, PushSource
from notifications.services import reading

REJECTED_KEPT = 200
"""Rejected bodies kept of each source: enough to see what is wrong, too few to fill a disk."""
REJECTED_CHARACTERS = 4096
"""How much of a rejected body is kept."""
DISPATCH_AFTER = timedelta(seconds=20)
"""A push that nobody worked on for so long is handed out again: its message was lost, or there is a line."""

BROKER_PAUSE = 5.0
"""Seconds without a try after the broker was away; the dispatcher finds what was not handed out."""

_LAST_PUSH_EVERY = 60.0
_last_push_noted: dict[int, float] = {}
_broker_away_until = 0.0


def receive(*, source_id: int, path_kind: str, raw: bytes) -> Push:
    """Store a push and have it processed; on return it is committed, unless the caller holds a transaction.

    Raises :class:`~notifications.services.reading.NotAPush` for a body that is no JSON object, after keeping the
    body as ``rejected``; a :class:`django.db.DatabaseError` means that nothing was stored.
    """
    path_kind = path_kind.replace("\x00", "\ufffd")[:60]
    try:
        body = reading.parse(raw)
    except reading.NotAPush as problem:
        _keep_rejected(source_id=source_id, path_kind=path_kind, raw=raw, problem=str(problem))
        raise
    told = reading.read(body, path_kind)
    now = timezone.now()
    push = Push.objects.create(
        source_id=source_id,
        path_kind=path_kind,
        kind=told.kind,
        giccid=told.giccid,
        account_name=told.account_name,
        key=told.key,
        body=reading.as_text(raw),
        received_at=now,
        next_attempt_at=now + DISPATCH_AFTER,
    )
    _note_last_push(source_id)
    transaction.on_commit(partial(_hand_out, push.pk))
    return push


def _hand_out(push_id: int) -> None:
    """Enqueue the push; after a failure not even try for a while, so that an answer never waits for a broker."""
    global _broker_away_until
    from notifications.tasks import process_push  # the tasks import the services

    if time.monotonic() >= _broker_away_until and not enqueue(process_push, push_id, 0):
        _broker_away_until = time.monotonic() + BROKER_PAUSE


def _keep_rejected(*, source_id: int, path_kind: str, raw: bytes, problem: str) -> None:
    now = timezone.now()
    Push.objects.create(
        source_id=source_id,
        path_kind=path_kind,
        kind=reading.kind_name(path_kind),
        body=reading.as_text(raw[: REJECTED_CHARACTERS * 4])[:REJECTED_CHARACTERS],
        state=Push.State.REJECTED,
        problem=problem,
        received_at=now,
        next_attempt_at=None,
        finished_at=now,
    )
    rejected = Push.objects.filter(source_id=source_id, state=Push.State.REJECTED)
    beyond = list(rejected.order_by("-id").values_list("pk", flat=True)[REJECTED_KEPT : REJECTED_KEPT + 1])
    if beyond:
        rejected.filter(pk__lte=beyond[0]).delete()
    _note_last_push(source_id)


def _note_last_push(source_id: int) -> None:
    """Note when the source last pushed, at most once a minute in each process: a push stays one statement."""
    now = time.monotonic()
    if now - _last_push_noted.get(source_id, -_LAST_PUSH_EVERY) < _LAST_PUSH_EVERY:
        return
    _last_push_noted[source_id] = now
    PushSource.objects.filter(pk=source_id).update(last_push_at=timezone.now())
