"""Reading batch jobs, only those that the user may see: who may not see one of its accounts does not see the job."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet

from operations.models import BatchJob, Operation
from staff.models import User


@dataclass(frozen=True)
class ApprovalQueue:
    """What waits for a decision of this user, oldest first."""

    jobs: QuerySet[BatchJob]
    operations: QuerySet[Operation]


def list_jobs(user: User | AnonymousUser) -> QuerySet[BatchJob]:
    """Jobs all of whose accounts ``user`` may see, in no order; their actors come with them."""
    raise NotImplementedError


def get_job(user: User | AnonymousUser, pk: int) -> BatchJob:
    """One of them. Raises :class:`BatchJob.DoesNotExist` for what is not there or not for this user."""
    raise NotImplementedError


def approval_queue(user: User | AnonymousUser) -> ApprovalQueue:
    """Jobs and single operations that wait and that ``user`` may decide; never the user's own."""
    raise NotImplementedError


def approval_count(user: User | AnonymousUser) -> int:
    """How many these are: two small counts, none for who may not approve."""
    raise NotImplementedError


def expected_seconds(job: BatchJob) -> float | None:
    """How long the plan will take by the call budget; ``None`` without a limit of calls."""
    raise NotImplementedError
