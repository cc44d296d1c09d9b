"""What a line is before and after it is looked up, and why a whole choice is refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from django.conf import settings
from django.utils.translation import gettext as _

TEXT_LIMIT = 200
"""Characters of a line that are kept as it was given."""
LONGEST = 20
"""Digits of the longest identifier."""

KEPT = 15
"""Digits that a spreadsheet keeps of a number; what it shows after them means nothing."""


class IdentifiersRefused(Exception):
    """Base: nothing of the choice is taken. ``str()`` is a sentence for the person who made it."""


class TooMany(IdentifiersRefused):
    """More lines than a job may have. ``number`` is how many there are, or were found before counting ended."""

    def __init__(self, number: int, limit: int) -> None:
        self.number = number
        self.limit = limit
        super().__init__(
            _("These are %(number)s lines or more; a job takes %(limit)s at most. Please split them.")
            % {"number": f"{number:,}", "limit": f"{limit:,}"}
        )


class Unreadable(IdentifiersRefused):
    """The file can't be read, or not safely."""


def line_limit() -> int:
    """Lines that one job may have (setting BATCH_MAX_LINES)."""
    return int(settings.CONFIG["BATCH_MAX_LINES"])


@dataclass(frozen=True, slots=True)
class Line:
    """One identifier, or one range of them, as it was read.

    Exactly one of these holds: ``problem`` says why there is no identifier; ``until`` is the end of a range that
    starts at ``digits``; ``length`` is set and ``digits`` are but the first of so many; or ``digits`` is a whole
    number.
    """

    number: int
    """Counted from 1 over what was given; a text line with three identifiers makes three."""
    text: str
    digits: str = ""
    until: str = ""
    length: int = 0
    joined: str = ""
    """Of a range such as ``…002-8``: what it is if the 8 is a check digit. Looked up first."""
    start: str = ""
    """Of a range such as ``898…040-060``: what the giccids begin with; ``digits`` and ``until`` are their ends."""
    repairs: tuple[str, ...] = ()
    """What was already taken off, such as a trailing ``.0``: sentences."""
    problem: str = ""

    def numbered(self, number: int, text: str | None = None) -> Line:
        """The same as line ``number``, given as ``text``."""
        return replace(self, number=number, text=(self.text if text is None else text)[:TEXT_LIMIT])


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a line means to one user. ``outcome`` is a value of ``BatchLine.Outcome``.

    ``sim_id`` is set for found and repaired lines only; a duplicate has the ``giccid`` alone, so that nobody takes
    a SIM twice. ``candidates`` are the giccids of an ambiguous line, at most 20. ``number`` counts the answers from
    1: a range becomes as many as it has SIMs.
    """

    number: int
    text: str
    outcome: str
    note: str = ""
    sim_id: int | None = None
    giccid: str = ""
    candidates: list[str] = field(default_factory=list)


def check_number(number: int) -> None:
    """Raise :class:`TooMany` when ``number`` lines are more than a job takes."""
    limit = line_limit()
    if number > limit:
        raise TooMany(number, limit)


def luhn_fits(digits: str) -> bool:
    """Whether the last digit is the Luhn check digit of the others. Never a reason to refuse a SIM (contract)."""
    return (sum(map(int, digits[::-2])) + sum(map(_DOUBLED.__getitem__, digits[-2::-2]))) % 10 == 0


_DOUBLED = {str(digit): digit * 2 - 9 if digit > 4 else digit * 2 for digit in range(10)}
"""What each digit counts in every other place."""


def fitting_without_one(digits: str) -> Iterator[str]:
    """``digits`` without one digit that is neither the first nor the last, wherever its last digit fits then."""
    plain, doubled = [int(digit) for digit in digits], [_DOUBLED[digit] for digit in digits]
    right, left = [0], [0]  # sums of so many digits from the end, in their places, and from the start, each one on
    for n in range(len(digits)):
        right.append(right[-1] + (doubled if n % 2 else plain)[-1 - n])
        left.append(left[-1] + (doubled if (len(digits) - n) % 2 else plain)[n])
    for place in range(1, len(digits) - 1):
        if (left[place] + right[len(digits) - place - 1]) % 10 == 0:
            yield digits[:place] + digits[place + 1 :]


def looks_rounded(digits: str) -> bool:
    """Whether a spreadsheet may have made this of another number: zeros at the end, or exactly a binary float."""
    return len(digits) in (18, 19, 20) and (not digits[KEPT:].strip("0") or int(float(digits)) == int(digits))
