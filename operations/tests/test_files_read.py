"""Uploaded files: CSV, TXT and XLSX as people send them, and what is refused with a sentence."""

from __future__ import annotations

import io
import struct
import zipfile
from datetime import datetime
from typing import Any

import openpyxl
import pytest
from django.conf import settings

from operations.identifiers import Line, TooMany, Unreadable, files, read_file, sheets

A = "89860119070000000028"
B = "89860119070000000036"


def read(data: str | bytes, name: str = "sims.csv", encoding: str = "utf-8") -> list[Line]:
    return read_file(name, io.BytesIO(data if isinstance(data, bytes) else data.encode(encoding)))


def digits(data: str | bytes, name: str = "sims.csv", encoding: str = "utf-8") -> list[str]:
    return [line.digits for line in read(data, name, encoding)]


def workbook(*rows: list[Any], more: dict[str, list[list[Any]]] | None = None) -> bytes:
    book = openpyxl.Workbook()
    assert book.active is not None
    for row in rows:
        book.active.append(row)
    for title, extra in (more or {}).items():
        sheet = book.create_sheet(title)
        for row in extra:
            sheet.append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def changed(data: bytes, entry: str, old: bytes, new: bytes) -> bytes:
    """A workbook with ``old`` replaced in one of its files."""
    result = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            content = source.read(name)
            if name == entry:
                assert old in content
                content = content.replace(old, new)
            target.writestr(name, content)
    return result.getvalue()


def refusal(data: bytes, name: str = "sims.xlsx") -> str:
    with pytest.raises(Unreadable) as refused:
        read(data, name)
    return str(refused.value)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_column_is_found_by_its_heading(delimiter):
    rows = [["Customer", "IMSI", "ICCID", "Note"], ["12345678901", "460011234567890", A, "x"], ["2", "4", B, ""]]
    assert digits("\n".join(delimiter.join(row) for row in rows)) == [A, B]


def test_the_column_is_found_by_what_it_holds():
    assert digits(f"1,Berlin,{A}\n2,Paris,{B}\n3,Rome,oops") == [A, B, ""]


def test_a_heading_that_names_nothing_is_passed_over():
    assert digits(f"Karte;Ort\n{A};Berlin\n{B};Bonn") == [A, B]


def test_a_row_without_its_giccid_is_read_by_its_next_identifier():
    assert digits(f"msisdn,giccid\n8614500000040,{A}\n8614500000041,") == [A, "8614500000041"]


def test_each_row_with_anything_in_it_gives_a_line():
    lines = read(f"giccid\n{A}\n\nhello\n123\n{B}\n")
    assert [line.number for line in lines] == [1, 2, 3, 4]
    assert [bool(line.problem) for line in lines] == [False, True, True, False]
    assert [line.text for line in lines][1:3] == ["hello", "123"]


def test_a_row_with_nothing_in_the_column_of_identifiers_says_so():
    lines = read(f"giccid,place\n{A},Berlin\n,Paris")
    assert "nothing in the column" in lines[1].problem


def test_quoted_cells_and_several_identifiers_in_a_cell():
    assert digits(f'name,sims\n"Doe, Jane","{A}; {B}"\n"a ""b""",{A}') == [A, B, A]


def test_identifiers_side_by_side_in_one_row():
    assert digits(f"{A},{B},{A}") == [A, B, A]


def test_a_cell_of_a_megabyte_is_not_searched():
    (line,) = read("giccid\n" + "1 " * 500_000)
    assert line.problem
    assert len(line.text) == 200


def test_a_single_column_with_decimal_commas_is_one_column():
    lines = read("8,98601E+18\n8,98602E+18\n")
    assert [(line.digits, line.length) for line in lines] == [("898601", 19), ("898602", 19)]


@pytest.mark.parametrize("encoding", ["cp500", "cp037", "cp1140"])
def test_a_file_of_a_mainframe_is_refused_in_words(encoding):
    rows = "".join(f"{A}%" for _ in range(20))  # EBCDIC breaks lines by bytes that are "%" or a control in ASCII
    assert "can't be read" in refusal(f"ICCID%{rows}".encode(encoding), "sims.csv")


