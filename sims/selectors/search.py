"""The search box: any part of an identifier or custom field, found without reading the whole fleet."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from django.db.models import Q, QuerySet

from sims.models import Sim

SHORTEST = 3
"""Characters; less than that is in nearly every SIM."""

_NUMBER_LIKE = re.compile(r"[\d\s.,/()+\-‐-―−'·]+\Z")
_NOT_A_DIGIT = re.compile(r"\D+")
# Whole identifiers, by their number of digits. An MSISDN may be shorter, but then it may be a part as well.
_WHOLE = {"giccid": range(18, 21), "imsi": range(14, 17), "imei": range(14, 17), "msisdn": range(10, 16)}


@dataclass(frozen=True)
class Query:
    """What was typed, as it is looked for."""

    terms: tuple[str, ...]
    """Any of these, in lower case; each of three or more characters. None: too short to look for."""
    digits: str = ""
    """The digits of an input that may be a pasted number."""


def understand(text: str) -> Query:
    """Read the box: spaces, dashes and dots of a pasted number are no part of it, in whatever script they come.

    A text with letters in it is looked for as it stands. So is a number with separators, beside its digits: a
    custom field may hold just that.
    """
    plain = unicodedata.normalize("NFC", " ".join(text.replace("\x00", " ").split()).lower())
    digits = ""
    if _NUMBER_LIKE.match(plain):
        # Digits of another script, full-width ones for instance, are meant as digits.
        digits = "".join(
            str(unicodedata.digit(c)) for c in _NOT_A_DIGIT.sub("", plain) if unicodedata.digit(c, None) is not None
        )
    # The carrier may hold an accent as a letter of its own or as a mark beside one; they look the same.
    candidates = (digits, plain, unicodedata.normalize("NFD", plain))
    return Query(tuple(dict.fromkeys(term for term in candidates if len(term) >= SHORTEST)), digits)


def find(queryset: QuerySet[Sim], query: Query) -> QuerySet[Sim]:
    """``queryset`` limited to what ``query`` finds. Takes a small query of its own for what may be an identifier.

    A whole identifier is looked up by its index, and when that finds something it is all that is meant. A part is
    looked for in the search text.
    """
    if not query.terms:
        return queryset
    whole = _whole_identifier(query.digits)
    if whole:
        return queryset.filter(pk__in=whole)
    condition = Q()
    for term in query.terms:
        condition |= Q(search__contains=term)
    return queryset.filter(condition)


def _whole_identifier(digits: str) -> list[int]:
    """Keys of SIMs that have ``digits`` as one of their identifiers; one query by index where the length fits."""
    condition = Q()
    for field, lengths in _WHOLE.items():
        if len(digits) in lengths:
            condition |= Q(**{field: digits})
    return list(Sim.objects.filter(condition).values_list("pk", flat=True)[:100]) if condition else []
