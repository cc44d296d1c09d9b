"""The rows of a table as HTML, many times faster than django-tables2 and its template write them.

Columns, their order, attributes and ``render_…`` methods are those of the table and mean what django-tables2 says they
do. What it finds out anew for each cell (how to read the value, which arguments a method wants, the attributes of the
``<td>``) is found out once for a table here. A column that does something rare (a link of ``linkify``, a method that
wants ``bound_row``) is asked for by django-tables2 itself.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache, partialmethod
from html import escape
from inspect import getattr_static
from operator import attrgetter
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.db.models import Model
from django.http import QueryDict
from django.template import Context
from django.template.base import render_value_in_context
from django.templatetags.l10n import localize, unlocalize
from django.urls import get_script_prefix, reverse
from django.utils.encoding import force_str
from django.utils.safestring import SafeString
from django_tables2 import Table
from django_tables2.columns import BoundColumn
from django_tables2.rows import BoundRow
from django_tables2.utils import Accessor

from core.icons import icon

Read = Callable[[Any], Any]
"""Gets a record, answers what a cell is made of; ``None`` where there is nothing."""
Cell = Callable[[Any], str]

_PLAIN = Context()
_RARE = {"bound_row"}
_PLACE = ("after", "before", "page")
"""What a new order does away with in an address."""


def rows_html(table: Table, records: Iterable[Any], attributes: str = "") -> SafeString:
    """A ``<tr>`` for each of ``records``; ``attributes`` are put into each of them."""
    opening = _opening(table, attributes)
    kinds: dict[type, list[Cell]] = {}
    rows = []
    for record in records:
        kind = type(record)
        cells = kinds.get(kind)
        if cells is None:
            cells = kinds[kind] = [_cell(table, column, kind) for column in table.columns]
        rows.append(f"{opening(record)}{''.join([cell(record) for cell in cells])}\n    </tr>\n")
    return SafeString("".join(rows))


def head_html(table: Table, query: QueryDict) -> SafeString:
    """A ``<th>`` for each column; those that can be sorted by hold a link, which keeps the rest of ``query``."""
    own = (table.prefixed_order_by_field, *_PLACE)
    kept = urlencode([(name, value) for name, values in query.lists() if name not in own for value in values])
    start = escape(f"?{kept}&" if kept else "?") + f"{table.prefixed_order_by_field}="
    return SafeString("\n    ".join([_head(column, start) for column in table.columns]))


def _head(column: BoundColumn, start: str) -> str:
    said, header = column.attrs["th"].as_html(), text_of(column.header)
    alias, is_ordered = column.order_by_alias, column.is_ordered
    is_descending = is_ordered and alias.is_descending
    order = f' aria-sort="{"descending" if is_descending else "ascending"}"' if is_ordered else ""
    if not column.orderable:
        return f'<th scope="col" {said}{order}>{header}</th>'
    next_order, arrow = alias.next, icon("arrow-down" if is_descending else "arrow-up", 13)
    link = f'<a href="{start}{next_order}" data-sort="{next_order}">{header}{arrow}</a>'
    return f'<th scope="col" {said}{order}>{link}</th>'


def text_of(content: Any) -> str:
    """What ``{{ content }}`` would write."""
    if type(content) is SafeString:
        return content
    if type(content) is str:
        return escape(content)
    if type(content) is int and not settings.USE_THOUSAND_SEPARATOR:
        return str(content)
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


def _cell(table: Table, column: BoundColumn, kind: type) -> Cell:
    """A function that makes the column's ``<td>`` of a record of this kind."""
    content = _content(table, column, kind)
    declared = {**table.attrs, **column.column.attrs}
    attributes: Mapping[str, Any] = declared.get("td", declared.get("cell", {}))
    if any(callable(value) for value in attributes.values()):
        return _varying(table, column, content, attributes)
    said = column.attrs["td"].as_html()
    opening = f"<td {said}>" if said else "<td>"
    if column.column.localize is not None:
        write = _writer(column)
        return lambda record: f"{opening}{write(content(record))}</td>"

    def cell(record: Any) -> str:
        inside = content(record)
        return f"{opening}{inside if type(inside) is SafeString else text_of(inside)}</td>"

    return cell


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


def _content(table: Table, column: BoundColumn, kind: type) -> Read:
    """What stands in the column's cell of a record of this kind."""
    render = column.render
    wanted = arguments(render)
    if column.link or wanted is None or not _RARE.isdisjoint(wanted):
        return lambda record: BoundRow(record, table).get_cell(column.name)
    empty, default = column.column.empty_values, column.default
    # Who wants the record alone gets no value, so that of a choice need not be put into words.
    read = reader(kind, str(column.accessor), in_words=wanted != ("record",))

    def of_value(record: Any) -> Any:
        value = read(record)
        return default if value in empty else render(value)

    def of_record(record: Any) -> Any:
        return default if read(record) in empty else render(record)

    def of_all(record: Any) -> Any:
        value = read(record)
        if value in empty:
            return default
        known = {"value": value, "record": record, "table": table, "column": column.column, "bound_column": column}
        return render(**{name: known[name] for name in wanted})

    return of_value if wanted == ("value",) else of_record if wanted == ("record",) else of_all


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
def reader(kind: type, accessor: str, *, in_words: bool = True) -> Read:
    """Reads the value at ``accessor`` from a record of this kind; a choice of a model by its word.

    Without ``in_words`` it tells only whether there is one.

    What can't be read is ``None``, as django-tables2 has it.
    """
    *way, last = accessor.split("__")
    if issubclass(kind, Mapping) or not all(name.isidentifier() for name in (*way, last)):
        path = Accessor(accessor)
        return lambda record: path.resolve(record, quiet=True)
    choices = _choices(kind, accessor)
    if choices and (in_words or not choices.keys().isdisjoint(("", None))):
        display = f"get_{last}_display"
        if not way and isinstance(getattr_static(kind, display), partialmethod):
            value_of = attrgetter(last)
            return lambda record: force_str(choices.get(value := value_of(record), value), strings_only=True)
        last = display
    elif not way and _is_column(kind, last):
        return attrgetter(last)

    def read(record: Any) -> Any:
        try:
            for name in way:
                record = getattr(record, name)
            value = getattr(record, last)
        except (AttributeError, TypeError, ValueError):
            return None
        return value() if callable(value) and not getattr(value, "alters_data", False) else value

    return read


def _is_column(kind: type, name: str) -> bool:
    """Of a model, or of a row without one (``core.bulk.record_class``)."""
    if issubclass(kind, tuple):
        return isinstance(getattr(kind, name, None), property)
    return issubclass(kind, Model) and any(name in (field.name, field.attname) for field in kind._meta.concrete_fields)


def _choices(kind: type, accessor: str) -> dict[Any, Any]:
    """The choices of a model's field and their words; none of what is no such field."""
    if not issubclass(kind, Model):
        return {}
    field = Accessor(accessor).get_field(kind)
    return dict(getattr(field, "flatchoices", ()))


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
