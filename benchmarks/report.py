"""The tables of ``docs/performance.md`` from the files in ``benchmarks/results``.

.venv/bin/python -m benchmarks.report
"""

from __future__ import annotations

import json
from typing import Any

from benchmarks.stage import RESULTS


def main() -> None:
    """Print a Markdown table for each result file of pages and walks."""
    for path in sorted(RESULTS.glob("*.json")):
        result: dict[str, Any] = json.loads(path.read_text())
        if not result.keys() & {"walks", "pages"}:
            continue  # those of jobs, identifiers and the receiver print theirs themselves
        machine = result["machine"]
        title = f"{result['fleet']:,} SIMs, {machine['database']}"
        note = (
            f"{machine['cores']} cores, {machine['memory_gib']} GiB, Python {machine['python']}, load {machine['load']}"
        )
        print(f"\n### {title}\n\n{note}.\n")
        print(walks(result["walks"]) if "walks" in result else pages(result["pages"]))


def pages(measured: dict[str, dict[str, Any]]) -> str:
    """One line a page; milliseconds."""
    lines = ["| page | median | p90 | best | CPU of ours | queries | median to bare |", "|---|--:|--:|--:|--:|--:|--:|"]
    for name, e in measured.items():
        times = " | ".join(f"{e[key]:.0f}" for key in ("median_ms", "p90_ms", "best_ms", "cpu_ms"))
        lines.append(f"| {name} | {times} | {e['queries']} | {e['ratio']:.1f} |")
    return "\n".join(lines)


def walks(measured: dict[str, dict[str, Any]]) -> str:
    """One line a walk."""
    lines = ["| walk | rows | seconds | rows/s | CPU seconds of ours | peak MiB |", "|---|--:|--:|--:|--:|--:|"]
    for name, e in measured.items():
        figures = (f"{e['rows']:,}", f"{e['seconds']:.1f}", f"{e['rows_per_second']:,}")
        lines.append(f"| {name} | {' | '.join(figures)} | {e['cpu_seconds']:.1f} | {e['peak_mib']:.0f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
