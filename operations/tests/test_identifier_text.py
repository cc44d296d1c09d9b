"""What a pasted text is read as, before anything is looked up."""

from __future__ import annotations

import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import strategies as st

from operations.identifiers import Line, TooMany, read_text

A = "89860119070000000028"
B = "89860119070000000036"
NINETEEN = "8986011907000000040"


def digits(text: str) -> list[str]:
    return [line.digits for line in read_text(text)]


@pytest.mark.parametrize(
    "text",
    [
        f"{A}\n{B}",
        f"{A}\r\n\r\n  {B}  ",
        f"{A},{B}",
        f"{A}; {B};",
        f"{A}\t{B}",
        f"{A}|{B}",
        f"{A} {B}",
        f"('{A}', '{B}')",
        f'"{A}","{B}"',
        "8986 0119 0700 0000 0028\n8986-0119-0700-0000-0036",
        "8986 0119 0700 0000 0028 8986 0119 0700 0000 0036",
        "898601 19070 00000 0028, 8986011907 0000000036",
        "89,860,119,070,000,000,028\n89.860.119.070.000.000.036",
        "89'860'119'070'000'000'028; 89’860’119’070’000’000’036",
        "'89860119070000000028 '89860119070000000036",
        "\ufeff8986\u00a00119\u00a00700\u00a00000\u00a00028\u202889860119\u200b070000000036",
        "８９８６０１１９０７００００００００２８、８９８６０１１９０７００００００００３６",
        f"iccid:{A} ICCID={B}",
        f"ICCID{A}, sim-{B}",
        f"https://portal.example/sims/{A}/ and https://portal.example/sims/{B}/?tab=usage",
        f"1) {A}\n2) {B}",
        f"<{A}>.<{B}>",
    ],
)
def test_however_they_are_separated_or_grouped(text):
    assert digits(text) == [A, B]


def test_all_four_identifiers_in_one_paste_with_an_e_mail_around_it():
    text = f"""
    Hello Mira,

    on 2026-11-02 at 14:05 (and again 03.11.2026, 9:15) these stopped, see ticket INC-20261102001 and 4711:
      {NINETEEN}, +86 145 0000 0040 and 460 01 1234567890;
      IMEI 35-327009-123456-7
    We pay 1,250.00 EUR a month. Reference 550e8400-e29b-41d4-a716-446655440000.

    Kind regards, a12345678901@customer.example
    Tel. 030 1234567
    """
    assert digits(text) == [NINETEEN, "8614500000040", "460011234567890", "353270091234567"]


@pytest.mark.parametrize(
    "text", ["", "   \n\t", "Hello there", "Room 12", "12:30", "2026-11-22", "22.11.2026 10:00", "€ 99.90"]
)
def test_what_is_no_identifier_gives_no_line(text):
    assert read_text(text) == []


def test_lines_are_numbered_and_keep_what_was_given():
    lines = read_text(f"{A}, {B}\n\n8986 0119 0700 0000 0044")
    assert [(line.number, line.text) for line in lines] == [(1, A), (2, B), (3, "8986 0119 0700 0000 0044")]


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        (f"{NINETEEN}-060", NINETEEN, "8986011907000000060"),
        (f"{NINETEEN} – 060", NINETEEN, "8986011907000000060"),
        (f"{NINETEEN}—60", NINETEEN, "8986011907000000060"),
        (f"{NINETEEN} - 060", NINETEEN, "8986011907000000060"),
        (f"{NINETEEN} to 060", NINETEEN, "8986011907000000060"),
        (f"{NINETEEN}..8986011907000000060", NINETEEN, "8986011907000000060"),
        (f"from {NINETEEN} to 8986011907000000060 please", NINETEEN, "8986011907000000060"),
        (f"{A}-0110", A, "89860119070000000110"),
        ("8986 0119 0700 0000 0028 - 8986 0119 0700 0000 0110", A, "89860119070000000110"),
        ("8986-0119-0700-0000-0028 to 0110", A, "89860119070000000110"),
    ],
)
def test_a_range(text, first, last):
    (line,) = read_text(text)
    assert (line.digits, line.until) == (first, last)


