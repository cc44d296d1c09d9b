"""After a job has ended: a plan of its failed SIMs, or the plan that takes it back."""

from __future__ import annotations

from operations.models import BatchJob
from staff.models import User


def retry_failed(job: BatchJob, actor: User) -> BatchJob:
    """A new plan (``parent`` is ``job``) of only those that failed or expired. ``NotAllowed``, ``Conflict``."""
    raise NotImplementedError


def undo(job: BatchJob, actor: User) -> BatchJob:
    """The inverse plan: each SIM back to its own former state or values. ``NotAllowed``, ``Conflict``.

    SIMs that were changed since are refused lines of it (``changed_since``).
    """
    raise NotImplementedError
