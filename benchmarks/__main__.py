"""``make bench``: every bar of a large fleet, measured in one run, as ratios.

.venv/bin/python -m benchmarks --fleet 100000 --bars 1,2 --keep /var/tmp/bench

Builds what it needs, prints the table, writes ``benchmarks/results/<fleet>-<database>.json``. Exit code 1 when a bar
fails.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import rows as table
from benchmarks.bars import counts, files, followup, pages, serving, walks
from benchmarks.rows import Row
from benchmarks.run import Run, Size
from benchmarks.stage import save
from benchmarks.worker import Failed
from benchmarks.world import POSTGRES, SQLITE, World

BARS: dict[int, Callable[[Run], list[Row]]] = {
    1: pages.first_pages,
    2: pages.searches,
    3: pages.other_pages,
    4: pages.growth,
    5: serving.requests_a_second,
    6: walks.full_walk,
    7: followup.follow_up,
    8: files.exports,
    9: pages.statements,
    10: pages.on_sqlite,
}
SMALL_BARS: dict[int, Callable[[Run], list[Row]]] = {
    **{bar: BARS[bar] for bar in (1, 2, 3, 8, 9)},
    6: counts.walk,
    7: counts.follow_up,
}
"""What is counted or computed, which other work on the machine hardly changes. That nothing grows with the fleet
(bars 4 and 10) shows in the rows that are read."""

SMALL_FLEET = 20_000
SMALL = Size(runs=7, runs_of_many=5, sample=2, changes=200, small=True)
SMALL_WALK = 1_000


def main() -> int:
    """Measure what the command line asks for; the exit code."""
    options = _options()
    size = SMALL if options.small else Size(runs=options.runs, sample=-1 if options.thorough else options.sample)
    fleet = SMALL_FLEET if options.small else options.fleet
    walk = SMALL_WALK if options.small else options.walk or fleet
    began = time.perf_counter()
    load = os.getloadavg()[1]
    found: list[Row] = []
    with World(options.keep) as world:
        run = Run(world, fleet, options.database, size, walk)
        for bar in options.bars or sorted(SMALL_BARS if options.small else BARS):
            found += _bar(bar, run)
        machine = {} if options.small else _machine(run)
    if options.accept:
        table.keep_loose_bounds(found)
    if options.small:
        found = table.with_loose_bounds(found)
    seconds = round(time.perf_counter() - began)
    table.print_table(found)
    failed = [row for row in found if not row.passes]
    computed = sum(os.times()[:4])
    print(f"{len(found)} rows, {len(failed)} fail; {seconds} s, {computed:.0f} computed; load before {load:.1f}")
    if not options.small:
        result = {"fleet": fleet, "machine": {**machine, "load": round(load, 1)}, "built_seconds": world.built}
        result |= {"seconds": seconds, "rows": [table.as_json(row) for row in found]}
        name = f"{fleet}-{options.database}"
        if options.bars:
            name += "-bars-" + "-".join(map(str, options.bars))
        print(f"written to {save(name, result).name}")
    return 1 if failed else 0


def _bar(bar: int, run: Run) -> list[Row]:
    """The rows of one bar; one that breaks leaves the others their turn."""
    began = time.perf_counter()
    run.say(f"bar {bar}")
    try:
        found = (SMALL_BARS if run.size.small else BARS)[bar](run)
    except (Failed, Exception) as error:  # noqa: BLE001 # the run goes on, and its exit code tells
        traceback.print_exc()
        return [table.broken(bar, str(error) or type(error).__name__)]
    run.say(f"bar {bar} took {time.perf_counter() - began:.0f} s")
    return found


def _machine(run: Run) -> dict[str, Any]:
    with run.world.worker(run.large) as worker:
        return dict(worker("benchmarks.stage:machine"))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description="Measure the portal with a large fleet.")
    parser.add_argument("--fleet", type=int, default=1_000_000)
    parser.add_argument("--database", choices=[POSTGRES, SQLITE], default=POSTGRES)
    parser.add_argument("--bars", type=_bars, default=[], help="such as 1,2; all of them by default")
    parser.add_argument("--runs", type=int, default=31, help="calls of each page, of which the median counts")
    parser.add_argument(
        "--walk", type=int, default=0, help="SIMs that the carrier lists in bar 6; the fleet by default"
    )
    parser.add_argument("--keep", type=Path, help="a directory whose databases are built once and used again")
    parser.add_argument("--sample", type=int, default=0, help="so many sorts, filters, pairs, searches; all by default")
    parser.add_argument("--thorough", action="store_true", help="all pairs of filters")
    parser.add_argument("--small", action="store_true", help=f"{SMALL_FLEET:,} SIMs, loose bounds: make bench-small")
    parser.add_argument("--accept", action="store_true", help="with --small: take its bounds from this run")
    return parser.parse_args()


def _bars(text: str) -> list[int]:
    wanted = [int(part) for part in text.split(",") if part]
    if unknown := [bar for bar in wanted if bar not in BARS]:
        raise argparse.ArgumentTypeError(f"there is no bar {unknown[0]} here")
    return wanted


if __name__ == "__main__":
    sys.exit(main())
