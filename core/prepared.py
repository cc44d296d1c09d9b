"""Statements that are put together once and asked many times.

Making SQL of a queryset costs more than the database takes to answer a small question by an index, and every page asks
some. Where only values differ from one time to the next, the statement is kept, with stand-ins in their places.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from threading import Lock
from typing import Any, TypeVar

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet
from django.db.models.query import get_related_populators
from django.db.models.sql.compiler import SQLCompiler
from django.utils import timezone

T = TypeVar("T")

NUMBER = 2_147_480_311
"""Stands for the key of a row; a number that nothing else in a statement is."""
WORD = "\ue000"
"""Stands for a text, likewise."""
MOMENT = datetime(2999, 12, 31, 23, 58, 57, 314159, tzinfo=UTC)
"""Stands for a time, likewise."""
SLOTS = tuple(range(NUMBER - 100, NUMBER - 50))
"""Stand for the keys of rows, as many as a page has; see :func:`of_keys`."""
MOST = 512
"""Things that are kept for users; what was not asked for longest goes first."""

_is_preparing: ContextVar[bool] = ContextVar("is_preparing", default=False)
_kept: dict[Hashable, Any] = {}
_lock = Lock()


class Prepared:
    """The statement of a queryset, kept with its parameters. What finds nothing whatever is asked asks nothing.

    ``stand_ins`` of its methods are pairs: each second value, as a model field would take it, comes in the place of
    the first.
    """

    def __init__(self, queryset: QuerySet[Any, Any]) -> None:
        compiler: SQLCompiler = queryset.query.get_compiler(connection=connection)
        self._sql = ""
        self._params: tuple[Any, ...] = ()
        self._converters: dict[int, Any] = {}
        self._model: Callable[[Sequence[Any]], Any] | None = None
        try:
            self._sql, params = compiler.as_sql()
        except EmptyResultSet:
            return
        self._params = tuple(params)
        self._converters = compiler.get_converters([expression for expression, _sql, _alias in compiler.select])
        if compiler.klass_info is not None:
            self._model = _maker(compiler)

    def rows(self, stand_ins: Sequence[tuple[Any, Any]] = ()) -> list[tuple[Any, ...]]:
        """The rows of ``values_list``."""
        found = self._asked(self._sql, stand_ins) if self._sql else []
        return [self._converted(row) for row in found] if self._converters else found

    def models(self, stand_ins: Sequence[tuple[Any, Any]] = ()) -> list[Any]:
        """The rows as models, with what was annotated and ``select_related``."""
        return [self._model(row) for row in self.rows(stand_ins)] if self._model else []

    def count(self, stand_ins: Sequence[tuple[Any, Any]] = ()) -> int:
        """How many rows there are."""
        counted = f"SELECT COUNT(*) FROM ({self._sql}) counted"  # noqa: S608 - what Django wrote, with its parameters
        return self._asked(counted, stand_ins)[0][0] if self._sql else 0

    def _asked(self, sql: str, stand_ins: Sequence[tuple[Any, Any]]) -> list[tuple[Any, ...]]:
        known: dict[Any, Any] = {_adapted(stand_in): _adapted(value) for stand_in, value in stand_ins}
        params = [
            known.get(param, param) if isinstance(param, (int, str, datetime)) else param for param in self._params
        ]
        with connection.cursor() as cursor:
            cursor.execute(sql, params)
            return cursor.fetchall()

    def _converted(self, row: Sequence[Any]) -> tuple[Any, ...]:
        values = list(row)
        for place, (converters, expression) in self._converters.items():
            for convert in converters:
                values[place] = convert(values[place], expression, connection)
        return tuple(values)


def _maker(compiler: SQLCompiler) -> Callable[[Sequence[Any]], Any]:
    """A function that makes a model of a row, as ``ModelIterable`` of Django does."""
    info, select = compiler.klass_info or {}, compiler.select
    model, first, last = info["model"], info["select_fields"][0], info["select_fields"][-1] + 1
    names = [column.target.attname for column, _sql, _alias in select[first:last]]
    related = get_related_populators(info, select, connection.alias)  # type: ignore[call-arg]  # of a newer Django
    annotations = list((compiler.annotation_col_map or {}).items())

    def made(row: Sequence[Any]) -> Any:
        found = model.from_db(connection.alias, names, row[first:last])
        for populator in related:
            populator.populate(row, found)
        for name, place in annotations:
            setattr(found, name, row[place])
        return found

    return made


def _adapted(value: Any) -> Any:
    return connection.ops.adapt_datetimefield_value(value) if isinstance(value, datetime) else value


def now() -> datetime:
    """The time, for what is asked: in a statement that is being prepared it stands to be filled in."""
    return MOMENT if _is_preparing.get() else timezone.now()


@contextmanager
def preparing() -> Iterator[None]:
    """Have :func:`now` answer its stand-in."""
    token = _is_preparing.set(True)
    try:
        yield
    finally:
        _is_preparing.reset(token)


def kept(make: Callable[[], QuerySet[Any, Any]]) -> Callable[[], Prepared]:
    """The statement of what ``make`` answers, put together when it is first asked for."""
    found: dict[str, Prepared] = {}

    def prepared() -> Prepared:
        return found.get(connection.vendor) or found.setdefault(connection.vendor, Prepared(make()))

    return prepared


def kept_for(user: Any, name: Hashable, make: Callable[[], T]) -> T:
    """What ``make`` answers while it prepares (:func:`preparing`), made once for ``name`` and what ``user`` may see
    and do; it depends on nothing else."""
    key = (name, user.standing, connection.vendor)
    with _lock:
        if key in _kept:
            _kept[key] = _kept.pop(key)
            return _kept[key]
    with preparing():
        made = make()
    with _lock:
        _kept[key] = made
        if len(_kept) > MOST:
            _kept.pop(next(iter(_kept)))
    return made


def of_keys(statement: Prepared, keys: Sequence[int]) -> list[tuple[Any, ...]]:
    """The rows with these keys, which :data:`SLOTS` stand for in ``statement``, so many a query."""
    found: list[tuple[Any, ...]] = []
    for start in range(0, len(keys), len(SLOTS)):
        part = keys[start : start + len(SLOTS)]
        # A key that is asked for twice is found once.
        found += statement.rows(list(zip(SLOTS, [*part, *[part[0]] * (len(SLOTS) - len(part))], strict=True)))
    return found


def found_for(user: Any, make: Callable[[Any], QuerySet[Any, Any]], subject: int | str = 0) -> list[Any]:
    """The models that ``make(user)`` finds about the record ``subject``, which :data:`NUMBER` stands for in it, or
    :data:`WORD` for a text.

    ``make`` is a function of a module: its statement is kept for it and the user (:func:`kept_for`).
    """
    statement = kept_for(user, make, lambda: Prepared(make(user)))
    return statement.models([(MOMENT, timezone.now()), (NUMBER if isinstance(subject, int) else WORD, subject)])
