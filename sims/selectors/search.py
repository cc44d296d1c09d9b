"""The search box: any part of an identifier or custom field, found without reading the whole fleet."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Any

from django.db import connections
from django.db.models import Q, QuerySet
from django.db.models.expressions import RawSQL

from core.paging import COUNT_LIMIT
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
    """``queryset`` limited to what ``query`` finds. Takes one or two small queries of its own.

    A whole identifier is looked up by its index, and when that finds something it is all that is meant. A part is
    looked for in the search text: rare ones are found first and then joined, since a database that is asked for
    "the first fifty in order of giccid that contain this" may well read the fleet in that order; frequent ones are
    best found just so.
    """
    if not query.terms:
        return queryset
    whole = _whole_identifier(query.digits)
    if whole:
        return queryset.filter(pk__in=whole)
    condition = Q()
    for term in query.terms:
        condition |= Q(search__contains=term)
    if Sim.objects.filter(condition).values("pk")[: COUNT_LIMIT + 1].count() > COUNT_LIMIT:
        return queryset.filter(condition)
    return queryset.filter(pk__in=_ids_first(condition, queryset.db))


def _whole_identifier(digits: str) -> list[int]:
    """Keys of SIMs that have ``digits`` as one of their identifiers; one query by index where the length fits."""
    condition = Q()
    for field, lengths in _WHOLE.items():
        if len(digits) in lengths:
            condition |= Q(**{field: digits})
    return list(Sim.objects.filter(condition).values_list("pk", flat=True)[:100]) if condition else []


def _ids_first(condition: Q, alias: str) -> Any:
    """Keys of the SIMs that ``condition`` finds, in a way that has the database find them before all else."""
    matching = Sim.objects.filter(condition).values("pk")
    if connections[alias].vendor != "postgresql":
        return matching
    sql, params = matching.query.sql_with_params()
    first = f"WITH matching(found) AS MATERIALIZED ({sql}) SELECT found FROM matching"  # noqa: S608 - the ORM's SQL, values apart
    return RawSQL(first, params)  # noqa: S611 - as above
