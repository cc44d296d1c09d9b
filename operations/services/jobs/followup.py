"""After a job has ended: a plan of its failed SIMs, or the plan that takes it back. Plans like any other."""

from __future__ import annotations

from typing import Any

from operations import selectors_jobs
from operations.errors import Conflict
from operations.models import BatchJob, Operation
from operations.services.jobs import rules
from operations.services.jobs.choose import RETRIED, Unusable
from operations.services.jobs.inverse import INVERSE_KIND
from operations.services.jobs.plan import store_job
from staff.models import User


def retry_failed(job: BatchJob, actor: User) -> BatchJob:
    """A new plan (``parent`` is ``job``) of only those that failed or expired. ``NotAllowed``, ``Conflict``."""
    job = selectors_jobs.get_job(actor, job.pk)
    rules.require(rules.retrying, job, actor)
    number = Operation.objects.filter(job=job, state__in=RETRIED).count()
    return _follow(job, actor, BatchJob.Source.RETRY, kind=job.kind, params=job.params, number=number)


def undo(job: BatchJob, actor: User) -> BatchJob:
    """The inverse plan: each SIM back to its own former state or values. ``NotAllowed``, ``Conflict``.

    SIMs that were changed since are refused lines of it (``changed_since``).
    """
    job = selectors_jobs.get_job(actor, job.pk)
    rules.require(rules.undoing, job, actor)
    kind = INVERSE_KIND[job.kind]
    return _follow(job, actor, BatchJob.Source.UNDO, kind=kind, params={}, number=job.succeeded)


def _follow(job: BatchJob, actor: User, source: str, *, kind: str, params: dict[str, Any], number: int) -> BatchJob:
    follower = BatchJob(kind=kind, params=params, source=source, parent=job, actor=actor)
    try:
        return store_job(follower, number)
    except Unusable as error:
        raise Conflict(str(error)) from error
