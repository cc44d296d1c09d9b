"""Making plans over rows of the mirror, and taking them, without a carrier."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.utils import timezone

from operations.models import BatchJob, BatchLine, Operation
from operations.services.jobs.confirm import confirm, hold_sims
from operations.services.jobs.counts import recount
from operations.services.jobs.plan import make_job
from sims.models import Account, RatePlan, Sim

TARGETS = {"activate": "ACTIVATED", "suspend": "DEACTIVATED", "retire": "RETIRED"}


def planned(actor: Any, sims: Iterable[Sim], kind: str = "suspend", **params: Any) -> BatchJob:
    """A plan over ticked rows."""
    return make_job(actor=actor, kind=kind, params=params, source="ticked", giccids=[sim.giccid for sim in sims])


def taken(job: BatchJob, actor: Any = None, **values: Any) -> BatchJob:
    """The plan confirmed by its maker."""
    return confirm(job, actor or job.actor, "the fleet moves", "T-9", **values)


def held(job: BatchJob) -> BatchJob:
    """The job with its operations."""
    assert hold_sims(job.pk)
    job.refresh_from_db()
    return job


def begun(actor: Any, sims: Iterable[Sim], kind: str = "suspend", **params: Any) -> BatchJob:
    """Planned, confirmed, and its SIMs held."""
    job = planned(actor, sims, kind, **params)
    count = job.eligible if kind == "retire" else None
    return held(taken(job, confirm_count=count))


def ended(job: BatchJob, states: dict[str, str] | None = None) -> BatchJob:
    """The job as the engine leaves it: operations done, or in ``states`` by giccid, and the mirror showing it."""
    now = timezone.now()
    for operation in Operation.objects.filter(job=job).select_related("sim"):
        state = (states or {}).get(operation.sim.giccid, "done")
        Operation.objects.filter(pk=operation.pk).update(state=state, finished_at=now)
        if state == "done":
            show(operation)
    failed = bool(states)
    BatchJob.objects.filter(pk=job.pk).update(
        state="done_with_failures" if failed else "done", finished_at=now, next_step_at=None
    )
    job.refresh_from_db()
    return recount(job)


def show(operation: Operation) -> None:
    """The mirror shows what the operation changed."""
    sim, params = operation.sim, operation.params
    if operation.kind in TARGETS:
        sim.status = TARGETS[operation.kind]
    elif operation.kind == "change_plan":
        sim.plan_id = params["plan"]
    elif operation.kind == "set_apn":
        sim.apns = [
            {**item, "status": params["apn_status"]} if item["apn"] == params["apn"] else item for item in sim.apns
        ]
    else:
        for name, text in params.items():
            setattr(sim, name, text)
    sim.save()


def lines(job: BatchJob) -> dict[str, BatchLine]:
    """The lines by what was given."""
    return {line.text: line for line in BatchLine.objects.filter(job=job).order_by("number")}


def codes(job: BatchJob) -> dict[str, str]:
    """Refusal codes by what was given; empty for a SIM that the job changes."""
    return {text: line.refusal_code for text, line in lines(job).items()}


def rate_plan(
    code: str, *accounts: str, kind: str = "BASIC", price: str | None = "5.00", currency: str = "EUR"
) -> RatePlan:
    """A plan as read from the carrier, for these accounts."""
    plan = RatePlan.objects.create(
        code=code, name=code.title(), kind=kind, price=price, currency=currency, fetched_at=timezone.now()
    )
    plan.accounts.set([Account.objects.get_or_create(name=name)[0] for name in accounts])
    return plan


def age(job: BatchJob, seconds: int = 3601) -> None:
    """Let the plan become old."""
    BatchJob.objects.filter(pk=job.pk).update(planned_at=timezone.now() - timedelta(seconds=seconds))
