"""The base of every list's table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import django_tables2 as tables
from django.utils.safestring import SafeString
from django_tables2.data import TableListData
from django_tables2.utils import Accessor
from django_tables2.utils import Sequence as ColumnSequence

from core.filters import Unchanged
from core.spreadsheets import FileColumn
from core.templatetags.portal import ago, or_dash

TIME_WIDTH = 26
"""Of a time in an XLSX, in characters."""


class RowsInOrder(TableListData):
    """Rows that come sorted from the database: the table shows the order and never sorts again."""

    def order_by(self, aliases: Any) -> None:
        """Keep the rows as they are."""


class BaseTable(tables.Table):
    """A table over one page of rows.

    ``fixed`` names the columns that everybody sees, ``default`` those shown to a user who has not chosen; without
    it all are.
    """

    fixed: ClassVar[tuple[str, ...]] = ()
    default_columns: ClassVar[tuple[str, ...]] = ()
    files: ClassVar[Mapping[str, tuple[FileColumn, ...]]] = {}
    """What columns become in a file, where that is not the plain value of their accessor; by their names."""

    def __init_subclass__(cls) -> None:
        # Copied for every table otherwise, though none of ours changes its columns.
        cls.base_columns = Unchanged(cls.base_columns)

    def __init__(self, rows: list[Any], *, shown: list[str] | None = None, **options: Any) -> None:
        if shown is not None:
            options["exclude"] = [name for name in self.base_columns if name not in shown]
        super().__init__(RowsInOrder(rows), **{"default": or_dash(None), **options})

    @classmethod
    def optional_columns(cls) -> list[tuple[str, str]]:
        """Columns that a user may hide, as pairs of name and header, in their order."""
        return [
            (name, column.verbose_name or name) for name, column in cls.base_columns.items() if name not in cls.fixed
        ]

    @classmethod
    def shown_columns(cls, chosen: object) -> list[str]:
        """The columns to show for what a user has stored, which may be anything."""
        wanted = chosen if isinstance(chosen, list) else cls.default_columns or list(cls.base_columns)
        return [name for name in cls.base_columns if name in cls.fixed or name in wanted]

    @classmethod
    def file_columns(cls, shown: Sequence[str]) -> list[FileColumn]:
        """The columns of a file with what ``shown`` names, in the order on screen.

        A column with ``exclude_from_export``, such as a box to tick, is none of them.
        """
        columns: list[FileColumn] = []
        for name in ColumnSequence(cls._meta.sequence or ("...",)).expand(cls.base_columns):
            column = cls.base_columns.get(name)
            if column is None or name not in shown or column.exclude_from_export:
                continue
            width = TIME_WIDTH if isinstance(column, AgoColumn) else None
            plain = FileColumn(column.verbose_name or name, _reader(column.accessor or name), width=width)
            columns += cls.files.get(name, (plain,))
        return columns


def _reader(accessor: Any) -> Callable[[Any], Any]:
    """What a column's cells are made of, before they are rendered."""
    if callable(accessor):
        return accessor
    if accessor.isidentifier() and "__" not in accessor:
        return lambda record: getattr(record, accessor, None)
    path = Accessor(accessor)
    return lambda record: path.resolve(record, quiet=True)


def tooltip(value: Any) -> str | None:
    """A cell's value as its ``title``; none for an empty cell, whose value is the dash that stands in it."""
    return None if isinstance(value, SafeString) else str(value)


class AgoColumn(tables.Column):
    """A time, shown as how long ago it was."""

    def render(self, value: Any) -> SafeString:
        """``5 minutes ago`` with the exact time as a tooltip."""
        return ago(value)
