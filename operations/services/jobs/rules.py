"""Who may do what with a job, and when. Each ``why_not_…`` is a sentence, empty when it is possible.

The services ask the same functions, so a button and its service never disagree.
"""

from __future__ import annotations

from operations.models import BatchJob
from staff.models import User


def why_not_make(kind: str, user: User) -> str:
    """Making a plan of this kind: needs ``run_batch_job`` and the kind's permission to ask."""
    raise NotImplementedError


def approval_needed(job: BatchJob) -> str:
    """Why the job will wait for a second person, as a sentence; empty when it goes through."""
    raise NotImplementedError


def why_not_confirm(job: BatchJob, user: User) -> str:
    """Only who made the plan confirms it."""
    raise NotImplementedError


def why_not_decide(job: BatchJob, user: User) -> str:
    """Approve or refuse: another person with the right, who sees every account of the job."""
    raise NotImplementedError


def why_not_cancel(job: BatchJob, user: User) -> str:
    """Its maker, or a supervisor."""
    raise NotImplementedError


def why_not_pause(job: BatchJob, user: User) -> str:
    """Its maker, or a supervisor, while it runs."""
    raise NotImplementedError


def why_not_resume(job: BatchJob, user: User) -> str:
    """Its maker, or a supervisor, while it is paused."""
    raise NotImplementedError


def why_not_retry(job: BatchJob, user: User) -> str:
    """After the end, when something failed."""
    raise NotImplementedError


def why_not_undo(job: BatchJob, user: User) -> str:
    """After the end, when something succeeded and the kind can be taken back."""
    raise NotImplementedError
