"""How fresh the mirror is and whether the carrier answers, from what is kept: the carrier itself is not asked.

All of it are small questions for :mod:`core.facts`. None of it is about any SIM, so it is the same for every user.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Exists, OuterRef, QuerySet, Subquery
from django.db.models.expressions import Combinable
from django.utils import timezone

from core.facts import newest
from sims.models import CarrierLink, SyncRun

PERMISSION = "sims.view_syncrun"
_LEAST = timedelta(minutes=2)
"""Nothing is late before that: a worker that is busy for a moment is no news."""

Kind, State = SyncRun.Kind, SyncRun.State


def _runs(**which: Any) -> QuerySet[SyncRun]:
    return SyncRun.objects.filter(**which).order_by("-id")


def _link(column: str) -> Subquery:
    return newest(CarrierLink.objects.filter(pk=CarrierLink.ONLY), column)


def _failed() -> Subquery:
    later = SyncRun.objects.filter(kind=OuterRef("kind"), state=State.DONE, id__gt=OuterRef("id"))
    # The run of a kind that is of no more use to anybody: nothing of that kind has come to its end since.
    return newest(_runs(state=State.FAILED, kind__in=Kind.values).exclude(Exists(later)), "kind")


QUESTIONS: dict[str, Callable[[], Combinable]] = {
    "answered_at": lambda: _link("answered_at"),
    "failed_at": lambda: _link("failed_at"),
    "failing_since": lambda: _link("failing_since"),
    "problem": lambda: _link("problem"),
    "walked_at": lambda: newest(_runs(kind=Kind.FULL, state=State.DONE), "started_at"),
    "changes_at": lambda: newest(_runs(kind=Kind.CHANGES, state=State.DONE, watermark__isnull=False), "watermark"),
    "walk_read": lambda: newest(_runs(kind=Kind.FULL, state=State.RUNNING), "read"),
    "walk_total": lambda: newest(_runs(kind=Kind.FULL, state=State.RUNNING), "total"),
    "failed_kind": _failed,
}
"""A field of :class:`Health` each."""


@dataclass(frozen=True)
class Health:
    """The state of the mirror and of the way to the carrier. Times are ``None`` where nothing is known yet."""

    answered_at: datetime | None = None
    failed_at: datetime | None = None
    failing_since: datetime | None = None
    """Set while the carrier does not answer."""
    problem: str = ""
    """See :func:`sims.services.link.problem_of`."""
    walked_at: datetime | None = None
    """Every SIM was read after this: the start of the last complete walk."""
    changes_at: datetime | None = None
    """Change logs are read up to here."""
    walk_read: int | None = None
    """SIMs that the running walk has read; ``None`` while none runs."""
    walk_total: int | None = None
    """SIMs that it will read, once the carrier has told."""
    failed_kind: str = ""
    """The kind of sync whose newest run to come to its end failed."""

    @property
    def walk_is_late(self) -> bool:
        """Whether no walk was complete within twice its period."""
        return _is_late(self.walked_at, "SYNC_FULL_EVERY")

    @property
    def changes_are_late(self) -> bool:
        """Whether change logs are behind by more than twice their period."""
        return _is_late(self.changes_at, "SYNC_CHANGES_EVERY")

    @property
    def answer_is_old(self) -> bool:
        """Whether no call was answered of late, be it that none was made."""
        return _is_late(self.answered_at, "SYNC_CHANGES_EVERY")

    @property
    def walk_percent(self) -> int | None:
        """How far the running walk is."""
        if self.walk_read is None or not self.walk_total:
            return None
        return min(100, self.walk_read * 100 // self.walk_total)


def _is_late(at: datetime | None, every: str) -> bool:
    return at is None or timezone.now() - at > max(2 * timedelta(seconds=settings.CONFIG[every]), _LEAST)
