"""The search box: any part of an identifier or custom field, found without reading the whole fleet.

PostgreSQL's index has the SIMs of each group of three letters, and goes through those of every group that it is asked
for. Of a word that most of the fleet has (``customer-996``) that takes longer than all else together, so the index is
asked for the telling part alone; numbers of five and more digits are asked of another one, by groups of five. Of what
an index answers only those SIMs are taken that have the whole.
"""

from __future__ import annotations

import re
import time
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from django.db import connection
from django.db.models import Q, QuerySet, Value
from django.db.models.functions import StrIndex
from django.db.models.lookups import GreaterThan

from sims.models import Sim
from sims.models.indexes import HasDigits

SHORTEST = 3
"""Characters; less than that is in nearly every SIM."""

_NUMBER_LIKE = re.compile(r"[\d\s.,/()+\-‐-―−'·]+\Z")
_NOT_A_DIGIT = re.compile(r"\D+")
_DIGITS = re.compile(rf"[0-9]{{{HasDigits.WIDTH},}}\Z")
_BETWEEN_WORDS = re.compile(r"[\W_]+")
_COMMON = 4
"""A group of letters that more than one SIM in so many has is not worth asking for, beside one that is rare."""
_ENOUGH = 50
"""Search texts that tell what is common."""
_LONGEST = 60
"""Characters; a longer text is asked for as it is."""
_KEPT = 600
"""Seconds after which a process asks anew what is common."""
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
        condition |= _has(term)
    return queryset.filter(condition)


def telling_part(term: str, sample: tuple[frozenset[str], ...]) -> str:
    """The shortest part of ``term`` that the index finds about as few SIMs by, judged by the groups of a ``sample``.

    ``term`` itself where the sample is too small to tell, nothing in it is common, or everything.
    """
    if len(sample) < _ENOUGH or len(term) > _LONGEST:
        return term
    asked = _groups(term)
    rare = {group for group in asked if sum(group in has for has in sample) * _COMMON <= len(sample)}
    if not rare or sum(rare <= has for has in sample) > sum(asked <= has for has in sample):
        return term
    part = term
    while rare <= _groups(part[1:]):
        part = part[1:]
    while rare <= _groups(part[:-1]):
        part = part[:-1]
    return part


def _has(term: str) -> Q:
    """The condition that the search text has ``term`` in it."""
    asked = _asked_of_the_index(term) if connection.vendor == "postgresql" else None
    if asked is None:
        return Q(search__contains=term)
    # The whole by a function that no index serves, or the index would be asked for all of it again; and first, for it
    # is quick where a SIM that something else has found is looked at.
    return Q(GreaterThan(StrIndex("search", Value(term)), 0)) & asked


def _asked_of_the_index(term: str) -> Q | None:
    """What finds few SIMs that have not ``term``, quicker than ``term`` itself; ``None`` where nothing does."""
    is_number, is_word = bool(_DIGITS.match(term)), any(map(str.isalpha, term))
    if not (is_number or is_word):
        # A few digits, whose groups are quick to go through, or digits with something between.
        return None
    texts, groups = _sample(int(time.monotonic() / _KEPT))
    if is_number:
        # What many have is soon found by reading along.
        is_common = sum(term in text for text in texts) * _COMMON > len(texts) >= _ENOUGH
        return None if is_common else Q(HasDigits("search", term))
    part = telling_part(term, groups)
    return None if part == term else Q(search__contains=part)


def _groups(text: str) -> frozenset[str]:
    """The groups of three that pg_trgm makes of a part of a text: where a word begins two blanks are before it, and
    where it ends is one behind it."""
    spread = _BETWEEN_WORDS.sub("  ", text)
    groups = (spread[place : place + 3] for place in range(len(spread) - 2))
    return frozenset(group for group in groups if group[1:] != "  ")


@lru_cache(maxsize=1)
def _sample(_period: int) -> tuple[tuple[str, ...], tuple[frozenset[str], ...]]:
    """Some hundred search texts from all over the fleet, which PostgreSQL keeps to plan by, and the groups of each."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT histogram_bounds::text::text[] FROM pg_stats "
            "WHERE schemaname = current_schema() AND tablename = %s AND attname = 'search'",
            [Sim._meta.db_table],
        )
        found = cursor.fetchone()
    texts = tuple((found and found[0]) or ())
    return texts, tuple(_groups(f"\n{text}\n") for text in texts)


def _whole_identifier(digits: str) -> list[int]:
    """Keys of SIMs that have ``digits`` as one of their identifiers; one query by index where the length fits."""
    condition = Q()
    for field, lengths in _WHOLE.items():
        if len(digits) in lengths:
            condition |= Q(**{field: digits})
    return list(Sim.objects.filter(condition).values_list("pk", flat=True)[:100]) if condition else []
