"""The rows of a table as HTML, many times faster than django-tables2 and its template write them.

Columns, their order, attributes and ``render_…`` methods are those of the table and mean what django-tables2 says they
do. What it finds out anew for each cell (how to read the value, which arguments a method wants, the attributes of the
``<td>``) is found out once for a table here. A column that does something rare (a link of ``linkify``, a method that
wants ``bound_row``) is asked for by django-tables2 itself.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from html import escape
from typing import Any

from django.conf import settings
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Model
from django.template import Context
from django.template.base import render_value_in_context
from django.templatetags.l10n import localize, unlocalize
from django.urls import get_script_prefix, reverse
from django.utils.safestring import SafeString
from django_tables2 import Table
from django_tables2.columns import BoundColumn
from django_tables2.rows import BoundRow
from django_tables2.utils import Accessor

Read = Callable[[Any], Any]
"""Gets a record, answers what a cell is made of; ``None`` where there is nothing."""

_PLAIN = Context()
_RARE = {"bound_row"}


def rows_html(table: Table, records: Iterable[Any], attributes: str = "") -> SafeString:
    """A ``<tr>`` for each of ``records``; ``attributes`` are put into each of them."""
    opening = _opening(table, attributes)
    cells = [_cell(table, column) for column in table.columns]
    rows = [f"{opening(record)}{''.join([cell(record) for cell in cells])}\n    </tr>\n" for record in records]
    return SafeString("".join(rows))


def text_of(content: Any) -> str:
    """What ``{{ content }}`` would write."""
    if type(content) is SafeString:
        return content
    if type(content) is str:
        return escape(content)
    return render_value_in_context(content, _PLAIN)


def _opening(table: Table, attributes: str) -> Callable[[Any], str]:
    def start(record: Any) -> str:
        found = [(name, value(record)) for name, value in values]
        said = [f' {name}="{text_of(value)}"' for name, value in found if value is not None]
        return f"<tr{''.join(said)}{attributes}>\n      "

    values = [(name, _attribute(table, value)) for name, value in table.row_attrs.items()]
    return start


def _attribute(table: Table, value: Any) -> Read:
    """The value of an attribute of a row."""
    if not callable(value):
        return lambda record: value
    wanted = arguments(value)
    if wanted == ("record",):
        return lambda record: value(record=record)
    return lambda record: value(**{name: {"record": record, "table": table}[name] for name in wanted or ()})


def _cell(table: Table, column: BoundColumn) -> Callable[[Any], str]:
    """A function that makes the column's ``<td>`` of a record."""
    content = _content(table, column)
    declared = {**table.attrs, **column.column.attrs}
    attributes: Mapping[str, Any] = declared.get("td", declared.get("cell", {}))
    if any(callable(value) for value in attributes.values()):
        return _varying(table, column, content, attributes)
    said = column.attrs["td"].as_html()
    opening = f"<td {said}>" if said else "<td>"
    write = _writer(column)
    return lambda record: f"{opening}{write(content(record))}</td>"


def _varying(table: Table, column: BoundColumn, content: Read, attributes: Mapping[str, Any]) -> Callable[[Any], str]:
    """For a ``<td>`` with attributes that depend on the row. ``value`` is to them what stands in the cell."""
    names = dict.fromkeys([*attributes, "class"])
    constant = {name: value for name, value in attributes.items() if not callable(value)}
    constant["class"] = column.get_td_class(constant)
    varying = {name: _of_cell(table, column, value) for name, value in attributes.items() if callable(value)}
    write = _writer(column)

    def cell(record: Any) -> str:
        inside = content(record)
        said = []
        for name in names:
            value = varying[name](inside, record) if name in varying else constant[name]
            if value is not None:
                said.append(f' {name}="{text_of(value)}"')
        return f"<td{''.join(said)}>{write(inside)}</td>"

    return cell


