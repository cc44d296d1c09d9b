"""What a text is made of before anything is looked for in it: other scripts' digits, odd spaces, invisible marks."""

from __future__ import annotations

import re
import unicodedata

BREAK = "\x01"
"""Stands where something was taken out: nothing is read across it."""
RANGE = "\x02"
"""Stands where a range was written in words or with a long dash."""

_DASHES = "‐‑‒−﹣-"
_LONG_DASHES = "–—―〜~～"
_APOSTROPHES = "’‘ʼ´`′"
_KNOWN_LABELS = "giccid|iccid|icc|sim|imsi|msisdn|imei|nr|no|number|nummer|tel|phone|id|card"

_URL = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
_UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE)
_DATE = re.compile(
    r"(?<![\d\-./])(?:\d{4}([-/.])\d{1,2}\1\d{1,2}|\d{1,2}([-/.])\d{1,2}\2(?:\d{4}|\d{2}))"
    r"(?:T\d\d:?\d\d(?::?\d\d)?(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?|(?![\d\-/]))",
    re.ASCII,
)
_TIME = re.compile(r"(?<![\d:])\d{1,2}:\d\d(?::\d\d)?(?:[.,]\d{1,9})?(?![\d:])", re.ASCII)
_WHOLE_GICCID = re.compile(r"(?<!\d)\d{18,20}(?!\d)", re.ASCII)
_LABEL = re.compile(rf"\b(?:{_KNOWN_LABELS})[-_.](?=\d)", re.IGNORECASE)
_TICKET = re.compile(r"\b[^\W\d_]{1,40}-\d[\d-]{0,40}")
_RANGE_WORD = re.compile(r"(?<=\d)[ ]{0,3}(?:\bto\b|\bthrough\b|\bbis\b|\.{2,3}|…)[ ]{0,3}(?=\d)", re.IGNORECASE)
_SPACED_DASH = re.compile(r"(?<=\d) {1,3}-{1,2} {1,3}(?=\d)|(?<=\d)--(?=\d)")
_APOSTROPHE_WITHIN = re.compile(r"(?<=\d)'(?=\d)")


def plain(text: str) -> str:
    """``text`` with ASCII digits, dashes, apostrophes and spaces, without what can't be seen.

    Line breaks and tabs stay. Long dashes become :data:`RANGE`.
    """
    if text.isascii():
        return text.replace("\0", " ").replace(BREAK, " ").replace(RANGE, " ")
    table: dict[int, str] = {0: " ", ord(BREAK): " ", ord(RANGE): " "}
    for character in set(text):
        if character.isascii():
            continue
        digit = unicodedata.digit(character, None)
        category = unicodedata.category(character)
        if digit is not None and category == "Nd":
            table[ord(character)] = str(digit)
        elif character in _DASHES:
            table[ord(character)] = "-"
        elif character in _LONG_DASHES:
            table[ord(character)] = RANGE
        elif character in _APOSTROPHES:
            table[ord(character)] = "'"
        elif category == "Zs":
            table[ord(character)] = " "
        elif category in ("Cf", "Cc", "Mn") and character not in "\x85":
            table[ord(character)] = ""
        elif unicodedata.east_asian_width(character) == "F":
            table[ord(character)] = unicodedata.normalize("NFKC", character)
    return text.translate(table)


def without_noise(text: str) -> str:
    """One line without e-mail addresses, web addresses, dates, times and ticket numbers.

    A giccid inside a web address stays: people paste the address of a SIM's page.
    """
    if "@" in text:
        text = " ".join(BREAK if "@" in word else word for word in text.split(" "))
    if "//" in text or "www." in text:
        text = _URL.sub(_whole_giccids, text)
    text = _UUID.sub(BREAK, text)
    text = _DATE.sub(BREAK, text)
    text = _TIME.sub(BREAK, text)
    text = _LABEL.sub(BREAK, text)
    text = _TICKET.sub(_whole_giccids, text)
    text = _APOSTROPHE_WITHIN.sub("", text)
    text = _RANGE_WORD.sub(RANGE, text)
    return _SPACED_DASH.sub(RANGE, text)


def _whole_giccids(match: re.Match[str]) -> str:
    return BREAK + BREAK.join(_WHOLE_GICCID.findall(match.group())) + BREAK
