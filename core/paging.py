"""Pages by key: the page after a row is found by the row's own values, so page 10,000 costs what page 1 does.

An :class:`Order` names the values that rows are sorted by, the last of them unique. A page's link carries those
values of its last (or first) row in a cursor; the query compares whole rows of values, ``(a, b) > (x, y)``, which
SQLite and PostgreSQL both answer from an index on ``(a, b)``.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from typing import Any, Generic, TypeVar

from django.core.exceptions import FieldError, ValidationError
from django.db.models import DateTimeField, Expression, F, Field, IntegerField, Model, QuerySet
from django.db.models.expressions import Value
from django.db.models.lookups import GreaterThanOrEqual, LessThanOrEqual
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from core.expressions import RowCompare
from core.prepared import MOMENT, NUMBER, Prepared

M = TypeVar("M", bound=Model)

PAGE_SIZE = 50
COUNT_LIMIT = 10_000
_CURSOR_LENGTH = 2_000
_BIGINT = 2**63


class BadCursor(ValueError):
    """The cursor in the address is not one of ours, or belongs to another order."""


@dataclass(frozen=True)
class Order:
    """A way to sort. ``keys`` are columns or expressions that are never NULL, the last one unique; all of them
    run the same way. ``name`` is what the address calls it, without the minus."""

    name: str
    keys: tuple[str | Expression, ...]
    descending: bool = False

    def __str__(self) -> str:
        return f"-{self.name}" if self.descending else self.name

    def reversed(self) -> Order:
        """The same order the other way round."""
        return Order(self.name, self.keys, not self.descending)

    def expressions(self) -> list[Expression | F]:
        """The keys as expressions."""
        return [F(key) if isinstance(key, str) else key for key in self.keys]


@dataclass(frozen=True)
class Page(Generic[M]):
    """One page of rows, with the cursors of the pages beside it (empty where there is none)."""

    rows: list[M]
    next: str = ""
    previous: str = ""


def paginate(
    queryset: QuerySet[M],
    order: Order,
    *,
    after: str = "",
    before: str = "",
    size: int = PAGE_SIZE,
    read: Callable[[QuerySet[Any], Sequence[str]], list[Any]] | None = None,
) -> Page[M]:
    """The first page of ``queryset``, or the one after or before a cursor. One query; going back to the very first
    page may take a second one, so that it is always full. ``read`` as of :func:`pages`.

    Raises :class:`BadCursor`.
    """

    def rows_of(direction: Order, cursor: str) -> list[M]:
        ordered = in_order(queryset, direction)
        if cursor:
            ordered = ordered.filter(*behind(direction, decode(cursor, order, key_fields(ordered, order))))
        rows = ordered[: size + 1]
        return list(rows) if read is None else read(rows, [f"_key{i}" for i in range(len(order.keys))])

    return cut(rows_of, order, after=after, before=before, size=size)


def cut(
    rows_of: Callable[[Order, str], list[M]], order: Order, *, after: str = "", before: str = "", size: int
) -> Page[M]:
    """A page of what ``rows_of`` answers: rows in the order that it is given, one more than a page has, from behind the
    cursor that it is given, from the first without one."""
    backwards = bool(before) and not after
    cursor = before if backwards else after
    rows = rows_of(order.reversed() if backwards else order, cursor)
    more = len(rows) > size
    rows = rows[:size]
    if backwards and not more:
        return cut(rows_of, order, size=size)
    if backwards:
        rows.reverse()
    has_next, has_previous = (bool(rows), more) if backwards else (more, bool(cursor))
    return Page(
        rows=rows,
        next=encode(order, rows[-1]) if has_next and rows else "",
        previous=encode(order, rows[0]) if has_previous and rows else "",
    )


class Pages:
    """The pages of ``queryset`` in ``order``, with rows as ``read`` reads them, and its count."""

    def __init__(
        self,
        queryset: QuerySet[Any],
        order: Order,
        *,
        size: int,
        read: Callable[[QuerySet[Any], Sequence[str]], list[Any]],
    ) -> None:
        self._queryset = queryset
        self.page = partial(paginate, queryset, order, size=size, read=read)

    def count(self) -> Count:
        """As :func:`capped_count`."""
        return capped_count(self._queryset)


class KeptPages:
    """The statements of a list that nothing narrows, put together once (:mod:`core.prepared`): its pages in ``order``,
    with rows as models, and its count.

    Sorted by numbers, times and texts. The time is :func:`core.prepared.now`; ``NUMBER`` may stand for the record that
    the list is about.
    """

    def __init__(self, queryset: QuerySet[Any], order: Order, *, size: int) -> None:
        self._queryset, self._order, self._size = queryset, order, size
        self._fields = key_fields(in_order(queryset, order), order)
        self._places = [_place(field, number) for number, field in enumerate(self._fields)]
        self._pages: dict[tuple[bool, bool], Prepared] = {}

    def page(self, *, after: str = "", before: str = "", subject: int = 0) -> Page[Any]:
        """As :func:`paginate`. Raises :class:`BadCursor`."""
        return cut(partial(self._rows, subject), self._order, after=after, before=before, size=self._size)

    def count(self) -> Count:
        """As :func:`capped_count`."""
        return Count.of(self._counting.count([(MOMENT, timezone.now())]), COUNT_LIMIT)

    @cached_property
    def _counting(self) -> Prepared:
        return Prepared(_limited(self._queryset, COUNT_LIMIT))

    def _rows(self, subject: int, direction: Order, cursor: str) -> list[Any]:
        values = decode(cursor, self._order, self._fields) if cursor else []
        which = (direction.descending, bool(cursor))
        if which not in self._pages:
            ordered = in_order(self._queryset, direction)
            if cursor:
                places = zip(self._places, self._fields, strict=True)
                ordered = ordered.filter(*behind(direction, [Value(at, output_field=field) for at, field in places]))
            self._pages[which] = Prepared(ordered[: self._size + 1])
        pairs = [(place, value.value) for place, value in zip(self._places, values, strict=False)]
        return self._pages[which].models([(MOMENT, timezone.now()), (NUMBER, subject), *pairs])


def _place(field: Field[Any, Any], number: int) -> Any:
    """Stands for a value of the field in a cursor."""
    if isinstance(field, DateTimeField):
        return MOMENT + timedelta(days=1 + number)
    if isinstance(field, IntegerField):
        return NUMBER - 1 - number
    return f"\ue000{number}"


def pages(
    queryset: QuerySet[Any],
    order: Order,
    *,
    size: int,
    read: Callable[[QuerySet[Any], Sequence[str]], list[Any]] | None = None,
) -> Iterator[list[Any]]:
    """All of ``queryset`` in ``order``, ``size`` rows at a time, a query each; none stays open between them.

    ``read`` makes the list from a page's queryset in a way of its own; its rows have the attributes that it is given
    the names of. A row that moves in the order meanwhile may come twice or be left out; none does whose keys stay.
    """
    ordered = in_order(queryset, order)
    fields = key_fields(ordered, order)
    names = [f"_key{i}" for i in range(len(order.keys))]
    here = ordered
    while True:
        rows = list(here[:size]) if read is None else read(here[:size], names)
        if not rows:
            return
        keys = [getattr(rows[-1], name) for name in names]
        is_last = len(rows) < size
        yield rows
        if is_last:
            return
        values = [Value(key, output_field=field) for key, field in zip(keys, fields, strict=True)]
        here = ordered.filter(*behind(order, values))


def in_order(queryset: QuerySet[M], order: Order) -> QuerySet[M]:
    """The rows sorted, each with its keys as ``_key0``, ``_key1``."""
    annotated = queryset.annotate(**{f"_key{i}": key for i, key in enumerate(order.expressions())})
    return annotated.order_by(*(_ordering(i, order) for i in range(len(order.keys))))


def behind(order: Order, values: list[Value]) -> list[Any]:
    """The condition "behind these values". SQLite finds a place by a row of values only where its first is a plain
    column; the first value alone, said once more, leads it to the index of an expression."""
    keys = order.expressions()
    row = RowCompare(keys, values, "<" if order.descending else ">")
    if isinstance(order.keys[0], str):
        return [row]
    nearby = LessThanOrEqual if order.descending else GreaterThanOrEqual
    return [nearby(keys[0], values[0]), row]


def _ordering(index: int, order: Order) -> Any:
    key = F(f"_key{index}")
    return key.desc() if order.descending else key.asc()


def key_fields(queryset: QuerySet[Any], order: Order) -> list[Field[Any, Any]]:
    """The fields of the keys of :func:`in_order`."""
    annotations = queryset.query.annotations
    return [annotations[f"_key{i}"].output_field for i in range(len(order.keys))]


def encode(order: Order, row: Model) -> str:
    """The cursor of ``row``, which came from :func:`paginate` with this order."""
    values = [_to_json(getattr(row, f"_key{i}")) for i in range(len(order.keys))]
    text = json.dumps([str(order), *values], separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode(cursor: str, order: Order, fields: Sequence[Field[Any, Any]]) -> list[Value]:
    """The values in ``cursor``, each of its field's type. Raises :class:`BadCursor` for anything else."""
    if len(cursor) > _CURSOR_LENGTH:
        raise BadCursor("too long")
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        parts = json.loads(text)
    except (binascii.Error, ValueError, RecursionError) as error:
        raise BadCursor("not readable") from error
    if not isinstance(parts, list) or len(parts) != len(fields) + 1 or parts[0] != str(order):
        raise BadCursor("of another order")
    return [Value(_from_json(part, field), output_field=field) for part, field in zip(parts[1:], fields, strict=True)]


