"""What became of a SIM in a job, in one word and with the reason; the same for pages, filters and downloads."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from operations.models import BatchJob, BatchLine, Operation

_STATE = Operation.State


class Outcome(models.TextChoices):
    """In the order in which a SIM goes through them."""

    ELIGIBLE = "eligible", _("Will change")
    REFUSED = "refused", _("Refused")
    PENDING = "pending", _("Pending")
    SUCCEEDED = "succeeded", _("Succeeded")
    FAILED = "failed", _("Failed")
    UNKNOWN = "unknown", _("Unknown")


BY_STATE: dict[str, Outcome] = {
    _STATE.AWAITING_APPROVAL: Outcome.PENDING,
    _STATE.QUEUED: Outcome.PENDING,
    _STATE.SENDING: Outcome.PENDING,
    _STATE.ACCEPTED: Outcome.PENDING,
    _STATE.UNKNOWN: Outcome.PENDING,
    _STATE.DONE: Outcome.SUCCEEDED,
    _STATE.FAILED: Outcome.FAILED,
    _STATE.EXPIRED: Outcome.FAILED,
    _STATE.CANCELLED: Outcome.FAILED,
    _STATE.NEEDS_ATTENTION: Outcome.UNKNOWN,
}
"""The outcome that each state of an operation counts as."""

OF_A_SIM = (BatchLine.Outcome.FOUND, BatchLine.Outcome.REPAIRED)
"""Lines with one SIM of their own; any other line has no outcome beside how it was read."""

_RUNS = (BatchJob.State.RUNNING, BatchJob.State.PAUSED)


def outcome_of(line: BatchLine, job: BatchJob) -> str:
    """One of :class:`Outcome`; empty for a line that means no SIM of its own."""
    if line.outcome not in OF_A_SIM:
        return ""
    if not line.eligible:
        return Outcome.REFUSED.value
    if line.operation is not None:
        return BY_STATE[line.operation.state].value
    if job.state in _RUNS:
        return Outcome.PENDING.value
    never_begun = job.state not in BatchJob.FINAL_STATES or job.started_at is None
    return Outcome.ELIGIBLE.value if never_begun else Outcome.FAILED.value


def reason_of(line: BatchLine, outcome: str) -> tuple[str, str]:
    """Code and sentence of why it is so; both empty where there is nothing to say."""
    if not outcome:
        return line.outcome, line.note
    if outcome == Outcome.REFUSED:
        return line.refusal_code, line.refusal
    operation = line.operation
    if operation is not None:
        if outcome in (Outcome.FAILED, Outcome.UNKNOWN):
            return operation.carrier_code or operation.state, operation.message or operation.get_state_display()
        return operation.carrier_code, operation.message if outcome == Outcome.PENDING else ""
    if outcome == Outcome.FAILED:
        return _STATE.CANCELLED.value, _now("Cancelled before it was sent.")
    return "", ""


def with_outcome(values: list[str]) -> Q:
    """Lines with any of these outcomes, or read in any of these ways (``not_found`` and so on)."""
    found = Q(outcome__in=[value for value in values if value in BatchLine.Outcome.values])
    own = Q(outcome__in=OF_A_SIM)
    states = [state for state, outcome in BY_STATE.items() if outcome in values]
    if states:
        found |= own & Q(operation__state__in=states)
    waiting = own & Q(eligible=True, operation__isnull=True)
    ended = Q(job__state__in=BatchJob.FINAL_STATES)
    if Outcome.REFUSED in values:
        found |= own & Q(eligible=False)
    if Outcome.ELIGIBLE in values:
        found |= waiting & ~Q(job__state__in=_RUNS) & (~ended | Q(job__started_at__isnull=True))
    if Outcome.PENDING in values:
        found |= waiting & Q(job__state__in=_RUNS)
    if Outcome.FAILED in values:
        found |= waiting & ended & Q(job__started_at__isnull=False)
    return found


def with_reason(values: list[str]) -> Q:
    """Lines with any of these reasons, by the codes of :func:`reason_of`."""
    uncoded = [value for value in values if value in _STATE.values]
    return (
        Q(refusal_code__in=values, eligible=False)
        | Q(operation__carrier_code__in=values)
        | Q(operation__carrier_code="", operation__state__in=uncoded)
    )