def test_a_check_digit_after_a_dash_may_be_a_range_or_not():
    (line,) = read_text("8986011907000000002-8")
    assert (line.joined, line.digits, line.until) == (A, "8986011907000000002", "8986011907000000008")


def test_two_numbers_with_a_dash_between_are_no_range_when_they_have_nothing_in_common():
    assert [(x.digits, x.until) for x in read_text("460011234567890 - 353270091234567")] == [
        ("460011234567890", ""),
        ("353270091234567", ""),
    ]


def test_a_range_of_other_numbers_is_said_to_be_not_understood():
    (line,) = read_text("460011234567890-899")
    assert "giccids only" in line.problem


@pytest.mark.parametrize(
    ("text", "known", "length"),
    [
        ("8.98601E+18", "898601", 19),
        ("8,98601E+18", "898601", 19),
        ("8.98601190700000E+19", "898601190700000", 20),
        ("4.60011E+14", "460011", 15),
        ("9E+19", "9", 20),
    ],
)
def test_a_number_that_a_spreadsheet_cut_off(text, known, length):
    (line,) = read_text(text)
    assert (line.digits, line.length) == (known, length)


def test_two_cut_off_numbers_with_decimal_commas():
    assert [line.digits for line in read_text("8,98601E+18,8,98602E+19")] == ["898601", "898602"]


@pytest.mark.parametrize("text", [f"{A}.0", f"{A}.00", f"{A},0", f"{A}F"])
def test_what_was_taken_off_is_told_and_what_was_given_is_shown(text):
    (line,) = read_text(text)
    assert line.digits == A
    assert line.text == text
    assert len(line.repairs) == 1


@pytest.mark.parametrize(
    ("text", "word"), [("12345", "Too short"), ("8" * 25, "Too long"), ("89860119O70000000028", "letters")]
)
def test_a_lone_number_that_can_be_none_is_answered(text, word):
    (line,) = read_text(text)
    assert word in line.problem


def test_too_many_are_refused_with_the_number():
    limit = settings.CONFIG["BATCH_MAX_LINES"]
    assert len(read_text(f"{A}\n" * limit)) == limit
    with pytest.raises(TooMany) as refused:
        read_text(f"{A}\n" * (limit + 1))
    assert refused.value.number == limit + 1
    assert f"{limit:,}" in str(refused.value)


def test_endless_groups_of_digits_are_refused(monkeypatch):
    monkeypatch.setitem(settings.CONFIG, "BATCH_MAX_LINES", 100)
    with pytest.raises(TooMany):
        read_text("1 2 " * 300)


_LIKELY = st.text(
    alphabet=st.sampled_from(list("0189 -–.,;:'E+e\n\t|()FfOto\u00a0\u200b９@/\x01\x02\x03\x04")), max_size=80
)


@given(st.one_of(st.text(), _LIKELY))
def test_any_text_is_read(text):
    lines = read_text(text)
    assert [line.number for line in lines] == list(range(1, len(lines) + 1))
    for line in lines:
        assert isinstance(line, Line)
        assert len(line.text) <= 200
        assert bool(line.problem) != bool(line.digits)
        assert line.digits == "" or (line.digits.isascii() and line.digits.isdigit())


@pytest.mark.parametrize("text", [f"{NINETEEN} – 060", f"cards {NINETEEN}—060"])
def test_a_long_dash_is_shown_as_one(text):
    (line,) = read_text(text)
    assert "–" in line.text
    assert line.text.isprintable()


@pytest.mark.parametrize("text", ["898…040-060", "898...040-060", "898…040 – 060"])
def test_a_range_that_begins_with_a_shortened_number(text):
    (line,) = read_text(text)
    assert (line.start, line.digits, line.until, line.problem) == ("898", "040", "060", "")


@pytest.mark.parametrize("text", ["898…040-0600", "898601190700…0000000040-60"])
def test_a_shortened_number_that_is_none_of_a_giccid(text):
    (line,) = read_text(text)
    assert "in full" in line.problem


def test_what_stands_beside_a_shortened_range_is_read():
    assert digits(f"898…040-060, {A}") == ["040", A]