def test_words_of_another_script_do_not_stand_in_the_way_of_numbers():
    assert digits("Устройство;ICCID\nХолодильник у двери;".encode("cp1251") + A.encode()) == [A]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_encodings(encoding):
    assert digits(f"Gerät;ICCID\nKühlschrank;{A}\nTür;{B}", encoding=encoding) == [A, B]


def test_a_text_file_is_read_like_a_paste():
    assert digits(f"Dear all,\nplease stop {A} and {B}, thank you.\nMira", "mail.txt") == [A, B]


def test_a_text_file_with_tabs_is_a_table():
    assert digits(f"Ort\tKarte\nBerlin\t{A}\nBonn 12345678901\t{B}", "sims.txt") == [A, B]


def test_a_text_file_of_one_column_is_a_table():
    assert digits(f"{A}\n{B}\noops", "sims.txt") == [A, B, ""]


def test_a_workbook_of_text_cells():
    assert digits(workbook(["Name", "ICCID"], ["x", A], ["y", B]), "sims.xlsx") == [A, B]


def test_the_first_sheet_with_data_is_taken():
    assert digits(workbook(more={"Second": [["iccid"], [A]], "Third": [[B]]}), "sims.xlsx") == [A]


def test_a_number_that_the_workbook_lost_digits_of_is_cut_off():
    (line,) = read(workbook([float(A)]), "sims.xlsx")
    assert (line.digits, line.length) == ("898601190700000", 20)


def test_numbers_that_a_workbook_keeps_whole():
    data = workbook([460011234567890], [460011234567891.0], [77])
    data = changed(data, "xl/worksheets/sheet1.xml", b"<v>77</v>", f"<v>{A}</v>".encode())
    assert digits(data, "sims.xlsx") == [
        "460011234567890",
        "460011234567891",
        A,
    ]


def test_a_date_in_the_column_is_no_identifier():
    lines = read(workbook(["iccid"], [A], [datetime(2026, 11, 22)], [True]), "sims.xlsx")  # noqa: DTZ001 - cells have no zone
    assert [bool(line.problem) for line in lines] == [False, True, True]


def test_a_formula_without_a_value_says_so():
    lines = read(workbook(["iccid"], [A], [f'="{B[:10]}"&"{B[10:]}"']), "sims.xlsx")
    assert lines[0].digits == A
    assert "formula without a value" in lines[1].problem
    assert lines[1].text.startswith("=")


def test_a_formula_with_its_value_is_read():
    data = workbook(["iccid"], ["=LEFT(B2,20)"])
    data = changed(data, "xl/worksheets/sheet1.xml", b"<v />", f"<v>{A}</v>".encode())
    data = changed(data, "xl/worksheets/sheet1.xml", b'<c r="A2"', b'<c r="A2" t="str"')
    assert digits(data, "sims.xlsx") == [A]


def test_a_sheet_that_lies_about_its_size_is_read():
    data = workbook([A], [B])
    data = changed(data, "xl/worksheets/sheet1.xml", b'ref="A1:A2"', b'ref="A1:XFD1048576"')
    assert digits(data, "sims.xlsx") == [A, B]


@pytest.mark.parametrize(
    ("data", "name", "word"),
    [
        (b"", "sims.csv", "empty"),
        (b" \n\n ", "sims.csv", "empty"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "sims.xls", "old Excel"),
        (b"%PDF-1.7 ...", "sims.pdf", "PDF"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 20, "sims.csv", "PNG"),
        (bytes(range(256)) * 40, "sims.csv", "not a text file"),
        ("giccid\n1".encode("utf-16-le"), "sims.csv", "not a text file"),
        (b"\x81\x8d\x8f,\x90", "sims.csv", "UTF-8"),
        (b"PK\x05\x06" + b"\0" * 18, "sims.zip", "ZIP"),
        (b"PK\x03\x04broken", "sims.xlsx", "damaged"),
        (b"Name;Place\n\nx;y", "sims.txt", "no identifier"),
        (b"hello", "sims.txt", "no identifier"),
    ],
)
def test_a_wrong_file_is_refused_with_a_sentence(data, name, word):
    assert word in refusal(data, name)


def test_an_empty_workbook_is_refused():
    assert "no identifier" in refusal(workbook())


