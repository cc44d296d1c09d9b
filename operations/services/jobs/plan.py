"""From a selection to a stored plan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.http import QueryDict

from operations.models import BatchJob
from staff.models import User

PLAN_AT_ONCE = 5_000
"""Lines up to which a plan is made in the request; larger ones are made by the task ``plan_job``."""


def make_job(
    *,
    actor: User,
    kind: str,
    params: Mapping[str, Any],
    source: str,
    identifiers: str | None = None,
    file: UploadedFile | None = None,
    giccids: Iterable[str] | None = None,
    query: QueryDict | None = None,
    nonce: str | None = None,
) -> BatchJob:
    """Store a plan; nothing is sent. ``planned_at`` is empty while a large one is still being made.

    ``source`` is one of ``BatchJob.Source``: ``text`` takes ``identifiers``, ``file`` takes ``file``, ``ticked``
    takes ``giccids``, ``filter`` takes ``query`` (the SIM list's). ``params`` are the fields of
    :data:`operations.services.jobs.forms.PARAMS_FORMS`. The same ``nonce`` answers the job that is there.

    Raises :class:`operations.errors.NotAllowed`, :class:`~operations.errors.Invalid` (a form with the errors by
    field: the parameters, or ``identifiers``, ``file``, ``__all__`` for the selection) and
    :class:`~operations.errors.Conflict`; then nothing was written.
    """
    raise NotImplementedError


def make_plan(job_id: int) -> bool:
    """For the task ``plan_job``: make (or check again) the plan of a job whose ``next_step_at`` is due.

    ``False`` when it was not due or somebody else has it. Dying in it leaves a row that is due when the lease ends.
    """
    raise NotImplementedError


def recheck(job: BatchJob) -> dict[str, int]:
    """Check every line of a plan again against the mirror; answers how many came to be ``eligible`` and ``refused``.

    What was chosen stays; only what can be done with it is asked anew. Both are 0 when nothing has changed.
    """
    raise NotImplementedError


def choose_candidate(job: BatchJob, line_number: int, giccid: str, actor: User) -> BatchJob:
    """Say which SIM an ambiguous line of one's own plan means. Raises ``NotAllowed`` or ``Conflict``."""
    raise NotImplementedError
