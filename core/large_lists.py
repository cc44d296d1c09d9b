"""Pages of tables so large that a database's guess at the way through them is not good enough.

With a million rows a wrong guess costs a thousand times the right one: to look in the order of the list for what two
filters let through, where that is little, is to read all of it. So what may be few is found before all else and sorted,
and only what is many is read in its order: a page comes early there. Which of both it is, the counting tells. The rows
are read by their keys then, which are looked for in the table alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet
from django.db.models.expressions import Value

from core.paging import COUNT_LIMIT, Count, Order, Page, behind, capped_count, cut, decode, in_order, key_fields

Read = Callable[[QuerySet[Any], Sequence[str]], list[Any]]


class LargePages:
    """Pages of ``queryset`` in ``order``, with rows as ``read`` reads them, and its count."""

    def __init__(self, queryset: QuerySet[Any], order: Order, *, size: int, read: Read) -> None:
        self._queryset, self._order, self._size, self._read = queryset, order, size, read
        self._names = [f"_key{i}" for i in range(len(order.keys))]
        self._count: Count | None = None

    def page(self, *, after: str = "", before: str = "") -> Page[Any]:
        """As :func:`core.paging.paginate`. Raises :class:`core.paging.BadCursor`."""
        return cut(self._rows, self._order, after=after, before=before, size=self._size)

    def count(self) -> Count:
        """As :func:`core.paging.capped_count`; a page of what filters narrow has counted it already."""
        if self._count is None:
            self._count = capped_count(self._queryset)
        return self._count

    def _rows(self, direction: Order, cursor: str) -> list[Any]:
        ordered = in_order(self._queryset, direction)
        values = decode(cursor, self._order, key_fields(ordered, self._order)) if cursor else []
        page = (ordered.filter(*behind(direction, values)) if values else ordered)[: self._size + 1]
        if not self._queryset.query.where:
            return self._read(page, self._names)
        self._count, keys = self._counted(direction, values)
        if keys is None:
            keys = list(page.values_list(self._names[-1], flat=True))
        if not keys:
            return []
        return self._read(ordered.filter(**{f"{self._order.keys[-1]}__in": keys}), self._names)

    def _counted(self, direction: Order, values: list[Value]) -> tuple[Count, list[Any] | None]:
        """How many rows there are and the unique keys of a page of them; without these where they are too many."""
        rows = in_order(self._queryset, direction).order_by().values_list(*self._names)[: COUNT_LIMIT + 1]
        try:
            inner, params = rows.query.sql_with_params()
        except EmptyResultSet:
            return Count(0), []
        down = " DESC" if direction.descending else ""
        keys, order = ", ".join(self._names), ", ".join(f"{name}{down}" for name in self._names)
        beyond = ""
        if values:
            marks = ", ".join(["%s"] * len(values))
            beyond = f"WHERE ({keys}) {'<' if down else '>'} ({marks})"
        statement = (
            f"WITH found({keys}) AS MATERIALIZED ({inner}) "  # noqa: S608 # the ORM's SQL and names of ours, values apart
            f"SELECT counted.number, page.{self._names[-1]} FROM (SELECT count(*) AS number FROM found) AS counted "
            f"LEFT JOIN (SELECT * FROM found {beyond} ORDER BY {order} LIMIT {self._size + 1}) AS page ON 1 = 1"
        )
        with connection.cursor() as cursor:
            cursor.execute(statement, [*params, *map(_prepared, values)])
            found = cursor.fetchall()
        number = found[0][0]
        if number > COUNT_LIMIT:
            return Count(COUNT_LIMIT, capped=True), None
        return Count(number), [key for _number, key in found if key is not None]


def _prepared(value: Value) -> Any:
    return value.output_field.get_db_prep_value(value.value, connection)
