"""Rows of a text file: which character separates its columns."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator

from django.utils.translation import gettext as _

from operations.identifiers.lines import Unreadable
from operations.identifiers.tables import Cell, Row
from operations.identifiers.tokens import is_identifier_like

DELIMITERS = (";", "\t", "|", ",")
_LOOKED_AT = 50
"""Rows from which the separator is told."""
_MOST_COLUMNS = 16_384
"""Columns that a spreadsheet can have; a row with more is no table."""


def single_column(text: str) -> bool:
    """Whether most rows are one identifier each: then a comma in them belongs to a number (``8,98601E+18``)."""
    rows = _first_rows(text)
    return bool(rows) and 2 * sum(is_identifier_like(row.strip("\"' ")) for row in rows[-_LOOKED_AT:]) > len(rows)


def rows_of_text(text: str, *, tables_only: bool = False) -> Iterator[Row] | None:
    """Rows of a CSV file. With ``tables_only``, ``None`` for a text that has no columns."""
    rows = _first_rows(text)
    delimiter = None if single_column(text) else _delimiter(rows)
    if tables_only and (delimiter is None or not _has_identifiers(rows, delimiter)):
        return None
    if delimiter is None:
        return _plain_rows(text)
    return _csv_rows(text, delimiter)


def _first_rows(text: str) -> list[str]:
    # Only the start is split: the whole may be megabytes of one line.
    rows = [row for row in text[: _LOOKED_AT * 2000].splitlines() if row.strip()]
    return rows[: _LOOKED_AT + 1]


def _delimiter(rows: list[str]) -> str | None:
    """The character that stands equally often in most rows, at least twice as many rows as not."""
    best: tuple[int, str] | None = None
    for delimiter in DELIMITERS:
        counts = Counter(_outside_quotes(row, delimiter) for row in rows)
        times, agreeing = max(((n, c) for n, c in counts.items() if n), key=lambda pair: pair[1], default=(0, 0))
        if times and agreeing * 3 >= len(rows) * 2 and (best is None or agreeing > best[0]):
            best = (agreeing, delimiter)
    return best[1] if best else None


def _has_identifiers(rows: list[str], delimiter: str) -> bool:
    """Whether half of the rows have a cell that is an identifier alone, as those of a letter with commas have not."""
    holding = sum(any(is_identifier_like(cell.strip("\"' ")) for cell in row.split(delimiter)) for row in rows)
    return holding * 2 >= len(rows)


def _outside_quotes(row: str, delimiter: str) -> int:
    return sum(part.count(delimiter) for part in row.split('"')[::2])


def _plain_rows(text: str) -> Iterator[Row]:
    for row in text.splitlines():
        cell = row.strip()
        if len(cell) > 1 and cell[0] == cell[-1] == '"':
            cell = cell[1:-1]
        yield [Cell(cell)] if cell else []


def _csv_rows(text: str, delimiter: str) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        for row in reader:
            if len(row) > _MOST_COLUMNS:
                raise Unreadable(
                    _("Row %(row)s of the file has more than %(columns)s columns. Please give one identifier in a row.")
                    % {"row": reader.line_num, "columns": f"{_MOST_COLUMNS:,}"}
                )
            yield [Cell(cell) for cell in row]
    except csv.Error as error:
        raise Unreadable(
            _("Row %(row)s of the file can't be read. Please save it as CSV again.") % {"row": reader.line_num}
        ) from error
