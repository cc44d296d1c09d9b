"""Small questions of several apps to the database, answered together: one statement for all that a page asks.

A badge of the navigation, a figure of the dashboard and the age of a reading are a number or a time each, found by an
index; what costs is the way to the database. An app registers each of its questions under a name in
``AppConfig.ready()``. The first one that a request asks for brings along all others of its place, and those of the
frame, which every page has. What was answered is kept for the length of the request.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import IntegerField, QuerySet, Subquery
from django.db.models.expressions import Combinable
from django.http import HttpRequest
from django.utils import timezone

from core.prepared import MOMENT, NUMBER, Prepared, kept_for

FRAME = "frame"
"""The place of what every page shows."""

Question = Callable[[Any], Combinable | None]
"""Gets the user, answers an expression that needs no row, or ``None`` for what is not for this user.

What it answers is kept as SQL as long as the user's rights stay: it depends on nothing else, and takes the time from
:func:`core.prepared.now`."""

SIM = "sim"
"""The place of what the page of a SIM asks about it."""
SUBJECT = NUMBER
"""Stands for the key of the record that a page shows, in questions for :func:`about`."""

_KEPT = "_facts"


@dataclass(frozen=True)
class _Asked:
    place: str
    question: Question


_questions: dict[str, _Asked] = {}


class CountOf(Subquery):
    """How many rows ``queryset`` has, counted no further than ``most`` where that is given.

    An order makes the database find the first rows by the index of that order, which is what one wants of a count that
    stops early.
    """

    template = "(SELECT COUNT(*) FROM (%(subquery)s) counted)"
    output_field = IntegerField()
    empty_result_set_value = 0
    """What is known to be none without asking: somebody who sees no account."""

    def __init__(self, queryset: QuerySet[Any], most: int | None = None) -> None:
        super().__init__(queryset.values("pk")[:most] if most else queryset.order_by().values("pk"))


def newest(queryset: QuerySet[Any], column: str) -> Subquery:
    """``column`` of the first row of ``queryset``, which comes in its order."""
    return Subquery(queryset.values(column)[:1])


def register(name: str, question: Question, *, place: str = FRAME) -> None:
    """Have ``question`` answered wherever ``place`` is shown."""
    _questions[name] = _Asked(place, question)


def answer(request: HttpRequest, name: str) -> Any:
    """The answer to the question ``name`` for the user of ``request``; ``None`` for what is not for this user."""
    known = _known(request)
    if name not in known:
        place = _questions[name].place
        known |= _kept(request, {place, *_frame_of(known)})
    return known[name]


def about(request: HttpRequest, name: str, subject: int) -> Any:
    """The answer to a question about the record that the page shows; see :data:`SUBJECT`.

    Kept as long as the request does nothing but read.
    """
    known = _known(request)
    if (name, subject) not in known or request.method not in ("GET", "HEAD"):
        place = _questions[name].place
        found = _kept(request, {place, *_frame_of(known)}, subject)
        known |= found | {(key, subject): value for key, value in found.items() if key in _names({place})}
    return known[name, subject]


def _known(request: HttpRequest) -> dict[Any, Any]:
    known: dict[Any, Any] = request.__dict__.setdefault(_KEPT, {})
    return known


def _frame_of(known: dict[Any, Any]) -> set[str]:
    """The frame, unless it was asked already."""
    return set() if known.keys() & _names({FRAME}) else {FRAME}


def _names(places: Set[str]) -> list[str]:
    return [name for name, asked in _questions.items() if asked.place in places]


def _asked(user: Any, places: Set[str]) -> dict[str, Combinable | None]:
    return {name: _questions[name].question(user) for name in _names(places)}


def _kept(request: HttpRequest, places: Set[str], subject: int = 0) -> dict[str, Any]:
    """The answers for these places. Their statement is kept for each user, for putting it together takes many times as
    long as answering it."""
    user: Any = request.user
    if not user.is_authenticated:
        return dict.fromkeys(_names(places))
    names, statement = _statement_for(user, frozenset(places))
    values = statement.rows([(MOMENT, timezone.now()), (SUBJECT, subject)])[0] if statement else ()
    return dict.fromkeys(_names(places)) | dict(zip(names, values, strict=True))


def _statement_for(user: Any, places: frozenset[str]) -> tuple[list[str], Prepared | None]:
    """The names of the questions that are for this user, and the statement that answers them."""

    def made() -> tuple[list[str], Prepared | None]:
        asked = {name: found for name, found in _asked(user, places).items() if found is not None}
        return list(asked), Prepared(_statement(user, *asked.values())) if asked else None

    return kept_for(user, places, made)


def ask(user: Any, *expressions: Combinable) -> tuple[Any, ...]:
    """The values of ``expressions``, which need no row, in one statement; no query for none of them."""
    if not expressions:
        return ()
    return _statement(user, *expressions).get()


def _statement(user: Any, *expressions: Combinable) -> QuerySet[Any, Any]:
    # A statement needs a row to stand on: the user's own.
    return get_user_model()._default_manager.filter(pk=user.pk).values_list(*expressions)
