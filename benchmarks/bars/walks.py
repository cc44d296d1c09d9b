"""Bar 6: the full walk, against a bare COPY and upsert of the same rows; and what a walk does to the pages."""

from __future__ import annotations

import contextlib
import os
import shutil
import statistics
import time
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.carrier import API_KEY, PAGE, serving
from benchmarks.rows import Row
from benchmarks.run import Run
from benchmarks.worker import Worker
from benchmarks.world import POSTGRES, Fleet

RATE = 10.0
"""Calls a second that the budget allows."""
_MEMORY = 300.0
_BUDGET_SECONDS = 20.0
_SETTLED = 0.25
"""Of a walk, after which a process holds what it will hold."""


def full_walk(run: Run) -> list[Row]:
    """All new, 2 % changed, by the bare way, and within the budget."""
    import requests

    empty = Fleet(run.database, 0)
    run.say(f"preparing the carrier's {run.walk:,} SIMs")
    with serving(run.walk) as address:
        link = {"SMARTHUB_BASE_URL": f"{address}/v1", "SMARTHUB_API_KEY": API_KEY}
        environment = run.world.environment(empty, name="walk")
        rows_at = str(run.world.directory / "rows")
        with Worker({**environment, **link}) as worker, Worker(environment) as plain:
            # By turns: the machine is not as fast in one minute as in the next.
            first = worker("benchmarks.bars.walks:walk")
            bare = plain("benchmarks.bars.walks:bare", path=rows_at)
            requests.get(f"{address}/bench/changed", timeout=10).raise_for_status()
            second = worker("benchmarks.bars.walks:walk")
            bare = (bare + plain("benchmarks.bars.walks:bare", path=rows_at)) / 2
        rows = _rows(run, first, second, bare)
        rows += _within_budget({**environment, **link, "SMARTHUB_RATE": str(RATE)}, environment)
    return rows


def _rows(run: Run, first: dict[str, Any], second: dict[str, Any], bare: float) -> list[Row]:
    speed, again, plain = first["read"] / first["seconds"], second["read"] / second["seconds"], first["read"] / bare
    note = f"{first['read']:,} SIMs, prepared pages of {PAGE}"
    changed = f"{second['changed']:,} changed"
    reference = "bare COPY + upsert" if run.database == POSTGRES else "bare upsert"
    rows = [
        Row(6, "walk, all new", speed, "SIMs/s", reference, plain, 0.6, at_least=True, note=note, detail=first),
        Row(6, "walk, 2 % changed", again, "SIMs/s", "all new", speed, 3.0, at_least=True, note=changed, detail=second),
    ]
    most = max(first["peak_mib"], second["peak_mib"])
    rows.append(Row(6, "memory of the walk", most, "MiB", "", None, _MEMORY))
    grown = first["peak_mib"], first["settled_mib"]
    rows.append(Row(6, "memory at the end", grown[0], "MiB", "after a quarter", grown[1], 1.1))
    return rows


def _within_budget(limited: dict[str, str], environment: dict[str, str]) -> list[Row]:
    """A walk with the budget on: that is the limit, and pages hardly notice."""
    samples: dict[str, list[float]] = {"idle": [], "walking": []}
    with Worker(environment) as pages, Worker(limited) as walking:
        pages("benchmarks.bars.walks:prepare_page")

        def ask(when: str, seconds: float) -> None:
            until = time.perf_counter() + seconds
            while time.perf_counter() < until:
                samples[when].append(pages("benchmarks.asking:ask", name="list, first page")[0])

        ask("idle", _BUDGET_SECONDS / 4)
        walking.begin("benchmarks.bars.walks:part_of_a_walk", seconds=_BUDGET_SECONDS)
        ask("walking", _BUDGET_SECONDS * 0.75)
        used = walking.end()
        ask("idle", _BUDGET_SECONDS / 4)
    idle, busy = (statistics.median(samples[when]) for when in ("idle", "walking"))
    note = f"list, first page, {len(samples['walking'])} calls"
    return [
        Row(6, "walk within the budget", used, "calls/s", "the budget's", RATE, 0.95, at_least=True),
        Row(6, "pages meanwhile", busy, "ms", "idle", idle, 1.2, note=note),
    ]


# What follows is called in a worker.


def walk() -> dict[str, Any]:
    """A whole walk: SIMs read and changed, seconds, the memory of the process."""
    from sims.models import SyncRun
    from sims.services import sync

    sizes: list[tuple[float, float]] = []

    def look(run: SyncRun) -> None:
        sizes.append((run.read / run.total if run.total else 0.0, _memory()))

    began, cpu = time.perf_counter(), sum(os.times()[:2])
    ended = sync.run(SyncRun.Kind.FULL, trigger="command", on_progress=look)
    seconds = time.perf_counter() - began
    run = ended.run
    if run is None or run.state != SyncRun.State.DONE or run.errors:
        raise SystemExit(f"the walk ended {ended.end}: {run and (run.errors, run.message)}")
    return {
        "read": run.read,
        "new": run.new,
        "changed": run.changed,
        "seconds": round(seconds, 2),
        "cpu_seconds": round(sum(os.times()[:2]) - cpu, 2),
        "peak_mib": round(max(size for _share, size in sizes), 1),
        "settled_mib": round(max(size for share, size in sizes if share <= _SETTLED), 1),
    }


