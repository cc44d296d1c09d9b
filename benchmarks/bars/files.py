"""Bar 8: the list of SIMs as a file, as a worker or a response writes it, each in a process of its own."""

from __future__ import annotations

from typing import Any

from benchmarks.rows import Row
from benchmarks.run import Run

_FLAT = 40.0
"""MiB by which a file of any length may raise what the process holds."""


def exports(run: Run) -> list[Row]:
    """Rows a second, the first byte, memory."""
    if run.size.small:
        return _computed(run)
    csv, xlsx = (_write(run, format_) for format_ in ("csv", "xlsx"))
    bare = _write(run, "bare")["rows_per_second"]
    rate = float(csv["rows_per_second"])
    note = f"{csv['rows']:,} rows, {csv['size_mib']:.0f} MiB"
    return [
        Row(8, "CSV", rate, "rows/s", "", None, 40_000, at_least=True, note=note, detail=csv),
        Row(8, "CSV", rate, "rows/s", "bare CSV", bare, 0.4, at_least=True, informs=True),
        Row(8, "CSV, first byte", csv["first_byte_ms"], "ms", "", None, 1000),
        Row(8, "CSV, memory grows by", csv["grew_by_mib"], "MiB", "", None, _FLAT),
        Row(8, "XLSX, memory grows by", xlsx["grew_by_mib"], "MiB", "", None, _FLAT, detail=xlsx),
    ]


def _computed(run: Run) -> list[Row]:
    """What is computed for a CSV, which other work on the machine hardly changes; memory takes more rows to show."""
    worker = run.pages(run.large).worker
    csv, bare = (worker("benchmarks.exports:measure", format_=format_, query="") for format_ in ("csv", "bare"))
    return [Row(8, "CSV", csv["cpu_s"] * 1000, "ms", "bare CSV", bare["cpu_s"] * 1000, 0.0)]


def _write(run: Run, format_: str) -> dict[str, Any]:
    with run.world.worker(run.large) as worker:
        # The first of a process also brings in its modules, which is not the file's memory.
        worker("benchmarks.exports:measure", format_=format_, query="country=NL&status=RETIRED")
        return dict(worker("benchmarks.exports:measure", format_=format_, query=""))