def test_a_file_over_the_limit_is_refused_without_being_read_whole():
    class Endless(io.RawIOBase):
        taken = 0

        def read(self, size: int = -1) -> bytes:
            assert size > 0
            Endless.taken += size
            return b"1" * size

    with pytest.raises(Unreadable, match="larger than 10 MB"):
        read_file("sims.csv", Endless())  # type: ignore[arg-type]  # as much of a file as is read
    assert Endless.taken <= files.SIZE_LIMIT + 1


def test_more_rows_than_a_job_takes_are_refused():
    limit = settings.CONFIG["BATCH_MAX_LINES"]
    with pytest.raises(TooMany):
        read(f"{A}\n" * (limit + 1))


def test_macros_are_refused_by_name_and_by_content():
    assert "macros" in refusal(workbook([A]), "sims.xlsm")
    renamed = io.BytesIO(workbook([A]))
    with zipfile.ZipFile(renamed, "a") as archive:
        archive.writestr("xl/vbaProject.bin", b"x")
    assert "macros" in refusal(renamed.getvalue())
    declared = changed(workbook([A]), "[Content_Types].xml", b"spreadsheetml.sheet.main", b"macroEnabled.main")
    assert "macros" in refusal(declared)


def archive(**entries: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in entries.items():
            target.writestr(name.replace("__", "/"), content)
    return file.getvalue()


def test_other_archives_are_refused():
    assert "ZIP file" in refusal(archive(readme=b"hello"))
    assert "OpenDocument" in refusal(archive(mimetype=b"application/vnd.oasis.opendocument.spreadsheet"), "sims.ods")
    assert "xlsb" in refusal(archive(**{"xl__workbook.bin": b"x"}))


def test_a_bomb_is_refused_before_it_is_unpacked(monkeypatch):
    def never(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("it was unpacked")

    bomb = io.BytesIO(workbook([A]))
    with zipfile.ZipFile(bomb, "a", zipfile.ZIP_DEFLATED) as target:
        target.writestr("xl/worksheets/sheet9.xml", b"0" * (sheets.UNPACKED + 1))
    monkeypatch.setattr(zipfile.ZipFile, "open", never)
    assert "far too large" in refusal(bomb.getvalue())
    crowd = io.BytesIO()
    monkeypatch.undo()
    with zipfile.ZipFile(crowd, "w") as target:
        for number in range(sheets.ENTRIES + 1):
            target.writestr(str(number), b"")
    assert "far too large" in refusal(crowd.getvalue())


def test_a_bomb_that_states_a_small_size_is_not_unpacked_beyond_it():
    bomb = bytearray(changed(workbook([A]), "xl/worksheets/sheet1.xml", b"<sheetData>", b"<sheetData>" + b" " * 10**7))
    place = 0
    with zipfile.ZipFile(io.BytesIO(bytes(bomb))) as packed:
        size = packed.getinfo("xl/worksheets/sheet1.xml").file_size
    while (place := bomb.find(struct.pack("<L", size), place)) >= 0:
        bomb[place : place + 4] = struct.pack("<L", 500)
        place += 4
    assert "damaged" in refusal(bytes(bomb))


def test_hostile_xml_is_refused():
    laughs = b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>'
    for entry in ("xl/worksheets/sheet1.xml", "xl/workbook.xml", "[Content_Types].xml"):
        data = changed(workbook([A]), entry, b"<worksheet" if "sheet1" in entry else b"<", laughs + b"<worksheet")
        assert "damaged" in refusal(data)
    entity = changed(workbook([A]), "xl/worksheets/sheet1.xml", b"<worksheet", laughs + b"<worksheet")
    assert "damaged" in refusal(entity)


def test_reading_ends_when_the_time_is_up(monkeypatch):
    monkeypatch.setattr(sheets, "SECONDS", -1.0)
    assert "takes too long" in refusal(workbook([A]))


def test_a_row_far_down_does_not_hold_the_worker():
    data = workbook([A], [B])
    data = changed(data, "xl/worksheets/sheet1.xml", b'r="2"', b'r="999999999999"')
    data = changed(data, "xl/worksheets/sheet1.xml", b'r="A2"', b'r="A999999999999"')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sheets, "SECONDS", 0.5)
        assert "takes too long" in refusal(data)


def test_a_row_of_more_columns_than_a_spreadsheet_has_is_refused():
    assert "columns" in refusal((b"a," * 20_000 + b"b\n") * 2, "sims.csv")
