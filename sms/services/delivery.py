"""What became of messages that the carrier took: told by its reports, or asked for with ever longer waits.

Words arrive late, doubled and in any order, so a state only goes up in :data:`RANKS`: the same words end in the same
state whatever their order.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from operations.services.transitions import Outcome, tell_timeline
from sims.services.carrier import get_client
from smarthub import Lane, errors
from smarthub.enums import SmsStatus
from sms.models import Message

log = structlog.get_logger(__name__)

Delivery = Message.Delivery

RANKS = ("", Delivery.PENDING, Delivery.CARRIER_UNKNOWN, Delivery.EXPIRED, Delivery.FAILED, Delivery.DELIVERED)
"""A word of the carrier outranks our own conclusion from its silence, and that it arrived outranks all."""

BY_STATUS: dict[str, Delivery] = {
    SmsStatus.PENDING: Delivery.PENDING,
    SmsStatus.UNKNOWN: Delivery.CARRIER_UNKNOWN,
    SmsStatus.FAILED: Delivery.FAILED,
    SmsStatus.DELIVERED: Delivery.DELIVERED,
}

FIRST_POLL = 30
"""Seconds after the sending: a report is usually faster."""
POLL_DELAYS = (30, 60, 120, 300, 600, 1800, 3600)
"""Seconds from one question to the next; the last repeats."""
UNKNOWN_VALIDITY = timedelta(days=3)
"""How long a message is waited for whose validity is the carrier's own, which it does not tell."""
MARGIN = timedelta(minutes=10)
"""For clocks that differ, and for a last word that takes its time."""
AT_ONCE = 50
"""Messages that one task asks for."""


def note_status(message: Message, status: str, at: datetime | None) -> bool:
    """Keep a word of the carrier on ``message``; ``False`` when it is no news. ``at`` is the carrier's time.

    A status that the contract does not know counts as none.
    """
    to = BY_STATUS.get(status)
    return to is not None and _raise(message, to, at)


def poll_due() -> int:
    """Ask for messages whose time has come, :data:`AT_ONCE` at most; answers how many were asked for.

    Each is claimed by the time of its next question, so two at once ask for different ones, and dying costs nothing.
    """
    now = timezone.now()
    due = Message.objects.filter(next_poll_at__lte=now).order_by("next_poll_at")
    asked = 0
    for message in due.select_related("operation")[:AT_ONCE]:
        later = now + timedelta(seconds=POLL_DELAYS[min(message.polls, len(POLL_DELAYS) - 1)])
        claimed = Message.objects.filter(pk=message.pk, next_poll_at=message.next_poll_at)
        if not claimed.update(next_poll_at=later, polls=F("polls") + 1):
            continue
        asked += 1
        try:
            _ask(message, now)
        except errors.Transient as error:
            # The carrier is away or busy: the next turn comes soon, and the others are not worth a time-out each.
            log.info("sms.poll_put_off", message=message.pk, code=error.code)
            break
        except errors.SmartHubError as error:
            log.info("sms.poll_failed", message=message.pk, code=error.code)
    return asked


def expires_at(message: Message) -> datetime:
    """From when on the carrier does not try any more, as far as it told."""
    sent = message.operation.accepted_at if message.operation is not None else None
    validity = UNKNOWN_VALIDITY if message.validity is None else timedelta(minutes=message.validity)
    return (sent or message.at) + validity


def _ask(message: Message, now: datetime) -> None:
    """One question, and the end of the questions when the message's time is over."""
    status, delivered = SmsStatus.UNKNOWN.value, None
    try:
        answer = get_client(Lane.BULK).get_sms(message.carrier_id)
        status, delivered = answer.status or "", answer.delivered_time
    except errors.Rejected as error:
        if error.status not in (404, 410):
            raise
        log.info("sms.not_known", message=message.pk)
    if note_status(message, status, delivered):
        message.refresh_from_db(fields=["delivery", "next_poll_at"])
    if message.delivery in (Delivery.PENDING, Delivery.CARRIER_UNKNOWN) and now > expires_at(message) + MARGIN:
        if message.delivery == Delivery.PENDING:
            _raise(message, Delivery.EXPIRED, None)
        # What the carrier itself does not know stays just that.
        Message.objects.filter(pk=message.pk).update(next_poll_at=None)


def _raise(message: Message, to: Delivery, at: datetime | None) -> bool:
    lower = RANKS[: RANKS.index(to)]
    now = timezone.now()
    values = {"delivery": to, "reported_at": now}
    if to in (Delivery.EXPIRED, Delivery.FAILED, Delivery.DELIVERED):
        values["next_poll_at"] = None
    if to == Delivery.DELIVERED:
        values["delivered_at"] = min(at or now, now)
    with transaction.atomic():
        if not Message.objects.filter(pk=message.pk, delivery__in=lower).update(**values):
            return False
        _tell_end(message, to)
    return True


def _tell_end(message: Message, to: Delivery) -> None:
    """The timeline says that it was sent; that it did not arrive after all is told there, too."""
    if message.operation is None:
        return
    said = {
        Delivery.EXPIRED: _("It was not delivered in its time."),
        Delivery.FAILED: _("The carrier could not deliver it."),
    }
    if to in said:
        tell_timeline(message.operation, Outcome.FAILED, answer=said[to])
    elif to == Delivery.DELIVERED and message.delivery in said:
        tell_timeline(message.operation, Outcome.SUCCESS)
