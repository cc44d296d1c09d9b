"""Driving operations without workers: each call is one run of the task, and waits are cut short in the row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.utils import timezone

from operations import tasks
from operations.forms import plans_for
from operations.models import Operation
from sims.models import RatePlan, Sim

KINDS = ("activate", "suspend", "retire", "change_plan", "add_plan", "set_apn", "set_custom_fields")


def other_plan(sim: Sim) -> str:
    """A basic plan that the SIM does not have."""
    plan = plans_for(sim, RatePlan.Kind.BASIC).exclude(code=sim.plan_id).first()
    assert plan is not None
    return plan.code


def some_supplement(sim: Sim) -> str:
    """A supplementary plan that the SIM may get."""
    plan = plans_for(sim, RatePlan.Kind.SUPPLEMENTARY).first()
    assert plan is not None
    return plan.code


def apn_switch(sim: Sim) -> dict[str, str]:
    """The SIM's first APN, the other way."""
    apn = sim.apns[0]
    return {"apn": apn["apn"], "apn_status": "DISABLED" if apn["status"] == "ENABLED" else "ENABLED"}


WISHES: dict[str, Callable[[Sim], dict[str, Any]]] = {
    "activate": lambda sim: {},
    "suspend": lambda sim: {},
    "retire": lambda sim: {"confirm": sim.giccid[-4:]},
    "change_plan": lambda sim: {"plan": other_plan(sim), "effective": "NOW"},
    "add_plan": lambda sim: {"plan": some_supplement(sim)},
    "set_apn": apn_switch,
    "set_custom_fields": lambda sim: {"custom3": "Gate 7, south"},
}

WHAT = {
    "activate": "status",
    "suspend": "status",
    "retire": "status",
    "change_plan": "plan",
    "add_plan": "subscription",
    "set_apn": "apn",
    "set_custom_fields": "custom_fields",
}
"""What the simulator calls the change of each kind; also the kind of the timeline's event."""

CALLS = {
    "activate": "activate",
    "suspend": "deactivate",
    "retire": "retire",
    "change_plan": "change_plan",
    "add_plan": "add_plan",
    "set_apn": "set_apn",
    "set_custom_fields": "set_custom_fields",
}


def make_due(operation: Operation) -> None:
    """Pass the time until the next step, or until the lease of a claim runs out."""
    Operation.objects.filter(pk=operation.pk, next_attempt_at__isnull=False).update(next_attempt_at=timezone.now())


def run(operation: Operation) -> Operation:
    """One run of the task, on the row as it is."""
    tasks.run_operation(operation.pk)
    operation.refresh_from_db()
    return operation


def run_to_end(operation: Operation, *, most: int = 25) -> Operation:
    """Run until the operation is not open any more, skipping the waits."""
    for _ in range(most):
        run(operation)
        if operation.state not in Operation.OPEN_STATES:
            return operation
        make_due(operation)
    raise AssertionError(f"still {operation.state}: {operation.message}")


def changes_of(simulator: Any, sim: Sim) -> list[tuple[str, Any]]:
    """What really changed at the carrier: what and to."""
    return [(change["what"], change["to"]) for change in simulator.changes(sim.giccid)]
