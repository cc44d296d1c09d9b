"""The timeline of all SIMs: what happened in the fleet, the newest first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django.db.models import Max, QuerySet
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from core.filters import FilterSet
from core.listing import Listing
from core.live_rows import LiveListView, known_rows
from sims.entries import entries
from sims.filters_timeline import TimelineFilterSet
from sims.models import TimelineEvent
from sims.selectors.events import list_events
from sims.tables_timeline import TimelineTable


class TimelineListView(LiveListView):
    """Events of the SIMs that the user may see; what happens meanwhile comes in at the head."""

    name = "timeline"
    template_name = "sims/timeline_list.html"
    permission_required = "sims.view_timelineevent"
    table_class = TimelineTable
    filterset_class = TimelineFilterSet
    orders: ClassVar = {"at": "at"}
    default_sort = "-at"
    keeps_statements = True
    noun = _("event")
    noun_plural = _("events")
    live_fields = (
        "at",
        "from_value",
        "to_value",
        "outcome",
        "operation_id",
        "log_time",
        "push_key",
        "observed_at",
    )
    live_newer = True

    def get_queryset(self) -> QuerySet[TimelineEvent]:
        """What the user may see."""
        return list_events(self.request.user)

    def decorate(self, rows: list[Any]) -> None:
        """With the words of each, in a fixed number of queries."""
        told = [row for row in rows if not hasattr(row, "entry")]
        for row, entry in zip(told, entries(told, self.request.user), strict=True):
            row.entry = entry

    def read_rows(self, rows: QuerySet[Any], keys: Sequence[str]) -> list[Any]:
        """Without the words, which a file does not have."""
        found = list(rows)
        for row in found:
            row.entry = None
        return found

    def _newer(self, filters: FilterSet, newest: int | None) -> list[int]:
        """Only what happened after all that is shown: what is told late stands further down, where it belongs."""
        shown = known_rows(self.request)
        latest = self.get_queryset().filter(pk__in=shown).aggregate(at=Max("at"))["at"] if shown else None
        if newest is None or latest is None:
            return super()._newer(filters, newest)
        later = filters.qs.filter(pk__gt=newest, at__gte=latest)
        return list(later.order_by("-at", "-pk").values_list("pk", flat=True)[: self.page_size + 1])

    def extra_context(self, listing: Listing) -> dict[str, Any]:
        """What an empty list says."""
        return {
            "empty_title": _("Nothing has happened yet"),
            "empty_text": _("Changes of the last 30 days appear once the carrier's change logs were read."),
            "empty_url": reverse("sims:sync"),
            "empty_action": _("See the sync"),
        }
