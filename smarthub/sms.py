"""Texts as the carrier takes them: codings, how much of a message a text uses, validity as ``tpvp``.

The data codings and the formula of ``tpvp`` are documented; the limits, the hex of coding 4 and that it holds
UTF-16BE are assumed (contract, "SMS").
"""

import unicodedata
from dataclasses import dataclass
from enum import IntEnum

MAX_BYTES = 140
"""Bytes in one message: 160 characters of seven bits, or 70 of UTF-16 (assumed)."""

_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_BASIC = frozenset(_BASIC)
"""GSM 03.38: one place each."""
GSM_EXTENSION = frozenset("\f^{}\\[~]|€")
"""Its extension table: two places each, for the escape that stands before."""

MINUTE, HOUR, DAY, WEEK = 1, 60, 1440, 10_080
LARGEST_TPVP = 255


class Coding(IntEnum):
    """``dataCoding`` (documented values)."""

    DEFAULT = 0
    """The operator's default: the GSM 7-bit alphabet (assumed)."""
    ASCII = 1
    BINARY = 4
    """Bytes as hex (assumed); the portal sends texts as UTF-16BE."""


@dataclass(frozen=True)
class Size:
    """How much of one message a text takes, in the unit of its coding: characters, or bytes for ``BINARY``."""

    used: int
    most: int

    @property
    def left(self) -> int:
        """What is left; below zero for a text that is too long."""
        return self.most - self.used

    @property
    def fits(self) -> bool:
        """Whether it is one message."""
        return self.used <= self.most


def normal(text: str) -> str:
    """``text`` as it is sent: line breaks as one character, an accent and its letter as one."""
    return unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))


def misfit(text: str, coding: int) -> str:
    """The first character of ``text`` that ``coding`` can't carry; empty when it carries all of them.

    No coding carries half of a surrogate pair.
    """
    return next((character for character in text if not _carries(character, coding)), "")


def propose(text: str) -> tuple[Coding, str]:
    """The coding for ``text`` that leaves the most room, and the character that a better one can't carry."""
    beyond_gsm = misfit(text, Coding.DEFAULT)
    if not beyond_gsm:
        return Coding.DEFAULT, ""
    beyond_ascii = misfit(text, Coding.ASCII)
    return (Coding.BINARY, beyond_ascii) if beyond_ascii else (Coding.ASCII, beyond_gsm)


def size(text: str, coding: int, *, max_bytes: int = MAX_BYTES) -> Size:
    """How much of one message ``text`` takes; it need not be one that the coding can carry."""
    if coding == Coding.BINARY:
        return Size(len(text.encode("utf-16-be", "surrogatepass")), max_bytes)
    places = len(text)
    if coding == Coding.DEFAULT:
        places += sum(character in GSM_EXTENSION for character in text)
    return Size(places, max_bytes * 8 // 7)


def encode(text: str, coding: int) -> str:
    """``messageText`` for a text in ``coding``. Raises ValueError for a text that the coding can't carry."""
    if misfit(text, coding):
        raise ValueError("the coding can't carry this text")
    return text.encode("utf-16-be").hex().upper() if coding == Coding.BINARY else text


def decode(wire: str, coding: int | None) -> str | None:
    """The text in a ``messageText``; ``None`` when it is ``BINARY`` and holds no readable text."""
    if coding != Coding.BINARY:
        return wire
    try:
        text = bytes.fromhex(wire).decode("utf-16-be")
    except ValueError:
        return None
    readable = all(character.isprintable() or character in "\n\r\t" for character in text)
    return text if text and readable and not any(c.isspace() for c in wire) else None


def tpvp_for(minutes: int) -> int:
    """The smallest ``tpvp`` that says at least ``minutes``. Raises ValueError outside of 1 minute to 63 weeks."""
    if not 1 <= minutes <= minutes_of(LARGEST_TPVP):
        raise ValueError("a validity is 1 minute to 63 weeks")
    if minutes <= 12 * HOUR:
        return _up(minutes, 5) - 1
    if minutes <= DAY:
        return 143 + _up(minutes - 12 * HOUR, 30)
    if minutes <= 30 * DAY:
        return 166 + _up(minutes, DAY)
    return max(197, 192 + _up(minutes, WEEK))


def minutes_of(tpvp: int) -> int:
    """The validity that ``tpvp`` says, in minutes (documented). Raises ValueError outside of 0 to 255."""
    if not 0 <= tpvp <= LARGEST_TPVP:
        raise ValueError("tpvp is 0 to 255")
    if tpvp <= 143:
        return (tpvp + 1) * 5
    if tpvp <= 167:
        return 12 * HOUR + (tpvp - 143) * 30
    if tpvp <= 196:
        return (tpvp - 166) * DAY
    return (tpvp - 192) * WEEK


def _up(number: int, step: int) -> int:
    return -(-number // step)


def _carries(character: str, coding: int) -> bool:
    if coding == Coding.DEFAULT:
        return character in GSM_BASIC or character in GSM_EXTENSION
    if coding == Coding.ASCII:
        return character.isascii()
    return not "\ud800" <= character <= "\udfff"
