"""What this app puts on the SIM page: the buttons, and the operations with the live state of the one under way."""

from __future__ import annotations

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from operations.views.pages import sim_operations
from sims.models import Sim


def actions(request: HttpRequest, *, sim: Sim) -> SafeString:
    """The seven buttons; those that can't be used now are there with the reason."""
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
    newest = sim.operations.order_by("-id").values_list("id", "state").first()
    return str(newest)
