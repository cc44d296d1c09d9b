"""Sends operations and finds out what became of them (design, section 4, "One change").

A row that is due is claimed, taken one step, and left due at a later time or ended. Dying anywhere leaves a row
whose claim runs out, and the state says what to do then: what was ``sending`` may have been sent, so it is read
back and never simply sent again.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from operations.kinds import KINDS
from operations.models import BatchJob, Operation, OperationAttempt
from operations.services import approval, scheduled
from operations.services.allowed import why_not_send
from operations.services.jobs.chunks import lock_job
from operations.services.jobs.counts import recount
from operations.services.readback import read_back, refresh_mirror
from operations.services.transitions import (
    Outcome,
    State,
    claim,
    conclude,
    end_attempt,
    is_fresh,
    lane_of,
    lease,
    move,
    read_back_delay,
    send_again_delay,
    start_attempt,
    tell_timeline,
)
from operations.wording import explain, no_clear_answer
from sims.models import Sim
from sims.services.carrier import get_client
from sims.services.mirror import Source
from sims.services.refresh import read_sim
from smarthub import SmartHub, errors

log = structlog.get_logger(__name__)

MAX_STEPS = 6
"""Steps of one run; more are the dispatcher's, so that no row can keep a worker."""


def advance(operation_id: int) -> None:
    """Take the operation as far as it goes now. Harmless for one that is not due, and as often as one likes."""
    for _step in range(MAX_STEPS):
        operation = claim(operation_id)
        if operation is None:
            return
        if operation.state == State.QUEUED:
            waited = operation.carrier_code == Operation.CARRIER_AWAY
            _send(operation)
            if waited or operation.carrier_code == Operation.CARRIER_AWAY:
                # What waited with many is read back with many (``away``); what waits on is left to the dispatcher.
                return
        elif operation.state == State.SENDING:
            mark_lost(operation)
        elif operation.state in {State.ACCEPTED, State.UNKNOWN}:
            read_back(operation)
        elif operation.state == State.DONE:
            scheduled.check(operation)
        elif operation.state == State.AWAITING_APPROVAL:
            approval.lapse_operation(operation)
        else:
            move(operation, operation.state)


def mark_lost(operation: Operation) -> bool:
    """Whoever sent it is gone without a word, or too slow: from now on its outcome is unknown."""
    now = timezone.now()
    message = no_clear_answer("worker_lost")
    with transaction.atomic():
        if not _doubt(operation, "worker_lost", message, look_at=now):
            return False
        operation.attempts.filter(step=OperationAttempt.Step.SEND, finished_at__isnull=True).update(
            finished_at=now, outcome=operation.state, code="worker_lost", detail=message
        )
    log.warning("operation.lost", operation=operation.pk)
    return True


def _doubt(operation: Operation, code: str, message: str, *, look_at: datetime) -> bool:
    """It was sent and nobody knows the end: the SIM tells, or, where it can't, a person. ``False`` without a claim."""
    if KINDS[operation.kind].can_be_read_back:
        return move(
            operation, State.UNKNOWN, next_attempt_at=look_at, readbacks=0, carrier_code=code[:80], message=message
        )
    message = _(
        "%(why)s Nobody can tell whether it was sent. Please ask the carrier or look at the device, then say "
        "what happened. It is not sent again by itself."
    ) % {"why": message}
    return conclude(operation, State.NEEDS_ATTENTION, message=message, code=code, finished_at=None)


