"""From a text to lines: which digits in it are meant as identifiers.

Nothing is looked up here. ``docs/batch-jobs.md`` ("How lines are read") says the rules in words; keep the two alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from operations.identifiers.characters import BREAK, RANGE, plain, without_noise
from operations.identifiers.groups import Group, Number, Range, numbers_of
from operations.identifiers.lines import (
    KEPT,
    LONGEST,
    TEXT_LIMIT,
    Line,
    TooMany,
    check_number,
    line_limit,
)
from operations.identifiers.shortened import shortened

SHORTEST = 8
"""Digits of a number on a line that has nothing else."""
SHORTEST_AMONG_WORDS = 10
"""Digits of a number in running text, where shorter ones are prices, tickets and dates."""
SHORTEST_REMARK = 5
"""Digits from which a number on a line of its own is answered with "too short" instead of silence."""
SHORTEST_RANGE = 19
"""Digits of a giccid, with which alone a range can begin."""
_SHORTEST_NOTATION = 4
"""Characters of the shortest cell that may stand for an identifier, ``9E18``."""
_CUT_OFF = range(8, LONGEST + 1)
"""Digits of a number in E-notation that may be an identifier."""

_SHOWN_WHOLE = 50
"""Characters of a row with one identifier that is shown as it was given, with what stands around."""
_LONGEST_CELL = 5_000
"""Characters of a cell that is looked at; one that is to hold an identifier has fewer."""
_GROUPS_OF_A_LINE = 5
"""Groups of digits for each line that a job takes; more of them are no list of identifiers."""
_ZEROS = "\x03"
_FILLER = "\x04"
_PLAIN_LINE = re.compile(rf"\d{{{SHORTEST},{LONGEST}}}", re.ASCII)
_SCIENTIFIC = re.compile(r"(?<![\w.])(\d)(?:[.,](\d{1,25})[eE]\+?|[eE]\+)(\d{1,3})(?!\w)", re.ASCII)
_THOUSANDS = re.compile(
    r"(?<![\d.,])\d{1,3}(?:,\d{3}){4,}(?![\d,])|(?<![\d.,])\d{1,3}(?:\.\d{3}){4,}(?![\d.])", re.ASCII
)
_POINT_ZERO = re.compile(r"(?<=\d{8})[.,]0{1,6}(?![\d.,]\d|\d)", re.ASCII)
_MIXED = re.compile(r"(?<!\w)(?=[^\W\d]*\d)(?=\d*[^\W\d])\w+")
_F_AT_END = re.compile(r"(\d{18,20})[fF]", re.ASCII)
_LABELLED = re.compile(
    r"(?:giccid|iccid|imsi|msisdn|imei|sim|tel)_?(\d{8,20})|[^\W\d]*(\d{18,20})[^\W\d]*", re.IGNORECASE
)
_RUN = re.compile(
    rf"\d+(?:(?:[ ]{{1,3}}\(?|-|[ ]?{RANGE}[ ]?)\d+)*[{_ZEROS}{_FILLER}]?",
    re.ASCII,
)
_GROUP = re.compile(rf"([ -]?)[ (]*({RANGE}?)[ ]?(\d+)", re.ASCII)
_SHORTENED = re.compile(
    rf"(?<![\w.-])(\d{{1,12}})(?:…|\.{{2,3}})(\d{{1,10}})[ ]{{0,3}}[-{RANGE}][ ]{{0,3}}(\d{{1,10}})(?!\w)", re.ASCII
)
_WORD = re.compile(r"[^\W\d_]{3,}")
_NAMES = frozenset({"giccid", "iccid", "imsi", "msisdn", "imei", "sim", "sims", "imeisv"})
_LETTER = re.compile(r"[^\W\d_]")


def read_text(text: str) -> list[Line]:
    """Every identifier in ``text``, in order; numbered from 1. Never fails on any text but by its length.

    Words, dates and numbers too short to be identifiers give no line. Raises
    :class:`~operations.identifiers.lines.TooMany`.
    """
    found: list[Line] = []
    for raw in plain(text).splitlines():
        row = raw.strip()
        if not row:
            continue
        lines = list(_lines_of(row))
        given = _shown(row) if len(lines) == 1 and len(row) <= _SHOWN_WHOLE else None
        for line in lines:
            found.append(line.numbered(len(found) + 1, given))
        check_number(len(found))
    return found


def read_cell(text: str) -> list[Line]:
    """The identifiers of a cell that is to hold one; never empty: a cell without any becomes a line that says why.

    The lines are not numbered yet.
    """
    cell = " ".join(plain(text).split())
    lines = list(_lines_of(cell)) if len(cell) <= _LONGEST_CELL else []
    if not lines:
        lines = [Line(0, _shown(cell), problem=_why_nothing(cell))]
    if len(lines) == 1:
        return [lines[0].numbered(0, _shown(cell))]
    return lines


def is_identifier_like(text: str) -> bool:
    """Whether a cell holds one number that may be an identifier, and nothing else of weight."""
    if len(text) < _SHORTEST_NOTATION:
        return False
    cell = " ".join(plain(text).split())
    if _PLAIN_LINE.fullmatch(cell):
        return True
    if len(cell) > TEXT_LIMIT or not any(character.isdigit() for character in cell):
        return False
    lines = list(_lines_of(cell))
    return len(lines) == 1 and not lines[0].problem and not _LETTER.search(re.sub("[eEfF]", "", cell))


def cut_off(significant: str, exponent: int, text: str) -> Line | None:
    """The line of a number of which only the first digits are left: ``significant`` × 10^…, 8.98601E+18.

    ``None`` when a number of that size is no identifier.
    """
    length = exponent + 1
    if length not in _CUT_OFF or not significant.strip("0"):
        return None
    if length <= min(KEPT, len(significant)) and not significant[length:].strip("0"):
        return Line(0, text, digits=significant[:length], repairs=(_written_out(),))
    return Line(0, text, digits=significant[: min(length, KEPT)], length=length)


def _written_out() -> str:
    return _("The spreadsheet's notation was written out.")


def _lines_of(row: str) -> Iterator[Line]:
    """Ranges whose first number is written short (``898…040-060``), and what stands beside them."""
    start = 0
    for match in _SHORTENED.finditer(row):
        yield from _lines_of_part(row[start : match.start()])
        yield shortened(match[1], match[2], match[3], _shown(match.group()))
        start = match.end()
    yield from _lines_of_part(row[start:])


def _lines_of_part(row: str) -> Iterator[Line]:
    if _PLAIN_LINE.fullmatch(row):
        yield Line(0, row, digits=row)
        return
    shortest = SHORTEST_AMONG_WORDS if _has_words(row) else SHORTEST
    remarks = not _LETTER.search(row)
    row = without_noise(row)
    if not any(character.isdigit() for character in row):
        return
    taken: list[tuple[int, list[Line]]] = []
    row = _take_scientific(row, taken)
    row = _THOUSANDS.sub(lambda match: re.sub("[.,]", "", match.group()), row)
    row = _POINT_ZERO.sub(_ZEROS, row)
    row = _take_mixed_words(row, taken)
    lone = remarks and not taken and len(_RUN.findall(row)) == 1
    for match in _RUN.finditer(row):
        if len(match.group()) < SHORTEST_REMARK and RANGE not in match.group():
            continue  # too short for a line or a remark; a row may have millions of these
        lines = list(_lines_of_run(match.group(), shortest))
        if not lines and lone:
            lines = _remark(match.group())
        taken.append((match.start(), lines))
    for _place, lines in sorted(taken, key=lambda pair: pair[0]):
        yield from lines


def _shown(text: str) -> str:
    """As a person may read it: without the marks that stand for something in here."""
    return text.replace(RANGE, "–").replace(BREAK, " ")


def _has_words(row: str) -> bool:
    """Whether it is running text: a word of three letters and more that is not the name of an identifier."""
    return any(word.lower() not in _NAMES for word in _WORD.findall(row))


def _take_scientific(row: str, taken: list[tuple[int, list[Line]]]) -> str:
    def take(match: re.Match[str]) -> str:
        line = cut_off(match[1] + (match[2] or ""), int(match[3]), match.group())
        if line is not None:
            taken.append((match.start(), [line]))
        # As long as what it replaces, so that the places of the others stay.
        return BREAK * len(match.group())

    return _SCIENTIFIC.sub(take, row) if "e" in row or "E" in row else row


def _take_mixed_words(row: str, taken: list[tuple[int, list[Line]]]) -> str:
    """Words of letters and digits: the filler F of a giccid, a label without a space, a slip of the keyboard."""

    def take(match: re.Match[str]) -> str:
        word = match.group()
        if filled := _F_AT_END.fullmatch(word):
            return filled[1] + _FILLER
        if labelled := _LABELLED.fullmatch(word):
            return (labelled[1] or labelled[2]).rjust(len(word), BREAK)
        digits = sum(character.isdigit() for character in word)
        if digits >= 14 and digits >= 0.8 * len(word) and len(word) <= LONGEST + 4:
            taken.append((match.start(), [Line(0, word, problem=_("It has letters between its digits."))]))
        return BREAK * len(word)

    return _MIXED.sub(take, row)


def _lines_of_run(run: str, shortest: int) -> Iterator[Line]:
    repairs: tuple[str, ...] = ()
    if run.endswith(_ZEROS):
        repairs = (_("The “.0” of a spreadsheet was taken off."),)
    elif run.endswith(_FILLER):
        repairs = (_("The filler F at the end was taken off."),)
    limit = line_limit() * _GROUPS_OF_A_LINE
    matches = islice(_GROUP.finditer(run.rstrip(_ZEROS + _FILLER)), limit + 1)
    groups = [Group(_separator(m), m[3], m.start(3), m.end()) for m in matches]
    if len(groups) > limit:
        raise TooMany(line_limit() + 1, line_limit())
    numbers = numbers_of(groups)
    for place, number in enumerate(numbers):
        last = place == len(numbers) - 1
        text = _shown(run[number.start : number.end]).strip()
        if isinstance(number, Range) and len(number.first) < SHORTEST_RANGE:
            yield Line(0, text, problem=_("A range is understood for giccids only."))
        elif isinstance(number, Range):
            yield Line(0, text, digits=number.first, until=number.last, joined=number.joined)
        elif len(number.digits) >= shortest and not _is_national(number.digits, shortest):
            yield _line_of(number, text, repairs if last else ())


def _is_national(digits: str, shortest: int) -> bool:
    """Whether it is somebody's telephone in running text: an MSISDN has its country's code, not a leading zero."""
    return shortest == SHORTEST_AMONG_WORDS and len(digits) < 14 and digits[0] == "0" and digits[1] != "0"


def _separator(match: re.Match[str]) -> str:
    return RANGE if match[2] else match[1]


def _line_of(number: Number, text: str, repairs: tuple[str, ...]) -> Line:
    # One digit too many, and leading zeros, can be put right.
    if len(number.digits.lstrip("0")) > LONGEST + 1:
        return Line(0, text, problem=_too_long(len(number.digits)))
    return Line(0, text, digits=number.digits, repairs=repairs)


def _remark(run: str) -> list[Line]:
    digits = re.sub(r"\D", "", run)
    if len(digits) < SHORTEST_REMARK:
        return []
    return [Line(0, _shown(run), problem=_too_short(len(digits)))]


def _why_nothing(cell: str) -> str:
    digits = sum(character.isdigit() for character in cell)
    if not digits:
        return _("It has no digits.")
    if _LETTER.search(cell):
        return _("It is a text, not an identifier.")
    if digits > LONGEST:
        return _too_long(digits)
    return _too_short(digits)


def _too_short(digits: int) -> str:
    return ngettext(
        "Too short: %(digits)s digit is not an identifier.",
        "Too short: %(digits)s digits are not an identifier.",
        digits,
    ) % {"digits": digits}


def _too_long(digits: int) -> str:
    return _("Too long: it has %(digits)s digits, an identifier 20 at most.") % {"digits": digits}
