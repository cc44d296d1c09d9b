"""What usage by day costs: bytes for a million SIMs and a year, and microseconds for a reading.

    .venv/bin/python -m benchmarks.usage --database postgres --sims 15360 --days 76 --reads 1

Every SIM uses some megabytes each day and is read so many times a day, in chunks of 200 and in the order of ids, as a
walk does; nobody is silent, so a real fleet is cheaper. The sizes are those of the database itself, indexes included.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from benchmarks.stage import machine, peak_memory, save, stage

CHUNK = 200
MILLION = 1_000_000
_START = datetime(2026, 9, 1, tzinfo=UTC)


def main() -> None:
    """Make the history, print the sizes with their arithmetic, write them to a file."""
    parser = argparse.ArgumentParser(description="Measure the room that usage by day takes.")
    parser.add_argument("--database", choices=["sqlite", "postgres"], default="postgres")
    parser.add_argument("--sims", type=int, default=15360)
    parser.add_argument("--days", type=int, default=76)
    parser.add_argument("--reads", type=int, default=1, help="readings a day")
    arguments = parser.parse_args()
    with stage(arguments.database):
        found = measure(arguments.sims, arguments.days, arguments.reads)
        result = {
            "sims": arguments.sims,
            "days": arguments.days,
            "reads": arguments.reads,
            "machine": machine(),
            **found,
        }
    show(result)
    print(f"written to {save(f'usage-{arguments.sims}-{arguments.days}-{arguments.database}', result).name}")


def measure(sims: int, days: int, reads: int) -> dict[str, Any]:
    """Record ``days`` days of readings of ``sims`` SIMs, packing months away when they are due as the portal does.

    76 days from the first of September end where the running rows are at their largest: a month and a half.
    """
    from benchmarks import fleet
    from sims.models import SimUsage, UsageMonth
    from sims.services.usage import archive

    fleet.build(sims)
    seconds, cpu, readings = record(sims, days, reads)
    settle()
    running = size(SimUsage)
    today = (_START + timedelta(days=days + 31)).date()
    began = time.perf_counter()
    while archive.close_months(today=today):
        continue
    closing = time.perf_counter() - began
    settle()
    return {
        "readings": readings,
        "microseconds_a_reading": round(seconds / readings * 1e6, 1),
        "cpu_microseconds_a_reading": round(cpu / readings * 1e6, 1),
        "running": running,
        "closed": size(UsageMonth),
        "closing_seconds": round(closing, 2),
        "peak_mib": peak_memory(),
    }


def record(sims: int, days: int, reads: int) -> tuple[float, float, int]:
    """Take the readings in as the mirror does; answers the seconds that took, those computed here, and their number."""
    from django.db import transaction

    from sims.models import Sim
    from sims.services.usage.record import Moved
    from sims.services.usage.record import record as take_in

    rows = list(Sim.objects.order_by("pk").only("pk", "giccid", "account_id"))
    Sim.objects.update(first_seen_at=_START, observed_at=_START + timedelta(days=days))
    choice, used = random.Random(1), [0] * len(rows)
    pace = [choice.randrange(1_000_000, 8_000_000) for _ in rows]
    seconds, cpu, readings, before_at = 0.0, 0.0, 0, _START
    for at in moments(days, reads):
        cycle, before_cycle = month_of(at), month_of(before_at)
        for start in range(0, len(rows), CHUNK):
            moved = []
            for number, sim in enumerate(rows[start : start + CHUNK], start):
                before = {"data_usage": used[number], "cycle_start": before_cycle, "data_quota": 100_000_000}
                grown = int(pace[number] * choice.uniform(0.0, 2.0) / reads)
                used[number] = grown + (used[number] if cycle == before_cycle else 0)
                facts = SimpleNamespace(
                    pk=sim.pk, giccid=sim.giccid, account_id=sim.account_id, data_usage=used[number],
                    cycle_start=cycle, first_seen_at=_START, usage_jump_on=at.date(),
                )  # fmt: skip
                moved.append(Moved(facts, before_at, at, before))  # type: ignore[arg-type] # what it looks at of a SIM
            began, computed = time.perf_counter(), time.process_time()
            with transaction.atomic():
                take_in(moved)
            seconds += time.perf_counter() - began
            cpu += time.process_time() - computed
            readings += len(moved)
        before_at = at
    return seconds, cpu, readings


def moments(days: int, reads: int) -> Iterator[datetime]:
    """When the SIMs are read; every week the database is left to vacuum, which autovacuum does more often."""
    from sims.services.usage import archive

    for number in range(1, days * reads):
        if number % (7 * reads) == 0:
            while archive.close_months(today=(_START + timedelta(hours=24 / reads) * number).date()):
                continue
            settle()
        yield _START + timedelta(hours=24 / reads) * number + timedelta(minutes=7)


def month_of(moment: datetime) -> datetime:
    """The start of the month, a billing cycle."""
    return moment.replace(day=1, hour=0, minute=0)


def settle() -> None:
    """The database as autovacuum leaves it after a while."""
    from django.db import connection

    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE sims_simusage")
            cursor.execute("VACUUM ANALYZE sims_usagemonth")


def size(model: Any) -> dict[str, int]:
    """Rows, and bytes with and without indexes. SQLite tells bytes only as a whole, so there they are zero."""
    from django.db import connection

    table = model._meta.db_table
    total = indexes = 0
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_total_relation_size(%s), pg_indexes_size(%s)", [table, table])
            total, indexes = cursor.fetchone()
    return {"rows": model._default_manager.count(), "bytes": total, "indexes": indexes}


def show(result: dict[str, Any]) -> None:
    """The figures and how a million SIMs and a year follow from them."""
    sims, running, closed = result["sims"], result["running"], result["closed"]
    print(
        f"{result['readings']:,} readings, {result['microseconds_a_reading']} µs each, "
        f"{result['cpu_microseconds_a_reading']} of them computed here"
    )
    for name in ("running", "closed"):
        entry = result[name]
        print(f"{name:22}{entry['rows']:>8,} rows{entry['bytes']:>14,} bytes, {entry['indexes']:,} of them indexes")
    if not running["bytes"] or not closed["bytes"]:
        return
    sim_days = sims * result["days"]
    a_sim, a_day = running["bytes"] / sims, closed["bytes"] / sim_days
    print(f"running rows: {running['bytes']:,} bytes / {sims:,} SIMs = {a_sim:.0f} bytes a SIM, however long")
    print(f"closed: {closed['bytes']:,} bytes / {sim_days:,} = {a_day:.2f} bytes a SIM and day")
    year = a_sim + 365 * a_day
    print(f"a year of a million SIMs: ({a_sim:.0f} + 365 × {a_day:.2f}) × 10⁶ = {year * MILLION / 1e9:.2f} GB")


if __name__ == "__main__":
    main()
