"""Files that somebody uploads: read, or refused in words; never an error, never more memory or time than is meant."""

from __future__ import annotations

import io
import time
import zipfile
from collections import Counter

import openpyxl
import pytest
from hypothesis import strategies as st

from operations.identifiers.files import SIZE_LIMIT, read_file
from operations.identifiers.lines import TooMany, Unreadable
from tests.fuzz import cases, inputs

GOOD = "8986011805021000040"
SECONDS = 5.0
ENTITIES = b'<!DOCTYPE a [<!ENTITY x "xxxxxxxxxx"><!ENTITY y "&x;&x;&x;&x;"><!ENTITY z SYSTEM "file:///etc/passwd">]>'


def workbook(cells: list[str]) -> dict[str, bytes]:
    """The files of a small workbook."""
    book, out = openpyxl.Workbook(), io.BytesIO()
    for text in ["giccid", GOOD, *cells]:
        book.active.append(["".join(c for c in text if c >= " " and not "\ud800" <= c <= "\udfff")[:300], 1.5])
    book.save(out)
    with zipfile.ZipFile(out) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


PARTS = workbook([inputs.MARKER, "=1+1", "9" * 40])
INSTEAD = [
    b"",
    b"<a",
    ENTITIES + b"<worksheet>&y;&z;</worksheet>",
    b"<a>" * 20_000,
    b"\x00" * 100_000,
    b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData><row r="99999999">'
    b'<c r="XFD1048576" t="s"><v>99999999</v></c><c r="ZZZZZZ9" t="n"><v>1e999</v></c></row></sheetData></worksheet>',
]


def packed(change: str, instead: bytes, at: int) -> bytes:
    """A workbook one of whose files is another one, or is broken at a place."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in PARTS.items():
            archive.writestr(name, instead if name == change else content)
    data = bytearray(out.getvalue())
    if at:
        data[at % len(data)] ^= 0x55
    return bytes(data)


tables = st.lists(st.lists(inputs.texts, max_size=4).map(",".join), max_size=6).map("\n".join)
encoded = st.builds(
    lambda text, encoding: text.encode(encoding, "surrogatepass" if encoding.startswith("utf") else "replace"),
    tables,
    st.sampled_from(["utf-8", "utf-16", "utf-16-le", "utf-32", "latin-1", "cp1252", "cp500", "shift-jis"]),
)
books = st.builds(packed, st.sampled_from([*PARTS, ""]), st.sampled_from(INSTEAD), st.integers(0, 6000))
wide = st.sampled_from(
    [
        b"," * 1_000_000,
        b'"' * 300_000,
        b"a\n" * 90_000,
        b"\r" * 300_000,
        b"9" * 1_000_000,
        b"9 " * 200_000,
        b"a" * 1_000_000,
        b"(" * 1_000_000 + b"9",
    ]
)


def test_a_file_is_read_or_refused_in_words() -> None:
    told = Counter[str]()

    def case(given: tuple[str, bytes]) -> None:
        name, data = given
        said = ""
        began = time.process_time()
        try:
            read_file(name, io.BytesIO(data))
            told["read"] += 1
        except (Unreadable, TooMany) as problem:
            told[type(problem).__name__] += 1
            said = str(problem)
        assert len(said) < 1000
        assert time.process_time() - began < SECONDS

    names = st.sampled_from(["a.csv", "a.txt", "a.xlsx", "a", "../../a.xlsm", "\x00.csv"])
    cases.run(case, st.tuples(names, encoded | books | st.binary(max_size=400) | wide), few=30, share=0.3)
    cases.told("Uploads", told)


def test_what_unpacks_to_far_more_than_it_is_never_gets_unpacked() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in PARTS.items():
            archive.writestr(name, content)
        archive.writestr("xl/worksheets/sheet2.xml", b" " * 20_000_000)
    with pytest.raises(Unreadable, match="far too large"):
        read_file("a.xlsx", io.BytesIO(out.getvalue()))


class Endless(io.BytesIO):
    """A file that has more, however much is read of it."""

    given = 0

    def read(self, size: int | None = -1) -> bytes:
        assert size is not None
        assert 0 <= size < 2 * SIZE_LIMIT, "read whole, however large it is"
        self.given += size
        return b"9" * size


def test_of_a_file_without_an_end_a_part_is_read() -> None:
    file = Endless()
    with pytest.raises(Unreadable, match="larger than"):
        read_file("a.csv", file)
    assert file.given == SIZE_LIMIT + 1
