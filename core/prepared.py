"""Statements that are put together once and asked many times.

Making SQL of a queryset costs more than the database takes to answer a small question by an index, and every page asks
some. Where only values differ from one time to the next, the statement is kept, with stand-ins in their places.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from django.db import connection
from django.db.models import QuerySet
from django.db.models.sql.compiler import SQLCompiler

NUMBER = 2_147_480_311
"""Stands for the key of a row; a number that nothing else in a statement is."""
MOMENT = datetime(2999, 12, 31, 23, 58, 57, 314159, tzinfo=UTC)
"""Stands for a time, likewise."""


class Prepared:
    """The statement of ``values``, a queryset with ``values_list``, kept with its parameters."""

    def __init__(self, values: QuerySet[Any, Any]) -> None:
        compiler: SQLCompiler = values.query.get_compiler(connection=connection)
        self._sql, params = compiler.as_sql()
        self._params = tuple(params)
        columns = [expression for expression, _sql, _alias in compiler.select]
        self._converters = compiler.get_converters(columns)

    def rows(self, stand_ins: Sequence[tuple[Any, Any]] = ()) -> list[tuple[Any, ...]]:
        """The rows, with each second value of ``stand_ins`` in place of the first, as a model field would take them."""
        known = {_adapted(stand_in): _adapted(value) for stand_in, value in stand_ins}
        params = [
            known.get(param, param) if isinstance(param, (int, str, datetime)) else param for param in self._params
        ]
        with connection.cursor() as cursor:
            cursor.execute(self._sql, params)
            found = cursor.fetchall()
        return [self._converted(row) for row in found] if self._converters else found

    def _converted(self, row: Sequence[Any]) -> tuple[Any, ...]:
        values = list(row)
        for place, (converters, expression) in self._converters.items():
            for convert in converters:
                values[place] = convert(values[place], expression, connection)
        return tuple(values)


def _adapted(value: Any) -> Any:
    return connection.ops.adapt_datetimefield_value(value) if isinstance(value, datetime) else value


def kept(make: Callable[[], QuerySet[Any, Any]]) -> Callable[[], Prepared]:
    """The statement of what ``make`` answers, put together when it is first asked for."""
    found: dict[str, Prepared] = {}

    def prepared() -> Prepared:
        return found.get(connection.vendor) or found.setdefault(connection.vendor, Prepared(make()))

    return prepared
