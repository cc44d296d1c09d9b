"""Taking a plan: confirm, schedule, hold its SIMs, pause, resume, cancel."""

from __future__ import annotations

from datetime import datetime

from operations.models import BatchJob
from staff.models import User


def confirm(
    job: BatchJob,
    actor: User,
    reason: str,
    ticket: str,
    confirm_count: str | int | None = None,
    scheduled_for: datetime | None = None,
) -> BatchJob:
    """Take the plan: the job is then ``awaiting_approval``, ``scheduled`` or ``running``.

    ``confirm_count`` is the number of eligible SIMs, asked for a retire. Raises ``NotAllowed``, ``Invalid`` (form
    with ``reason``, ``ticket``, ``confirm``, ``scheduled_for``), ``Conflict``, and its subclass ``PlanChanged``
    when a plan that had become old was checked again and is not what the person saw.
    """
    raise NotImplementedError


def start_scheduled(job_id: int) -> bool:
    """For ``run_job``: a ``scheduled`` job that is due becomes ``running``; ``False`` when it is not due."""
    raise NotImplementedError


def hold_sims(job_id: int, *, most: int | None = None) -> bool:
    """For ``run_job``: make the operations of a ``running`` job, each line checked again on the way.

    They are ``queued`` with ``job`` set, ``chunk`` empty and ``next_attempt_at`` empty: the engine feeds them. Short
    transactions; killed anywhere, the next call goes on. SIMs that can't be held become refused lines. At most
    ``most`` lines in one call. ``True`` when all are held (``job.held_at`` is set then).
    """
    raise NotImplementedError


def cancel_unsent(job_id: int, *, most: int | None = None) -> bool:
    """For ``run_job``: after a cancel (``job.cancelled_at``), end what was never sent; ``True`` when nothing is left.

    Lines without an operation become refused (``cancelled``), queued operations never sent become ``cancelled``.
    """
    raise NotImplementedError


def pause(job: BatchJob, actor: User) -> BatchJob:
    """``running`` to ``paused``: nothing more is sent; what the carrier has goes on. ``NotAllowed``, ``Conflict``."""
    raise NotImplementedError


def resume(job: BatchJob, actor: User) -> BatchJob:
    """``paused`` to ``running``. ``NotAllowed``, ``Conflict``."""
    raise NotImplementedError


def cancel(job: BatchJob, actor: User, reason: str = "") -> BatchJob:
    """Send nothing more of it. Before its start the job is ``cancelled`` at once.

    A running one gets ``cancelled_at``; what is at the carrier is followed to its end, then it is ``cancelled``.
    """
    raise NotImplementedError
