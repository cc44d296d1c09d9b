"""The table of ``make bench``: what was measured, against what, and whether it passes.

.venv/bin/python -m benchmarks.rows benchmarks/results/100000-postgres.json     # for docs/performance.md
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

SMALL_BOUNDS = Path(__file__).resolve().parent / "small.json"
LOOSE, LOOSE_COUNT = 2.5, 1.4
"""How far from what was measured a bound of the small run lies: for times, and for what is counted."""

COUNTED = ("statements", "rows")
"""Units of what is the same on any machine."""


@dataclass(frozen=True)
class Row:
    """One line of the table: a bar, or a part of one."""

    bar: int
    name: str
    """What is measured. With the bar's number it is the key of the row, the same in each run."""
    value: float
    unit: str
    reference: str
    """What it is divided by; empty where ``value`` itself is held against the bar."""
    reference_value: float | None
    limit: float
    at_least: bool = False
    note: str = ""
    """Which of several it was, and the like."""
    informs: bool = False
    """Shown, and neither passed nor failed: a bar that is one only elsewhere."""
    detail: Mapping[str, Any] = field(default_factory=dict)
    """For the file of results."""

    @property
    def ratio(self) -> float:
        """What is held against the limit."""
        if self.reference_value is None:
            return self.value
        return self.value / self.reference_value if self.reference_value else float("inf")

    @property
    def key(self) -> str:
        """The same in each run."""
        return f"{self.bar} {self.name} / {self.reference or self.unit}"

    @property
    def passes(self) -> bool:
        """Whether it is on the right side of its limit."""
        return self.informs or (self.ratio >= self.limit if self.at_least else self.ratio <= self.limit)

    @property
    def verdict(self) -> str:
        """In a word."""
        return "-" if self.informs else "pass" if self.passes else "FAIL"


def broken(bar: int, error: str) -> Row:
    """The row of a bar that could not be measured: it fails."""
    return Row(bar, "could not be measured", 0.0, "", "", None, -1.0, note=error.strip().splitlines()[-1][:120])


def print_table(rows: Iterable[Row]) -> None:
    """The rows, each beginning with the number of its bar."""
    print(f"{'bar':54}{'measured':>16}{'reference':>34}{'ratio':>9}{'bar':>10}")
    for row in rows:
        reference = "" if row.reference_value is None else f"{row.reference} {_figure(row.reference_value)} {row.unit}"
        ratio = "" if row.reference_value is None else f"{row.ratio:.3g}"
        measured = f"{_figure(row.value)} {row.unit}".strip()
        bound = f"{'≥' if row.at_least else '≤'} {row.limit:.3g}"
        print(
            f"{f'{row.bar} {row.name}':54}{measured:>16}{reference:>34}{ratio:>9}{bound:>10}  {row.verdict:5}{row.note}"
        )


def markdown(rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows of a file of results as the table of ``docs/performance.md``."""
    lines = ["| bar | measured | reference | ratio | bar | |", "|---|--:|--:|--:|--:|---|"]
    for entry in rows:
        row = Row(**{name: value for name, value in entry.items() if name not in ("ratio", "passes")})
        reference = "" if row.reference_value is None else f"{row.reference} {_figure(row.reference_value)}"
        ratio = "" if row.reference_value is None else f"{row.ratio:.3g}"
        bound = f"{'≥' if row.at_least else '≤'} {row.limit:.3g}"
        verdict = "**FAIL**" if row.verdict == "FAIL" else row.verdict
        name = f"{row.bar} {row.name}" + (f" ({row.note})" if row.note else "")
        lines.append(f"| {name} | {_figure(row.value)} {row.unit} | {reference} | {ratio} | {bound} | {verdict} |")
    return "\n".join(lines)


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def as_json(row: Row) -> dict[str, Any]:
    """A row for the file of results."""
    return {**asdict(row), "ratio": round(row.ratio, 4), "passes": row.passes}


def with_loose_bounds(rows: Iterable[Row]) -> list[Row]:
    """The rows of a small run with the bounds that are kept for it; those of absolute values only inform."""
    bounds = _bounds()
    found = []
    for row in rows:
        if row.reference_value is None and row.limit >= 0:
            found.append(replace(row, informs=True))
        else:
            # Without a bound it fails: a row that is new wants one.
            missing = float("inf") if row.at_least else -1.0
            found.append(replace(row, limit=bounds.get(row.key, missing)))
    return found


def _bounds() -> dict[str, float]:
    return dict(json.loads(SMALL_BOUNDS.read_text()))


def keep_loose_bounds(rows: Iterable[Row]) -> None:
    """Make the bounds of the bars that were measured anew."""
    rows = list(rows)
    bars = {str(row.bar) for row in rows}
    bounds = {key: bound for key, bound in _bounds().items() if key.split()[0] not in bars}
    for row in rows:
        if row.reference_value is not None:
            loose = LOOSE_COUNT if row.unit in COUNTED else LOOSE
            bounds[row.key] = float(f"{row.ratio / loose if row.at_least else row.ratio * loose:.3g}")
    bounds = dict(sorted(bounds.items(), key=lambda item: int(item[0].split()[0])))
    SMALL_BOUNDS.write_text(json.dumps(bounds, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    for path in sys.argv[1:]:
        print(markdown(json.loads(Path(path).read_text()).get("rows", ())))