def _send(operation: Operation) -> None:
    if not _may_be_sent(operation):
        return
    try:
        if _read_anew(operation) and not _may_be_sent(operation):
            return
        operation.before = _prepared(operation)
        # Waited for before the row says that it is sent: of what is killed in this queue nothing is in doubt.
        client = get_client(lane_of(operation)).with_turn()
    except errors.SmartHubError as failure:
        _not_prepared(operation, failure)
        return
    except Exception:
        log.exception("operation.prepare_failed", operation=operation.pk)
        _not_prepared(operation, errors.Transient("internal_error"))
        return
    now = timezone.now()
    until = now + lease(lane_of(operation))
    with transaction.atomic():
        if not _job_goes_on(operation):
            return
        claimed = move(
            operation,
            State.SENDING,
            lease_until=until,
            next_attempt_at=until,
            sends=F("sends") + 1,
            first_sent_at=operation.first_sent_at or now,
            last_sent_at=now,
            before=operation.before,
        )
        if not claimed:
            return
        attempt = start_attempt(operation, OperationAttempt.Step.SEND)
    operation.refresh_from_db(fields=["sends"])
    error, result = _call(client, operation)
    if error is None:
        _accepted(operation, attempt, result)
    else:
        _answered(operation, attempt, error)


def _may_be_sent(operation: Operation) -> bool:
    """Whether it is still wanted and still allowed; else it is ended here."""
    if operation.expires_at is not None and operation.expires_at <= timezone.now():
        message = _("It could not be sent in time, so it was not sent.")
        if operation.sends:
            message = _("The carrier did not take it in time; the change is not there.")
        who = _("%(who)s asked for it.") % {"who": operation.actor.get_username()}
        conclude(
            operation,
            State.EXPIRED,
            message=" ".join(filter(None, (message, operation.message, who))),
            code=operation.carrier_code,
        )
        return False
    # The SIM and who asked may have changed since the wish.
    sentence = why_not_send(operation)
    if sentence:
        conclude(operation, State.FAILED, message=_("Not sent: %(reason)s") % {"reason": sentence})
    return not sentence


def _read_anew(operation: Operation) -> bool:
    """Read the SIM of a change that waited for the carrier, for others may have changed it there meanwhile; ``False``
    where that is not so, or was just done. Raises carrier errors."""
    if not operation.waits_for_carrier or is_fresh(operation.sim):
        return False
    read_sim(operation.sim.giccid, lane=lane_of(operation), source=Source.READ_BACK)
    operation.sim = Sim.objects.select_related("plan").get(pk=operation.sim_id)
    return True


def _job_goes_on(operation: Operation) -> bool:
    """Whether the job of the operation, if it is of one, still sends. Locked, so that a pause comes before the sending
    or after it. Where it does not, the operation waits until the job gives it out again."""
    if operation.job_id is None:
        return True
    job = lock_job(operation.job_id)
    if job.state == BatchJob.State.RUNNING and job.cancelled_at is None:
        return True
    move(operation, State.QUEUED, next_attempt_at=None)
    return False


def _prepared(operation: Operation) -> dict[str, object]:
    """What was there before, read anew where only that tells later whether it was us. Raises carrier errors."""
    kind = KINDS[operation.kind]
    if kind.idempotent or not kind.can_be_read_back:
        return operation.before
    client = get_client(lane_of(operation))
    snapshot = read_sim(operation.sim.giccid, lane=lane_of(operation), source=Source.READ_BACK)
    return {**operation.before, **kind.prepare(client, operation, snapshot)}


def _not_prepared(operation: Operation, error: errors.SmartHubError) -> None:
    """Nothing was sent. What a reading says is not an answer to the change, but a missing SIM or key ends it."""
    if isinstance(error, errors.Rejected):
        conclude(operation, State.FAILED, message=explain(error), code=error.code)
        return
    again = _not_after_expiry(operation, send_again_delay(operation.sends + 1, error))
    if isinstance(error, errors.CarrierAway):
        # Due all the time, the oldest first, and held back by the dispatcher until the carrier answers.
        again = operation.created_at
    move(
        operation,
        State.QUEUED,
        next_attempt_at=again,
        carrier_code=error.code[:80],
        message=explain(error),
    )


def _call(client: SmartHub, operation: Operation) -> tuple[errors.SmartHubError | None, dict[str, object]]:
    """The call itself, outside of any transaction."""
    try:
        return None, KINDS[operation.kind].send(client, operation)
    except errors.SmartHubError as error:
        return error, {}
    except Exception:
        # A fault of ours: whether the request left before it, nobody can tell here.
        log.exception("operation.send_failed", operation=operation.pk)
        return errors.OutcomeUnknown("internal_error"), {}


