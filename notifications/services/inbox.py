"""Taking pushes in: the raw body is in the database before the sender is answered."""

from __future__ import annotations

import functools
import time

from django.db import connection, transaction
from django.utils import timezone

from notifications.models import Push, PushSource
from notifications.services import reading
from notifications.services.wake import wake

REJECTED_KEPT = 200
"""Rejected bodies kept of each source: enough to see what is wrong, too few to fill a disk."""
REJECTED_CHARACTERS = 4096
"""How much of a rejected body is kept."""

_LAST_PUSH_EVERY = 60.0
_last_push_noted: dict[int, float] = {}


def receive(*, source_id: int, path_kind: str, raw: bytes) -> None:
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
    _insert(source_id, path_kind, told, reading.as_text(raw))
    _note_last_push(source_id)
    transaction.on_commit(wake)


def _insert(source_id: int, path_kind: str, told: reading.Reading, text: str) -> None:
    """Store the row by a statement that is made once: the model's own way costs more than all else on this path."""
    now = connection.ops.adapt_datetimefield_value(timezone.now())
    values = (source_id, path_kind, told.kind, told.giccid, told.account_name, told.key, text, now, now)
    with connection.cursor() as cursor:
        cursor.execute(_statement(), values)


_GIVEN = ("source", "path_kind", "kind", "giccid", "account_name", "key", "body", "received_at", "next_attempt_at")
_SAME = {"state": f"'{Push.State.RECEIVED}'", "attempts": "0", "result": "''", "problem": "''"}


@functools.cache
def _statement() -> str:
    columns = ", ".join(str(getattr(Push._meta.get_field(name), "column", name)) for name in (*_GIVEN, *_SAME))
    values = ", ".join([*["%s"] * len(_GIVEN), *_SAME.values()])
    return f"INSERT INTO {Push._meta.db_table} ({columns}) VALUES ({values})"  # noqa: S608 - nothing but our own names


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
