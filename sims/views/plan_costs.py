"""What SIMs would have cost on other plans: of one SIM, or of all that a query of the SIM list leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from core.filters import Chip, address
from core.paging import Count
from core.views import exports
from sims import plan_charts
from sims.cost_report import Report, report
from sims.exports_costs import NAME, PERMISSIONS, table_of
from sims.filters import SimFilterSet
from sims.models import RatePlan, Sim
from sims.selectors import costs
from sims.selectors.plans import SUPPLEMENTARY, chosen_plans, list_plans

MOST_PLANS = 12
"""Plans that are charged in one request."""
_MOST_NAMED = 100
"""Plans that an address may name; what is more than can be charged is said to be left out."""


@dataclass
class Asked:
    """What the address asks for: plans (``on=``), how many cycles, and SIMs by the query of their list or ``giccid=``.

    ``plan=`` is the filter of the list, as it is there: the plan that a SIM has now.
    """

    user: Any
    data: QueryDict

    @cached_property
    def available(self) -> list[RatePlan]:
        """Plans that can be charged, in order."""
        priced = list_plans(self.user).filter(price__isnull=False).prefetch_related("accounts")
        return list(priced.order_by("code"))

    @cached_property
    def codes(self) -> list[str]:
        """The plans that the address names."""
        return [code for code in dict.fromkeys(self.data.getlist("on")) if code][:_MOST_NAMED]

    @cached_property
    def plans(self) -> list[RatePlan]:
        """Those of them that there are, and no more than can be charged; without any, the basic ones."""
        if not self.codes:
            return [plan for plan in self.available if plan.kind != SUPPLEMENTARY][:MOST_PLANS]
        known = {plan.code: plan for plan in self.available}
        found = [known[code] for code in self.codes if code in known]
        # A plan without a price says so in the table instead of being left out.
        found += chosen_plans(self.user, [code for code in self.codes if code not in known])
        return found[:MOST_PLANS]

    @cached_property
    def cycles(self) -> int:
        """How many closed cycles of each SIM."""
        wanted = self.data.get("cycles", "")
        return next((number for number in costs.CYCLES if str(number) == wanted), costs.DEFAULT_CYCLES)

    @cached_property
    def query(self) -> QueryDict:
        """What says which SIMs, in one fixed form."""
        query = QueryDict(mutable=True)
        for name in (*SimFilterSet.base_filters, "giccid"):
            values = [value for value in dict.fromkeys(self.data.getlist(name)) if value]
            if values:
                query.setlist(name, values)
        return query

    @property
    def state(self) -> QueryDict:
        """The whole address, in one fixed form."""
        state = self.query.copy()
        if self.codes:
            state.setlist("on", self.codes)
        if self.cycles != costs.DEFAULT_CYCLES:
            state["cycles"] = str(self.cycles)
        return state

    def address(self, **changes: str | list[str]) -> str:
        """The page with some of its parameters changed."""
        state = self.state
        for name, value in changes.items():
            state.setlist(name, [value] if isinstance(value, str) else value)
        return address(reverse("sims:plans_cost"), state)

    def chips(self) -> list[Chip]:
        """What narrows the SIMs, with the way to undo each."""
        path, state = reverse("sims:plans_cost"), self.state
        chips = SimFilterSet(data=self.query, queryset=Sim.objects.none()).chips(state, path)
        for name, label in (("q", _("Search")), ("giccid", _("giccid"))):
            for value in self.query.getlist(name):
                others = [other for other in self.query.getlist(name) if other != value]
                chips.append(Chip(label, value, self.address(**{name: others})))
        return chips


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required(PERMISSIONS, raise_exception=True)
def plans_cost(request: HttpRequest) -> HttpResponseBase:
    """The page; ``?export=`` the same SIM by SIM as a file, which is made in the background when that is large."""
    asked = Asked(request.user, request.GET)
    sims = costs.sims_of(request.user, asked.query)
    if request.method == "POST":
        params = {
            "plans": [plan.code for plan in asked.plans],
            "cycles": asked.cycles,
            "query": asked.query.urlencode(),
        }
        return exports.begin(request, NAME, params)
    count = costs.how_many(sims)
    is_soon_done = not count.capped and costs.is_soon_done(sims, cycles=asked.cycles)
    if exports.PARAMETER in request.GET:
        table = table_of(sims, asked.plans, cycles=asked.cycles)
        rows = Count(count.number, not is_soon_done)
        return exports.give(request, table, rows, query=asked.state.urlencode())
    made: Report | None = None
    if is_soon_done and count.number and asked.plans:
        made = report(costs.add_up(sims, asked.plans, cycles=asked.cycles))
    return render(request, "sims/plans_cost.html", _context(asked, count, made))


def _context(asked: Asked, count: Count, made: Report | None) -> dict[str, Any]:
    chosen = {plan.code for plan in asked.plans}
    listed = asked.query.copy()
    giccids = listed.pop("giccid", [])
    return {
        "count": count,
        "report": made,
        "totals": made.totals if made else None,
        "chart": plan_charts.costs(made) if made else None,
        "cycles": asked.cycles,
        "cycle_choices": [
            (number, number == asked.cycles, asked.address(cycles=str(number))) for number in costs.CYCLES
        ],
        "choices": [(plan, plan.code in chosen) for plan in asked.available],
        "kept": [(name, value) for name, values in asked.state.lists() if name != "on" for value in values],
        "chips": asked.chips(),
        "plans": asked.plans,
        "is_default": not asked.codes,
        "unknown": [code for code in asked.codes if code not in chosen],
        "most_plans": MOST_PLANS,
        "too_many_plans": len(asked.codes) > MOST_PLANS,
        "default_url": asked.address(on=[]),
        "all_sims_url": asked.address(**{name: [] for name in asked.query}),
        "list_url": "" if giccids else address(reverse("sims:list"), listed),
        "giccid": giccids[0] if len(giccids) == 1 and giccids[0].isalnum() else "",
        "files": [(format_, asked.address(export=format_)) for format_ in ("csv", "xlsx")],
        "limit": costs.MOST_SIMS,
    }
