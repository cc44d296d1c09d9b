"""How fast the list of SIMs is written as a file, and in how much memory.

    .venv/bin/python -m benchmarks.exports --database postgres --fleet 1000000

The files are those that a worker writes for a person who sees all accounts and has chosen no columns, and once for all
columns. The first byte is that of the CSV as a response streams it.
"""

from __future__ import annotations

import argparse
import gc
import os
import time
from pathlib import Path
from typing import Any

from benchmarks.stage import machine, save, stage


def main() -> None:
    """Build the fleet, write the files, print a table, write ``benchmarks/results/exports-<fleet>-<database>.json``."""
    parser = argparse.ArgumentParser(description="Measure the files of the list of SIMs.")
    parser.add_argument("--database", choices=["sqlite", "postgres"], default="postgres")
    parser.add_argument("--fleet", type=int, default=100_000)
    arguments = parser.parse_args()
    with stage(arguments.database):
        from benchmarks.fleet import build

        build(arguments.fleet)
        gc.collect()
        gc.freeze()
        files = {name: measure(**what) for name, what in FILES.items()}
        result = {"fleet": arguments.fleet, "machine": machine(), "files": files}
    print(f"{'':28}{'rows/s':>10}{'first byte':>12}{'CPU':>9}{'size':>10}{'grew by':>10}")
    for name, entry in files.items():
        print(
            f"{name:28}{entry['rows_per_second']:>10,}{entry['first_byte_ms']:>9.1f} ms{entry['cpu_s']:>7.1f} s"
            f"{entry['size_mib']:>6.1f} MiB{entry['grew_by_mib']:>6.1f} MiB"
        )
    print(f"written to {save(f'exports-{arguments.fleet}-{arguments.database}', result).name}")


DEFAULT: list[str] = ["status", "msisdn", "plan", "usage", "online", "seen", "account"]
FILES: dict[str, dict[str, Any]] = {
    "CSV": {"format_": "csv", "query": ""},
    "CSV, sorted by usage": {"format_": "csv", "query": "sort=-usage"},
    "CSV, filtered by status": {"format_": "csv", "query": "status=ACTIVATED"},
    "CSV, all columns": {"format_": "csv", "query": "", "columns": None},
    "XLSX": {"format_": "xlsx", "query": ""},
}


def measure(format_: str, query: str, columns: list[str] | None = DEFAULT) -> dict[str, Any]:
    """Write one file: rows a second, what it takes to the first byte, and by how much the process's peak grew.

    The format ``bare`` is what it is compared with: the same columns by hand, without a list, a table or an order.
    """
    if format_ == "bare":
        return _bare()
    from core.list_exports import table
    from core.spreadsheets import WRITERS, csv_parts
    from sims.tables import SimTable

    shown = list(SimTable.base_columns) if columns is None else columns
    params = {"path": "/sims/", "query": query, "columns": shown}
    before = _memory_anew()
    began = time.perf_counter()
    parts = csv_parts(table(_user(), params))
    # The headings alone are no news.
    next(parts), next(parts)
    first = time.perf_counter() - began
    began, cpu = time.perf_counter(), time.process_time()
    with open(os.devnull, "wb") as target:
        counted = _Counted(target)
        rows = WRITERS[format_](table(_user(), params), counted, None)  # type: ignore[arg-type]  # all that is called
    seconds, computed = time.perf_counter() - began, time.process_time() - cpu
    return {
        "rows": rows,
        "rows_per_second": round(rows / seconds),
        "first_byte_ms": round(first * 1000, 1),
        "seconds": round(seconds, 2),
        "cpu_s": round(computed, 3),
        "size_mib": round(counted.size / 2**20, 1),
        "grew_by_mib": round(_memory("VmHWM") - before, 1),
    }


def _memory_anew() -> float:
    """What the process holds now, in MiB; its peak counts from here on."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    return _memory("VmRSS")


def _memory(name: str) -> float:
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(f"{name}:")]
    return int(line.split()[1]) / 1024


def _bare() -> dict[str, Any]:
    import csv
    import io

    from sims.models import Sim

    began, cpu = time.perf_counter(), time.process_time()
    buffer, rows = io.StringIO(), 0
    writer = csv.writer(buffer)
    for row in Sim.objects.values_list(*_BARE).iterator(chunk_size=2000):
        writer.writerow(row)
        rows += 1
        if rows % 1000 == 0:
            buffer.getvalue().encode()
            buffer.seek(0)
            buffer.truncate()
    seconds, computed = time.perf_counter() - began, time.process_time() - cpu
    return {"rows": rows, "rows_per_second": round(rows / seconds), "cpu_s": round(computed, 3)}


_BARE = (
    "giccid",
    "status",
    "msisdn",
    "plan__name",
    "plan_id",
    "data_usage",
    "data_quota",
    "online",
    "last_session_at",
    "account_id",
)


class _Counted:
    """A file that only counts; no zip needs to go back in it."""

    def __init__(self, target: Any) -> None:
        self.target, self.size = target, 0

    def write(self, data: bytes) -> int:
        self.size += len(data)
        return len(data)

    def flush(self) -> None:
        self.target.flush()


def _user() -> Any:
    from django.contrib.auth.models import Group

    from staff.models import User

    user, is_new = User.objects.get_or_create(username="viewer", defaults={"all_accounts": True})
    if is_new:
        user.groups.add(Group.objects.get(name="Viewer"))
    return User.objects.get(pk=user.pk)


if __name__ == "__main__":
    main()
