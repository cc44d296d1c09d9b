"""Small questions of several apps to the database, answered together: one statement for all that a page asks.

A badge of the navigation, a figure of the dashboard and the age of a reading are a number or a time each, found by an
index; what costs is the way to the database. An app registers each of its questions under a name in
``AppConfig.ready()``. The first one that a request asks for brings along all others of its place, and those of the
frame, which every page has. What was answered is kept for the length of the request.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import IntegerField, QuerySet, Subquery
from django.db.models.expressions import Combinable
from django.http import HttpRequest
from django.utils import timezone

from core.prepared import MOMENT, Prepared

FRAME = "frame"
"""The place of what every page shows."""

Question = Callable[[Any], Combinable | None]
"""Gets the user, answers an expression that needs no row, or ``None`` for what is not for this user."""

_KEPT = "_facts"
_is_preparing: ContextVar[bool] = ContextVar("is_preparing", default=False)


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


def now() -> datetime:
    """The time, for questions of the frame: in a statement that is kept it stands to be filled in."""
    return MOMENT if _is_preparing.get() else timezone.now()


def answer(request: HttpRequest, name: str) -> Any:
    """The answer to the question ``name`` for the user of ``request``; ``None`` for what is not for this user."""
    known: dict[str, Any] = request.__dict__.setdefault(_KEPT, {})
    if name not in known:
        place = _questions[name].place
        known |= _frame(request.user) if place == FRAME else _answers(request.user, {FRAME, place} - {known.get(FRAME)})
    return known[name]


def _answers(user: Any, places: set[str]) -> dict[str, Any]:
    asked = _asked(user, places)
    answers = iter(ask(user, *(found for found in asked.values() if found is not None)))
    return {FRAME: FRAME, **{key: None if found is None else next(answers) for key, found in asked.items()}}


def _asked(user: Any, places: set[str]) -> dict[str, Combinable | None]:
    return {key: asked.question(user) for key, asked in _questions.items() if asked.place in places}


@dataclass(frozen=True)
class _Asker:
    """A user, the same one as long as what they may see stays."""

    standing: Hashable
    user: Any = field(compare=False)


def _frame(user: Any) -> dict[str, Any]:
    """What every page asks. Its statement is kept for each user, for putting it together takes many times as long as
    answering it."""
    standing = getattr(user, "standing", None)
    if standing is None:
        return _answers(user, {FRAME})
    names, statement = _kept_frame(_Asker(standing, user))
    values = statement.rows([(MOMENT, timezone.now())])[0] if statement else ()
    return {**dict.fromkeys(name for name, asked in _questions.items() if asked.place == FRAME), FRAME: FRAME} | dict(
        zip(names, values, strict=True)
    )


@lru_cache(maxsize=256)
def _kept_frame(asker: _Asker) -> tuple[list[str], Prepared | None]:
    """The names of the questions that are for this user, and the statement that answers them."""
    token = _is_preparing.set(True)
    try:
        asked = {name: found for name, found in _asked(asker.user, {FRAME}).items() if found is not None}
        return list(asked), Prepared(_statement(asker.user, *asked.values())) if asked else None
    finally:
        _is_preparing.reset(token)


def ask(user: Any, *expressions: Combinable) -> tuple[Any, ...]:
    """The values of ``expressions``, which need no row, in one statement; no query for none of them."""
    if not expressions:
        return ()
    return _statement(user, *expressions).get()


def _statement(user: Any, *expressions: Combinable) -> QuerySet[Any, Any]:
    # A statement needs a row to stand on: the user's own.
    return get_user_model()._default_manager.filter(pk=user.pk).values_list(*expressions)
