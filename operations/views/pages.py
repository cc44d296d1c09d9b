"""What the views and slots of operations share: finding records, and what a page shows of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import Http404, HttpRequest
from django.utils.translation import gettext as _

from core import facts
from operations import selectors
from operations.kinds import KINDS, Kind
from operations.models import Operation
from operations.services.requests import open_sentence
from sims.models import Sim

OF_SIM, UNCLEAR = "operations.of_sim", "operations.unclear"
"""Facts about the SIM of a page: its newest change, whether a purchase has to be settled."""


def sim_or_404(request: HttpRequest, giccid: str) -> Sim:
    """The SIM, for a user who may see it."""
    try:
        return selectors.visible_sim(request.user, giccid)
    except Sim.DoesNotExist:
        raise Http404 from None


def operation_or_404(request: HttpRequest, pk: int) -> Operation:
    """The operation, for a user who may see its SIM."""
    try:
        return selectors.get_operation(request.user, pk)
    except (Operation.DoesNotExist, OverflowError):
        raise Http404 from None


@dataclass(frozen=True)
class Action:
    """One button of the SIM page. ``why_not`` says why it can't be used now; empty when it can."""

    kind: Kind
    url: str
    why_not: str


@dataclass(frozen=True)
class SimOperations:
    """What the SIM page shows of operations: the one under way, the last ones, the buttons."""

    sim: Sim
    under_way: Operation | None
    last: list[Operation]
    actions: list[Action]

    @property
    def version(self) -> str:
        """Changes when anything of it does, so that a poll can answer that nothing has."""
        newest = "-".join(f"{o.pk}.{o.state}.{o.sends}.{o.readbacks}.{o.carrier_code}" for o in self.last[:1])
        states = "".join(o.state[0] for o in self.last)
        open_buttons = "".join("0" if action.why_not else "1" for action in self.actions)
        return f"{newest}-{states}-{open_buttons}-{self.sim.status}"


def sim_operations(request: HttpRequest, sim: Sim) -> SimOperations:
    """Read once a request, for both slots of the page."""
    cached: SimOperations | None = getattr(request, "_sim_operations", None)
    if cached is not None and cached.sim.pk == sim.pk:
        return cached
    last = selectors.last_operations(sim) if facts.about(request, OF_SIM, sim.pk) else []
    # The open one is always the newest: while there is one, the SIM takes no other.
    under_way = next((operation for operation in last if operation.state in Operation.OPEN_STATES), None)
    actions = [Action(kind, kind.address(sim), why_not(request, kind, sim, under_way)) for kind in KINDS.values()]
    found = SimOperations(sim, under_way, last, actions)
    request._sim_operations = found  # type: ignore[attr-defined]  # a cache for the length of the request
    return found


def why_not(request: HttpRequest, kind: Kind, sim: Sim, under_way: Operation | None) -> str:
    """Why this user can't do this now; empty when she can."""
    if not kind.may_ask(request.user):
        return _("Your role does not allow this.")
    if under_way is not None and kind.exclusive:
        return open_sentence(under_way)
    sentence = kind.refusal(sim)
    if not sentence and kind.is_purchase:
        unclear = selectors.unclear_purchase(sim) if facts.about(request, UNCLEAR, sim.pk) else None
        if unclear is not None:
            sentence = _("Operation %(id)s has to be settled first.") % {"id": unclear.pk}
    return sentence


def operation_context(operation: Operation) -> dict[str, Any]:
    """What a page shows of one operation."""
    kind = KINDS[operation.kind]
    before, after = kind.change(operation)
    return {"operation": operation, "kind": kind, "before": before, "after": after}
