"""Giving claimed pushes back in their new states, a batch with a few statements."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import F
from django.utils import timezone

from notifications.models import Push

_LONGEST = 2000
_OPEN = (Push.State.RECEIVED, Push.State.FAILED)


@dataclass(frozen=True)
class Outcome:
    """What became of one push. ``given_back``: nobody came to it, so the attempt does not count."""

    state: str
    next_attempt_at: datetime | None = None
    result: str = ""
    problem: str = ""
    given_back: bool = False


def write_outcomes(pushes: Sequence[Push], outcomes: Mapping[int, Outcome]) -> dict[int, str]:
    """Write what became of ``pushes``, all claimed together, as far as they are still ours.

    Pushes with the same outcome share a statement, and most of a batch do. Answers the states by id, without those
    whose statement met a push that was not ours any more.
    """
    same: dict[Outcome, list[int]] = defaultdict(list)
    for push in pushes:
        same[outcomes[push.pk]].append(push.pk)
    written: dict[int, str] = {}
    for outcome, ids in same.items():
        ours = Push.objects.filter(pk__in=ids, lease_until=pushes[0].lease_until, state__in=_OPEN)
        if ours.update(**_columns(outcome)) == len(ids):
            written.update(dict.fromkeys(ids, str(outcome.state)))
    return written


def _columns(outcome: Outcome) -> dict[str, object]:
    columns: dict[str, object] = {"lease_until": None, "next_attempt_at": outcome.next_attempt_at}
    if outcome.given_back:
        return {**columns, "attempts": F("attempts") - 1}
    return {
        **columns,
        "state": outcome.state,
        "finished_at": None if outcome.next_attempt_at else timezone.now(),
        "result": _storable(outcome.result),
        "problem": _storable(outcome.problem),
    }


def _storable(text: str) -> str:
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()[:_LONGEST]
