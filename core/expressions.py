"""Expressions that keep their place in an index: what SQLite and PostgreSQL recognise word for word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BigIntegerField, BooleanField, DateTimeField, F, Field, FloatField, Func, IntegerField, Sum
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast
from django.db.models.sql.compiler import SQLCompiler

_LEAST = {"text": "''", "int": "-1"}
_LEAST_TIME = {"sqlite": "'1970-01-01 00:00:00'", "postgresql": "'1970-01-01 00:00:00+00'::timestamptz"}


class OrNone(Func):
    """``COALESCE(column, least value)``: an unknown value sorts as the smallest, so that it has a place in a page.

    The least value ('' for text, -1 for numbers, 1970 for times) is written into the SQL and is no parameter: only
    then does the database recognise the expression of an index. A boolean unknown is neither true nor false: NULL
    sorts first as -1, so it becomes a number.
    """

    function = "COALESCE"

    def __init__(self, column: str | Combinable, **extra: Any) -> None:
        super().__init__(F(column) if isinstance(column, str) else column, **extra)

    def _resolve_output_field(self) -> Field[Any, Any]:
        source: Any = self.get_source_fields()[0]
        # A foreign key gives its target's value; as text it needs no look-up of the target.
        while getattr(source, "target_field", None) is not None:
            source = source.target_field
        return IntegerField() if isinstance(source, BooleanField) else source

    def _kind(self) -> str:
        field = self._resolve_output_field()
        if isinstance(field, DateTimeField):
            return "time"
        return "int" if isinstance(field, IntegerField) else "text"

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, *args: Any, **extra: Any) -> Any:
        kind = self._kind()
        least = _LEAST_TIME[connection.vendor] if kind == "time" else _LEAST[kind]
        cast = "::integer" if self._is_boolean() and connection.vendor == "postgresql" else ""
        template = f"%(function)s(%(expressions)s{cast}, {least})"
        return super().as_sql(compiler, connection, template=template, **extra)

    def _is_boolean(self) -> bool:
        return isinstance(self.get_source_fields()[0], BooleanField)


class RowCompare(Func):
    """``(a, b) > (x, y)`` as one condition. Django's own tuple look-ups avoid row values on SQLite, and then
    SQLite finds no index for them.

    PostgreSQL guesses how many rows there are behind a place by its first value alone: none behind the one value that
    all have, so that it would rather sort the few it expects than read them in order. A value that it does not know
    beforehand, as that of a subquery, it takes for the middle.
    """

    conditional = True
    output_field = BooleanField()

    def __init__(self, left: Sequence[Any], right: Sequence[Any], operator: str) -> None:
        self.width = len(left)
        super().__init__(*left, *right, operator=operator)

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, *args: Any, **extra: Any) -> Any:
        parts: list[str] = []
        params: list[Any] = []
        for place, expression in enumerate(self.source_expressions):
            sql, own = compiler.compile(expression)
            is_first_value = place == self.width and connection.vendor == "postgresql"
            parts.append(f"(SELECT {sql})" if is_first_value else sql)
            params.extend(own)
        left, right = ", ".join(parts[: self.width]), ", ".join(parts[self.width :])
        return f"({left}) {self.extra['operator']} ({right})", params


def sum_of_bytes(column: str) -> Sum:
    """The sum of a column of the carrier's own byte counts; exact up to 9 PB, and never too much.

    Such a count may be anything up to 2^63 - 1. SQLite refuses a sum of whole numbers that is more than that.
    """
    return Sum(Cast(F(column), FloatField()), output_field=BigIntegerField())
