"""What the sync has done and does, for the page about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db.models import Max, QuerySet
from django.utils import timezone

from sims.models import CarrierLink, SyncRun
from sims.services import sync, sync_runs
from sims.services.link import REFUSED_KEY
from sims.services.sync_changes import last_watermark
from staff.models import User


@dataclass(frozen=True)
class RunView:
    """A run with what can be worked out from it."""

    run: SyncRun
    alive: bool
    length: timedelta
    rate: float
    """SIMs or entries read in a second."""
    percent: int | None
    """How far it is; ``None`` while the carrier has not told how much there is."""


@dataclass(frozen=True)
class SyncStatus:
    """The state of the mirror as a whole. It holds no data of any SIM, so every user may see all of it."""

    running: list[RunView] = field(default_factory=list)
    oldest_data: datetime | None = None
    """Every SIM of the mirror was read, or verified, after this: the start of the last complete walk."""
    watermark: datetime | None = None
    """Change logs are read up to here."""
    last_walk: SyncRun | None = None
    reference_at: datetime | None = None
    """When accounts, plans and pools were last read."""
    statistics_at: datetime | None = None
    """When usage by country was last read."""
    last_failed: SyncRun | None = None
    """The newest run of some kind, if it failed."""
    budget: dict[str, Any] | None = None
    """State of the call budget, ``None`` when Valkey is away."""
    failing_since: datetime | None = None
    """Set while the carrier does not answer, or refuses the key."""
    key_is_refused: bool = False


def list_runs(user: User | AnonymousUser) -> QuerySet[SyncRun]:
    """All runs, newest first; none for somebody who is not signed in."""
    if not user.is_authenticated:
        return SyncRun.objects.none()
    return SyncRun.objects.select_related("requested_by").order_by("-id")


def view_runs(runs: Iterable[SyncRun]) -> list[RunView]:
    """The runs with rate and progress."""
    return [_view(run) for run in runs]


def sync_status(user: User | AnonymousUser) -> SyncStatus:
    """Freshness of the mirror, what runs now, the call budget. A fixed number of queries."""
    runs = list_runs(user)
    last_walk = runs.filter(kind=SyncRun.Kind.FULL, state=SyncRun.State.DONE).first()
    read_at = _last_done(runs, [SyncRun.Kind.REFERENCE, SyncRun.Kind.STATISTICS])
    reference_at = read_at.get(SyncRun.Kind.REFERENCE)
    if last_walk and (reference_at is None or reference_at < last_walk.started_at):
        # A full walk begins with them.
        reference_at = last_walk.started_at
    link = CarrierLink.objects.filter(pk=CarrierLink.ONLY, failing_since__isnull=False).first()
    return SyncStatus(
        running=view_runs(runs.filter(state=SyncRun.State.RUNNING)),
        oldest_data=last_walk.started_at if last_walk else None,
        watermark=last_watermark(),
        last_walk=last_walk,
        reference_at=reference_at,
        statistics_at=read_at.get(SyncRun.Kind.STATISTICS),
        last_failed=_last_failed(runs),
        budget=sync.budget_state(),
        failing_since=link.failing_since if link else None,
        key_is_refused=link is not None and link.problem == REFUSED_KEY,
    )


def _last_done(runs: QuerySet[SyncRun], kinds: list[str]) -> dict[str, datetime]:
    done = runs.filter(kind__in=kinds, state=SyncRun.State.DONE).order_by()
    return dict(done.values_list("kind").annotate(at=Max("started_at")))


def _last_failed(runs: QuerySet[SyncRun]) -> SyncRun | None:
    failed = runs.filter(state=SyncRun.State.FAILED).first()
    if failed is None or runs.filter(kind=failed.kind, state=SyncRun.State.DONE, id__gt=failed.pk).exists():
        return None
    return failed


def _view(run: SyncRun) -> RunView:
    length = max((run.finished_at or timezone.now()) - run.started_at, timedelta(milliseconds=1))
    percent = min(100, run.read * 100 // run.total) if run.total else None
    return RunView(
        run=run,
        alive=sync_runs.is_alive(run),
        length=length,
        rate=run.read / length.total_seconds(),
        percent=100 if run.state == SyncRun.State.DONE else percent,
    )
