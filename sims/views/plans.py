"""Rate plans: the list, the page of one, and some side by side."""

from __future__ import annotations

from typing import Any, ClassVar
from urllib.parse import urlencode

from django.contrib.auth.decorators import permission_required
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from core.countries import country_label
from core.expressions import OrNone
from core.listing import Listing, ListView
from sims import plan_charts, plan_compare
from sims.filters_plans import PlanFilterSet
from sims.links import key_of
from sims.models import RatePlan, SharePool
from sims.money import money, rounded
from sims.selectors import plans
from sims.tables_plans import PlanTable, billing_word, kind_word, sims_address, validity_word
from staff.scopes import scoped

_MOST_SUGGESTED = 3
_MOST_TICKED = 20
"""Codes in an address; more than can be compared are told so."""


class PlanListView(ListView):
    """The plans that the user may see, with who is on them."""

    name = "plans"
    template_name = "sims/plans.html"
    permission_required = "sims.view_rateplan"
    table_class = PlanTable
    filterset_class = PlanFilterSet
    orders: ClassVar = {
        "code": "code",
        "name": "name",
        "quota": OrNone("data_quota"),
        "price": plans.price_order(),
        "per_gb": plans.per_gb_order(),
    }
    unique_key = "code"
    default_sort = "code"
    noun = _("rate plan")
    noun_plural = _("rate plans")
    selectable = True
    copies_ticked = False

    def get_queryset(self) -> QuerySet[RatePlan]:
        """What the user may see."""
        return plans.list_plans(self.request.user)

    def decorate(self, rows: list[Any]) -> None:
        """Who is on the plans of the page."""
        on_it = plans.on_plans(self.request.user, rows)
        for plan in rows:
            plan.on_it = on_it[plan.code]

    def extra_context(self, listing: Listing) -> dict[str, Any]:
        """The form that takes the ticked rows, and what an empty list says."""
        return {
            "list_bar": "sims/parts/plans_bar.html",
            "empty_title": _("No rate plans yet"),
            "empty_text": _("They are read from the carrier with the accounts, some times a day."),
            "empty_url": reverse("sims:sync"),
            "empty_action": _("See the sync"),
        }


@require_safe
@permission_required("sims.view_rateplan", raise_exception=True)
def plan_page(request: HttpRequest, code: str) -> HttpResponse:
    """All about one plan; 404 for one that neither the user's accounts may use nor their SIMs have."""
    try:
        plan = plans.get_plan(request.user, key_of(request, code))
    except RatePlan.DoesNotExist:
        raise Http404 from None
    others = plans.neighbours(request.user, plan)
    chart = plan_charts.per_gb(plan, others) if others else None
    suggested = [plan.code, *(other.code for other in others[:_MOST_SUGGESTED])]
    per_gb = plans.price_per_gb(plan)
    on_it = plans.on_plans(request.user, [plan])[plan.code]
    context = {
        "plan": plan,
        "kind": kind_word(plan),
        "billing": billing_word(plan),
        "validity": validity_word(plan),
        "price": money(plan.price, plan.currency),
        "per_gb": rounded(per_gb, plan.currency),
        "is_basic": not on_it.is_addon,
        "countries": [country_label(each) for each in plans.countries_of(plan)],
        "on_it": on_it,
        "sims_url": sims_address(plan, on_it),
        "accounts": plans.accounts_of(request.user, plan),
        "pools": _pools(request, plan),
        "chart": chart,
        "compare_url": _address("sims:plans_compare", plan=suggested) if others else "",
        "cost_on_it_url": _address("sims:plans_cost", on=plan.code),
        "cost_elsewhere_url": _address("sims:plans_cost", plan=plan.code),
    }
    return render(request, "sims/plan.html", context)


@require_safe
@permission_required("sims.view_rateplan", raise_exception=True)
def plans_compare(request: HttpRequest) -> HttpResponse:
    """Two to four plans (``?plan=``, repeated) side by side; else what to do instead.

    ``?ticked=`` holds plans that were ticked on several pages of the list, a line each: they get their own address.
    """
    codes = [code for code in dict.fromkeys(request.GET.getlist("plan")) if code]
    if request.GET.get("ticked"):
        # What the script kept over pages holds what is ticked on this one, too.
        codes = [code for code in dict.fromkeys([*request.GET["ticked"].splitlines(), *codes]) if code]
    if "ticked" in request.GET:
        return redirect(_address("sims:plans_compare", plan=codes[:_MOST_TICKED]))
    found = plans.chosen_plans(request.user, codes[: plan_compare.MOST + 1])
    known = {plan.code for plan in found}
    context: dict[str, Any] = {
        "number": len(codes),
        "unknown": [code for code in codes[: plan_compare.MOST + 1] if code not in known],
        "most": plan_compare.MOST,
        "cost_url": _address("sims:plans_cost", on=[plan.code for plan in found]),
    }
    if len(codes) <= plan_compare.MOST and len(found) >= plan_compare.LEAST:
        context["comparison"] = plan_compare.compare(found, plans.on_plans(request.user, found))
        context["chart"] = plan_charts.compared(found)
        context["without"] = _without(found)
    context["found"] = found
    return render(request, "sims/plans_compare.html", context)


def _without(found: list[RatePlan]) -> dict[str, str]:
    """For each plan the address of the comparison without it, where enough are left."""
    if len(found) <= plan_compare.LEAST:
        return {}
    codes = [plan.code for plan in found]
    return {code: _address("sims:plans_compare", plan=[other for other in codes if other != code]) for code in codes}


def _pools(request: HttpRequest, plan: RatePlan) -> list[tuple[str, str]]:
    pools = scoped(SharePool.objects.filter(plan=plan).order_by("code"), request.user)
    return list(pools.values_list("code", "name"))


def _address(view: str, **query: str | list[str]) -> str:
    text = urlencode(query, doseq=True)
    return f"{reverse(view)}?{text}" if text else reverse(view)
