"""One conversation: what a device and the portal said, in order; it brings itself up to date."""

from __future__ import annotations

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from sms.views.compose import compose_context
from sms.views.pages import messages_context, sim_or_404

TEMPLATE = "sms/conversation.html"

MAY_READ = permission_required("sms.view_message", raise_exception=True)


@require_safe
@MAY_READ
def conversation(request: HttpRequest, giccid: str) -> HttpResponse:
    """The newest messages with the form for one more; ``?after=`` leads to older ones."""
    sim = sim_or_404(request, giccid)
    context = {**messages_context(request, sim), **compose_context(request, sim, place="conversation")}
    return render(request, TEMPLATE, context)


@require_safe
@MAY_READ
def live(request: HttpRequest, giccid: str) -> HttpResponse:
    """The newest messages for an open page; 204 while ``?version=`` is still what it shows."""
    sim = sim_or_404(request, giccid)
    context = messages_context(request, sim, newest=True)
    if request.GET.get("version") == context["version"]:
        return HttpResponse(status=204)
    return render(request, f"{TEMPLATE}#messages", context)
