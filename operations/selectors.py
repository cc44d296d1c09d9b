"""Reading operations, only those that the user may see."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet
from django.utils import timezone

from core.prepared import NUMBER, kept
from operations.models import Operation
from sims.models import Sim
from sims.records import giccid_of
from staff.models import User
from staff.scopes import scoped

LAST_SHOWN = 5


def list_operations(user: User | AnonymousUser) -> QuerySet[Operation]:
    """Operations on SIMs of the accounts that ``user`` may see, in no order; SIM and actor come with them."""
    operations = Operation.objects.select_related("sim", "actor").defer("sim__search")
    return scoped(operations, user, account="sim__account_id")


def get_operation(user: User | AnonymousUser, pk: int) -> Operation:
    """One of them. Raises :class:`Operation.DoesNotExist` for what is not there or not for this user."""
    return list_operations(user).get(pk=pk)


def visible_sim(user: User | AnonymousUser, giccid: str) -> Sim:
    """The SIM to change, with its plan. Raises :class:`Sim.DoesNotExist` as above."""
    if not (giccid.isascii() and giccid.isdigit() and len(giccid) <= 20):
        raise Sim.DoesNotExist
    return scoped(Sim.objects.select_related("account", "plan", "pool"), user).get(giccid=giccid)


def open_operation(sim: Sim) -> Operation | None:
    """The operation that holds the SIM while it is under way; at most one does."""
    rows = Operation.objects.filter(sim=sim, state__in=Operation.OPEN_STATES, exclusive=True)
    return rows.select_related("actor").first()


def last_operations(sim: Sim) -> list[Operation]:
    """The SIM's newest changes, newest first. Messages are none of them: they have their own place."""
    found: list[Operation] = _last_of_sim().models([(NUMBER, sim.pk)])
    for operation in found:
        operation.sim = sim
    return found


@kept
def _last_of_sim() -> QuerySet[Operation]:
    rows = Operation.objects.filter(sim=NUMBER, exclusive=True).select_related("actor")
    return rows.order_by("-id")[:LAST_SHOWN]


def unclear_purchase(sim: Sim) -> Operation | None:
    """A purchase on the SIM whose end a person still has to tell."""
    return unclear_purchases(sim).first()


def unclear_purchases(sim: Sim | int) -> QuerySet[Operation]:
    """All of them."""
    return Operation.objects.filter(sim=sim, kind=Operation.Kind.ADD_PLAN, state=Operation.State.NEEDS_ATTENTION)


def scheduled_plan_changes(sim: Sim) -> QuerySet[Operation]:
    """Changes of plan that the carrier took for the SIM's next billing cycle and that are yet to come."""
    return Operation.objects.filter(
        sim=sim,
        kind=Operation.Kind.CHANGE_PLAN,
        state=Operation.State.DONE,
        effective_at__gt=timezone.now(),
    )


def find_operations(user: Any, text: str) -> tuple[str, Collection[Any]]:
    """The newest operations of the SIM with this giccid, as many as anybody looks through (:mod:`core.links`)."""
    found = list_operations(user).filter(sim__giccid=giccid_of(text)).order_by("-pk")
    return "operations.operation", found.values_list("pk", flat=True)[:1_000]
