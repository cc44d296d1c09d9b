"""The lines of a job as a file: CSV for machines, XLSX whose identifiers are text, so that a spreadsheet keeps them."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Iterator
from typing import IO, Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell

from operations.job_outcomes import outcome_of, reason_of
from operations.models import BatchJob, BatchLine

COLUMNS = (
    "line",
    "given",
    "read_as",
    "note",
    "giccid",
    "imsi",
    "msisdn",
    "imei",
    "account",
    "outcome",
    "from",
    "to",
    "reason_code",
    "reason",
    "operation",
    "finished",
)
IDENTIFIERS = ("given", "giccid", "imsi", "msisdn", "imei")
BATCH = 2_000
_NEEDED = (
    *("number", "text", "outcome", "note", "eligible", "refusal_code", "refusal", "from_value", "to_value"),
    *("sim__giccid", "sim__imsi", "sim__msisdn", "sim__imei", "sim__account_id"),
    *("operation__state", "operation__carrier_code", "operation__message", "operation__finished_at"),
)
"""Columns that a row is made of; the others of a SIM and an operation are most of the time it takes."""
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def guarded(value: str) -> str:
    """``value`` as no spreadsheet takes it for a formula: an apostrophe before what may begin one."""
    return f"'{value}" if value.startswith(_FORMULA_STARTS) else value


def rows(lines: QuerySet[BatchLine], job: BatchJob) -> Iterator[list[str]]:
    """One list of texts for each line, in the order of :data:`COLUMNS`; a few lines at a time in memory."""
    for line in lines.defer(None).only(*_NEEDED).order_by("number").iterator(chunk_size=BATCH):
        outcome = outcome_of(line, job)
        code, sentence = reason_of(line, outcome)
        sim, operation = line.sim, line.operation
        finished = operation.finished_at.isoformat(timespec="seconds") if operation and operation.finished_at else ""
        values = [
            str(line.number),
            line.text,
            line.outcome,
            line.note,
            *((sim.giccid, sim.imsi, sim.msisdn, sim.imei, sim.account_id or "") if sim else [""] * 5),
            outcome,
            line.from_value,
            line.to_value,
            code,
            sentence,
            str(line.operation_id or ""),
            finished,
        ]
        yield [guarded(value or "") for value in values]


class _Echo:
    """A file for the CSV writer that hands each line back."""

    def write(self, value: str) -> str:
        """The line itself."""
        return value


def csv_lines(lines: QuerySet[BatchLine], job: BatchJob) -> Iterator[str]:
    """The CSV: UTF-8, comma, CRLF, a header line."""
    writer: Any = csv.writer(_Echo())
    yield writer.writerow(COLUMNS)
    for row in rows(lines, job):
        yield writer.writerow(row)


def xlsx_file(lines: QuerySet[BatchLine], job: BatchJob) -> IO[bytes]:
    """The XLSX in a temporary file that is gone once it is closed; never whole in memory."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet(_("Job %(id)s") % {"id": job.pk})
    sheet.freeze_panes = "A2"
    for letter, width in (("B", 24), ("E", 24), ("F", 18), ("G", 16), ("H", 18), ("I", 20), ("N", 48)):
        sheet.column_dimensions[letter].width = width
    sheet.append(list(COLUMNS))
    # Written as soon as they are appended, so the same five cells serve every row.
    texts = {COLUMNS.index(name): _text_cell(sheet) for name in IDENTIFIERS}
    for row in rows(lines, job):
        cells: list[Any] = [_clean(value) or None for value in row]
        for index, cell in texts.items():
            if cells[index]:
                cell.value = cells[index]
                cells[index] = cell
        sheet.append(cells)
    target = tempfile.TemporaryFile()  # noqa: SIM115 - the response closes it
    book.save(target)
    target.seek(0)
    return target


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
