"""Tables as files: CSV for machines, XLSX whose identifiers are text cells, so that spreadsheets keep the digits."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from decimal import Decimal
from itertools import chain, islice
from typing import IO, Any

from django.utils.functional import Promise
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.utils import get_column_letter

CSV, XLSX = "csv", "xlsx"
CONTENT_TYPES = {
    CSV: "text/csv; charset=utf-8",
    XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
SHEET_ROWS = 1_048_575
"""What a sheet holds below its headings; more rows go on in a second one."""
_FORMULA_STARTS = frozenset("=+-@\t\r")
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_PROGRESS_EVERY = 1_000

Cell = str | int | float | Decimal | None
AS_IT_IS = frozenset({str, int, type(None)})
"""What :func:`cell` has nothing to do with: most of what there is."""


@dataclass(frozen=True)
class Column:
    """One column: its heading, and for the XLSX whether its cells are text and how wide it is, in characters."""

    name: str
    is_text: bool = False
    width: int | None = None


@dataclass(frozen=True)
class FileColumn:
    """A column of the file of a list: its heading and what it makes of a row.

    ``value`` answers whatever :func:`cell` takes: texts, numbers, times, states as the database has them.
    """

    name: str | Promise
    value: Callable[[Any], Any]
    is_text: bool = False
    width: int | None = None


@dataclass(frozen=True)
class Table:
    """What a file is made of. ``rows`` and ``total`` ask the database only when they are called."""

    title: str
    """For people: the name of the sheet and of the download."""
    file_name: str
    """Without what its format adds."""
    columns: Sequence[Column]
    rows: Callable[[], Iterator[Sequence[Cell]]]
    """The cells of each row in the order of the columns, numbers as numbers; few rows at a time in memory.

    Read them by ``core.paging.pages``: while a query stays open, SQLite lets its connection write nothing.
    """
    total: Callable[[], int]


def guarded(value: str) -> str:
    """``value`` as no spreadsheet takes it for a formula: an apostrophe before what may begin one."""
    return f"'{value}" if value[:1] in _FORMULA_STARTS else value


def cell(value: Any, zone: tzinfo | None = None) -> Cell:
    """``value`` as it stands in a file: numbers stay numbers, times are ISO 8601 with the offset of ``zone``.

    Yes and no are ``yes`` and ``no``, nothing is empty, of several the texts stand with commas between them.
    """
    if type(value) in AS_IT_IS:
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        try:
            return value.astimezone(zone).isoformat(timespec="seconds")
        except OverflowError:
            # The carrier may write the last day of the year 9999 for what never ends.
            return value.isoformat(timespec="seconds")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, (float, Decimal)):
        return value
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    if isinstance(value, (list, tuple, set, frozenset)):
        return ", ".join(str(part) for part in value)
    return cell(value(), zone) if callable(value) else str(value)


def csv_parts(table: Table) -> Iterator[str]:
    """The CSV in parts, the header line first: UTF-8, comma, CRLF. Each part but the last has 1,000 rows."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow([guarded(column.name) for column in table.columns])
    rows = table.rows()
    while part := buffer.getvalue():
        yield part
        buffer.seek(0)
        buffer.truncate()
        # Numbers are what they are: only a text can be taken for a formula.
        writer.writerows(
            [f"'{value}" if isinstance(value, str) and value[:1] in _FORMULA_STARTS else value for value in row]
            for row in islice(rows, _PROGRESS_EVERY)
        )


def write_csv(table: Table, target: IO[bytes], progress: Callable[[int], None] | None = None) -> int:
    """The CSV into ``target``; answers its rows. ``progress`` is told now and then how many are written."""
    written = 0

    def counted() -> Iterator[Sequence[Cell]]:
        nonlocal written
        for row in table.rows():
            written += 1
            yield row

    for part in csv_parts(Table(table.title, table.file_name, table.columns, counted, table.total)):
        target.write(part.encode())
        if progress is not None and written:
            progress(written)
    return written


def write_xlsx(table: Table, target: IO[bytes], progress: Callable[[int], None] | None = None) -> int:
    """The XLSX into ``target``, never whole in memory; the rest as of :func:`write_csv`."""
    book = Workbook(write_only=True)
    rows, written = table.rows(), 0
    ahead: list[Sequence[Cell]] = []
    try:
        while True:
            sheet = _new_sheet(book, table)
            written = _write_rows(table, sheet, chain(ahead, islice(rows, SHEET_ROWS - len(ahead))), written, progress)
            ahead = list(islice(rows, 1))
            if not ahead:
                break
    except BaseException:
        # Ended properly, or the library complains of its half-written file whenever that is collected.
        for opened in book.worksheets:
            opened.close()
        raise
    book.save(target)
    return written


def _new_sheet(book: Workbook, table: Table) -> Any:
    sheet: Any = book.create_sheet(_sheet_name(table.title))
    sheet.freeze_panes = "A2"
    for number, column in enumerate(table.columns, start=1):
        if column.width is not None:
            sheet.column_dimensions[get_column_letter(number)].width = column.width
    sheet.append([guarded(_clean(column.name)) for column in table.columns])
    return sheet


def _write_rows(
    table: Table,
    sheet: Any,
    rows: Iterator[Sequence[Cell]],
    written: int,
    progress: Callable[[int], None] | None,
) -> int:
    """Append ``rows``; answers how many rows the file has by then."""
    # Written as soon as they are appended, so the same cells serve every row.
    texts = {index: _text_cell(sheet) for index, column in enumerate(table.columns) if column.is_text}
    for row in rows:
        # Guarded last: what is taken away may have hidden the beginning of a formula.
        cells: list[Any] = [guarded(_clean(value)) or None if isinstance(value, str) else value for value in row]
        for index, text in texts.items():
            if cells[index] is not None:
                text.value = str(cells[index])
                cells[index] = text
        sheet.append(cells)
        written += 1
        if progress is not None and written % _PROGRESS_EVERY == 0:
            progress(written)
    return written


WRITERS = {CSV: write_csv, XLSX: write_xlsx}


def _sheet_name(title: str) -> str:
    plain = "".join(" " if character in r"[]:*?/\'" else character for character in _clean(title))
    return plain[:31].strip() or "1"


def _text_cell(sheet: Any) -> Any:
    """A cell that stays a text when somebody edits it."""
    cell = WriteOnlyCell(sheet)
    cell.number_format = "@"
    return cell


def _clean(value: str) -> str:
    """Without the characters that XML can't hold."""
    return value if value.isprintable() else _NOT_XML.sub("", value)
