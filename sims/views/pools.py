"""Share pools: the list, and the page of one."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import Any, ClassVar

from django.contrib.auth.decorators import permission_required
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from core.listing import Listing, ListView
from sims import pool_charts
from sims.dashboard_rows import silent_days
from sims.links import key_of
from sims.models import SharePool, Sim
from sims.selectors import pools
from sims.selectors.figures import Tally, by_pool
from sims.tables_pools import ORDERS, PoolFilterSet, PoolTable

_CYCLES_BACK = timedelta(days=400)
_EATERS = 5
_LITTLE = 10
"""Who uses less than the average divided by this uses nearly nothing."""


class PoolListView(ListView):
    """The pools of the accounts that the user may see."""

    name = "pools"
    template_name = "sims/pools.html"
    permission_required = "sims.view_sharepool"
    table_class = PoolTable
    filterset_class = PoolFilterSet
    orders: ClassVar = ORDERS
    unique_key = "code"
    default_sort = "code"
    noun = _("share pool")
    noun_plural = _("share pools")

    def get_queryset(self) -> QuerySet[SharePool]:
        """What the user may see."""
        return pools.list_pools(self.request.user)

    def decorate(self, rows: list[Any]) -> None:
        """Where each pool of the page is heading, in one query."""
        readings = pools.recent(rows)
        for row in rows:
            row.projection = pools.projection(row, readings[row.code])

    def extra_context(self, listing: Listing) -> dict[str, Any]:
        """What an empty list says."""
        return {
            "empty_title": _("No share pools yet"),
            "empty_text": _("They appear with the next reading of accounts, plans and pools, if the carrier has any."),
            "empty_url": reverse("sims:sync"),
            "empty_action": _("See the sync"),
        }


@require_safe
@permission_required("sims.view_sharepool", raise_exception=True)
def pool_page(request: HttpRequest, code: str) -> HttpResponse:
    """Everything about one share pool."""
    try:
        pool = pools.get_pool(request.user, key_of(request, code))
    except SharePool.DoesNotExist as error:
        raise Http404 from error
    today = timezone.now().astimezone(UTC).date()
    readings = pools.history(pool, today - _CYCLES_BACK)
    heading = pools.projection(pool, readings)
    own = by_pool(request.user, [pool.code])[pool.code]
    context = {
        "pool": pool,
        "percent": pools.percent(pool.data_usage, pool.data_quota),
        "projection": heading,
        "at_end": pools.percent(heading.at_end, heading.quota) if heading else None,
        "full_since": pools.full_since(pool, readings),
        "is_over": pool.cycle_end is not None and pool.cycle_end <= timezone.now(),
        "own": own,
        "cycle": pool_charts.of_cycle(pool, readings, heading),
        "cycles": pool_charts.by_cycle(pool, readings),
        **_members(request, pool, own, silent_days()),
    }
    return render(request, "sims/pool.html", context)


def _members(request: HttpRequest, pool: SharePool, own: Tally, days: int) -> dict[str, Any]:
    """Who uses the pool, who hardly does, and who could leave."""
    top = [(sim, _share(sim, own.used)) for sim in pools.top_members(request.user, pool)]
    eaters = [share for _sim, share in top[:_EATERS] if share is not None]
    return {
        "top": top,
        "eaters": len(eaters),
        "eaten": min(round(sum(eaters)), 100),
        "least": pools.least_members(request.user, pool, most=own.used // max(own.sims, 1) // _LITTLE),
        "leavers": pools.leavers(request.user, pool, size=own.sims, silent_days=days),
        "silent_days": days,
        "silent": f"{days}d",
        "unstarted": pools.UNSTARTED,
    }


def _share(sim: Sim, total: int) -> float | None:
    """Percent of the members' usage that is this SIM's."""
    return min(100.0, (sim.data_usage or 0) * 100 / total) if total > 0 else None
