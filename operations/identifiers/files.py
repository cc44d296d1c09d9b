"""An uploaded file: what it is, whether it is safe to read, and its rows."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import IO

from django.utils.translation import gettext as _

from operations.identifiers.lines import Line, Unreadable, check_number
from operations.identifiers.rows import rows_of_text, single_column
from operations.identifiers.sheets import rows_of_workbook
from operations.identifiers.tables import lines_of_table
from operations.identifiers.tokens import read_text

SIZE_LIMIT = 10 * 1024 * 1024
"""Bytes of a file."""
_OLD_OFFICE = b"\xd0\xcf\x11\xe0"
_ZIP = b"PK\x03\x04"
_BINARY = {
    b"%PDF": "PDF",
    b"\x1f\x8b": "gzip",
    b"\x89PNG": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"Rar!": "RAR",
    b"7z\xbc\xaf": "7z",
    b"{\\rtf": "RTF",
    b"PK\x05\x06": "ZIP",
}
_FOREIGN = re.compile(r"[^\x00-\x7f]")
_NUMBER = re.compile(r"\d{8}", re.ASCII)
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


def read_file(name: str, file: IO[bytes]) -> list[Line]:
    """The identifiers of an uploaded CSV, TXT or XLSX file, in the order of its rows; numbered from 1.

    Every row that holds anything gives a line, also one without an identifier; only a text file that is no table is
    read like a pasted text. Raises :class:`~operations.identifiers.lines.Unreadable` with a sentence for the person
    who sent the file, and :class:`~operations.identifiers.lines.TooMany`.
    """
    data = _read(file)
    if data.startswith(_ZIP):
        return _numbered(lines_of_table(rows_of_workbook(data, name)))
    text = _decode(_refuse_binary(data))
    if not text.strip():
        raise Unreadable(_("The file is empty."))
    if "\n" not in text.strip() and (lines := read_text(text)):
        return lines
    if name.lower().endswith((".txt", ".text", ".eml", ".md")) and not single_column(text):
        rows = rows_of_text(text, tables_only=True)
        if rows is None:
            return _some(read_text(text))
        return _numbered(lines_of_table(rows))
    return _numbered(lines_of_table(rows_of_text(text) or ()))


def _read(file: IO[bytes]) -> bytes:
    # One byte more than is allowed tells enough; the size that a client states tells nothing.
    data = file.read(SIZE_LIMIT + 1)
    if len(data) > SIZE_LIMIT:
        raise Unreadable(
            _("The file is larger than %(size)s MB. Please keep only the column of identifiers.")
            % {"size": SIZE_LIMIT // 1024 // 1024}
        )
    if not data:
        raise Unreadable(_("The file is empty."))
    return data


def _refuse_binary(data: bytes) -> bytes:
    if data.startswith(_OLD_OFFICE):
        raise Unreadable(
            _("This is an old Excel file (.xls), or it has a password. Please save it as .xlsx without one, or CSV.")
        )
    for start, kind in _BINARY.items():
        if data.startswith(start):
            raise Unreadable(_("This is a %(kind)s file. Please upload a CSV, TXT or XLSX file.") % {"kind": kind})
    return data


def _decode(data: bytes) -> str:
    """The text of ``data``: by its byte order mark, else UTF-8, else the Windows encoding of western Europe."""
    encodings: tuple[str, ...] = ("utf-8-sig", "cp1252")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ("utf-16",)
    elif b"\0" in data:
        raise Unreadable(_no_text())
    for encoding in encodings:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if _CONTROLS.search(text):
            raise Unreadable(_no_text())
        if encoding == "cp1252" and _is_another_encoding(text):
            break
        return text
    raise Unreadable(_("The characters of this file can't be read. Please save it as CSV in the encoding UTF-8."))


def _is_another_encoding(text: str) -> bool:
    """Whether letters of western Europe are most of it and no number stands in it, as of a file in EBCDIC.

    In encodings of other scripts words come out wrong, too, but digits do not: those files are read.
    """
    foreign = len(_FOREIGN.findall(text))
    return foreign * 2 > len("".join(text.split())) and not _NUMBER.search(text)


def _no_text() -> str:
    return _("This is not a text file. Please upload a CSV, TXT or XLSX file.")


def _numbered(lines: Iterable[Line]) -> list[Line]:
    found: list[Line] = []
    for line in lines:
        found.append(line.numbered(len(found) + 1))
        if len(found) % 1000 == 0:
            check_number(len(found))
    check_number(len(found))
    return _some(found)


def _some(found: list[Line]) -> list[Line]:
    if not found:
        raise Unreadable(_("There is no identifier in this file."))
    return found
