"""Thousands of rows at a time without what makes Django slow at it; everywhere else its own ways are better."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import itemgetter
from typing import Any, TypeVar

from django.db import connection, transaction
from django.db.models import BooleanField, F, Func, JSONField, Model, Q, Value
from django.db.models.base import ModelState

_EMPTY: dict[type, str] = {dict: "{}", list: "[]"}

_FEW = 200

_ESCAPED = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})

M = TypeVar("M", bound=Model)


class Json(str):
    """JSON as text, in place of the value of a column of JSON, where it has been written already."""

    __slots__ = ()


class _EqualsAny(Func):
    template = "%(expressions)s)"
    arg_joiner = " = ANY("
    arity = 2
    conditional = True
    output_field = BooleanField()


def among(column: str, values: Collection[Any]) -> Q:
    """The condition that ``column`` is one of ``values``, which are of its own type and none of them ``None``.

    As ``column__in``, but on PostgreSQL all of them are one parameter: Django, the driver and the planner each look
    at every parameter of a long list.
    """
    if connection.vendor != "postgresql":
        return Q(**{f"{column}__in": values})
    return Q(_EqualsAny(F(column), Value(list(values))))


@contextmanager
def fetching_ahead(rows: int) -> Iterator[None]:
    """For reading so many rows by an index: PostgreSQL gathers their places, then asks the disk for many at once.

    An index scan asks for one page and waits for it, then for the next; on a table larger than memory that is all
    it does. Rows come in no particular order, and order by an index costs a sort. A few rows are read as ever.
    """
    if rows < _FEW or connection.vendor != "postgresql":
        yield
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_indexscan = off")
        yield
        cursor.execute("SET LOCAL enable_indexscan TO DEFAULT")


def bare(model: type[M], columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[M]:
    """Instances of which only ``columns`` are known, from rows of ``values_list(*columns)``.

    As ``.only(*columns)`` gives them (another column is read when it is asked for), for a fifth of the time: the
    model's ``__init__`` and its signals are passed over.
    """
    alias = connection.alias
    for row in rows:
        instance = model.__new__(model)
        state = ModelState()
        state.adding, state.db = False, alias
        # Not by setattr: the descriptors of relations look at each value.
        instance.__dict__ = {"_state": state, **dict(zip(columns, row, strict=True))}
        yield instance


def record_class(columns: Sequence[str], **more: Callable[[Any], Any]) -> type[Any]:
    """A class of rows of ``values_list(*columns)`` with these names, for reading alone: an eighth of :func:`bare`.

    ``more`` are further attributes, worked out of the row when they are asked for.
    """
    named = {name: property(itemgetter(place)) for place, name in enumerate(columns)}
    return type("Record", (tuple,), {**named, **{name: property(value) for name, value in more.items()}})


def insert(
    model: type[Model], common: Mapping[str, Any], columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """Insert rows that differ in ``columns`` and have ``common`` in common, in the caller's transaction.

    Columns are named as attributes (``sim_id``); the others get their defaults. Nobody learns the rows' keys, no
    signal is sent. PostgreSQL takes them in one stream (COPY), which has no ON CONFLICT.
    """
    if connection.vendor != "postgresql":
        made = (model(**common, **dict(zip(columns, row, strict=True))) for row in rows)
        model._default_manager.bulk_create(made, batch_size=1000)
        return
    blank = model(**common)
    fields = {field.attname: field for field in model._meta.concrete_fields if not field.primary_key}
    own = [fields.pop(name) for name in columns]
    start = [_json(field, value) if isinstance(field, JSONField) else value for field, value in _values(blank, fields)]
    with connection.cursor() as cursor:
        _copy(cursor, model._meta.db_table, [*fields.values()], start, own, rows)


def upsert(
    model: type[Model], columns: Sequence[str], rows: Sequence[Sequence[Any]], *, key: str, update: Sequence[str]
) -> None:
    """Insert rows of ``columns``, in the caller's transaction; one whose ``key`` is there already is brought to its
    new values of ``update``.

    Columns are named as attributes (``account_id``); all that have no default in the database have to be among them.
    No signal is sent. PostgreSQL takes the rows by COPY into a table of the connection, which is empty again after
    the transaction.
    """
    names = [_quoted(model, name) for name in update]
    _put(model, columns, rows, f"{_conflict(model, key)} UPDATE SET {', '.join(f'{n} = excluded.{n}' for n in names)}")


def insert_absent(
    model: type[Model], columns: Sequence[str], rows: Sequence[Sequence[Any]], *, key: str
) -> dict[Any, Any]:
    """As :func:`upsert`, but a row whose ``key`` is there already stays as it is. Answers the primary keys of those
    inserted, by ``key``."""
    if connection.vendor == "postgresql":
        returned = f"RETURNING {_quoted(model, key)}, {_quoted(model, model._meta.pk.attname)}"
        return dict(_put(model, columns, rows, f"{_conflict(model, key)} NOTHING {returned}"))
    place = columns.index(key)
    found = model._default_manager.filter(**{f"{key}__in": [row[place] for row in rows]}).values_list(key, "pk")
    before = dict(found)
    _put(model, columns, rows, f"{_conflict(model, key)} NOTHING")
    return {name: pk for name, pk in found.all() if name not in before}


def preparer(model: type[Model], columns: Sequence[str]) -> Callable[[Sequence[Any]], Sequence[Any]]:
    """What makes a row of ``columns`` ready for :func:`insert_absent` or :func:`upsert` ahead of them, in any thread.

    Where there is COPY, the row becomes its line: most of what a row costs in this process. Takes ``None``, for a
    column of JSON what that holds, and what ``str`` writes as PostgreSQL reads it: texts, integers, truth values, aware
    times. Raises ``ValueError`` for a text that can't be sent.
    """
    fields = {field.attname: field for field in model._meta.concrete_fields}
    own = [fields[name] for name in columns]
    texts = [(place, field) for place, field in enumerate(own) if isinstance(field, JSONField)]

    if connection.vendor != "postgresql":
        return lambda row: row
    return lambda row: _line(row, texts)


def behind(first: int, prepared: Sequence[Any]) -> Sequence[Any]:
    """A row of :func:`preparer` with a column more before it, as its key is known only now."""
    return b"%d\t%b" % (first, prepared) if isinstance(prepared, bytes) else (first, *prepared)


def _put(model: type[Model], columns: Sequence[str], rows: Iterable[Sequence[Any]], conflict: str) -> list[Any]:
    fields = {field.attname: field for field in model._meta.concrete_fields}
    own = [fields[name] for name in columns]
    table, listed = connection.ops.quote_name(model._meta.db_table), ", ".join(_quoted(model, name) for name in columns)
    with connection.cursor() as cursor:
        if connection.vendor != "postgresql":
            marks = ", ".join(["%s"] * len(own))
            cursor.executemany(
                f"INSERT INTO {table} ({listed}) VALUES ({marks}) {conflict}",  # noqa: S608 # names of ours
                [[_for_column(field, value) for field, value in zip(own, row, strict=True)] for row in rows],
            )
            return []
        # Another set of columns is another table: a connection may be older than the last migration.
        chunk = f"chunk_{model._meta.db_table}_{zlib.crc32(listed.encode()):08x}"
        cursor.execute(
            f"CREATE TEMPORARY TABLE IF NOT EXISTS {chunk} ON COMMIT DELETE ROWS "  # noqa: S608 # names of ours
            f"AS SELECT {listed} FROM {table} LIMIT 0"
        )
        _copy(cursor, chunk, [], [], own, rows)
        # Emptied as it is read: a second call in the transaction finds its own rows only.
        cursor.execute(
            f"WITH taken AS (DELETE FROM {chunk} RETURNING *) "  # noqa: S608 # names of ours
            f"INSERT INTO {table} ({listed}) SELECT {listed} FROM taken {conflict}"
        )
        return cursor.fetchall() if cursor.description else []


def _for_column(field: Any, value: Any) -> Any:
    return str(value) if isinstance(value, Json) else field.get_db_prep_save(value, connection)


def _quoted(model: type[Model], name: str) -> str:
    [column] = [field.column for field in model._meta.concrete_fields if field.attname == name]
    return connection.ops.quote_name(str(column))


def _conflict(model: type[Model], key: str) -> str:
    return f"ON CONFLICT ({_quoted(model, key)}) DO"


def _copy(
    cursor: Any,
    table: str,
    common: Sequence[Any],
    start: list[Any],
    own: Sequence[Any],
    rows: Iterable[Sequence[Any]],
) -> None:
    """COPY ``rows`` of the fields ``own``, each with the values ``start`` of the fields ``common`` before it; or as
    lines of :func:`preparer`."""
    texts = [(place, field) for place, field in enumerate(own) if isinstance(field, JSONField)]
    names = ", ".join(connection.ops.quote_name(str(field.column)) for field in [*common, *own])
    # The driver's own errors would be no IntegrityError or DataError to anybody.
    with (
        connection.wrap_database_errors,
        cursor.copy(f"COPY {connection.ops.quote_name(table)} ({names}) FROM STDIN") as copy,
    ):
        lines = []
        for row in rows:
            if isinstance(row, bytes):
                lines.append(row)
                continue
            values = list(row)
            for place, field in texts:
                values[place] = _json(field, values[place])
            copy.write_row(start + values)
        if lines:
            copy.write(b"".join(lines))


def _line(row: Sequence[Any], texts: Iterable[tuple[int, JSONField[Any]]]) -> bytes:
    values = list(row)
    for place, field in texts:
        values[place] = _json(field, values[place])
    parts = [r"\N" if value is None else value if isinstance(value, str) else str(value) for value in values]
    # One look at all texts together: there is hardly ever anything to escape but the ends of lines of a search text.
    told = "".join([value for value in values if isinstance(value, str)])
    if "\\" in told or "\t" in told or "\r" in told:
        parts = [part if value is None else part.translate(_ESCAPED) for part, value in zip(parts, values, strict=True)]
    return ("\t".join(parts).replace("\n", r"\n") + "\n").encode()


def _values(blank: Model, fields: Mapping[str, Any]) -> list[tuple[Any, Any]]:
    return [(field, field.pre_save(blank, add=True)) for field in fields.values()]


def _json(field: JSONField[Any], value: Any) -> str:
    """Most of them hold nothing."""
    if isinstance(value, Json):
        return value
    return json.dumps(value, cls=field.encoder) if value else _EMPTY.get(type(value)) or json.dumps(value)
