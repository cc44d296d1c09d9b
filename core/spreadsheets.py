"""Tables as files: CSV for machines, XLSX whose identifiers are text cells, so that spreadsheets keep the digits."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any

from django.db.models import QuerySet
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.utils import get_column_letter

CSV, XLSX = "csv", "xlsx"
CONTENT_TYPES = {
    CSV: "text/csv; charset=utf-8",
    XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_PROGRESS_EVERY = 1_000


@dataclass(frozen=True)
class Column:
    """One column: its heading, and for the XLSX whether its cells are text and how wide it is, in characters."""

    name: str
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
    rows: Callable[[], Iterator[Sequence[str]]]
    """A list of texts for each row, in the order of the columns; few at a time in memory.

    Read them by :func:`in_pages`: while a query stays open, SQLite lets its connection write nothing.
    """
    total: Callable[[], int]


def guarded(value: str) -> str:
    """``value`` as no spreadsheet takes it for a formula: an apostrophe before what may begin one."""
    return f"'{value}" if value.startswith(_FORMULA_STARTS) else value


def in_pages(rows: QuerySet[Any], key: str, size: int = 2_000) -> Iterator[Any]:
    """``rows`` in the order of the unique column ``key``, a query for each ``size`` of them."""
    page = list(rows.order_by(key)[:size])
    while page:
        yield from page
        if len(page) < size:
            return
        page = list(rows.filter(**{f"{key}__gt": getattr(page[-1], key)}).order_by(key)[:size])


class _Echo:
    """A file for the CSV writer that hands each line back."""

    def write(self, value: str) -> str:
        """The line itself."""
        return value


def csv_lines(table: Table) -> Iterator[str]:
    """The CSV line by line: UTF-8, comma, CRLF, a header line."""
    writer: Any = csv.writer(_Echo())
    yield writer.writerow([column.name for column in table.columns])
    for row in table.rows():
        yield writer.writerow([guarded(value) for value in row])


def write_csv(table: Table, target: IO[bytes], progress: Callable[[int], None] | None = None) -> None:
    """The CSV into ``target``; ``progress`` is told now and then how many rows are written."""
    for number, line in enumerate(csv_lines(table)):
        target.write(line.encode())
        if progress is not None and number and number % _PROGRESS_EVERY == 0:
            progress(number)


def write_xlsx(table: Table, target: IO[bytes], progress: Callable[[int], None] | None = None) -> None:
    """The XLSX into ``target``, never whole in memory; ``progress`` as of :func:`write_csv`."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet(_sheet_name(table.title))
    sheet.freeze_panes = "A2"
    for number, column in enumerate(table.columns, start=1):
        if column.width is not None:
            sheet.column_dimensions[get_column_letter(number)].width = column.width
    sheet.append([column.name for column in table.columns])
    try:
        _write_rows(table, sheet, progress)
    except BaseException:
        # Ended properly, or the library complains of its half-written file whenever that is collected.
        sheet.close()
        raise
    book.save(target)


def _write_rows(table: Table, sheet: Any, progress: Callable[[int], None] | None) -> None:
    # Written as soon as they are appended, so the same cells serve every row.
    texts = {index: _text_cell(sheet) for index, column in enumerate(table.columns) if column.is_text}
    for number, row in enumerate(table.rows(), start=1):
        cells: list[Any] = [_clean(guarded(value)) or None for value in row]
        for index, cell in texts.items():
            if cells[index]:
                cell.value = cells[index]
                cells[index] = cell
        sheet.append(cells)
        if progress is not None and number % _PROGRESS_EVERY == 0:
            progress(number)


WRITERS = {CSV: write_csv, XLSX: write_xlsx}


def _sheet_name(title: str) -> str:
    return "".join(" " if character in r"[]:*?/\'" else character for character in title)[:31].strip() or "1"


def _text_cell(sheet: Any) -> Any:
    """A cell that stays a text when somebody edits it."""
    cell = WriteOnlyCell(sheet)
    cell.number_format = "@"
    return cell


def _clean(value: str) -> str:
    """Without the control characters that XML can't hold."""
    if value.isprintable():
        return value
    return "".join(character for character in value if character >= " " or character in "\t\n\r")
