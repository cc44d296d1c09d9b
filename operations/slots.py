"""What this app puts into other pages: buttons and operations of a SIM, changes of ticked rows, the approvals."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from core.listing import Listing
from core.templatetags.portal import icon
from operations import selectors_jobs
from operations.kinds import KINDS
from operations.services.jobs import rules
from operations.views.pages import sim_operations
from sims.models import Sim

BADGE_EVERY = 10
"""Seconds between two looks of an open page at the number of wishes that wait."""


def actions(request: HttpRequest, *, sim: Sim) -> SafeString:
    """A button for each kind; those that can't be used now are there with the reason."""
    context = {"operations": sim_operations(request, sim)}
    return SafeString(render_to_string("operations/sim_actions.html", context, request=request))


def operations(request: HttpRequest, *, sim: Sim) -> SafeString:
    """The last operations of the SIM."""
    if not request.user.has_perm("operations.view_operation"):
        return SafeString("")
    context = {"operations": sim_operations(request, sim)}
    return SafeString(render_to_string("operations/sim_operations.html", context, request=request))


def version(request: HttpRequest, *, sim: Sim) -> str:
    """Differs when an operation of the SIM was asked for or changed its state, also by somebody else."""
    newest = sim.operations.filter(exclusive=True).order_by("-id").values_list("id", "state").first()
    return str(newest)


def selection(request: HttpRequest, *, listing: Listing) -> SafeString:
    """For the bar of ticked SIMs: what to do with them, and the way to all that match."""
    if listing.name != "sims" or not request.user.has_perm("operations.run_batch_job"):
        return SafeString("")
    user: Any = request.user
    kinds = [(kind, rules.why_not_make(kind.name, user)) for kind in KINDS.values()]
    context = {"kinds": kinds, "listing": listing, "query": _query(listing)}
    return SafeString(render_to_string("operations/job_selection.html", context, request=request))


def _query(listing: Listing) -> str:
    state = listing.state.copy()
    state.pop("sort", None)
    state["select"] = "all"
    return state.urlencode()


def approvals_entry(request: HttpRequest) -> SafeString:
    """The entry of the main navigation, with the number of wishes that wait; for those who may decide."""
    if not request.user.has_perm("operations.approve_operation"):
        return SafeString("")
    match = request.resolver_match
    return format_html(
        '<li><a class="nav-link" href="{}"{}>{}<span>{}</span>{}</a></li>',
        reverse("operations:approvals"),
        SafeString(' aria-current="page"') if match and match.view_name == "operations:approvals" else "",
        icon("user-check"),
        _("Approvals"),
        approvals_badge(selectors_jobs.approval_count(request.user)),
    )


def approvals_badge(number: int) -> SafeString:
    """The number in the navigation, which asks every now and then whether it still is so; hidden when none waits."""
    url = f"{reverse('operations:approvals_badge')}?number={number}"
    live = format_html('hx-get="{}" hx-trigger="every {}s" hx-swap="outerHTML" hx-target="this"', url, BADGE_EVERY)
    if not number:
        return format_html("<span {} hidden></span>", live)
    label = ngettext("%(number)s waits", "%(number)s wait", number) % {"number": number}
    return format_html(
        '<span class="nav-count" data-approvals="{}" aria-label="{}" {}>{}</span>', number, label, live, number
    )
