"""Storing the lines of a plan, many at a time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import connection

from operations.models import BatchLine

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
_JSON = {"candidates", "params"}


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


def store_lines(lines: Sequence[BatchLine] | Sequence[Draft]) -> None:
    """Insert the lines in the caller's transaction; they get no keys. PostgreSQL takes them in one stream (COPY)."""
    if connection.vendor != "postgresql":
        BatchLine.objects.bulk_create(BatchLine(**{name: getattr(line, name) for name in _COLUMNS}) for line in lines)
        return
    table = connection.ops.quote_name(BatchLine._meta.db_table)
    with connection.cursor() as cursor, cursor.copy(f"COPY {table} ({', '.join(_COLUMNS)}) FROM STDIN") as copy:
        for line in lines:
            copy.write_row([_value(line, name) for name in _COLUMNS])


def _value(line: BatchLine | Draft, name: str) -> object:
    value = getattr(line, name)
    return json.dumps(value) if name in _JSON else value
