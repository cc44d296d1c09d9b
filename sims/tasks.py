"""Background work of the mirror. What runs when is in ``smarthub_portal/schedule.py``."""

from __future__ import annotations

from typing import Any

import structlog
from celery import shared_task
from celery.signals import worker_ready, worker_shutting_down
from django.core.cache import cache

from core.queue import enqueue
from sims.models import SyncRun
from sims.services import carrier, giccids, statistics, sync, sync_runs, tallies, timeline_store, unknown
from sims.services.mirror import Source
from sims.services.refresh import read_sim
from sims.services.usage import archive
from smarthub import Lane
from smarthub.errors import NotFound, SmartHubError

log = structlog.get_logger(__name__)

_DAY = 86_400


@shared_task
def refresh_sim(giccid: str) -> None:
    """Read one SIM for a page that shows old data. A carrier that is away is no error: the page says how old it is."""
    try:
        read_sim(giccid, lane=Lane.AGENT, source=Source.PAGE)
    except NotFound:
        log.info("refresh.missing", giccid=giccid)
    except SmartHubError as error:
        log.warning("refresh.failed", giccid=giccid, error=str(error))


@shared_task
def refresh_link() -> None:
    """Ask a carrier that is away whether it answers again. In the queue of people's clicks, which wait for it."""
    carrier.probe()


@shared_task
def full_walk() -> None:
    """Walk the carrier's whole list, or go on with an interrupted walk."""
    sync.run(SyncRun.Kind.FULL, trigger="schedule")


@shared_task
def follow_changes() -> None:
    """Read the carrier's change logs since the last time; while it is away there is nothing to begin."""
    if not carrier.is_away():
        sync.run(SyncRun.Kind.CHANGES, trigger="schedule")


@shared_task
def read_reference() -> None:
    """Read accounts, plans and pools."""
    sync.run(SyncRun.Kind.REFERENCE, trigger="schedule")


@shared_task
def read_statistics() -> None:
    """Read usage by country and month."""
    if statistics.is_wanted():
        sync.run(SyncRun.Kind.STATISTICS, trigger="schedule")


@shared_task
def forget_old_runs() -> int:
    """Delete runs that ended ``SYNC_KEEP_DAYS`` ago; answers how many."""
    return sync_runs.forget_old()


@shared_task
def fetch_stubs() -> None:
    """Read accounts, plans and pools that a SIM named and nobody has read yet, each once."""
    unknown.fetch()


@shared_task
def close_usage_months() -> None:
    """Pack closed months of usage away, and thin old ones out: a piece of it each time."""
    archive.close_months()
    archive.thin()


@shared_task
def fold_tallies() -> None:
    """Sum up what changes have added to the tallies since the last time."""
    tallies.fold()


@shared_task
def check_tallies() -> None:
    """Once a day count anew, and mend what differs: a tally that does is a mistake of ours, so it is logged."""
    if not cache.add("sims.tallies.checked", True, timeout=_DAY):
        return
    timeline_store.mend_accounts()
    giccids.fill_in()
    if differing := tallies.differences():
        log.error("tallies.differed", number=len(differing), some=[str(found) for found in differing[:10]])
        tallies.mend()
    tallies.forget_old_days()


@shared_task
def run_sync(run_id: int) -> None:
    """Work on this run if it is still open and nobody else is at it."""
    kind = SyncRun.objects.filter(pk=run_id).values_list("kind", flat=True).first()
    if kind:
        sync.run(kind, trigger="schedule", run_id=run_id)


@shared_task
def resume_syncs() -> None:
    """Have interrupted runs gone on with, and begin walks that are due; not while the carrier is away."""
    if not carrier.is_away():
        sync.resume()


@shared_task
def fill_in_giccids() -> None:
    """What the code before a new release has written without."""
    giccids.fill_in()


@worker_ready.connect
def _resume_at_start(**_: Any) -> None:
    enqueue(resume_syncs)
    enqueue(fill_in_giccids)


@worker_shutting_down.connect
def _stop_at_end(**_: Any) -> None:
    sync_runs.stop_all()
