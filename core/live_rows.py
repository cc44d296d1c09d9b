"""Lists whose rows stay true by themselves while somebody reads them.

The page asks every second with the versions of the rows it shows. A row that changed is replaced where it stands, also
when the filter no longer fits it: nothing moves under the reader's eyes. Where a list is sorted by age, new rows come
in at its head; while the pointer or the focus is in the rows they wait, and their number is told.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django_htmx.http import reswap, retarget

from core.filters import FilterSet, address
from core.listing import TEMPLATE, Listing, ListView
from core.paging import capped_count

TRIGGER = "list-rows"
"""Id of the element that asks; see ``core/live_rows.html``."""
MOST_ROWS = 150
"""From so many rows on, the page is made anew instead of growing further."""


class LiveListView(ListView):
    """A list with live rows. Its table gives each row the id ``row-<pk>``."""

    live_fields: ClassVar[tuple[str, ...]]
    """A row shows something else when one of these differs."""
    live_newer: ClassVar[bool] = False
    """Whether new rows come in at the head of the first page, in the default order; for lists that are sorted by
    ``pk``, the newest first."""

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """The list, or what is new of its rows."""
        htmx: Any = request.htmx  # type: ignore[attr-defined]  # set by django-htmx
        return self._news(request) if htmx and htmx.trigger == TRIGGER else super().get(request, *args, **kwargs)

    def build(self, request: HttpRequest) -> Listing:
        """The listing, with the address that asks for news of it."""
        listing = super().build(request)
        rows = {row.pk: _version(getattr(row, name) for name in self.live_fields) for row in listing.page.rows}
        is_first = not request.GET.get("after") and not request.GET.get("before")
        follows = self.live_newer and is_first and listing.is_default_order
        newest = max(rows, default=0) if follows else None
        listing.rows_poll = self._poll(listing.path, listing.state, rows, newest)
        return listing

    def _news(self, request: HttpRequest) -> HttpResponse:
        """204 when there are none."""
        known = known_rows(request)
        visible = self.get_queryset()
        found = visible.filter(pk__in=known).values_list("pk", *self.live_fields)
        now = {pk: _version(values) for pk, *values in found}
        changed = [pk for pk, version in now.items() if version != known[pk]]
        filters = self.filterset_class(data=request.GET, queryset=visible, request=request)
        newest = _number(request.GET.get("newest"))
        newer = self._newer(filters, newest)
        if newer and (not known or len(newer) > self.page_size or len(known) + len(newer) > MOST_ROWS):
            return self._anew(request)
        waiting = len(newer) if "hold" in request.GET else 0
        if waiting:
            newer = []
        if not changed and not newer and waiting == _number(request.GET.get("waiting")):
            return HttpResponse(status=204)
        rows = {row.pk: row for row in visible.filter(pk__in=[*changed, *newer])}
        self.decorate(list(rows.values()))
        order, is_default = self._order(request.GET.get("sort", ""))
        versions = known | now | {pk: _version(getattr(rows[pk], n) for n in self.live_fields) for pk in newer}
        state = self._state(request.GET, filters, order, is_default)
        last = None if newest is None else max([newest, *newer])
        context = {
            "rows_poll": self._poll(request.path, state, versions, last, waiting),
            "changed": self._table(request, [rows[pk] for pk in changed if pk in rows], order),
            "newer": self._table(request, [rows[pk] for pk in newer if pk in rows], order) if newer else None,
            "count": capped_count(filters.qs) if newer else None,
            "waiting": waiting,
            "first_page": address(request.path, state),
            "noun": self.noun,
            "noun_plural": self.noun_plural,
        }
        return render(request, "core/live_rows.html", context)

    def _newer(self, filters: FilterSet, newest: int | None) -> list[int]:
        if newest is None:
            return []
        return list(filters.qs.filter(pk__gt=newest).order_by("-pk").values_list("pk", flat=True)[: self.page_size + 1])

    def _anew(self, request: HttpRequest) -> HttpResponse:
        """The list as it is now, in place of the one that has fallen too far behind."""
        listing = self.build(request)
        context = {"listing": listing, "is_fragment": True, **self.extra_context(listing)}
        return reswap(retarget(render(request, f"{TEMPLATE}#results", context), "#results"), "outerHTML")

    def _poll(self, path: str, state: Any, rows: dict[int, str], newest: int | None, waiting: int = 0) -> str:
        place = state.copy()
        place["rows"] = ".".join(f"{pk}-{version}" for pk, version in rows.items())
        if newest is not None:
            place["newest"] = str(newest)
        place["waiting"] = str(waiting)
        return address(path, place)


def known_rows(request: HttpRequest) -> dict[int, str]:
    """The rows that the page shows which asks for news: their keys and versions."""
    return _parse(request.GET.get("rows", ""))


def _version(values: Iterable[Any]) -> str:
    return hashlib.blake2b(repr(tuple(values)).encode(), digest_size=3).hexdigest()


def _parse(text: str) -> dict[int, str]:
    pairs = (part.partition("-") for part in text.split(".")[: 2 * MOST_ROWS])
    return {number: version for pk, _, version in pairs if (number := _number(pk)) is not None}


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else None