def _to_json(value: Any) -> str | int:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    return int(value) if isinstance(value, (bool, int)) else str(value)


def _from_json(part: Any, field: Field[Any, Any]) -> Any:
    """A cursor is public input: what the database would choke on (NUL, numbers past bigint) is refused here."""
    try:
        if isinstance(field, DateTimeField):
            value = datetime.fromisoformat(part)
            if value.tzinfo is None or not 1900 <= value.year <= 9000:
                raise BadCursor("a time without a zone, or absurd")
            return value
        if isinstance(field, IntegerField):
            if type(part) is not int or not -_BIGINT <= part < _BIGINT:
                raise BadCursor("not a whole number")
            return part
        if not isinstance(part, str) or "\x00" in part:
            raise BadCursor("not a text")
        part.encode()
        return field.to_python(part)
    except (TypeError, ValueError, OverflowError, ValidationError, FieldError) as error:
        raise BadCursor("a value of the wrong kind") from error


@dataclass(frozen=True)
class Count:
    """How many rows there are, counted no further than the limit."""

    number: int
    capped: bool = False
    later: bool = False
    """It is capped at a first, low limit: a request of its own counts on, as far as all lists do."""

    @classmethod
    def of(cls, number: int, limit: int) -> Count:
        """Of ``number`` that were counted up to one past ``limit``."""
        return cls(min(number, limit), number > limit)

    @property
    def token(self) -> str:
        """For machines: ``1234``, or ``10000+``."""
        return f"{self.number}+" if self.capped else str(self.number)

    @property
    def text(self) -> str:
        """For people: ``1,234``, or ``10,000+``; what is counted on later is ``more than 1,000`` until then."""
        number = number_format(self.number, force_grouping=True)
        if self.later:
            return _("more than %(number)s") % {"number": number}
        return f"{number}+" if self.capped else number


def capped_count(queryset: QuerySet[Any], limit: int = COUNT_LIMIT) -> Count:
    """Count ``queryset`` up to ``limit``; the cost does not grow with the table."""
    return Count.of(_limited(queryset, limit).count(), limit)


def _limited(queryset: QuerySet[Any], limit: int) -> QuerySet[Any, Any]:
    return queryset.order_by().values("pk")[: limit + 1]
