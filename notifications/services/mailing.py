"""Sending e-mails: claim, hand to the mail server, note how it went.

As with webhooks: killed between the two, an e-mail goes out a second time, with the same Message-ID.
"""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import timedelta
from smtplib import SMTPException, SMTPServerDisconnected

import redis
import structlog
from django.conf import settings
from django.core.cache import cache
from django.core.mail import get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from notifications.models import Delivery, DeliveryAttempt
from notifications.services import delivery_signals, emails
from notifications.services.sending import SLICE, back_off

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=120)
_TAKEN = "sending-emails"
_NO_MAIL = "django.core.mail.backends.dummy.EmailBackend"


def send_emails() -> int:
    """Send the e-mails that are due, collected ones as one; answers how many were tried.

    A server that takes no connection ends the turn: the rest stays due for the next. One worker at a time, so that a
    slow mail server leaves the others to the webhooks.
    """
    if not _take():
        # Whoever sends looks once more when it is done, and so sees what this message is about.
        return 0
    delivery_signals.begin()
    try:
        tried, there = _drain()
    finally:
        with suppress(redis.RedisError, OSError):
            cache.delete(_TAKEN)
    delivery_signals.begin()
    if there and _due().exists():
        delivery_signals.wake_emails()
    return tried


def _take() -> bool:
    """Be the one worker that sends. Without Valkey it may be several: each e-mail is claimed by one all the same."""
    try:
        return bool(cache.add(_TAKEN, 1, timeout=int(LEASE.total_seconds())))
    except (redis.RedisError, OSError):
        return True


def _drain() -> tuple[int, bool]:
    """How many e-mails were tried, and whether the mail server was there for them."""
    emails.collect_due()
    tried = 0
    end = time.monotonic() + SLICE
    connection = get_connection()
    try:
        while time.monotonic() < end and (delivery := _next()) is not None:
            tried += 1
            if not _send(delivery, connection):
                return tried, False
    finally:
        with suppress(OSError, SMTPException):
            connection.close()
    return tried, True


def _due() -> QuerySet[Delivery]:
    return Delivery.objects.filter(
        channel=Delivery.Channel.EMAIL, digest="", state=Delivery.State.QUEUED, next_attempt_at__lte=timezone.now()
    )


def _next() -> Delivery | None:
    """Claim the e-mail that waits longest; of several workers each gets another."""
    for chosen in _due().order_by("next_attempt_at", "pk")[:20]:
        lease = timezone.now() + LEASE
        claimed = Delivery.objects.filter(
            pk=chosen.pk, state=Delivery.State.QUEUED, attempts=chosen.attempts, next_attempt_at=chosen.next_attempt_at
        ).update(attempts=F("attempts") + 1, lease_until=lease, next_attempt_at=lease)
        if claimed:
            return Delivery.objects.get(pk=chosen.pk)
    return None


def _send(delivery: Delivery, connection: BaseEmailBackend) -> bool:
    """Whether the mail server is there for the next one."""
    began, problem, there = time.monotonic(), "", True
    if settings.EMAIL_BACKEND == _NO_MAIL:
        problem, there = _("No mail server is set up (EMAIL_URL)."), False
    else:
        try:
            connection.open()
            message = emails.message(delivery)
            message.connection = connection
            message.send()
        except (OSError, SMTPException, ValueError) as error:
            # A ValueError is Django's, for what can't stand in a header.
            problem = f"{type(error).__name__}: {error}"[:500]
            there = isinstance(error, (SMTPException, ValueError)) and not isinstance(error, SMTPServerDisconnected)
    with transaction.atomic():
        DeliveryAttempt.objects.create(
            delivery=delivery, milliseconds=int((time.monotonic() - began) * 1000), problem=problem
        )
        _note(delivery, problem)
    log.info("email.tried", delivery=delivery.pk, ok=not problem)
    return there


def _note(delivery: Delivery, problem: str) -> None:
    now = timezone.now()
    ours = Delivery.objects.filter(pk=delivery.pk, state=Delivery.State.QUEUED, lease_until=delivery.lease_until)
    if not problem:
        ours.update(state=Delivery.State.DELIVERED, next_attempt_at=None, lease_until=None, finished_at=now, problem="")
        return
    again = now + back_off(delivery.attempts, None)
    if delivery.give_up_at is not None and again >= delivery.give_up_at:
        ours.update(
            state=Delivery.State.FAILED, next_attempt_at=None, lease_until=None, finished_at=now, problem=problem
        )
    else:
        ours.update(next_attempt_at=again, lease_until=None, problem=problem)
