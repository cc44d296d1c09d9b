"""The counts of a job: columns that pages read, kept by whoever changes the job."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Count, Q

from operations.job_outcomes import BY_STATE, Outcome
from operations.models import BatchJob, BatchLine, Operation

COUNTS = ("eligible", "refused", "pending", "succeeded", "failed", "unknown")

_STARTED = (BatchJob.State.RUNNING, BatchJob.State.PAUSED)


def recount(job: BatchJob) -> BatchJob:
    """Bring the counts of ``job`` up to date in its row and in ``job`` itself; call it after each step.

    ``eligible`` are the SIMs that the job changes or will change, ``refused`` those found but left out. Of the
    eligible ones, from the start on: ``pending`` (to come or under way), ``succeeded``, ``failed`` (failed,
    expired, cancelled) and ``unknown`` (a person has to tell). One grouped query once all SIMs are held, else two.
    """
    with transaction.atomic():
        # Counted behind the lock: of two at once, the later one writes the later counts.
        row = BatchJob.objects.select_for_update(no_key=True).get(pk=job.pk)
        counts = dict.fromkeys(COUNTS, 0)
        states = Operation.objects.filter(job=row).order_by().values_list("state").annotate(Count("pk"))
        for state, number in states:
            counts[BY_STATE[state]] += number
        counts["eligible"] = sum(counts[name] for name in BY_OUTCOME)
        counts["refused"] = row.refused
        if row.held_at is None:
            waiting, counts["refused"] = _lines(row)
            counts["eligible"] += waiting
            if row.state in _STARTED:
                counts["pending"] += waiting
        BatchJob.objects.filter(pk=row.pk).update(**counts)
    for name, number in counts.items():
        setattr(job, name, number)
    return job


BY_OUTCOME = (Outcome.PENDING, Outcome.SUCCEEDED, Outcome.FAILED, Outcome.UNKNOWN)


def _lines(job: BatchJob) -> tuple[int, int]:
    """Eligible lines without an operation yet, and refused ones."""
    found = BatchLine.objects.filter(job=job).aggregate(
        waiting=Count("pk", filter=Q(eligible=True, operation__isnull=True)),
        refused=Count("pk", filter=Q(eligible=False, sim__isnull=False)),
    )
    return found["waiting"], found["refused"]
