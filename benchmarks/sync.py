"""How fast the full walk reads a fleet into the mirror, and how much memory it takes.

    .venv/bin/python -m benchmarks.sync --database postgres --fleet 20000

The simulator serves the list in a process of its own on the same machine, with no limit of calls per second: it and
the walk share the cores, so a walk alone is faster.
"""

from __future__ import annotations

import argparse
import io
import os
import time
from typing import TYPE_CHECKING, Any

from benchmarks.stage import machine, peak_memory, save, stage

if TYPE_CHECKING:
    from tests.servers import Simulator


def main() -> None:
    """Walk an empty mirror full, walk it again with nothing changed, print and write the figures."""
    parser = argparse.ArgumentParser(description="Measure the full walk over a simulated fleet.")
    parser.add_argument("--database", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--fleet", type=int, default=20_000)
    arguments = parser.parse_args()
    with stage(arguments.database) as directory:
        from tests.servers import Simulator

        simulator = Simulator(directory, fleet=arguments.fleet)
        try:
            walks = measure(simulator)
        finally:
            simulator.stop()
        result = {"fleet": arguments.fleet, "machine": machine(), "walks": walks}
    for name, entry in walks.items():
        print(
            f"{name:20}{entry['rows']:>9,} rows{entry['seconds']:>8.1f} s{entry['rows_per_second']:>8,.0f} rows/s"
            f"{entry['cpu_seconds']:>8.1f} s CPU{entry['peak_mib']:>8.0f} MiB at most"
        )
    print(f"written to {save(f'sync-{arguments.fleet}-{arguments.database}', result).name}")


def measure(simulator: Simulator) -> dict[str, dict[str, Any]]:
    """All new; nothing changed; once more, to show that memory does not grow; every active SIM used data, twice: with
    usage by day and without, which is what that costs."""
    from sims.services import mirror
    from tests.fixtures import carrier_settings

    with carrier_settings(SMARTHUB_BASE_URL=simulator.base_url, SMARTHUB_API_KEY=simulator.api_key):
        walks = {name: walk() for name in ("all new", "nothing changed", "once more")}
        # The first time makes the rows, of which the second is not to have the advantage.
        for name in ("used data, first", "used data", "used data, no days"):
            simulator.control("POST", "clock", {"advance": 3600})
            record = mirror.record
            if name.endswith("no days"):
                mirror.record = lambda moved: None
            try:
                walks[name] = walk()
            finally:
                mirror.record = record
        return walks


def walk() -> dict[str, Any]:
    """One full walk in this process, by the command an operator would type."""
    from django.core.management import call_command

    from sims.models import SyncRun

    start, cpu = time.perf_counter(), sum(os.times()[:2])
    call_command("sync", "--full", stdout=io.StringIO(), stderr=io.StringIO())
    seconds = time.perf_counter() - start
    run = SyncRun.objects.filter(kind=SyncRun.Kind.FULL).latest("pk")
    if run.state != SyncRun.State.DONE or run.errors:
        raise SystemExit(f"the walk ended {run.state} with {run.errors} errors: {run.message}")
    return {
        "rows": run.read,
        "new": run.new,
        "changed": run.changed,
        "seconds": round(seconds, 2),
        "rows_per_second": round(run.read / seconds),
        "cpu_seconds": round(sum(os.times()[:2]) - cpu, 2),
        "peak_mib": peak_memory(),
    }


if __name__ == "__main__":
    main()
