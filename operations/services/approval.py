"""The second person: approving and refusing jobs and single operations of others."""

from __future__ import annotations

from operations.models import BatchJob, Operation
from staff.models import User


def approve(wish: BatchJob | Operation, actor: User) -> BatchJob | Operation:
    """Let it go on. Raises ``NotAllowed`` (role, or one's own) and ``Conflict`` (it does not wait any more)."""
    raise NotImplementedError


def refuse(wish: BatchJob | Operation, actor: User, reason: str) -> BatchJob | Operation:
    """End it as ``cancelled``; ``reason`` is required (``Invalid``). Else as :func:`approve`."""
    raise NotImplementedError


def withdraw(operation: Operation, actor: User) -> Operation:
    """Who asked for a single operation takes the wish back while it waits; ``cancelled``."""
    raise NotImplementedError


def lapse_job(job_id: int) -> bool:
    """For ``run_job``: an ``awaiting_approval`` job whose time has run out becomes ``cancelled``."""
    raise NotImplementedError


def lapse_operation(operation: Operation) -> bool:
    """For the engine: a claimed operation that nobody approved in time becomes ``expired``."""
    raise NotImplementedError
