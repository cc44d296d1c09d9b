"""Rows to lines: is there a heading, and which column holds the identifiers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice

from django.utils.translation import gettext as _

from operations.identifiers.lines import Line
from operations.identifiers.tokens import is_identifier_like, read_cell

HEADINGS = {
    "giccid": 0,
    "iccid": 0,
    "icc": 0,
    "eiccid": 0,
    "imsi": 1,
    "msisdn": 2,
    "phonenumber": 2,
    "imei": 4,
    "sim": 3,
    "simid": 3,
    "simnumber": 3,
    "simcard": 3,
    "simcardnumber": 3,
    "serial": 3,
    "serialnumber": 3,
    "identifier": 3,
    "number": 3,
}
"""Names of columns, letters alone, with their order: the most exact one that a row fills is taken."""
_LOOKED_AT = 100
"""Rows from which the column is told when no heading does."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell as text; ``line`` when the file itself told more: a number cut off, a formula without a value."""

    text: str
    line: Line | None = None


Row = list[Cell]


def lines_of_table(rows: Iterable[Row]) -> Iterator[Line]:
    """A line, or more, of every row that holds anything; not numbered yet."""
    filled = (row for row in rows if any(_filled(cell) for cell in row))
    start = list(islice(filled, _LOOKED_AT))
    if not start:
        return
    columns = _columns_by_heading(start[0])
    if columns:
        start = start[1:]
    else:
        if len(start) > 1 and not any(map(_holds_identifier, start[0])) and _is_heading(start[0]):
            start = start[1:]
        columns = [_fullest_column(start)]
    for row in chain(start, filled):
        yield from _lines_of_row(row, columns)


def _filled(cell: Cell) -> bool:
    return cell.line is not None or bool(cell.text.strip())


def _is_heading(row: Row) -> bool:
    """Words without a digit."""
    return all(not any(c.isdigit() for c in cell.text) for cell in row if not cell.line)


def _holds_identifier(cell: Cell) -> bool:
    return (cell.line is not None and not cell.line.problem) or is_identifier_like(cell.text)


def _columns_by_heading(row: Row) -> list[int]:
    """Columns that are named like an identifier, the most exact first."""
    if any(map(_holds_identifier, row)):
        return []
    named = []
    for place, cell in enumerate(row):
        rank = HEADINGS.get(re.sub(r"[^a-z]", "", cell.text.lower().split("(")[0]))
        if rank is not None:
            named.append((rank, place))
    return [place for _rank, place in sorted(named)]


def _fullest_column(rows: list[Row]) -> int:
    """The column with the most identifiers; of equal ones the first."""
    counts: dict[int, int] = {}
    for row in rows:
        for place, cell in enumerate(row):
            if _holds_identifier(cell):
                counts[place] = counts.get(place, 0) + 1
    if counts:
        return max(counts, key=lambda place: (counts[place], -place))
    return next((place for place, cell in enumerate(rows[0]) if _filled(cell)), 0) if rows else 0


def _lines_of_row(row: Row, columns: list[int]) -> list[Line]:
    for place in columns:
        if place < len(row) and _filled(row[place]):
            cell = row[place]
            return [cell.line] if cell.line is not None else read_cell(cell.text)
    text = ", ".join(cell.text.strip() for cell in row if cell.text.strip())
    return [Line(0, text, problem=_("This row has nothing in the column of identifiers."))]
