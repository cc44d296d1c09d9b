"""Closed months leave the running rows, and old months keep their totals only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from sims.models import Sim, SimUsage, UsageMonth
from sims.services.usage.days import DAY, USUAL_DAYS, History, still
from sims.services.usage.packing import Month, pack_months, unpack_months
from sims.services.usage.rows import PER_BLOCK, read_locked, store, to_date, to_day

_ROWS_AT_ONCE = 4096
_BLOCKS = 8
_MONTHS_AT_ONCE = 200


def close_months(*, today: date | None = None) -> int:
    """Pack away what the running rows hold of closed months, as much as one call should do; answers how many rows.

    A month is closed half a month after its end: until then its last days are what a SIM's day is compared with. A
    call that finds nothing costs one look into an index.
    """
    today = today or timezone.now().date()
    cut = to_day((today - timedelta(days=USUAL_DAYS + 1)).replace(day=1))
    due = SimUsage.objects.filter(since__lt=cut).values_list("sim_id", flat=True)[:_ROWS_AT_ONCE]
    blocks = sorted({sim_id // PER_BLOCK for sim_id in due})
    return sum(_close(blocks[start : start + _BLOCKS], cut) for start in range(0, len(blocks), _BLOCKS))


def thin(*, today: date | None = None) -> int:
    """Of months all of whose days are older than ``USAGE_DAYS_KEPT`` keep totals and cycles; answers how many rows."""
    kept = settings.CONFIG["USAGE_DAYS_KEPT"]
    if kept <= 0:
        return 0
    today = today or timezone.now().date()
    # The month that holds the oldest day to be kept is kept whole.
    first_kept = (today - timedelta(days=kept)).replace(day=1)
    due = UsageMonth.objects.filter(thinned=False, month__lt=first_kept).order_by("month", "id")
    thinned = 0
    for pk in list(due.values_list("pk", flat=True)[:_MONTHS_AT_ONCE]):
        with transaction.atomic():
            row = UsageMonth.objects.select_for_update(no_key=True).filter(pk=pk, thinned=False).first()
            if row is None:
                continue
            months = unpack_months(row.packed)
            for month in months.values():
                if month.total is None:
                    month.total, month.days = sum(day >> 1 for day in month.days), []
            row.packed, row.thinned = pack_months(months), True
            row.save(update_fields=["packed", "thinned"])
            thinned += 1
    return thinned


def _close(blocks: list[int], cut: int) -> int:
    """Close what the SIMs of these blocks hold of months before day ``cut``. Waits for rows that a reading has locked.

    Some blocks at a time: written by one statement, they share PostgreSQL's pages; one by one each takes whole ones.
    """
    ids = [sim_id for block in blocks for sim_id in range(block * PER_BLOCK, (block + 1) * PER_BLOCK)]
    with transaction.atomic():
        histories = read_locked(SimUsage.objects.filter(sim_id__in=ids, since__lt=cut))
        seen = dict(Sim.objects.filter(pk__in=list(histories)).values_list("pk", "observed_at"))
        closed: dict[tuple[date, int], dict[int, Month]] = {}
        for sim_id, history in histories.items():
            for month, part in _take_months(history, cut, int(seen[sim_id].timestamp()) // DAY).items():
                closed.setdefault((month, sim_id // PER_BLOCK), {})[sim_id % PER_BLOCK] = part
        _store_months(closed)
        store(histories)
    return len(histories)


def _take_months(history: History, cut: int, seen: int) -> dict[date, Month]:
    """Take the days before ``cut`` out of ``history``, by month. ``seen`` is the day of the SIM's last reading."""
    still(history, min(seen, cut))
    if history.day < cut:
        # Nobody has read it since: its newest day is over as well, and what follows is not known.
        history.days.append(history.today << 1)
        history.hours = [0] * 24
        history.day = max(cut, history.since + len(history.days))
        taken, history.days = history.days, []
    else:
        number = cut - history.since
        taken, history.days = history.days[:number], history.days[number:]
    months: dict[date, Month] = {}
    for number, value in enumerate(taken):
        day = to_date(history.since + number)
        month = months.setdefault(day.replace(day=1), Month(first=day.day - 1))
        month.days.append(value)
    for cycle in [cycle for cycle in history.cycles if cycle.day < cut]:
        months.setdefault(to_date(cycle.day).replace(day=1), Month()).cycles.append(cycle)
        history.cycles.remove(cycle)
    history.since = cut
    return months


def _store_months(closed: dict[tuple[date, int], dict[int, Month]]) -> None:
    rows = UsageMonth.objects.select_for_update(no_key=True).order_by("block", "month")
    there = rows.filter(block__in={block for _, block in closed}, month__in={month for month, _ in closed})
    known = {(row.month, row.block): row for row in there}
    new: list[UsageMonth] = []
    for month, block in sorted(closed):
        row = known.get((month, block)) or UsageMonth(block=block, month=month)
        months = unpack_months(row.packed) if row.pk else {}
        for place, part in closed[month, block].items():
            months[place] = _joined(months.get(place), part)
        row.packed = pack_months(months)
        if row.pk is None:
            new.append(row)
    UsageMonth.objects.bulk_create(new)
    UsageMonth.objects.bulk_update([known[key] for key in sorted(known.keys() & closed.keys())], ["packed"])


def _joined(known: Month | None, part: Month) -> Month:
    """A cycle of an earlier month may end later: it joins what is packed of that month."""
    if known is None:
        return part
    if part.days and known.total is not None:
        known.total += sum(day >> 1 for day in part.days)
    elif part.days and not known.days:
        known.first, known.days = part.first, part.days
    known.cycles += part.cycles
    return known


def blocks_of(sim_ids: Sequence[int]) -> dict[int, list[int]]:
    """The SIMs by the block that holds their closed months."""
    blocks: dict[int, list[int]] = {}
    for sim_id in sim_ids:
        blocks.setdefault(sim_id // PER_BLOCK, []).append(sim_id)
    return blocks
