"""What the template of a list shows: its rows, its state in the address, and the links that change it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import QueryDict
from django.utils.safestring import SafeString
from django.utils.text import capfirst

from core import exports
from core.filters import Chip, Choice, FilterSet, Group, address, options
from core.paging import Count, Order, Page
from core.per_language import per_language
from core.tables import BaseTable
from core.views import exports as export_views

PANEL, WHOLE, COUNT = "panel", "filters", "count"
"""In the address: the filter that asks for its choices; that all filters show theirs; that only the count is wanted."""


@dataclass
class Listing:
    """What the template of a list shows."""

    name: str
    path: str
    state: QueryDict
    """The filters and the order, without the place in the list."""
    filters: FilterSet
    order: Order
    is_default_order: bool
    page: Page[Any]
    count: Count
    table: BaseTable
    noun: Any
    noun_plural: Any
    notices: list[str]
    selectable: bool
    copies_ticked: bool = True

    whole_filters: bool = False
    """Whether filters show all that they offer at once, as without script they must."""
    rows_poll: str = ""
    """The address that tells what is new of these rows; see :mod:`core.live_rows`."""

    @property
    def url(self) -> str:
        """The first page of this list as it is filtered and sorted."""
        return address(self.path, self.state)

    @property
    def next_url(self) -> str:
        """The next page; empty on the last."""
        return self._at("after", self.page.next)

    @property
    def previous_url(self) -> str:
        """The page before; empty on the first."""
        return self._at("before", self.page.previous)

    def _at(self, parameter: str, cursor: str) -> str:
        if not cursor:
            return ""
        place = self.state.copy()
        place[parameter] = cursor
        return address(self.path, place)

    @property
    def hint(self) -> str:
        """What the filters have to say to the person, such as that a search text is too short."""
        return self.filters.hint

    @property
    def filtered(self) -> bool:
        """Whether anything narrows the list."""
        return any(name != "sort" for name in self.state)

    @property
    def chips(self) -> list[Chip]:
        """What narrows the list, with the way to undo each."""
        return self.filters.chips(self.state, self.path)

    @property
    def groups(self) -> list[Group]:
        """The filters to choose from."""
        return self.filters.groups(whole=self.whole_filters)

    @property
    def whole_url(self) -> str:
        """This page with all that the filters offer."""
        state = self.state.copy()
        state[WHOLE] = "1"
        return address(self.path, state)

    @property
    def count_url(self) -> str:
        """Where the count is asked for that this page came without (``Count.later``)."""
        state = self.state.copy()
        state[COUNT] = "1"
        return address(self.path, state)

    @property
    def panel_url(self) -> str:
        """Where a filter asks for what it offers, its name to be put behind."""
        return f"{self.path}?{PANEL}="

    @property
    def files(self) -> list[tuple[str, str]]:
        """The list as a file, as filtered and sorted: format and address."""
        return [(format_, self._as(format_)) for format_ in exports.FORMATS]

    def _as(self, format_: str) -> str:
        state = self.state.copy()
        state[export_views.PARAMETER] = format_
        return address(self.path, state)

    @property
    def made_later(self) -> bool:
        """Whether a file of it takes too long to be waited for, or may do so."""
        return self.count.capped

    @property
    def columns(self) -> SafeString:
        """Columns to choose from."""
        return _column_options(type(self.table), frozenset(self.table.columns.names()))


@per_language
def _column_options(table_class: type[BaseTable], shown: frozenset[str]) -> SafeString:
    columns = table_class.optional_columns()
    return options("columns", [Choice(name, capfirst(str(header)), name in shown) for name, header in columns])