def _accepted(operation: Operation, attempt: OperationAttempt, result: dict[str, object]) -> None:
    """The carrier said yes."""
    now = timezone.now()
    if not KINDS[operation.kind].can_be_read_back:
        _done(operation, attempt, result, now)
        return
    if KINDS[operation.kind].is_scheduled(operation):
        turn = scheduled.next_turn(operation, now)
        with transaction.atomic():
            if scheduled.accept(operation, now, turn):
                end_attempt(attempt, outcome=State.DONE, status=200)
        return
    with transaction.atomic():
        taken = move(
            operation,
            State.ACCEPTED,
            next_attempt_at=now,
            accepted_at=now,
            readbacks=0,
            result=result,
            carrier_code="",
            message=_("The carrier accepted it."),
        )
        if not taken:
            return
        end_attempt(attempt, outcome=State.ACCEPTED, status=200)
        tell_timeline(operation, Outcome.SUCCESS)


def _done(operation: Operation, attempt: OperationAttempt, result: dict[str, object], now: datetime) -> None:
    """A yes is all that will ever be known. It is the truth also when we were so slow that somebody gave us up."""
    message = _("The carrier accepted it.")
    operation.result = result
    values: dict[str, Any] = {"message": message, "accepted_at": now, "result": result}
    came_late = False
    with transaction.atomic():
        if not conclude(operation, State.DONE, **values):
            operation.state = State.NEEDS_ATTENTION
            came_late = True
            late = Operation.objects.filter(pk=operation.pk, carrier_code="worker_lost", sends=operation.sends)
            if not late.exists() or not conclude(operation, State.DONE, any_lease=True, **values):
                return
        KINDS[operation.kind].was_accepted(operation)
        OperationAttempt.objects.filter(pk=attempt.pk).update(
            finished_at=now, outcome=State.DONE, status=200, code="", detail=""
        )
    if came_late and operation.job is not None:
        # The job counted it as unknown, and may have ended since.
        recount(operation.job)


def _answered(operation: Operation, attempt: OperationAttempt, error: errors.SmartHubError) -> None:
    """The carrier said no, later, or nothing clear."""
    now = timezone.now()
    # An earlier sending may have landed after all: then the state is wrong because the change is done.
    in_doubt = "illegal_status" in error.codes and _was_in_doubt(operation)
    with transaction.atomic():
        if isinstance(error, errors.Rejected) and not in_doubt:
            to = State.FAILED
            taken = conclude(operation, to, message=explain(error), code=error.code)
        elif isinstance(error, errors.Transient):
            to = State.QUEUED
            delay = send_again_delay(operation.sends, error)
            taken = move(
                operation,
                to,
                next_attempt_at=_not_after_expiry(operation, delay),
                carrier_code=error.code[:80],
                message=explain(error),
            )
        else:
            look_at = now if in_doubt else now + read_back_delay(0)
            code = "illegal_status" if in_doubt else error.code
            taken = _doubt(operation, code, explain(error), look_at=look_at)
            to = State(operation.state)
        if taken:
            end_attempt(attempt, outcome=to, status=error.status, code=error.code, detail=explain(error))
    log.info("operation.answered", operation=operation.pk, state=to, code=error.code, ours=taken)
    if taken and to == State.FAILED:
        refresh_mirror(operation)


def _was_in_doubt(operation: Operation) -> bool:
    return operation.attempts.filter(step=OperationAttempt.Step.SEND, outcome=State.UNKNOWN).exists()


def _not_after_expiry(operation: Operation, delay: timedelta) -> datetime:
    """When to try again, at the latest when it expires, so that its end is seen then."""
    at = timezone.now() + delay
    return min(at, operation.expires_at) if operation.expires_at is not None else at