def part_of_a_walk(seconds: float) -> float:
    """Walk for a while, then stop as a worker does that is ended; carrier calls for pages a second, from the first page
    on."""
    from sims.models import SyncRun
    from sims.services import sync, sync_runs

    seen: list[tuple[float, int]] = []
    until = time.perf_counter() + seconds

    def look(run: SyncRun) -> None:
        if run.read:
            seen.append((time.perf_counter(), run.read))
        if time.perf_counter() > until:
            sync_runs.stop_all()

    sync.run(SyncRun.Kind.FULL, trigger="command", on_progress=look)
    (began, before), (ended, after) = seen[0], seen[-1]
    return (after - before) / PAGE / (ended - began)


def prepare_page() -> None:
    """The first page of the list, for an agent of this database."""
    from benchmarks import asking, records

    records.people()
    asking.prepare_first_page()
    asking.warm_up(["list, first page"])


_TABLES = {"sims_sim": "giccid", "sims_simreading": "sim_id"}
"""What a walk writes of each SIM, with the key that an upsert goes by."""


def bare(path: str) -> float:
    """Write the SIMs of this database into tables like theirs, with all their indexes: seconds."""
    from django.db import connection

    from sims.services.mirror import AT_ONCE

    connection.ensure_connection()
    if connection.vendor == "postgresql":
        return _bare_on_postgres(Path(path), AT_ONCE)
    return _bare_on_sqlite(AT_ONCE)


def _bare_on_postgres(directory: Path, at_once: int) -> float:
    from django.db import connection

    directory.mkdir()
    with connection.cursor() as cursor, contextlib.ExitStack() as stack:
        files = {}
        for table, key in _TABLES.items():
            rows = f"SELECT {_columns(table)} FROM {table} ORDER BY {_IN_ORDER[table]}"
            with (directory / table).open("wb") as file, cursor.copy(f"COPY ({rows}) TO STDOUT") as out:
                file.writelines(out)
            cursor.execute(f"DROP TABLE IF EXISTS bare_{table}, chunk_{table}")
            cursor.execute(f"CREATE TABLE bare_{table} (LIKE {table} INCLUDING ALL)")
            cursor.execute(f"CREATE TEMPORARY TABLE chunk_{table} AS SELECT * FROM {table} LIMIT 0")
            files[table] = stack.enter_context((directory / table).open("rb")), _upsert(table, key)
        began = time.perf_counter()
        while (chunks := {table: b"".join(islice(file, at_once)) for table, (file, _) in files.items()})["sims_sim"]:
            cursor.execute("BEGIN")
            for table, lines in chunks.items():
                with cursor.copy(f"COPY chunk_{table} ({_columns(table)}) FROM STDIN") as copy:
                    copy.write(lines)
                cursor.execute(files[table][1])
                cursor.execute(f"TRUNCATE chunk_{table}")
            cursor.execute("COMMIT")
        seconds = time.perf_counter() - began
    shutil.rmtree(directory)
    return seconds


_IN_ORDER = {"sims_sim": "giccid", "sims_simreading": "(SELECT giccid FROM sims_sim WHERE id = sim_id)"}


def _columns(table: str) -> str:
    from sims.models import Sim, SimReading

    [model] = [model for model in (Sim, SimReading) if model._meta.db_table == table]
    return ", ".join(f'"{field.column}"' for field in model._meta.concrete_fields)


def _upsert(table: str, key: str) -> str:
    from django.db import connection

    columns = _columns(table)
    updates = ", ".join(f"{name} = excluded.{name}" for name in columns.split(", ") if name not in ('"id"', f'"{key}"'))
    rows = f"SELECT {columns} FROM chunk_{table}"
    if connection.vendor != "postgresql":
        rows = f"VALUES ({', '.join(['?'] * len(columns.split(', ')))})"
    return f"INSERT INTO bare_{table} ({columns}) {rows} ON CONFLICT ({key}) DO UPDATE SET {updates}"


def _bare_on_sqlite(at_once: int) -> float:
    """There is no COPY: the rows of a chunk by one prepared statement."""
    from django.db import connection

    database: Any = connection.connection
    found = {}
    for table in _TABLES:
        [(created,)] = database.execute("SELECT sql FROM sqlite_master WHERE name = ?", [table]).fetchall()
        database.execute(f"DROP TABLE IF EXISTS bare_{table}")
        database.execute(created.replace(f'"{table}"', f'"bare_{table}"'))
        indexes = "SELECT sql FROM sqlite_master WHERE tbl_name = ? AND type = 'index'"
        for (sql,) in database.execute(indexes, [table]).fetchall():
            if sql:
                database.execute(sql.replace(f'"{table}"', f'"bare_{table}"').replace('INDEX "', 'INDEX "bare_', 1))
        rows = f"SELECT {_columns(table)} FROM {table} ORDER BY {_IN_ORDER[table]}"
        found[table] = database.execute(rows).fetchall()
    statements = {table: _upsert(table, key) for table, key in _TABLES.items()}
    began = time.perf_counter()
    for start in range(0, len(found["sims_sim"]), at_once):
        database.execute("BEGIN IMMEDIATE")
        for table, rows in found.items():
            database.executemany(statements[table], rows[start : start + at_once])
        database.execute("COMMIT")
    return time.perf_counter() - began


def _memory() -> float:
    """What this process holds, in MiB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1024**2
