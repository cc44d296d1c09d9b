"""Reading an operation's SIM back: has the change arrived at the carrier?"""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from operations.kinds import KINDS
from operations.models import Operation, OperationAttempt
from operations.readings import Reading, Verdict
from operations.services.transitions import (
    NOT_THERE_AFTER,
    State,
    conclude,
    end_attempt,
    lane_of,
    look_again_delay,
    move,
    read_back_delay,
    send_again_delay,
    start_attempt,
)
from operations.wording import explain
from sims.services.carrier import get_client
from sims.services.mirror import Source
from sims.services.refresh import read_sim
from smarthub import errors

log = structlog.get_logger(__name__)

RESTORED = "restored"
"""The code of an operation that may have been sent in a time that a restored database does not know of."""
LANDED_AFTER = timedelta(minutes=1)
"""A request whose answer was lost so long ago has landed, or never will."""


def read_back(operation: Operation) -> None:
    """One look at the SIM of an operation that was accepted or whose outcome is unknown, and what follows of it."""
    attempt = start_attempt(operation, OperationAttempt.Step.READ_BACK)
    tries = operation.readbacks + 1
    try:
        verdict = _look(operation, thorough=tries >= _last_try(operation))
    except errors.NotFound as error:
        _to_a_person(operation, attempt, _("The carrier does not know the SIM any more."), error.code)
        return
    except errors.SmartHubError as error:
        _not_read(operation, attempt, error)
        return
    except Exception:
        # A fault of ours must not leave the row to a claim that runs out, again and again and without a word.
        log.exception("operation.read_back_failed", operation=operation.pk)
        _not_read(operation, attempt, errors.Transient("internal_error"))
        return
    _follow(operation, attempt, verdict, tries)


def take_reading(operation: Operation, verdict: Verdict) -> None:
    """What follows of a look that was taken at the SIMs of many operations at once, thoroughly. The claim is ours.

    Where a request that was lost has had all the time to land, and sending again is harmless, one such look decides.
    """
    attempt = start_attempt(operation, OperationAttempt.Step.READ_BACK)
    tries = operation.readbacks + 1
    if operation.state == State.UNKNOWN and KINDS[operation.kind].idempotent and _sent_long_ago(operation):
        tries = max(tries, _last_try(operation))
    _follow(operation, attempt, verdict, tries)


def _sent_long_ago(operation: Operation) -> bool:
    sent = operation.attempts.filter(step=OperationAttempt.Step.SEND).order_by("-pk").first()
    return sent is not None and timezone.now() - sent.started_at > LANDED_AFTER


def _follow(operation: Operation, attempt: OperationAttempt, verdict: Verdict, tries: int) -> None:
    if verdict == Verdict.YES:
        _there(operation, attempt)
    elif tries < _last_try(operation):
        _not_yet(operation, attempt, verdict, tries)
    elif operation.state == State.ACCEPTED:
        _to_a_person(operation, attempt, _("The carrier accepted it, but the SIM does not show it."), "")
    else:
        _certainly_not_there(operation, attempt, verdict)


def refresh_mirror(operation: Operation) -> None:
    """Read the SIM once more after the carrier's no: the mirror let it through, so it may be behind."""
    try:
        read_sim(operation.sim.giccid, lane=lane_of(operation), source=Source.READ_BACK)
    except errors.SmartHubError as error:
        log.info("operation.refresh_failed", operation=operation.pk, code=error.code)


def _look(operation: Operation, *, thorough: bool) -> Verdict:
    snapshot = read_sim(operation.sim.giccid, lane=lane_of(operation), source=Source.READ_BACK)
    reading = Reading(get_client(lane_of(operation)), snapshot, thorough=thorough)
    return KINDS[operation.kind].reached(reading, operation)


def _last_try(operation: Operation) -> int:
    """How many readings decide."""
    most: int = settings.CONFIG["OPERATION_READBACK_TRIES"]
    kind = KINDS[operation.kind]
    if operation.state == State.UNKNOWN and kind.is_scheduled(operation):
        # No reading shows it before its time, and a lost answer may be sent again (contract): waiting tells nothing.
        return 1
    if operation.state == State.UNKNOWN and kind.idempotent:
        return min(NOT_THERE_AFTER, most)
    return most


