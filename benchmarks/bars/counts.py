"""Bars 6 and 7 in a small run: how many statements a walk and a follow-up take, which no machine changes.

What is called is what a large run calls.
"""

from __future__ import annotations

import importlib
from typing import Any
from urllib.parse import urlencode

from benchmarks.carrier import API_KEY, PAGE, serving
from benchmarks.rows import Row
from benchmarks.run import Run
from benchmarks.world import Fleet


def walk(run: Run) -> list[Row]:
    """Bar 6: a walk all new, and again with 2 % changed, by pages of the carrier; and against the bare way."""
    import requests

    empty = Fleet(run.database, 0)
    with serving(run.walk) as address:
        link = {"SMARTHUB_BASE_URL": f"{address}/v1", "SMARTHUB_API_KEY": API_KEY}
        with run.world.worker(empty, name="walk", **link) as worker:
            first = worker("benchmarks.bars.counts:count", called="benchmarks.bars.walks:walk")
            requests.get(f"{address}/bench/changed", timeout=10).raise_for_status()
            second = worker("benchmarks.bars.counts:count", called="benchmarks.bars.walks:walk")
            rows = str(run.world.directory / "rows")
            bare = worker("benchmarks.bars.walks:bare", path=rows)
    pages, note = run.walk / PAGE, f"{run.walk:,} SIMs"
    speed, plain = first["answer"]["read"] / first["answer"]["seconds"], first["answer"]["read"] / bare
    return [
        Row(6, "walk, all new", first["statements"], "statements", "pages", pages, 0.0, note=note, detail=first),
        Row(6, "walk, 2 % changed", second["statements"], "statements", "pages", pages, 0.0, note=note, detail=second),
        Row(6, "walk, all new", speed, "SIMs/s", "bare COPY + upsert", plain, 0.0, at_least=True, informs=True),
    ]


def follow_up(run: Run) -> list[Row]:
    """Bar 7: by hundreds of changes."""
    import requests

    changes = run.size.changes
    file = run.world.directory / "changes.json"
    with serving(PAGE) as address:
        link = {"SMARTHUB_BASE_URL": f"{address}/v1", "SMARTHUB_API_KEY": API_KEY}
        with run.world.worker(run.large, **link) as worker:
            worker("benchmarks.bars.followup:tell", fleet=run.fleet, changes=changes, path=str(file))
            requests.get(f"{address}/bench/load?{urlencode({'path': str(file)})}", timeout=60).raise_for_status()
            followed = worker("benchmarks.bars.counts:count", called="benchmarks.bars.followup:follow", changes=changes)
    note = f"{changes:,} changes"
    number = followed["statements"]
    return [Row(7, "follow-up", number, "statements", "changes / 100", changes / 100, 0.0, note=note)]


def count(called: str, **arguments: Any) -> dict[str, Any]:
    """In a worker: what the function answers, and the statements that it sent to the database."""
    from django.db import connection

    sent = 0

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal sent
        sent += len(params) if many else 1
        return execute(sql, params, many, context)

    module, _, name = called.partition(":")
    with connection.execute_wrapper(note):
        answer = getattr(importlib.import_module(module), name)(**arguments)
    return {"answer": answer, "statements": sent}
