"""Rows of an XLSX file, which is a ZIP archive of XML files: a stranger's, so looked at before it is unpacked."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Iterator
from typing import Any

import openpyxl
from django.utils.translation import gettext as _

from operations.identifiers.lines import Line, Unreadable
from operations.identifiers.tables import Cell, Row
from operations.identifiers.tokens import cut_off

ENTRIES = 2000
"""Files in the archive."""
UNPACKED = 100 * 1024 * 1024
"""Bytes of all files together; a hundred thousand rows of twenty columns are some 80 MB."""
RATIO = 150
"""How many times larger than the archive its files may be, once that is a size to fear."""
_HARMLESS = 5 * 1024 * 1024
SECONDS = 20.0
"""Time for reading a workbook."""
_EXACT = 10**15
"""Whole numbers under this are exact in a spreadsheet."""
_CHECK_EVERY = 500


def rows_of_workbook(data: bytes, name: str) -> Iterator[Row]:
    """Rows of the first visible sheet that has any. Raises ``Unreadable``, also while the rows are taken."""
    if not openpyxl.DEFUSEDXML or openpyxl.LXML:
        raise RuntimeError("openpyxl must read XML by defusedxml.")
    has_formulas = _inspect(data, name)
    deadline = time.monotonic() + SECONDS
    try:
        yield from _rows(data, has_formulas, deadline)
    except Unreadable:
        raise
    except Exception as error:  # a hostile file may break a reader in any way
        raise Unreadable(_broken()) from error


def _inspect(data: bytes, name: str) -> bool:
    """Refuse what is no plain workbook or would not fit into memory. Says whether a sheet has formulas."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            names = {entry.filename for entry in entries}
            _refuse_bomb(entries, len(data))
            _refuse_kind(archive, names, name)
            sheets = [entry for entry in names if entry.startswith("xl/worksheets/") and entry.endswith(".xml")]
            return any(_contains(archive, sheet, b"<f") for sheet in sorted(sheets))
    except Unreadable:
        raise
    except Exception as error:  # as above
        raise Unreadable(_broken()) from error


def _refuse_bomb(entries: list[zipfile.ZipInfo], size: int) -> None:
    """By the sizes that the archive states; more than that is never unpacked of a file."""
    unpacked = sum(entry.file_size for entry in entries)
    if len(entries) > ENTRIES or unpacked > UNPACKED or (unpacked > _HARMLESS and unpacked > RATIO * size):
        raise Unreadable(_("Unpacked, this file would be far too large. Please save the column of identifiers as CSV."))
    if any(entry.flag_bits & 1 for entry in entries):
        raise Unreadable(_("This file has a password. Please save it without one."))


def _refuse_kind(archive: zipfile.ZipFile, names: set[str], name: str) -> None:
    if name.lower().endswith((".xlsm", ".xltm", ".xlam")) or any(n.lower().endswith("vbaproject.bin") for n in names):
        raise Unreadable(_("This workbook has macros. Please save it as .xlsx without them, or as CSV."))
    if "xl/workbook.bin" in names:
        raise Unreadable(_("This is a binary workbook (.xlsb). Please save it as .xlsx or as CSV."))
    if "mimetype" in names and _contains(archive, "mimetype", b"opendocument"):
        raise Unreadable(_("This is an OpenDocument file. Please save it as .xlsx or as CSV."))
    if "xl/workbook.xml" not in names:
        raise Unreadable(_("This is a ZIP file, not a workbook. Please upload a CSV, TXT or XLSX file."))
    if _contains(archive, "[Content_Types].xml", b"macroEnabled"):
        raise Unreadable(_("This workbook has macros. Please save it as .xlsx without them, or as CSV."))


def _contains(archive: zipfile.ZipFile, entry: str, what: bytes) -> bool:
    with archive.open(entry) as file:
        tail = b""
        while part := file.read(1 << 20):
            if what in tail + part:
                return True
            tail = part[-len(what) :]
    return False


def _rows(data: bytes, has_formulas: bool, deadline: float) -> Iterator[Row]:
    values = _open(data, data_only=True)
    formulas = _open(data, data_only=False) if has_formulas else None
    try:
        for place, sheet in enumerate(values.worksheets):
            if sheet.sheet_state != "visible":
                continue
            other = formulas.worksheets[place] if formulas else None
            empty = True
            for row in _rows_of_sheet(sheet, other, deadline):
                empty = empty and not row
                yield row
            if not empty:
                return
    finally:
        values.close()
        if formulas:
            formulas.close()


def _open(data: bytes, *, data_only: bool) -> Any:
    return openpyxl.load_workbook(
        io.BytesIO(data), read_only=True, data_only=data_only, keep_links=False, keep_vba=False
    )


def _rows_of_sheet(sheet: Any, formulas: Any, deadline: float) -> Iterator[Row]:
    rows = _timed(sheet, deadline)
    if formulas is None:
        for row in rows:
            yield _row(row, row)
    else:
        for row, told in zip(rows, _timed(formulas, deadline), strict=False):
            yield _row(row, told)


def _timed(sheet: Any, deadline: float) -> Iterator[tuple[Any, ...]]:
    # What the sheet says of its own size may be wrong, and would be filled up with empty cells.
    sheet.reset_dimensions()
    for number, row in enumerate(sheet.iter_rows(values_only=True)):
        if number % _CHECK_EVERY == 0 and time.monotonic() > deadline:
            raise Unreadable(_("Reading this workbook takes too long. Please save the column of identifiers as CSV."))
        yield row


def _row(row: tuple[Any, ...], told: tuple[Any, ...]) -> Row:
    if all(value is None for value in row) and all(value is None for value in told):
        return []
    return [_cell(value, formula) for value, formula in zip(row, told, strict=False)]


def _cell(value: Any, formula: Any) -> Cell:
    if value is None:
        if formula is None:
            return Cell("")
        text = formula if isinstance(formula, str) else "="
        return Cell(text, Line(0, text, problem=_("A formula without a value. Please save the file in a spreadsheet.")))
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, str) or type(value) is int:
        return Cell(str(value))
    return Cell(str(value), Line(0, str(value), problem=_("It is not an identifier.")))


def _number(value: float) -> Cell:
    """A number is exact up to 15 digits; of a longer one the spreadsheet has lost the rest."""
    if value != value or abs(value) == float("inf"):
        return Cell(str(value))
    if value.is_integer() and abs(value) < _EXACT:
        return Cell(str(int(value)))
    digits, _e, exponent = f"{value:.14e}".partition("e")
    line = cut_off(digits.replace(".", ""), int(exponent), repr(value)) if value >= _EXACT else None
    return Cell(repr(value), line)


def _broken() -> str:
    return _("This workbook is damaged. Please save it again, or as CSV.")
