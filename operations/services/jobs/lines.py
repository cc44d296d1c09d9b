"""Storing the lines of a plan, many at a time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from django.db.models import TextField
from django.db.models.functions import Cast

from core.bulk import insert
from operations.models import BatchJob, BatchLine

_COLUMNS = (
    "job_id",
    "number",
    "text",
    "outcome",
    "note",
    "candidates",
    "sim_id",
    "eligible",
    "refusal_code",
    "refusal",
    "params",
    "from_value",
    "to_value",
)
_JSON: tuple[tuple[int, str, type], ...] = (
    (_COLUMNS.index("candidates"), "[]", list),
    (_COLUMNS.index("params"), "{}", dict),
)
"""Places of the JSON columns, and what most of them are."""
_values = attrgetter(*_COLUMNS)


@dataclass(slots=True)
class Draft:
    """A line before it is stored: a :class:`BatchLine` without what makes a hundred thousand of them slow."""

    job_id: int
    number: int
    text: str
    outcome: str
    note: str
    candidates: list[str]
    sim_id: int | None
    eligible: bool = False
    refusal_code: str = ""
    refusal: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    from_value: str = ""
    to_value: str = ""


def read_lines(job: BatchJob, *, after: int, most: int) -> list[Draft]:
    """At most ``most`` lines of a job behind the line ``after``, in order."""
    rows = BatchLine.objects.filter(job=job, number__gt=after).order_by("number")
    # JSON as text: hardly any of it holds anything.
    texts = rows.annotate(
        candidates_text=Cast("candidates", TextField()), params_text=Cast("params", TextField())
    ).values_list(*(f"{name}_text" if name in ("candidates", "params") else name for name in _COLUMNS))
    found = []
    for row in texts[:most]:
        values = list(row)
        for place, empty, kind in _JSON:
            values[place] = kind() if values[place] == empty else json.loads(values[place])
        found.append(Draft(*values))
    return found


def store_lines(lines: Sequence[Draft]) -> None:
    """Insert the lines in the caller's transaction."""
    insert(BatchLine, {}, _COLUMNS, map(_values, lines))