def _there(operation: Operation, attempt: OperationAttempt) -> None:
    """Whoever sees the change may say so: that is true with or without a claim."""
    seen_late = operation.state == State.UNKNOWN
    message = (
        _("Done. The carrier's answer was lost, but the SIM shows the change.")
        if seen_late
        else _("The carrier made the change, and the SIM shows it.")
    )
    with transaction.atomic():
        if conclude(operation, State.DONE, message=message, any_lease=True, result=operation.result):
            end_attempt(attempt, outcome=State.DONE, status=200, detail=_("The SIM shows the change."))


def _not_yet(operation: Operation, attempt: OperationAttempt, verdict: Verdict, tries: int) -> None:
    with transaction.atomic():
        again = timezone.now() + read_back_delay(tries)
        if move(operation, operation.state, next_attempt_at=again, readbacks=tries):
            end_attempt(attempt, outcome=operation.state, status=200, detail=_saw(verdict))


def _certainly_not_there(operation: Operation, attempt: OperationAttempt, verdict: Verdict) -> None:
    """The change did not arrive: send again what may be sent twice, ask a person about the rest."""
    if not KINDS[operation.kind].idempotent:
        message = _(
            "The carrier's answer was lost and the SIM does not show the plan. Please check with the carrier whether "
            "it was bought, then say what happened. It is not sent again by itself."
        )
        _to_a_person(operation, attempt, message, operation.carrier_code)
        return
    if operation.carrier_code == RESTORED:
        message = _(
            "The database was restored from a backup, and the SIM does not show the change: it was not made, or "
            "something else was made after it. Please look, then say what happened. It is not sent again by itself."
        )
        _to_a_person(operation, attempt, message, RESTORED)
        return
    with transaction.atomic():
        if operation.carrier_code == "illegal_status":
            to = State.FAILED
            taken = conclude(operation, to, message=operation.message, code=operation.carrier_code)
        else:
            to = State.QUEUED
            message = _("The change is not there; it is sent again.")
            # Once more at once; a carrier that swallows that too is not to be hammered.
            doubt = errors.OutcomeUnknown(operation.carrier_code or "unknown")
            wait = send_again_delay(operation.sends, doubt) if operation.sends > 1 else timedelta()
            taken = move(operation, to, next_attempt_at=timezone.now() + wait, readbacks=0, message=message)
        if taken:
            end_attempt(attempt, outcome=to, status=200, detail=_saw(verdict))


def _not_read(operation: Operation, attempt: OperationAttempt, error: errors.SmartHubError) -> None:
    """The reading failed, which says nothing of the change; it does not count as a try."""
    now = timezone.now()
    if isinstance(error, errors.CarrierAway):
        # Nobody was asked; the dispatcher holds it back until the carrier answers, however long that takes.
        _look_later(operation, attempt, now + look_again_delay(operation, now, None), error)
        return
    patience = timedelta(seconds=settings.CONFIG["OPERATION_EXPIRES_AFTER"])
    if now - (operation.first_sent_at or operation.created_at) > patience:
        message = _("Whether the change arrived could not be read for a long time. %(why)s") % {"why": explain(error)}
        _to_a_person(operation, attempt, message, error.code)
        return
    _look_later(operation, attempt, now + look_again_delay(operation, now, error.retry_after), error)


def _look_later(operation: Operation, attempt: OperationAttempt, again: datetime, error: errors.SmartHubError) -> None:
    with transaction.atomic():
        if move(operation, operation.state, next_attempt_at=again):
            end_attempt(attempt, outcome=operation.state, status=error.status, code=error.code, detail=explain(error))


def _to_a_person(operation: Operation, attempt: OperationAttempt, message: str, code: str) -> None:
    with transaction.atomic():
        if conclude(operation, State.NEEDS_ATTENTION, message=message, code=code, finished_at=None):
            end_attempt(attempt, outcome=State.NEEDS_ATTENTION, code=code, detail=message)


def _saw(verdict: Verdict) -> str:
    if verdict == Verdict.UNCLEAR:
        return _("The carrier's answer does not tell.")
    return _("The SIM does not show the change.")
