"""Small questions of several apps to the database, answered together: one statement for all that a page asks.

A badge of the navigation, a figure of the dashboard and the age of a reading are a number or a time each, found by an
index; what costs is the way to the database. An app registers each of its questions under a name in
``AppConfig.ready()``. The first one that a request asks for brings along all others of its place, and those of the
frame, which every page has. What was answered is kept for the length of the request.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import IntegerField, QuerySet, Subquery
from django.db.models.expressions import Combinable
from django.http import HttpRequest

FRAME = "frame"
"""The place of what every page shows."""

Question = Callable[[Any], Combinable | None]
"""Gets the user, answers an expression that needs no row, or ``None`` for what is not for this user."""

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
    known: dict[str, Any] = request.__dict__.setdefault(_KEPT, {})
    if name not in known:
        places = {FRAME, _questions[name].place}
        wanted = {key: asked.question for key, asked in _questions.items() if asked.place in places}
        asked = {key: question(request.user) for key, question in wanted.items() if key not in known}
        answers = iter(ask(request.user, *(found for found in asked.values() if found is not None)))
        known |= {key: None if found is None else next(answers) for key, found in asked.items()}
    return known[name]


def ask(user: Any, *expressions: Combinable) -> tuple[Any, ...]:
    """The values of ``expressions``, which need no row, in one statement; no query for none of them."""
    if not expressions:
        return ()
    # A statement needs a row to stand on: the user's own.
    return get_user_model()._default_manager.values_list(*expressions).get(pk=user.pk)
