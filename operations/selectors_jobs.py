"""Reading batch jobs, only those that the user may see: who may not see one of its accounts does not see the job."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db.models import Exists, OuterRef, Q, QuerySet

from operations import selectors
from operations.kinds import KINDS
from operations.models import BatchAccount, BatchJob, BatchLine, Operation
from staff.models import User
from staff.scopes import visible_accounts

BATCH_KINDS = (Operation.Kind.ACTIVATE, Operation.Kind.SUSPEND, Operation.Kind.RETIRE, Operation.Kind.CHANGE_PLAN)
"""Kinds that have a batch call at the carrier; the others are sent one by one."""

_CALLS_A_CHUNK = 6
"""One that submits, some that ask for the result."""
_SIMS_A_READING = 100
_CALLS_A_SIM = 2
"""One that sends, one that reads back."""
_CALLS_A_PURCHASE = 5
"""Before a purchase, SIM and change log are read, so that one more is certainly ours."""


@dataclass(frozen=True)
class ApprovalQueue:
    """What waits for a decision of this user, oldest first."""

    jobs: QuerySet[BatchJob]
    operations: QuerySet[Operation]


def list_jobs(user: User | AnonymousUser) -> QuerySet[BatchJob]:
    """Jobs all of whose accounts ``user`` may see, in no order; their actors come with them.

    One that found no SIM at all (or none yet) is seen by its maker and by who sees all accounts.
    """
    jobs = BatchJob.objects.select_related("actor", "decided_by", "parent")
    accounts = visible_accounts(user)
    if accounts is None:
        return jobs
    of_job = BatchAccount.objects.filter(job=OuterRef("pk"))
    hidden = of_job.exclude(account_name__in=sorted(accounts))
    return jobs.filter(~Exists(hidden), Q(Exists(of_job)) | Q(actor=user.pk))


def get_job(user: User | AnonymousUser, pk: int) -> BatchJob:
    """One of them. Raises :class:`BatchJob.DoesNotExist` for what is not there or not for this user."""
    return list_jobs(user).get(pk=pk)


def lines_of(user: User | AnonymousUser, job: BatchJob) -> QuerySet[BatchLine]:
    """The job's lines. A SIM that came to an account which ``user`` may not see is left out."""
    lines = BatchLine.objects.filter(job=job).select_related("sim", "operation").defer("sim__search")
    accounts = visible_accounts(user)
    if accounts is None:
        return lines
    return lines.filter(Q(sim__isnull=True) | Q(sim__account_id__in=sorted(accounts)))


def visible_jobs(user: User | AnonymousUser, ids: Collection[int]) -> set[int]:
    """Those of the jobs ``ids`` whose page ``user`` may open; one query at most."""
    if not user.has_perm("operations.view_batchjob"):
        return set()
    if visible_accounts(user) is None:
        return set(ids)
    return set(list_jobs(user).select_related(None).filter(pk__in=ids).values_list("pk", flat=True))


def approval_queue(user: User | AnonymousUser) -> ApprovalQueue:
    """Jobs and single operations that wait and that ``user`` may decide; never the user's own."""
    jobs, operations = list_jobs(user), selectors.list_operations(user)
    kinds = [name for name, kind in KINDS.items() if user.has_perm(kind.permission)]
    if not user.has_perm("operations.approve_operation") or not kinds:
        return ApprovalQueue(jobs.none(), operations.none())
    return ApprovalQueue(
        jobs.filter(state=BatchJob.State.AWAITING_APPROVAL, kind__in=kinds)
        .exclude(actor=user.pk)
        .order_by("confirmed_at", "pk"),
        operations.filter(state=Operation.State.AWAITING_APPROVAL, kind__in=kinds)
        .exclude(actor=user.pk)
        .order_by("created_at", "pk"),
    )


def why_it_waits(job: BatchJob) -> str:
    """The sentence why nothing of a running job is sent, where the carrier is away; empty otherwise.

    The oldest change that is yet to be sent is the next one, so it is the one that knows.
    """
    waiting = Operation.objects.filter(job=job, state=Operation.State.QUEUED).order_by("pk")
    code, message = waiting.values_list("carrier_code", "message").first() or ("", "")
    return message if code in Operation.AWAY_CODES else ""


def expected_seconds(job: BatchJob) -> float | None:
    """How long the plan will take at least, by the call budget; ``None`` without a limit of calls.

    The carrier's own time for a batch job is not known beforehand.
    """
    rate = settings.CONFIG["SMARTHUB_RATE"]
    return calls_of(job) / rate if rate else None


def calls_of(job: BatchJob) -> int:
    """How many calls the eligible SIMs of the plan take, about."""
    if job.kind in BATCH_KINDS:
        chunks = math.ceil(job.eligible / settings.CONFIG["BATCH_CHUNK_SIZE"])
        return chunks * _CALLS_A_CHUNK + math.ceil(job.eligible / _SIMS_A_READING)
    if not KINDS[job.kind].can_be_read_back:
        return job.eligible
    return job.eligible * (_CALLS_A_PURCHASE if job.kind == Operation.Kind.ADD_PLAN else _CALLS_A_SIM)
