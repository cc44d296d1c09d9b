"""Tags of a SIM."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from core.htmx import wants_fragment
from sims.forms import TagForm
from sims.models import Sim
from sims.services import tags
from sims.views.detail import TEMPLATE, find_sim, page_context, tag_context

PART = "sims/parts/tags.html"


@require_POST
@permission_required("sims.view_sim", raise_exception=True)
@permission_required("sims.tag_sim", raise_exception=True)
def add(request: HttpRequest, giccid: str) -> HttpResponse:
    """Put a tag on the SIM. Without htmx 303 back to the SIM; an unusable one is 422 with the form."""
    sim = find_sim(request, giccid)
    form = TagForm(request.POST)
    if form.is_valid():
        try:
            tags.add_tag(sim=sim, actor=request.user, name=form.cleaned_data["tag"])  # type: ignore[arg-type]  # signed in
        except ValidationError as problem:
            form.add_error("tag", problem)
    if form.is_valid():
        return _changed(request, sim, _("Tag added."))
    if wants_fragment(request):
        return render(request, PART, {"sim": sim, **tag_context(request, sim, form)}, status=422)
    return render(request, TEMPLATE, page_context(request, sim, tag_form=form), status=422)


@require_POST
@permission_required("sims.view_sim", raise_exception=True)
@permission_required("sims.tag_sim", raise_exception=True)
def remove(request: HttpRequest, giccid: str) -> HttpResponse:
    """Take a tag off the SIM; one that is gone already is no error. Without htmx 303 back to the SIM."""
    sim = find_sim(request, giccid)
    tags.remove_tag(sim=sim, actor=request.user, name=request.POST.get("tag", "").replace("\x00", ""))  # type: ignore[arg-type]  # signed in
    return _changed(request, sim, _("Tag removed."))


def _changed(request: HttpRequest, sim: Sim, said: str) -> HttpResponse:
    if wants_fragment(request):
        return render(request, PART, {"sim": sim, **tag_context(request, sim)})
    messages.success(request, said)
    response: HttpResponse = redirect("sims:detail", sim.giccid)
    response.status_code = 303
    return response
