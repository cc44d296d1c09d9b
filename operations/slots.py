"""What this app puts into other pages: buttons and operations of a SIM, changes of ticked rows, the approvals."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.db.models import CharField, Exists, Subquery, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast, Concat
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from core import facts, navigation
from core.facts import CountOf
from core.listing import Listing
from core.per_language import per_language
from core.templatetags.portal import icon
from operations import selectors, selectors_jobs
from operations.kinds import KINDS
from operations.models import Operation
from operations.services.jobs import rules
from operations.views.pages import OF_SIM, sim_operations
from sims.models import RatePlan, Sim

APPROVE = "operations.approve_operation"
WAITING_JOBS, WAITING_OPERATIONS = "operations.waiting_jobs", "operations.waiting_operations"


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
    return facts.about(request, OF_SIM, sim.pk) or ""


def of_sim(_user: Any) -> Combinable:
    """The number and state of the newest change of a page's SIM; nothing without one."""
    newest = Operation.objects.filter(sim=facts.SUBJECT, exclusive=True).order_by("-id")
    words = Concat(Cast("id", CharField()), Value(" "), "state", output_field=CharField())
    return Subquery(newest.values(words=words)[:1])


def unclear(_user: Any) -> Combinable:
    """Whether a purchase of the page's SIM has to be settled."""
    return Exists(selectors.unclear_purchases(facts.SUBJECT))


def plan_actions(request: HttpRequest, *, plan: RatePlan) -> SafeString:
    """On the page of a basic plan: the way to a job that moves its SIMs to another."""
    user: Any = request.user
    if plan.kind == RatePlan.Kind.SUPPLEMENTARY or not user.has_perm("operations.run_batch_job"):
        return SafeString("")
    query = urlencode({"kind": "change_plan", "select": "all", "plan": plan.code})
    url = f"{reverse('operations:job_new')}?{query}"
    return format_html(
        '<a class="btn" href="{}">{}{}</a>', url, icon("arrow-left-right"), _("Move its SIMs to another")
    )


def selection(request: HttpRequest, *, listing: Listing) -> SafeString:
    """For the bar of ticked SIMs: what to do with them, and the way to all that match."""
    if listing.name != "sims" or not request.user.has_perm("operations.run_batch_job"):
        return SafeString("")
    user: Any = request.user
    buttons = _kind_buttons(tuple((name, rules.why_not_make(name, user)) for name in KINDS))
    context = {"buttons": buttons, "listing": listing, "query": _query(listing)}
    return SafeString(render_to_string("operations/job_selection.html", context, request=request))


@per_language
def _kind_buttons(kinds: tuple[tuple[str, str], ...]) -> SafeString:
    """What can be done with SIMs, each with the reason why it can't be."""
    context = {"kinds": [(KINDS[name], why_not) for name, why_not in kinds]}
    return render_to_string("operations/job_kinds.html", context)


def _query(listing: Listing) -> str:
    state = listing.state.copy()
    state.pop("sort", None)
    state["select"] = "all"
    return state.urlencode()


def approvals_entry(request: HttpRequest) -> SafeString:
    """The entry of the main navigation, with the number of wishes that wait; for those who may decide."""
    if not request.user.has_perm(APPROVE):
        return SafeString("")
    match = request.resolver_match
    return navigation.entry(
        url=reverse("operations:approvals"),
        icon_name="user-check",
        label=_("Approvals"),
        count=_approvals_count(request),
        current=bool(match and match.view_name == "operations:approvals"),
    )


def approvals_badge(request: HttpRequest) -> SafeString:
    """For pages that are open: the number as it is now."""
    if not request.user.has_perm(APPROVE):
        return SafeString("")
    return _approvals_count(request, out_of_band=True)


def approvals_waiting(request: HttpRequest) -> int:
    """How many wishes wait for the decision of who asks; 0 for who may not decide."""
    return sum(facts.answer(request, name) or 0 for name in (WAITING_JOBS, WAITING_OPERATIONS))


def waiting_jobs(user: Any) -> CountOf | None:
    """The number of jobs among them."""
    return CountOf(selectors_jobs.approval_queue(user).jobs) if user.has_perm(APPROVE) else None


def waiting_operations(user: Any) -> CountOf | None:
    """The number of single operations among them."""
    return CountOf(selectors_jobs.approval_queue(user).operations) if user.has_perm(APPROVE) else None


def _approvals_count(request: HttpRequest, *, out_of_band: bool = False) -> SafeString:
    number = approvals_waiting(request)
    label = ngettext("%(number)s waits", "%(number)s wait", number) % {"number": number}
    return navigation.count_badge("approvals", number, text=str(number), label=label, out_of_band=out_of_band)
