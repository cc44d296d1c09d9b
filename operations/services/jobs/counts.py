"""The counts of a job: columns that pages read, kept by whoever changes the job."""

from __future__ import annotations

from operations.models import BatchJob


def recount(job: BatchJob) -> BatchJob:
    """Bring the counts of ``job`` up to date in its row and in ``job`` itself; call it after each step.

    ``eligible`` are the SIMs that the job changes or will change, ``refused`` those found but left out. Of the
    eligible ones, from the confirming on: ``pending`` (to come or under way), ``succeeded``, ``failed`` (failed,
    expired, cancelled) and ``unknown`` (a person has to tell). Two grouped queries, whatever the size.
    """
    raise NotImplementedError
