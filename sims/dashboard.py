"""What this app puts on the dashboard: the fleet in figures, and how fresh they are."""

from __future__ import annotations

from typing import Any

from django.db.models.expressions import Combinable
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.formats import date_format, number_format
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from core import dashboard, facts, slots
from core.badges import SIM_STATUSES
from core.charts import Chart, Series
from core.templatetags.portal import exact_time, relative_time
from sims import dashboard_rows as rows
from sims.links import sims_url
from sims.models import SyncRun
from sims.selectors.figures import DAYS_OF_ACTIVITY, Figures, figures
from sims.selectors.health import PERMISSION, QUESTIONS, Health
from sims.services.link import REFUSED_KEY
from staff.scopes import visible_accounts

SEES_SIMS = "sims.view_sim"
ACTIVITY = {
    "ACTIVATED": ("activations_30d", _lazy("Activations")),
    "DEACTIVATED": ("suspensions_30d", _lazy("Suspensions")),
    "RETIRED": ("retirements_30d", _lazy("Retirements")),
}


def register() -> None:
    """Take this app's places on the page, and have asked what they need."""
    for name in QUESTIONS:
        facts.register(_fact(name), _question(name), place=dashboard.PLACE)
    facts.register(rows.POOLS_USED, _pools_used, place=dashboard.PLACE)
    slots.fill(dashboard.HEALTH, health)
    slots.fill(dashboard.FLEET, fleet)
    slots.fill(dashboard.FLEET, activity)
    slots.fill(dashboard.SIDE, watch)
    slots.fill(dashboard.SIDE, usage)


def _fact(name: str) -> str:
    return f"sims.{name}"


def _question(name: str) -> facts.Question:
    return lambda user: QUESTIONS[name]() if user.has_perm(PERMISSION) else None


def _pools_used(user: Any) -> Combinable | None:
    return rows.pools_used(user) if user.has_perm(SEES_SIMS) else None


def _figures(request: HttpRequest) -> Figures:
    """Read once a request."""
    known: Figures | None = getattr(request, "_fleet_figures", None)
    if known is None:
        known = figures(request.user)
        request._fleet_figures = known  # type: ignore[attr-defined]  # a cache for the length of the request
    return known


def _card(request: HttpRequest, name: str, context: dict[str, Any]) -> SafeString:
    return SafeString(render_to_string(f"sims/home/{name}.html", context, request=request))


# Figures ----------------------------------------------------------------------------------------------------------


def fleet(request: HttpRequest) -> SafeString:
    """All SIMs by state and by account; where there are none, what to do about it."""
    if not request.user.has_perm(SEES_SIMS):
        return SafeString("")
    found = _figures(request)
    if not found.total:
        return _card(request, "empty", {"limited": visible_accounts(request.user) is not None})
    states = rows.states(found.by_status)
    accounts = rows.accounts(found)
    context = {
        "total": dashboard.figure(
            "sims_total", found.total, _number(found.total), url=reverse("sims:list"), label=_("SIM cards"), css="large"
        ),
        "states": [(state, _state_figure(state)) for state in states],
        "accounts": accounts[: rows.MOST_ACCOUNTS],
        "more_accounts": max(0, len(accounts) - rows.MOST_ACCOUNTS),
        "in_accounts": len(accounts),
    }
    return _card(request, "fleet", context)


def _state_figure(state: rows.State) -> SafeString:
    name = f"sims_{state.status.lower()}"
    label = SIM_STATUSES[state.status].label if state.status in SIM_STATUSES else state.status
    return dashboard.figure(name, state.sims, _number(state.sims), url=sims_url(status=state.status), label=label)


def watch(request: HttpRequest) -> SafeString:
    """SIMs that somebody should have a look at."""
    if not request.user.has_perm(SEES_SIMS):
        return SafeString("")
    found = _figures(request)
    if not found.total:
        return dashboard.nothing("home-watch")
    return _card(request, "watch", {"lines": rows.watched(found)})


def activity(request: HttpRequest) -> SafeString:
    """What became of SIMs in the last 30 days."""
    if not request.user.has_perm("sims.view_timelineevent"):
        return SafeString("")
    found = _figures(request)
    if not found.total:
        return dashboard.nothing("home-activity")
    totals = []
    for status, (name, label) in ACTIVITY.items():
        number = sum(day.get(status, 0) for day in found.activity.values())
        url = f"{reverse('sims:timeline_list')}?kind=status&to={status}&within={DAYS_OF_ACTIVITY}d"
        totals.append((label, dashboard.figure(name, number, _number(number), url=url, label=label)))
    return _card(request, "activity", {"totals": totals, "chart": _activity_chart(found), "days": DAYS_OF_ACTIVITY})


