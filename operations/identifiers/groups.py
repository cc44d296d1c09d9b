"""Groups of digits with spaces and dashes between them: where one number ends and the next begins."""

from __future__ import annotations

from dataclasses import dataclass

from operations.identifiers.characters import RANGE
from operations.identifiers.lines import LONGEST

STANDS_ALONE = 11
"""A group of so many digits is a number by itself; shorter ones are parts of one."""
_GICCID = (19, 20)
_OTHER = (14, 15, 16)
LONGEST_SUFFIX = 7
"""Digits at the end of a giccid that a range may give anew: ten million numbers."""
_SHARED = 6
"""First digits that two whole numbers have in common at least, to be the ends of a range."""
_FULL = range(14, 21)
_MOST_GROUPS = 8


@dataclass(frozen=True, slots=True)
class Group:
    """Digits, the separator before them, and from where to where they stand."""

    separator: str
    digits: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Number:
    """One number, from ``start`` to ``end`` of the run."""

    digits: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Range:
    """All from ``first`` to ``last``, which have the same number of digits; ``joined`` as in ``Line``.

    Only giccids have ranges; one of other numbers comes out as such, too, so that it can be told.
    """

    first: str
    last: str
    start: int
    end: int
    joined: str = ""


def numbers_of(groups: list[Group]) -> list[Number | Range]:
    """The numbers and ranges that ``groups`` are, in order. Short ones are among them: the caller knows what counts."""
    result: list[Number | Range] = []
    part: list[Group] = []
    after_mark = False
    for group in groups:
        if group.separator == RANGE and _ends_number(part):
            _append(result, _split(part), after_mark)
            part, after_mark = [], True
        part.append(group)
    _append(result, _split(part), after_mark)
    return result


def _ends_number(part: list[Group]) -> bool:
    """Whether what stands before a range mark is a number; else the mark is one more separator within it."""
    return bool(part) and (len(part[-1].digits) >= STANDS_ALONE or sum(len(g.digits) for g in part) >= min(_GICCID))


def _append(result: list[Number | Range], numbers: list[Number | Range], after_mark: bool) -> None:
    """Add ``numbers``; after a range mark, the first of them is the end of a range that the last one begins."""
    if after_mark and result and numbers:
        first, last = result[-1], numbers[0]
        if isinstance(first, Number) and isinstance(last, Number):
            made = _range(first, last.digits, last.end, sure=True)
            if made is not None:
                result[-1] = made
                numbers = numbers[1:]
    result.extend(numbers)


def _range(first: Number, until: str, end: int, *, sure: bool) -> Range | None:
    length = len(first.digits)
    if length not in _GICCID and (length not in _OTHER or first.end - first.start != length or len(until) == 1):
        return None
    if len(until) <= LONGEST_SUFFIX:
        check_digit = len(until) == 1 and length < LONGEST and not sure
        joined = first.digits + until if check_digit else ""
        return Range(first.digits, first.digits[: length - len(until)] + until, first.start, end, joined)
    if len(until) == length and first.digits[:_SHARED] == until[:_SHARED]:
        return Range(first.digits, until, first.start, end)
    return None


def _split(part: list[Group]) -> list[Number | Range]:
    if size := _period(part):
        return [_joined(part[n : n + size]) for n in range(0, len(part), size)]
    result: list[Number | Range] = []
    gathered: list[Group] = []
    for group in part:
        total = sum(len(g.digits) for g in gathered)
        if gathered and group.separator == "-" and (total in _GICCID or len(gathered) == 1):
            made = _range(_joined(gathered), group.digits, group.end, sure=False)
            if made is not None:
                result.append(made)
                gathered = []
                continue
        alone = len(group.digits) >= STANDS_ALONE or (gathered and len(gathered[-1].digits) >= STANDS_ALONE)
        if gathered and (alone or total + len(group.digits) > LONGEST):
            result.append(_joined(gathered))
            gathered = []
        gathered.append(group)
    if gathered:
        result.append(_joined(gathered))
    return result


def _joined(groups: list[Group]) -> Number:
    return Number("".join(group.digits for group in groups), groups[0].start, groups[-1].end)


def _period(part: list[Group]) -> int:
    """How many groups make one number, when the same pattern of groups comes again and again; 0 when not."""
    lengths = [len(group.digits) for group in part]
    if len(part) < 2 or max(lengths) >= STANDS_ALONE or sum(lengths) <= LONGEST:
        return 0
    for size in range(2, min(_MOST_GROUPS, len(lengths) // 2) + 1):
        again, rest = divmod(len(lengths), size)
        if not rest and sum(lengths[:size]) in _FULL and lengths == lengths[:size] * again:
            return size
    return 0
