"""Notes on a SIM."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from core.htmx import wants_fragment
from sims.forms import NoteForm
from sims.selectors import timeline as timelines
from sims.services.notes import add_note
from sims.views.detail import TEMPLATE, find_sim, page_context


@require_POST
@permission_required("sims.view_sim", raise_exception=True)
@permission_required("sims.add_note", raise_exception=True)
def add(request: HttpRequest, giccid: str) -> HttpResponse:
    """Keep a note. Without htmx 303 back to the SIM; an invalid one is 422 with the form."""
    sim = find_sim(request, giccid)
    form = NoteForm(request.POST)
    if form.is_valid():
        add_note(sim=sim, author=request.user, text=form.cleaned_data["text"])  # type: ignore[arg-type]  # signed in
        if not wants_fragment(request):
            messages.success(request, _("Note kept."))
            response: HttpResponse = redirect("sims:detail", sim.giccid)
            response.status_code = 303
            return response
        form = NoteForm()
    status = 422 if form.errors else 200
    if wants_fragment(request):
        context = {"sim": sim, "note_form": form, "notes": timelines.notes(request.user, sim)}
        return render(request, f"{TEMPLATE}#notes", context, status=status)
    return render(request, TEMPLATE, page_context(request, sim, form), status=status)
