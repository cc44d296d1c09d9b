"""The list of SIMs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar, cast

from django.db.models import QuerySet
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from core.bulk import record_class
from core.filters import FilterSet, address
from core.listing import Listing
from core.live_rows import LiveListView
from sims.filters import SimFilterSet
from sims.models import RatePlan, SharePool, Sim
from sims.models.indexes import SORT_KEYS
from sims.selectors.sims import list_sims
from sims.selectors.tags import tags_of_many
from sims.tables import SimTable, file_fields, page_fields, page_row


class SimListView(LiveListView):
    """Search, filter and sort the SIMs that the user may see."""

    name = "sims"
    template_name = "sims/list.html"
    permission_required = "sims.view_sim"
    table_class = SimTable
    filterset_class = SimFilterSet
    orders: ClassVar = SORT_KEYS
    unique_key = "giccid"
    default_sort = "giccid"
    noun = _("SIM card")
    noun_plural = _("SIM cards")
    is_large = True
    selectable = True
    live_fields = ("changed_at",)

    def get_queryset(self) -> QuerySet[Sim]:
        """What the user may see."""
        return list_sims(self.request.user)

    def found_keys(self, filters: FilterSet) -> QuerySet[Any, Any] | None:
        """By the indexes of the filters, where these are all."""
        return cast("SimFilterSet", filters).giccids(self.request.user)

    def decorate(self, rows: list[Any]) -> None:
        """The names of the tags, in one query, for who has chosen that column."""
        if "tags" in self.shown_columns(self.request):
            names = tags_of_many(sim.pk for sim in rows)
            for sim in rows:
                sim.tag_names = names.get(sim.pk)

    def read_rows(self, rows: QuerySet[Any], keys: Sequence[str]) -> list[Any]:
        """The columns that the file needs and no others, with plans and pools that are read once."""
        columns = list(dict.fromkeys([*file_fields(self.shown_columns(self.request)), *keys]))
        record = record_class(
            columns,
            pk=lambda sim: sim.id,
            plan=lambda sim: self._plans.get(sim.plan_id),
            pool=lambda sim: self._pools.get(sim.pool_id),
        )
        return list(map(record, rows.values_list(*columns)))

    def read_page(self, rows: QuerySet[Any], keys: Sequence[str]) -> list[Any]:
        """The columns on screen and no others: a SIM has fifty, and making models of them takes as long as the page."""
        columns = (*page_fields(self.shown_columns(self.request)), *keys)
        return list(map(page_row(columns), rows.values_list(*columns)))

    @cached_property
    def _plans(self) -> dict[str, RatePlan]:
        return {plan.code: plan for plan in RatePlan.objects.only("code", "name")}

    @cached_property
    def _pools(self) -> dict[str, SharePool]:
        return {pool.code: pool for pool in SharePool.objects.only("code", "name")}

    def extra_context(self, listing: Listing) -> dict[str, Any]:
        """The search box of the top bar belongs to this page's filters and searches as one types."""
        return {
            "search_attrs": {
                "form": "filters",
                "hx-get": listing.path,
                "hx-trigger": "input changed delay:200ms, search",
                "hx-include": "#filters",
                "hx-target": "#results",
                "hx-swap": "outerHTML",
                "hx-sync": "#filters:replace",
            },
            "list_bar": "sims/parts/sims_bar.html",
            "costs_url": _costs_url(listing),
            "empty_title": _("No SIM cards yet"),
            "empty_text": _("They appear here once the first walk of the carrier's list has begun."),
            "empty_url": reverse("sims:sync"),
            "empty_action": _("See the sync"),
        }


def _costs_url(listing: Listing) -> str:
    """What these SIMs would have cost on other plans."""
    query = listing.state.copy()
    query.pop("sort", None)
    return address(reverse("sims:plans_cost"), query)
