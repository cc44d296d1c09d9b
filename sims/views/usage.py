"""Usage of one SIM in figures and charts: a part of the SIM's page, or a page of its own."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import Any

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from core.charts import Chart
from core.htmx import wants_fragment
from sims import usage_charts
from sims.models import Sim
from sims.selectors import usage
from sims.views.detail import find_sim

VIEWS = {"days": _("Days"), "cycle": _("This cycle"), "cycles": _("Cycles"), "today": _("Today")}
RANGES = (31, 92, 400)
_CYCLES_BACK = 400
_JUMP_SHOWN = 7


@require_safe
@permission_required("sims.view_sim", raise_exception=True)
def sim_usage(request: HttpRequest, giccid: str) -> HttpResponse:
    """The usage card: ``?show=`` days, cycle, cycles or today, ``?days=`` how far back; else the last 31 days."""
    sim = find_sim(request, giccid)
    show = request.GET.get("show", "")
    show = show if show in VIEWS else "days"
    days = next((number for number in RANGES if str(number) == request.GET.get("days")), RANGES[0])
    fragment = wants_fragment(request)
    context = {"sim": sim, **_context(request, sim, show, days)}
    response = render(request, "sims/parts/usage.html" if fragment else "sims/usage.html", context)
    patch_vary_headers(response, ["HX-Request"])
    return response


def _context(request: HttpRequest, sim: Sim, show: str, days: int) -> dict[str, Any]:
    today = timezone.now().date()
    since = today - timedelta(days=days - 1)
    if show == "cycle" and sim.cycle_start:
        since = sim.cycle_start.astimezone(UTC).date()
    elif show == "cycles":
        since = today - timedelta(days=_CYCLES_BACK)
    history = usage.history(request.user, sim, since=since)
    jump = sim.usage_jump_on
    return {
        "chart": _chart(show, sim, history),
        "history": history,
        "projection": history.projection,
        "jumped": jump if jump and jump > today - timedelta(days=_JUMP_SHOWN) else None,
        "views": [(name, label, name == show) for name, label in VIEWS.items()],
        "ranges": [(number, number == days) for number in RANGES] if show == "days" else [],
    }


def _chart(show: str, sim: Sim, history: usage.SimHistory) -> Chart:
    if show == "cycle":
        return usage_charts.of_cycle(sim, history)
    if show == "cycles":
        return usage_charts.by_cycle(history)
    return usage_charts.by_hour(history) if show == "today" else usage_charts.by_day(history)
