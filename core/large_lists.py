"""Pages of tables so large that a database's guess at the way through them is not good enough.

With a million rows a wrong guess costs a thousand times the right one: to look in the order of the list for what two
filters let through, where that is little, is to read all of it. So what may be few is found before all else and sorted,
and only what is many is read in its order: a page comes early there. Which of both it is, the counting tells. The rows
are read by their keys then, which are looked for in the table alone.

What several filters let through is in the index of each of them in the order of the list's key, and the keys that all
of them have are found by going through these side by side (:func:`common_keys`), without a look at the rows. Finding a
page of them is quick then, and to count thousands is what takes long: a page counts the first few, and where there are
more it says so and has the whole count come by a request of its own (``Count.later``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import QuerySet
from django.db.models.expressions import Value

from core.paging import COUNT_LIMIT, Count, Order, Page, behind, capped_count, cut, decode, in_order, key_fields

Read = Callable[[QuerySet[Any], Sequence[str]], list[Any]]

FIRST_COUNT = 1_000
"""How far a page counts what several filters let through, if that is found by their indexes: 1 to 6 µs each, where one
filter alone takes a tenth of one."""


class LargePages:
    """Pages of ``queryset`` in ``order``, with rows as ``read`` reads them, and its count.

    ``keys`` are the unique keys of the same rows by another way (:func:`common_keys`), for the order by them alone.
    """

    def __init__(
        self, queryset: QuerySet[Any], order: Order, *, size: int, read: Read, keys: QuerySet[Any, Any] | None = None
    ) -> None:
        self._queryset, self._order, self._size, self._read = queryset, order, size, read
        self._keys = keys if len(order.keys) == 1 else None
        is_dear = self._keys is not None and len(queryset.query.where.children) > 1
        self._most = min(FIRST_COUNT, COUNT_LIMIT) if is_dear else COUNT_LIMIT
        self._names = [f"_key{i}" for i in range(len(order.keys))]
        self._count: Count | None = None

    def page(self, *, after: str = "", before: str = "") -> Page[Any]:
        """As :func:`core.paging.paginate`. Raises :class:`core.paging.BadCursor`."""
        return cut(self._rows, self._order, after=after, before=before, size=self._size)

    def count(self) -> Count:
        """As :func:`core.paging.capped_count`. A page of what filters narrow has counted it already, or begun to."""
        if self._count is None:
            keys, most = self._keys, COUNT_LIMIT
            self._count = capped_count(self._queryset) if keys is None else Count.of(keys[: most + 1].count(), most)
        return self._count

    def _rows(self, direction: Order, cursor: str) -> list[Any]:
        ordered = in_order(self._queryset, direction)
        values = decode(cursor, self._order, key_fields(ordered, self._order)) if cursor else []
        if not self._queryset.query.where:
            return self._read(self._page(ordered, direction, values), self._names)
        self._count, keys = self._counted(direction, values)
        if keys is None:
            found = ordered if self._keys is None else in_order(self._keys, direction)
            keys = list(self._page(found, direction, values).values_list(self._names[-1], flat=True))
        if not keys:
            return []
        return self._read(ordered.filter(**{f"{self._order.keys[-1]}__in": keys}), self._names)

    def _page(self, ordered: QuerySet[Any, Any], direction: Order, values: list[Value]) -> QuerySet[Any, Any]:
        return (ordered.filter(*behind(direction, values)) if values else ordered)[: self._size + 1]

    def _counted(self, direction: Order, values: list[Value]) -> tuple[Count, list[Any] | None]:
        """How many rows there are and the unique keys of a page of them; without these where they are too many."""
        found = self._queryset if self._keys is None else self._keys
        rows = in_order(found, direction).order_by().values_list(*self._names)[: self._most + 1]
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
        if number > self._most:
            return Count(self._most, capped=True, later=self._most < COUNT_LIMIT), None
        return Count(number), [key for _number, key in found if key is not None]


def common_keys(places: Sequence[QuerySet[Any, Any]], key: str) -> QuerySet[Any, Any]:
    """Those values of the column ``key``, each once, that all ``places`` have: querysets of any tables that hold it.

    For PostgreSQL, which joins them by their indexes; see :func:`keep_self_joins`.
    """
    first, *others = places
    for other in others:
        first = first.filter(**{f"{key}__in": other.values(key)})
    is_unique = first.model._meta.get_field(key).unique
    return first.values(key) if is_unique else first.values(key).distinct()


def keep_self_joins(connection: BaseDatabaseWrapper, **_: Any) -> None:
    """Have PostgreSQL join a table with itself where it is asked to, once a connection.

    From 18 on it puts both sides together, and looks at the rows for what each side would find by its own index.
    """
    if connection.vendor != "postgresql" or connection.pg_version < 180_000:  # type: ignore[attr-defined]  # of PostgreSQL's
        return
    raw: Any = connection.connection
    if not getattr(raw, "keeps_self_joins", False):
        raw.execute("SET enable_self_join_elimination = off")
        raw.keeps_self_joins = True


def _prepared(value: Value) -> Any:
    return value.output_field.get_db_prep_value(value.value, connection)
