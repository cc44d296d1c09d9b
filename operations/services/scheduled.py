"""Changes that the carrier makes later: a plan for the next billing cycle is done when accepted, and checked then."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from operations.kinds import KINDS
from operations.models import Operation, OperationAttempt
from operations.readings import Reading, Verdict
from operations.services.transitions import (
    Outcome,
    State,
    conclude,
    end_attempt,
    lane_of,
    move,
    start_attempt,
    tell_timeline,
)
from operations.wording import explain, no_clear_answer
from sims.services.carrier import get_client
from sims.services.mirror import Source
from sims.services.refresh import read_sim
from smarthub import errors

log = structlog.get_logger(__name__)

CHECK_AFTER = timedelta(minutes=2)
"""How long after the turn of the cycle the plan is looked for first."""

CHECK_DELAYS = (timedelta(minutes=10), timedelta(hours=1), timedelta(hours=6), timedelta(hours=24))
"""Waits between the looks that follow."""


def next_turn(operation: Operation, now: datetime) -> datetime | None:
    """The end of the SIM's cycle, by the mirror or, when that is behind, by the carrier; ``None`` when unknown."""
    turn = operation.sim.cycle_end
    if turn is not None and turn > now:
        return turn
    try:
        snapshot = read_sim(operation.sim.giccid, lane=lane_of(operation), source=Source.READ_BACK)
    except errors.SmartHubError:
        return None
    except Exception:
        # The carrier has said yes: a fault of ours here must not make that doubtful.
        log.exception("operation.turn_unknown", operation=operation.pk)
        return None
    turn = snapshot.cycle_usage.cycle_end if snapshot.cycle_usage else None
    return turn if turn is not None and turn > now else None


def accept(operation: Operation, now: datetime, turn: datetime | None) -> bool:
    """The carrier took it for the next cycle: done, and due again when that has begun at ``turn``.

    ``False`` when the row was taken from us; then nothing was written.
    """
    if turn is None:
        message = _("The carrier accepted it for the next billing cycle; it does not tell when that begins.")
    else:
        message = _("The carrier accepted it; it takes effect with the next billing cycle.")
    return conclude(
        operation,
        State.DONE,
        outcome=Outcome.SCHEDULED,
        message=message,
        accepted_at=now,
        effective_at=turn,
        next_attempt_at=turn + CHECK_AFTER if turn else None,
        readbacks=0,
    )


def check(operation: Operation) -> None:
    """Look whether the plan is there after the turn of the cycle, and note it with the operation."""
    newer = Operation.objects.filter(
        sim=operation.sim, kind=operation.kind, state=State.DONE, pk__gt=operation.pk
    ).first()
    if newer is not None:
        _note(operation, _("Operation %(id)s changed the plan after it.") % {"id": newer.pk}, took_effect=None)
        return
    attempt = start_attempt(operation, OperationAttempt.Step.READ_BACK)
    try:
        snapshot = read_sim(operation.sim.giccid, lane=lane_of(operation), source=Source.READ_BACK)
        reading = Reading(get_client(lane_of(operation)), snapshot, thorough=False)
        verdict = KINDS[operation.kind].reached(reading, operation)
    except errors.SmartHubError as error:
        end_attempt(attempt, outcome=State.DONE, status=error.status, code=error.code, detail=explain(error))
        _later(operation)
        return
    except Exception:
        log.exception("operation.check_failed", operation=operation.pk)
        end_attempt(attempt, outcome=State.DONE, code="internal_error", detail=no_clear_answer("internal_error"))
        _later(operation)
        return
    if verdict == Verdict.YES:
        end_attempt(attempt, outcome=State.DONE, status=200, detail=_("The SIM shows the change."))
        _note(operation, _("Done. The plan took effect with the billing cycle."), took_effect=True)
    else:
        end_attempt(attempt, outcome=State.DONE, status=200, detail=_("The SIM does not show the change."))
        _later(operation)


def _later(operation: Operation) -> None:
    if operation.readbacks >= len(CHECK_DELAYS):
        message = _("The billing cycle has begun, but the SIM does not show the plan. Please ask the carrier.")
        _note(operation, message, took_effect=False)
        return
    again = timezone.now() + CHECK_DELAYS[operation.readbacks]
    move(operation, State.DONE, next_attempt_at=again, readbacks=operation.readbacks + 1)


def _note(operation: Operation, message: str, *, took_effect: bool | None) -> None:
    """Keep what was found. The timeline's entry stays that of the acceptance; the carrier's log tells of the change."""
    with transaction.atomic():
        if move(operation, State.DONE, message=message):
            tell_timeline(operation, Outcome.SCHEDULED, took_effect=took_effect)
