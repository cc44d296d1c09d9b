"""The list page of every kind of record: filter, sort, page by key, count, choose columns; whole or as a fragment.

The address holds the whole state. A view names its table, its filters and the ways to sort, and answers
:meth:`ListView.get_queryset`, already limited to what the user may see. ``templates/core/list.html`` is the page;
a list extends it and fills ``title`` and ``heading``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from django.contrib.auth import get_user_model
from django.contrib.auth.mixins import PermissionRequiredMixin
from django.db import transaction
from django.db.models import Expression, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.views import View

from core import audit, exports
from core.filters import FilterSet, Later
from core.large_lists import LargePages
from core.list_page import COUNT, PANEL, WHOLE
from core.list_page import Listing as Listing
from core.paging import PAGE_SIZE, BadCursor, KeptPages, Order, Pages, capped_count, pages
from core.prepared import kept_for
from core.spreadsheets import AS_IT_IS, Cell, Column, Table, cell
from core.tables import BaseTable
from core.views import exports as export_views

TEMPLATE = "core/list.html"
ROWS_A_QUERY = 2_000
"""Of a file: few enough to be in memory."""


class ListView(PermissionRequiredMixin, View):
    """A list. GET answers the page, or the fragment that htmx replaces; POST keeps the user's choice of columns.

    With ``?export=csv`` or ``xlsx`` GET answers the list as a file, or where that is large a page that offers it, and
    POST has that one made in the background.

    Every GET of a page takes the same number of queries, however many rows there are.
    """

    http_method_names = ["get", "head", "post"]
    raise_exception = True

    name: ClassVar[str]
    """Of this list, for the stored choice of columns and the ticked rows."""
    template_name: ClassVar[str] = TEMPLATE
    table_class: ClassVar[type[BaseTable]]
    filterset_class: ClassVar[type[FilterSet]]
    orders: ClassVar[Mapping[str, str | Expression]]
    """What ``?sort=`` may name, and the key it sorts by: never NULL. Columns of the table with these names get a
    link in their head."""
    unique_key: ClassVar[str] = "pk"
    """Sorts rows of equal value; unique."""
    default_sort: ClassVar[str]
    """With a minus for newest or largest first."""
    noun: ClassVar[Any]
    noun_plural: ClassVar[Any]
    page_size: ClassVar[int] = PAGE_SIZE
    is_large: ClassVar[bool] = False
    """Whether the table is so long that the ways through it are chosen with care (:mod:`core.large_lists`)."""
    selectable: ClassVar[bool] = False
    """Whether rows can be ticked."""
    copies_ticked: ClassVar[bool] = True
    """Whether what is ticked are giccids, to be copied."""
    keeps_statements: ClassVar[bool] = False
    """Whether what a list asks that nothing narrows is put together once for a user (:class:`core.paging.KeptPages`),
    for lists that many people look at. Their rows are models, their orders by numbers, times and texts, and
    :meth:`get_queryset` and filters without a value depend on nothing but the user and :func:`core.prepared.now`."""
    columns_wanted: list[str] | None = None
    """Columns to show instead of those that the user has chosen."""

    def get_queryset(self) -> QuerySet[Any]:
        """The rows that the user may see, with what the table needs of other tables."""
        raise NotImplementedError

    def decorate(self, rows: list[Any]) -> None:
        """Add what the table needs to the rows of the page, in a fixed number of queries."""

    def read_rows(self, rows: QuerySet[Any], keys: Sequence[str]) -> list[Any]:
        """The rows of a file, some thousand at a time; for lists so long that models take too much time.

        They have the attributes ``keys``, which the queryset is annotated with, and what :meth:`decorate` and the
        table's columns ask for.
        """
        return list(rows)

    def found_keys(self, filters: FilterSet) -> QuerySet[Any, Any] | None:
        """The unique keys of what the filters let through, for a large list that knows a better way to them."""
        return None

    def read_page(self, rows: QuerySet[Any], keys: Sequence[str]) -> list[Any]:
        """The rows of a page, with the attributes ``keys``; for lists whose models hold much that it does not show."""
        return list(rows)

    def get(self, request: HttpRequest) -> HttpResponseBase:
        """The list as the address says."""
        if export_views.PARAMETER in request.GET:
            return self._file(request)
        if PANEL in request.GET:
            return self._panel(request)
        if COUNT in request.GET:
            return self._count(request)
        listing = self.build(request)
        context = {"listing": listing, **self.extra_context(listing)}
        htmx: Any = request.htmx  # type: ignore[attr-defined]  # set by django-htmx
        fragment = htmx.target if htmx and htmx.target in ("list", "results") else None
        if fragment is None or htmx.history_restore_request:
            return render(request, self.template_name, context)
        context["is_fragment"] = True
        response = render(request, f"{TEMPLATE}#{fragment}", context)
        # As one types, the address follows without filling the history; a click makes a step to come back from.
        typed = htmx.trigger_name == "q"
        response["HX-Replace-Url" if typed else "HX-Push-Url"] = self._place(request, listing)
        patch_vary_headers(response, ["HX-Request", "HX-Target"])
        return response

    def post(self, request: HttpRequest) -> HttpResponseBase:
        """Keep the choice of columns (``columns``, repeatable; ``reset`` for the default); or have a file made."""
        if export_views.PARAMETER in request.GET:
            return self._begin_file(request)
        optional = [name for name, _header in self.table_class.optional_columns()]
        chosen = [name for name in dict.fromkeys(request.POST.getlist("columns")) if name in optional]
        with transaction.atomic():
            user: Any = get_user_model()._default_manager.select_for_update().get(pk=request.user.pk or 0)
            choice = dict(user.preferences.get("columns") or {})
            before = choice.pop(self.name, None)
            if "reset" not in request.POST:
                choice[self.name] = chosen
            user.preferences = {**user.preferences, "columns": choice}
            user.save(update_fields=["preferences"])
            after = choice.get(self.name)
            if before != after:
                told = [{"list": self.name, "columns": columns} for columns in (before, after)]
                audit.record(action="user.columns", actor=user, target=user, before=told[0], after=told[1])
        response = redirect(request.get_full_path())
        response.status_code = 303
        return response

    def _panel(self, request: HttpRequest) -> HttpResponse:
        """What one filter offers, for its panel."""
        try:
            group = self._filters(request).group(request.GET[PANEL])
        except KeyError:
            raise Http404 from None
        return render(request, f"{TEMPLATE}#panel", {"group": group})

    def _count(self, request: HttpRequest) -> HttpResponse:
        """How many rows there are, for a page that came without it."""
        filters = self._filters(request)
        order, is_default = self._order(request.GET.get("sort", ""))
        found = self._pages(request, filters, order, self._state(request.GET, filters, order, is_default))
        listing = {"count": found.count(), "noun": self.noun, "noun_plural": self.noun_plural}
        return render(request, f"{TEMPLATE}#count", {"listing": listing})

    def extra_context(self, listing: Listing) -> dict[str, Any]:
        """More for the template."""
        return {}

    def build(self, request: HttpRequest) -> Listing:
        """Filter, sort, cut out the page, count."""
        filters = self._filters(request)
        order, is_default = self._order(request.GET.get("sort", ""))
        state = self._state(request.GET, filters, order, is_default)
        notices = list(filters.problems)
        found = self._pages(request, filters, order, state)
        try:
            page = found.page(after=request.GET.get("after", ""), before=request.GET.get("before", ""))
        except BadCursor:
            notices.append(_("That link to a page of the list can not be read; this is the first page."))
            page = found.page()
        self.decorate(page.rows)
        return Listing(
            name=self.name,
            path=request.path,
            state=state,
            filters=filters,
            order=order,
            is_default_order=is_default,
            page=page,
            count=found.count(),
            table=self._table(request, page.rows, order),
            noun=self.noun,
            noun_plural=self.noun_plural,
            notices=notices,
            selectable=self.selectable,
            copies_ticked=self.copies_ticked,
            whole_filters=WHOLE in request.GET,
        )

    def _pages(
        self, request: HttpRequest, filters: FilterSet, order: Order, state: QueryDict
    ) -> Pages | KeptPages | LargePages:
        size = self.page_size
        if self.keeps_statements and not state.keys() - {"sort"}:
            # Of filters of its own: those of the request go on to tell the time.
            name = (type(self), str(order), size)
            return kept_for(request.user, name, lambda: KeptPages(self._filters(request).qs, order, size=size))
        if self.is_large:
            return LargePages(filters.qs, order, size=size, read=self.read_page, keys=self.found_keys(filters))
        return Pages(filters.qs, order, size=size, read=self.read_page)

    def _filters(self, request: HttpRequest) -> FilterSet:
        return self.filterset_class(data=request.GET, queryset=Later(self.get_queryset), request=request)

    def _order(self, wanted: str) -> tuple[Order, bool]:
        """The order that the address names; the default one for a name that is none."""
        sort = wanted if wanted.removeprefix("-") in self.orders else self.default_sort
        name = sort.removeprefix("-")
        first = self.orders[name]
        keys = (first,) if first == self.unique_key else (first, self.unique_key)
        return Order(name, keys, sort.startswith("-")), sort == self.default_sort

    def _state(self, data: QueryDict, filters: FilterSet, order: Order, is_default: bool) -> QueryDict:
        """The address's state in one fixed form: empty and unknown parameters are gone."""
        state = QueryDict(mutable=True)
        for name in filters.filters:
            values = [value for value in dict.fromkeys(data.getlist(name)) if value]
            if values:
                state.setlist(name, values)
        if not is_default:
            state["sort"] = str(order)
        return state

    def _place(self, request: HttpRequest, listing: Listing) -> str:
        """The address of exactly this answer."""
        for parameter in ("after", "before"):
            if request.GET.get(parameter):
                return listing._at(parameter, request.GET[parameter])
        return listing.url

    def file_table(self, request: HttpRequest, *, in_background: bool = False) -> Table:
        """The rows of the list with the columns on screen, as they are in a file.

        In the background a list in its default order is written by its unique key, the same way round: then no row
        that moves meanwhile comes twice or is left out.
        """
        queryset = self._filters(request).qs
        order, is_default = self._order(request.GET.get("sort", ""))
        if in_background and is_default:
            order = Order(order.name, (self.unique_key,), order.descending)
        zone = timezone.get_current_timezone()
        columns = self.table_class.file_columns(self.shown_columns(request))
        values = [column.value for column in columns]

        def rows() -> Iterator[list[Cell]]:
            for page in pages(queryset, order, size=ROWS_A_QUERY, read=self.read_rows):
                self.decorate(page)
                for record in page:
                    cells = [value(record) for value in values]
                    yield [each if type(each) in AS_IT_IS else cell(each, zone) for each in cells]

        return Table(
            title=self.file_title(),
            file_name=f"{self.file_name()}-{timezone.now().astimezone(zone):%Y-%m-%d}",
            columns=[Column(str(column.name), column.is_text, column.width) for column in columns],
            rows=rows,
            total=lambda: queryset.order_by().count(),
        )

    def file_title(self) -> str:
        """What a file of the list is called, for people."""
        return capfirst(str(self.noun_plural))

    def file_name(self) -> str:
        """How the name of a file of the list begins."""
        return self.name

    def _file(self, request: HttpRequest) -> HttpResponseBase:
        filters = self._filters(request)
        count = capped_count(filters.qs, exports.IN_REQUEST)
        order, is_default = self._order(request.GET.get("sort", ""))
        query = self._state(request.GET, filters, order, is_default).urlencode()
        return export_views.give(request, self.file_table(request), count, query=query)

    def _begin_file(self, request: HttpRequest) -> HttpResponse:
        order, is_default = self._order(request.GET.get("sort", ""))
        state = self._state(request.GET, self._filters(request), order, is_default)
        columns = self.shown_columns(request)
        params = {"path": request.path_info, "query": state.urlencode(), "columns": columns}
        return export_views.begin(request, exports.LIST, params)

    def shown_columns(self, request: HttpRequest) -> list[str]:
        """Names of the columns that the user sees."""
        if self.columns_wanted is not None:
            return self.table_class.shown_columns(self.columns_wanted)
        preferences = getattr(request.user, "preferences", None)
        stored = preferences.get("columns") if isinstance(preferences, dict) else None
        chosen = stored.get(self.name) if isinstance(stored, dict) else None
        return self.table_class.shown_columns(chosen)

    def _table(self, request: HttpRequest, rows: list[Any], order: Order) -> BaseTable:
        return self.table_class(
            rows,
            shown=self.shown_columns(request),
            order_by=str(order),
            order_by_field="sort",
            attrs={
                "thead": {"hx-boost": "true", "hx-target": "#results", "hx-swap": "outerHTML"},
                "aria-label": self.noun_plural,
            },
        )
