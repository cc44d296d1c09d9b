"""Jobs as rows of the database alone, for tests of pages: no carrier, no planning."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from operations.models import BatchAccount, BatchJob, BatchLine, Operation
from operations.services.jobs.counts import recount
from sims.models import Sim


def planned_job(actor: Any, sims: list[Sim], *, kind: str = "suspend", **fields: Any) -> BatchJob:
    """A plan over ``sims``, all of them eligible."""
    job = BatchJob.objects.create(
        **{
            "kind": kind,
            "source": BatchJob.Source.TICKED,
            "actor": actor,
            "planned_at": timezone.now(),
            "lines": len(sims),
            "eligible": len(sims),
            **fields,
        }
    )
    BatchAccount.objects.bulk_create(
        BatchAccount(job=job, account_name=name) for name in sorted({sim.account_id for sim in sims})
    )
    BatchLine.objects.bulk_create(
        BatchLine(
            job=job,
            number=number,
            text=sim.giccid,
            outcome=BatchLine.Outcome.FOUND,
            sim=sim,
            eligible=True,
            from_value="Activated",
            to_value="Suspended",
        )
        for number, sim in enumerate(sims, start=1)
    )
    return job


def add_line(job: BatchJob, outcome: str, **fields: Any) -> BatchLine:
    """One more line, which the job does not change."""
    number = BatchLine.objects.filter(job=job).count() + 1
    BatchJob.objects.filter(pk=job.pk).update(lines=number)
    return BatchLine.objects.create(job=job, number=number, outcome=outcome, **fields)


def begin(job: BatchJob, states: list[str], *, state: str = "running", **fields: Any) -> BatchJob:
    """The job confirmed and begun, its operations in ``states``, in the order of its lines."""
    now = timezone.now()
    lines = BatchLine.objects.filter(job=job, eligible=True).order_by("number")
    for line, of_operation in zip(lines, states, strict=True):
        failed = of_operation == Operation.State.FAILED
        assert line.sim is not None
        line.operation = Operation.objects.create(
            sim=line.sim,
            kind=job.kind,
            params=job.params,
            state=of_operation,
            actor=job.actor,
            reason="the fleet moves",
            before={"status": line.sim.status},
            job=job,
            next_attempt_at=None,
            carrier_code="illegal_status" if failed else "",
            message="The SIM is retired." if failed else "",
            finished_at=None if of_operation in Operation.OPEN_STATES else now,
        )
        line.save(update_fields=["operation"])
    ended = now if state in BatchJob.FINAL_STATES else None
    values = {"reason": "the fleet moves", "ticket": "T-9", "confirmed_at": now, "started_at": now, "held_at": now}
    BatchJob.objects.filter(pk=job.pk).update(**{**values, "state": state, "finished_at": ended, **fields})
    job.refresh_from_db()
    recount(job)
    return job
