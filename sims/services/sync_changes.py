"""The follow-up: what the carrier's change logs say since the last time, and the SIMs that they name read again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.translation import gettext as _

from sims.models import Sim, SyncRun
from sims.services import timeline
from sims.services.carrier import get_client
from sims.services.mirror import Source
from sims.services.refresh import ask_for
from sims.services.sync_pages import Pages
from sims.services.sync_runs import Held
from smarthub import Lane, SmartHub
from smarthub.client import MAX_GICCIDS_IN_QUERY
from smarthub.contract import ChangeEntry, ChangeStatus, Page
from smarthub.errors import AuthFailed, Rejected

OVERLAP = timedelta(minutes=5)
"""Read again before the watermark: entries that came late, and a clock of the carrier's that is behind ours."""

REMEMBERED = timedelta(days=30)
_SAFETY = timedelta(minutes=10)
_SKEW = timedelta(minutes=10)


def last_watermark() -> datetime | None:
    """Up to when the change logs are known to be read."""
    done = SyncRun.objects.filter(kind=SyncRun.Kind.CHANGES, state=SyncRun.State.DONE, watermark__isnull=False)
    return done.order_by("-id").values_list("watermark", flat=True).first()


def follow(held: Held) -> None:
    """Do the run, from where its cursor says. The end of its time is fixed at the beginning, so that entries that
    appear meanwhile do not move the pages; they belong to the next run."""
    client = get_client(Lane.SYNC)
    run = held.run
    if "start" not in run.cursor:
        _begin(held)
    start = datetime.fromisoformat(run.cursor["start"])
    end = datetime.fromisoformat(run.cursor["end"])
    pages = Pages(run.cursor, client.page_size)
    told = run.cursor.get("told", 0)
    last = False
    while not last:
        page, start = _read_page(client, held, pages, start, end)
        told += _take_in(client, held, page.data)
        last = pages.took(page)
        run.read += len(page.data)
        run.total = page.total if page.total is not None else run.total
        run.errors += len(page.unreadable)
        run.cursor = {"start": start.isoformat(), "end": end.isoformat(), "told": told, **pages.as_cursor()}
        held.advance()
    held.finish(watermark=end)
    _forget_idle_runs(run)


def _begin(held: Held) -> None:
    end = timezone.now()
    earliest = end - REMEMBERED + _SAFETY
    watermark = last_watermark()
    start = watermark - OVERLAP if watermark else earliest
    if start < earliest:
        start = earliest
        held.run.message = _(
            "The change logs were last read more than 30 days ago and the carrier remembers no longer: "
            "run a full walk to find what changed before."
        )
    held.run.cursor = {"start": start.isoformat(), "end": end.isoformat()}
    held.advance()


def _read_page(
    client: SmartHub, held: Held, pages: Pages, start: datetime, end: datetime
) -> tuple[Page[ChangeEntry], datetime]:
    def read(since: datetime) -> Page[ChangeEntry]:
        return held.call(lambda: client.list_change_logs(start=since, end=end, page=pages.page, size=pages.size))

    try:
        return read(start), start
    except AuthFailed:
        raise
    except Rejected:
        # Its 30 days may be counted by another clock than ours.
        later = end - REMEMBERED + timedelta(days=1)
        if start >= later:
            raise
        pages.offset = 0
        return read(later), later


def _take_in(client: SmartHub, held: Held, entries: Sequence[ChangeEntry]) -> int:
    """SIMs first, timeline second: a run that is killed in between reads the same entries as new again.

    Answers how many entries were news.
    """
    new = timeline.untold_entries(entries)
    giccids = _to_read(new)
    for start in range(0, len(giccids), MAX_GICCIDS_IN_QUERY):
        asked = giccids[start : start + MAX_GICCIDS_IN_QUERY]
        answer = held.call(lambda asked=asked: ask_for(client, asked, source=Source.CHANGES))  # type: ignore[misc] # mypy infers no lambda with a default
        held.run.new += answer.result.new
        held.run.changed += answer.result.changed
        held.run.errors += answer.unreadable + answer.result.problems
        held.advance()
    return timeline.record_log_entries(new)


def _to_read(entries: Sequence[ChangeEntry]) -> list[str]:
    """Giccids whose rows may be older than the entry, or are not there; a failed change changed nothing."""
    latest: dict[str, datetime] = {}
    for entry in entries:
        if entry.status != ChangeStatus.FAILED:
            latest[entry.giccid] = max(entry.created_time, latest.get(entry.giccid, entry.created_time))
    read = dict(Sim.objects.filter(giccid__in=latest).values_list("giccid", "observed_at"))
    return sorted(giccid for giccid, moment in latest.items() if giccid not in read or read[giccid] < moment + _SKEW)


def _forget_idle_runs(run: SyncRun) -> None:
    """A run a minute that found no news is no history worth keeping: only the latest of them stays."""
    SyncRun.objects.filter(
        kind=SyncRun.Kind.CHANGES,
        state=SyncRun.State.DONE,
        trigger="schedule",
        cursor__told=0,
        changed=0,
        new=0,
        errors=0,
        message="",
        id__lt=run.pk,
    ).delete()