def _activity_chart(found: Figures) -> Chart:
    return Chart(
        name="activity",
        title=_("Changes of state by day"),
        note=_("Days in UTC."),
        labels=[date_format(day, "j M") for day in found.activity],
        series=[
            Series(label, [day.get(status, 0) for day in found.activity.values()])
            for status, (_name, label) in ACTIVITY.items()
        ],
        stacked=True,
    )


def usage(request: HttpRequest) -> SafeString:
    """Data of the running cycles against the quotas of plans and pools."""
    if not request.user.has_perm(SEES_SIMS):
        return SafeString("")
    found = _figures(request)
    if not found.total:
        return dashboard.nothing("home-usage")
    pools, plans = rows.fullest(request.user, found)
    context = {
        "whole": rows.whole(found),
        "plans": plans,
        "pools": pools,
        "pools_used": facts.answer(request, rows.POOLS_USED) or 0,
    }
    return _card(request, "usage", context)


# Freshness --------------------------------------------------------------------------------------------------------


def _health(request: HttpRequest) -> Health:
    known = {name: facts.answer(request, _fact(name)) for name in QUESTIONS}
    return Health(**{name: value for name, value in known.items() if value is not None})


def health(request: HttpRequest) -> SafeString:
    """Whether the carrier answers, how old the mirror is, and what of the sync has failed."""
    if not request.user.has_perm(PERMISSION):
        return SafeString("")
    now = _health(request)
    return SafeString("".join([_link(now), _walk(now), _changes(now), _failed(now)]))


def _link(now: Health) -> SafeString:
    url = reverse("sims:sync")
    if now.failing_since is not None:
        words = _("Carrier refuses the key since %(time)s") if now.problem == REFUSED_KEY else ""
        words = words or _("Carrier has not answered since %(time)s")
        answered = exact_time(now.answered_at) if now.answered_at else _("never")
        title = _("Last answer: %(time)s") % {"time": answered}
        return dashboard.health("carrier", "bad", words % {"time": exact_time(now.failing_since)}, url=url, title=title)
    if now.answered_at is None:
        return dashboard.health("carrier", "neutral", _("Carrier not asked yet"), url=url)
    title = _("Last answer: %(time)s") % {"time": relative_time(now.answered_at)}
    if now.changes_are_late and now.answer_is_old:
        words = _("Carrier last asked %(time)s") % {"time": relative_time(now.answered_at)}
        return dashboard.health("carrier", "warn", words, url=url, title=title)
    return dashboard.health("carrier", "ok", _("Carrier answers"), url=url, title=title)


def _walk(now: Health) -> SafeString:
    url = reverse("sims:sync")
    if now.walk_read is not None:
        part = now.walk_percent
        words = _("Fleet is being read") if part is None else _("Fleet is being read: %(part)s %%") % {"part": part}
        return dashboard.health("walk", "busy", words, url=url)
    if now.walked_at is None:
        return dashboard.health("walk", "warn", _("Fleet not read yet"), url=url)
    words = _("Fleet read %(time)s, late") if now.walk_is_late else _("Fleet read %(time)s")
    words = words % {"time": relative_time(now.walked_at)}
    title = exact_time(now.walked_at)
    return dashboard.health("walk", "warn" if now.walk_is_late else "ok", words, url=url, title=title)


def _changes(now: Health) -> SafeString:
    url = reverse("sims:sync")
    if now.changes_at is None:
        return dashboard.health("changes", "neutral", _("Changes not read yet"), url=url)
    words = _("Changes read %(time)s, late") if now.changes_are_late else _("Changes read %(time)s")
    words = words % {"time": relative_time(now.changes_at)}
    return dashboard.health("changes", "warn" if now.changes_are_late else "ok", words, url=url)


def _failed(now: Health) -> SafeString:
    if not now.failed_kind:
        return dashboard.nothing("health-failed")
    words = _("Last run failed: %(kind)s") % {"kind": SyncRun.Kind(now.failed_kind).label}
    return dashboard.health("failed", "bad", words, url=reverse("sims:sync"))


def _number(number: int) -> str:
    return number_format(number, force_grouping=True)
