"""Asking for a change: the dialog of each kind, and the post that stores it."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from core.htmx import close_dialog, render_fragment, wants_fragment
from operations.errors import Conflict, Invalid, NotAllowed
from operations.forms import MANY_PLANS, OperationForm, plans_matching
from operations.kinds import KINDS, Kind
from operations.models import Operation
from operations.services.requests import request_operation
from operations.views.pages import SimOperations, sim_operations, sim_or_404, why_not
from sims.models import Sim
from staff import sudo

TEMPLATE = "operations/dialog.html"


def _form_context(
    request: HttpRequest, kind: Kind, sim: Sim, form: forms.BaseForm | None, *, nonce: str = "", conflict: str = ""
) -> dict[str, Any]:
    approval = [_("A supervisor approves it first.")] if kind.only_asks(request.user) else []
    context: dict[str, Any] = {
        "sim": sim,
        "kind": kind,
        "form": form,
        "sentences": [*kind.what_happens(sim), *approval],
        "nonce": nonce or str(uuid.uuid4()),
        "conflict": conflict,
    }
    field = form.fields.get("plan") if form is not None else None
    if form is not None and isinstance(field, forms.ModelChoiceField):
        url = reverse("operations:dialog", args=[sim.giccid, kind.name])
        field.widget.attrs.update(
            {"hx-get": url, "hx-trigger": "change", "hx-target": "#plan-compare", "hx-swap": "outerHTML"}
        )
        plans = list(field.queryset) if field.queryset is not None else []
        chosen = form["plan"].value()
        context["plans"] = plans
        context["many_plans"] = len(plans) > MANY_PLANS
        context["dialog_url"] = url
        context["new_plan"] = next((plan for plan in plans if plan.code == chosen), None)
    return context


@require_safe
@permission_required("operations.view_operation", raise_exception=True)
def dialog(request: HttpRequest, giccid: str, kind: str) -> HttpResponse:
    """The dialog of ``kind``, a page of its own without htmx; 409 with the reason when it is not possible now.

    For htmx also two parts of it: the comparison with the plan ``?plan=``, and the plans that match ``?plan_q=``.
    """
    sim = sim_or_404(request, giccid)
    if kind not in KINDS:
        raise Http404
    entry = KINDS[kind]
    if entry.has_own_page:
        return redirect(entry.address(sim))
    if not entry.may_ask(request.user):
        raise PermissionDenied
    asked = sudo.ask(request) if entry.is_final else None
    if asked is not None:
        return asked
    sentence = why_not(request, entry, sim, sim_operations(request, sim).under_way)
    if sentence:
        context = _form_context(request, entry, sim, None, conflict=sentence)
        return render_fragment(request, TEMPLATE, "dialog", context, status=409)
    form = entry.form(sim=sim, initial={"plan": request.GET.get("plan", "")})
    context = _form_context(request, entry, sim, form)
    if wants_fragment(request) and "plan" in request.GET:
        return render(request, f"{TEMPLATE}#compare", context)
    if wants_fragment(request) and "plan_q" in request.GET:
        return _matching_plans(request, form, context)
    return render_fragment(request, TEMPLATE, "dialog", context)


def _matching_plans(request: HttpRequest, form: OperationForm, context: dict[str, Any]) -> HttpResponse:
    """The field of plans with those alone that have the words typed in code or name."""
    field = form.fields["plan"]
    assert isinstance(field, forms.ModelChoiceField)  # tells the type checker
    if field.queryset is not None:
        field.queryset = plans_matching(field.queryset, request.GET["plan_q"])
    return render(request, f"{TEMPLATE}#plans", context)


@require_POST
@permission_required("operations.view_operation", raise_exception=True)
def create(request: HttpRequest, giccid: str) -> HttpResponse:
    """Store a change: 303 to its page (for htmx the SIM page's live parts); 422, 409, 403 or 404 when it can't be."""
    sim = sim_or_404(request, giccid)
    if not any(kind.may_ask(request.user) for kind in KINDS.values()):
        raise PermissionDenied
    kind = KINDS.get(request.POST.get("kind", ""))
    if kind is None or kind.has_own_page:
        return render(request, "operations/unknown_kind.html", {"sim": sim}, status=422)
    asked = sudo.ask(request) if kind.is_final and kind.may_ask(request.user) else None
    if asked is not None:
        return asked
    params = {name: value for name, value in request.POST.items() if name not in {"reason", "ticket", "nonce"}}
    nonce = request.POST.get("nonce", "")
    try:
        operation = request_operation(
            sim=sim,
            kind=kind.name,
            params=params,
            actor=request.user,  # type: ignore[arg-type]  # signed in
            reason=request.POST.get("reason", ""),
            ticket=request.POST.get("ticket", ""),
            nonce=nonce,
        )
    except NotAllowed as error:
        raise PermissionDenied from error
    except Invalid as error:
        # A form that was refused made no operation, so its nonce may be used again.
        context = _form_context(request, kind, sim, error.form, nonce=nonce)
        return render_fragment(request, TEMPLATE, "dialog", context, status=422)
    except Conflict as error:
        form = kind.form(request.POST, sim=sim)
        context = _form_context(request, kind, sim, form, conflict=str(error))
        context["other"] = error.operation
        return render_fragment(request, TEMPLATE, "dialog", context, status=409)
    if not wants_fragment(request):
        waits = operation.state == Operation.State.AWAITING_APPROVAL
        said = _("“%(action)s” waits for approval.") if waits else _("“%(action)s” is on its way to the carrier.")
        messages.success(request, said % {"action": kind.label})
        response = redirect("operations:detail", operation.pk)
        response.status_code = 303
        return response
    found = sim_operations(request, sim)
    return close_dialog(render(request, "operations/sim.html", {"operations": found, "is_update": True}))


@require_safe
@permission_required("operations.view_operation", raise_exception=True)
def of_sim(request: HttpRequest, giccid: str) -> HttpResponse:
    """The SIM page's live parts: buttons and operations. 204 while ``?version=`` is still the newest."""
    sim = sim_or_404(request, giccid)
    found = sim_operations(request, sim)
    if request.GET.get("version") == found.version:
        return HttpResponse(status=204)
    _say_what_ended(request, found)
    return render(request, "operations/sim.html", {"operations": found, "is_update": True, "is_poll": True})


def _say_what_ended(request: HttpRequest, found: SimOperations) -> None:
    """A toast when the operation that was under way at the time of ``?version=`` has ended."""
    newest = found.last[0] if found.last else None
    if newest is None or newest.state in Operation.OPEN_STATES:
        return
    if not request.GET.get("version", "").startswith(tuple(f"{newest.pk}.{state}." for state in Operation.OPEN_STATES)):
        return
    action = newest.get_kind_display()
    if newest.state == Operation.State.DONE:
        messages.success(request, _("%(action)s: done.") % {"action": action})
    else:
        messages.error(request, _("%(action)s: %(message)s") % {"action": action, "message": newest.message})
