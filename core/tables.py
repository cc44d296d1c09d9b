"""The base of every list's table."""

from __future__ import annotations

from typing import Any, ClassVar

import django_tables2 as tables
from django.utils.safestring import SafeString
from django_tables2.data import TableListData

from core.templatetags.portal import ago, or_dash


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


class AgoColumn(tables.Column):
    """A time, shown as how long ago it was."""

    def render(self, value: Any) -> SafeString:
        """``5 minutes ago`` with the exact time as a tooltip."""
        return ago(value)
