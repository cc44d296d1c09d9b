"""What a number that no SIM has may have been before it was damaged: places in the mirror's indexes to look at.

A repair is a proposal only. ``lookup`` takes it when one single SIM of the mirror fits all proposals of a line.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _

from operations.identifiers.lines import KEPT, LONGEST, Line, fitting_without_one, looks_rounded, luhn_fits

FIELDS = ("giccid", "imsi", "msisdn", "imei")

LOST_CHECK_DIGIT = _("The missing check digit was added.")
WRONG_CHECK_DIGIT = _("The check digit was wrong.")
EXTRA_AT_END = _("A digit too many at the end was taken off.")
EXTRA_AT_START = _("A digit too many at the start was taken off.")
EXTRA_WITHIN = _("A digit too many was taken out.")
LEADING_ZEROS = _("Leading zeros were taken off.")
LOST_ZEROS = _("Lost leading zeros were put back.")
SOFTWARE_VERSION = _("The last digits of the IMEI differ; they are not part of the device's number.")
CUT_OFF = _("The spreadsheet had cut off the last digits.")


@dataclass(frozen=True, slots=True)
class Probe:
    """SIMs whose ``field`` lies between ``low`` and ``high`` and has ``length`` digits.

    ``checked``: only a SIM whose last digit is a true check digit is certain; another one is but similar.
    ``wide``: there may be any number of them.
    """

    field: str
    low: str
    high: str
    length: int
    note: object = dataclasses.field(compare=False)
    """A sentence not yet in any language: comparing it would translate it."""
    checked: bool = False
    wide: bool = False

    def keys(self) -> list[str]:
        """Every number it may be, when these are ten at most; empty when there are more."""
        if self.low == self.high:
            return [self.low]
        start = self.low[:-1]
        return [start + digit for digit in "0123456789"] if self.high[:-1] == start and not self.wide else []


def probes(line: Line) -> list[Probe]:
    """Where to look for the SIM of ``line``, a number that is nobody's, or one that a spreadsheet cut off."""
    if line.length:
        return list(_cut_off(line.digits, line.length))
    digits = line.digits
    found = [*_giccids(digits), *_imeis(digits), *_zeros(digits)]
    if looks_rounded(digits):
        found += _cut_off(digits[:KEPT], len(digits))
    return list(dict.fromkeys(found))


def _exactly(field: str, digits: str, note: object) -> Probe:
    return Probe(field, digits, digits, len(digits), note)


def _ending(field: str, start: str, places: int, note: object, *, checked: bool = False) -> Probe:
    return Probe(field, start + "0" * places, start + "9" * places, len(start) + places, note, checked)


def _giccids(digits: str) -> Iterator[Probe]:
    length = len(digits)
    if length in (18, 19):
        yield _ending("giccid", digits, 1, LOST_CHECK_DIGIT)
    if length in (19, 20) and not luhn_fits(digits):
        yield _ending("giccid", digits[:-1], 1, WRONG_CHECK_DIGIT, checked=True)
    if length in (20, 21):
        yield _exactly("giccid", digits[:-1], EXTRA_AT_END)
        yield _exactly("giccid", digits[1:], EXTRA_AT_START)
        if length > LONGEST or not luhn_fits(digits):
            # Without the check digit's word a digit taken from the middle would be a guess.
            for shorter in fitting_without_one(digits):
                yield _exactly("giccid", shorter, EXTRA_WITHIN)


def _imeis(digits: str) -> Iterator[Probe]:
    """An IMEI is 14 digits and then nothing, a check digit, or two digits of the software's version."""
    length = len(digits)
    if length not in (14, 15, 16):
        return
    device = digits[:14]
    if length == 14:
        yield _ending("imei", device, 1, LOST_CHECK_DIGIT)
    elif length == 15 and not luhn_fits(digits):
        yield _ending("imei", device, 1, WRONG_CHECK_DIGIT, checked=True)
    elif length == 16:
        yield _ending("imei", device, 1, SOFTWARE_VERSION)
    if length > 14 and (length == 16 or luhn_fits(digits)):
        yield _exactly("imei", device, SOFTWARE_VERSION)
    if length != 15 or luhn_fits(digits):
        yield _ending("imei", device, 2, SOFTWARE_VERSION)


def _zeros(digits: str) -> Iterator[Probe]:
    if digits.startswith("0"):
        shorter = digits.lstrip("0")
        for candidate in dict.fromkeys((shorter, digits[1:], digits[2:])):
            if len(candidate) >= 8 and len(digits) - len(candidate) <= 4:
                for field in FIELDS:
                    if (field == "giccid") == (len(candidate) > 16):
                        yield _exactly(field, candidate, LEADING_ZEROS)
    elif len(digits) < 15:
        for longer in dict.fromkeys(("0" + digits, "00" + digits, digits.zfill(14), digits.zfill(15))):
            if len(longer) - len(digits) <= 4:
                for field in FIELDS[1:]:
                    if field == "msisdn" or len(longer) >= 14:
                        yield _exactly(field, longer, LOST_ZEROS)


def _cut_off(start: str, length: int) -> Iterator[Probe]:
    """Numbers that are shown as ``start`` when cut off after so many digits, and those when rounded there.

    A tenth of a unit more on each side: a binary float is not quite the number that was typed.
    """
    unit = 10 ** (length - len(start))
    low = int(start) * unit - unit * 6 // 10
    high = int(start) * unit + unit * 11 // 10
    if len(str(low)) < length:
        low = 10 ** (length - 1)
    if len(str(high)) > length:
        high = 10**length - 1
    for field in FIELDS:
        if (field == "giccid") == (length > 16):
            yield Probe(field, str(low), str(high), length, CUT_OFF, wide=True)