def _of_cell(table: Table, column: BoundColumn, function: Callable[..., Any]) -> Callable[[Any, Any], Any]:
    """``function`` with what it wants to know of a cell: its content and its record."""
    wanted = arguments(function)
    if wanted == ("value",):
        return lambda inside, _record: function(value=inside)
    known = {"table": table, "bound_column": column}

    def attribute(inside: Any, record: Any) -> Any:
        return function(**{name: {**known, "value": inside, "record": record}[name] for name in wanted or ()})

    return attribute


def _writer(column: BoundColumn) -> Callable[[Any], str]:
    if column.column.localize is None:
        return text_of
    said = localize if column.column.localize else unlocalize
    return lambda content: text_of(said(content))


def _content(table: Table, column: BoundColumn) -> Read:
    """What stands in the column's cell of a record."""
    render = column.render
    wanted = arguments(render)
    if column.link or wanted is None or not _RARE.isdisjoint(wanted):
        return lambda record: BoundRow(record, table).get_cell(column.name)
    accessor, empty, default = str(column.accessor), column.column.empty_values, column.default
    readers: dict[type, Read] = {}

    def content(record: Any) -> Any:
        kind = type(record)
        read = readers.get(kind)
        if read is None:
            read = readers[kind] = reader(kind, accessor)  # type: ignore[arg-type]  # a class can be hashed
        value = read(record)
        return default if value in empty else rendered(value, record)

    if wanted == ("value",):

        def rendered(value: Any, record: Any) -> Any:
            return render(value)
    elif wanted == ("record",):

        def rendered(value: Any, record: Any) -> Any:
            return render(record)
    else:

        def rendered(value: Any, record: Any) -> Any:
            known = {"value": value, "record": record, "table": table, "column": column.column, "bound_column": column}
            return render(**{name: known[name] for name in wanted})

    return content


def arguments(function: Callable[..., Any]) -> tuple[str, ...] | None:
    """The names of a function's arguments, without ``self``; ``None`` for one that takes any."""
    return _arguments(getattr(function, "__func__", function), hasattr(function, "__self__"))


@lru_cache(maxsize=2048)
def _arguments(function: Callable[..., Any], is_method: bool) -> tuple[str, ...] | None:
    parameters = list(inspect.signature(function).parameters.values())[is_method:]
    if any(each.kind in (each.VAR_KEYWORD, each.VAR_POSITIONAL) for each in parameters):
        return None
    return tuple(each.name for each in parameters)


@lru_cache(maxsize=2048)
def reader(kind: type, accessor: str) -> Read:
    """Reads the value at ``accessor`` from a record of this kind; a choice of a model by its word.

    What can't be read is ``None``, as django-tables2 has it.
    """
    *way, last = accessor.split("__")
    if issubclass(kind, Mapping) or not all(name.isidentifier() for name in (*way, last)):
        path = Accessor(accessor)
        return lambda record: path.resolve(record, quiet=True)
    if _is_choice(kind, accessor):
        last = f"get_{last}_display"

    def read(record: Any) -> Any:
        try:
            for name in way:
                record = getattr(record, name)
            value = getattr(record, last)
        except (AttributeError, TypeError, ValueError):
            return None
        return value() if callable(value) and not getattr(value, "alters_data", False) else value

    return read


def _is_choice(kind: type, accessor: str) -> bool:
    if not issubclass(kind, Model):
        return False
    try:
        field = Accessor(accessor).get_field(kind)
    except (FieldDoesNotExist, AttributeError):
        return False
    return bool(getattr(field, "choices", ()))


def row_url(view: str, key: object) -> str:
    """The address of ``view`` for one key, for tables: made from its pattern, which is looked up once.

    The same as ``reverse(view, args=[key])`` for a view whose address holds nothing but the key.
    """
    before, after = _around_key(view, settings.ROOT_URLCONF, get_script_prefix())
    text = str(key)
    return f"{before}{text}{after}" if text.isalnum() and text.isascii() else reverse(view, args=[key])


@lru_cache(maxsize=256)
def _around_key(view: str, _urlconf: str, _prefix: str) -> tuple[str, str]:
    before, _, after = reverse(view, args=["0"]).rpartition("0")
    return before, after
