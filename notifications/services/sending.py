"""Sending webhooks: claim, POST, note how it went. Any worker may die at any point.

One worker at a time sends to a webhook, the longest waiting first, for :data:`SLICE` seconds; then the webhook goes
to the end of the queue. So a slow receiver holds one thread of the queue ``deliver`` for a while and starves nobody.

A delivery is claimed by a conditional UPDATE with a lease. Killed between the POST and the note of its answer, it is
sent again under the same id: at least once, which docs/webhooks.md tells the receivers.

The circuit breaker: after :data:`BREAK_AFTER` failures in a row a webhook is left alone for five minutes, then one
delivery is tried; each further failure doubles the pause up to an hour. The first success lets all that waits go.
"""

from __future__ import annotations

import random
import time
from contextlib import suppress
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from core.encryption import Undecipherable, decrypt
from notifications.models import Delivery, DeliveryAttempt, Forward
from notifications.services import delivery_signals, forwards
from notifications.services.deliveries import TEST
from notifications.services.posting import Answer, post
from notifications.services.signing import signatures

log = structlog.get_logger(__name__)

USER_AGENT = "SmartHub-Portal-Webhook/1"
LEASE = timedelta(seconds=90)
"""How long a claim holds: longer than asking for a name, two connections and one answer may take."""
SLICE = 10.0
"""Seconds after which a webhook makes room for the others."""
FIRST_RETRY_SECONDS = 10
LONGEST_RETRY_SECONDS = 3600
BREAK_AFTER = 10
"""Failures in a row."""
FIRST_BREAK = timedelta(minutes=5)
LONGEST_BREAK = timedelta(hours=1)
ASKS_FOR_PATIENCE = (429, 503)


def send_forward(forward_id: int) -> int:
    """Send what is due to one webhook; answers how many deliveries were tried. Nothing while another worker does."""
    until = _take(forward_id)
    if until is None:
        # Whoever sends looks once more when it is done, and so sees what this message is about.
        return 0
    delivery_signals.begin(forward_id)
    tried = 0
    end = time.monotonic() + SLICE
    try:
        while time.monotonic() < end and (delivery := _next(forward_id)) is not None:
            _send(delivery)
            tried += 1
            renewed = timezone.now() + LEASE
            if not Forward.objects.filter(pk=forward_id, lease_until=until).update(lease_until=renewed):
                return tried
            until = renewed
    finally:
        Forward.objects.filter(pk=forward_id, lease_until=until).update(lease_until=None)
    delivery_signals.begin(forward_id)
    if _due(forward_id).exists():
        delivery_signals.wake_forward(forward_id)
    return tried


def back_off(attempts: int, retry_after: float | None) -> timedelta:
    """10 s doubling to an hour, never less than the receiver asked for up to an hour, spread so that a crowd parts."""
    seconds = min(FIRST_RETRY_SECONDS * 2 ** min(attempts - 1, 20), LONGEST_RETRY_SECONDS)
    spread = random.uniform(1.0, 1.2)  # noqa: S311 - spreads load, guards nothing
    return timedelta(seconds=max(seconds * spread, min(retry_after or 0, LONGEST_RETRY_SECONDS)))


def _take(forward_id: int) -> datetime | None:
    """Be the one worker that sends to this webhook; answers until when, or ``None``."""
    now = timezone.now()
    until = now + LEASE
    free = Forward.objects.filter(Q(lease_until__isnull=True) | Q(lease_until__lte=now), pk=forward_id)
    return until if free.update(lease_until=until) else None


def _due(forward_id: int) -> QuerySet[Delivery]:
    return Delivery.objects.filter(
        forward_id=forward_id, state=Delivery.State.QUEUED, next_attempt_at__lte=timezone.now()
    )


def _next(forward_id: int) -> Delivery | None:
    """Claim the delivery to be tried now: a test before all others; none of these while the breaker is open."""
    forward = Forward.objects.filter(pk=forward_id).first()
    if forward is None:
        return None
    now = timezone.now()
    due = _due(forward_id).order_by("next_attempt_at", "pk")
    chosen = due.filter(kind=TEST).first()
    if chosen is None:
        if not forward.active:
            forwards.give_up_waiting(forward_id)
            return None
        if forward.closed_until is not None and forward.closed_until > now:
            _give_up(due.filter(give_up_at__lte=forward.closed_until))
            due.update(next_attempt_at=forward.closed_until, lease_until=None)
            return None
        chosen = due.first()
        while chosen is not None and chosen.attempts and chosen.give_up_at is not None and chosen.give_up_at <= now:
            _give_up(due.filter(pk=chosen.pk))
            chosen = due.first()
    if chosen is None:
        return None
    lease = now + LEASE
    claimed = Delivery.objects.filter(
        pk=chosen.pk, state=Delivery.State.QUEUED, attempts=chosen.attempts, next_attempt_at=chosen.next_attempt_at
    ).update(attempts=F("attempts") + 1, lease_until=lease, next_attempt_at=lease)
    return Delivery.objects.select_related("forward").get(pk=chosen.pk) if claimed else None


def _send(delivery: Delivery) -> None:
    forward = delivery.forward
    assert forward is not None  # chosen by its webhook
    body = delivery.body.encode()
    try:
        keys = _signing_keys(forward)
    except Undecipherable:
        answer = Answer(problem=_("The signing key can't be read: ENCRYPTION_KEYS lacks its key. Make a new one."))
    else:
        timestamp = int(time.time())
        headers = {
            "Content-Type": "application/json",
            "User-Agent": USER_AGENT,
            "X-Portal-Delivery": str(delivery.uuid),
            "X-Portal-Timestamp": str(timestamp),
            "X-Portal-Signature": signatures(keys, timestamp, body),
        }
        answer = post(forward.url, body, headers)
    with transaction.atomic():
        DeliveryAttempt.objects.create(
            delivery=delivery,
            milliseconds=answer.milliseconds,
            status=answer.status,
            answer=answer.text,
            problem=answer.problem[:500],
        )
        if answer.taken:
            _taken(delivery, forward)
        else:
            _failed(delivery, forward, answer)
    log.info("delivery.tried", delivery=delivery.pk, forward=forward.pk, status=answer.status, ok=answer.taken)


def _signing_keys(forward: Forward) -> list[str]:
    """The key, and the one before for as long as it signs along. Raises ``Undecipherable`` for want of the first."""
    keys = [decrypt(forward.secret)]
    if forward.previous_until is not None and forward.previous_until > timezone.now():
        # Without it the receivers that have only that one refuse and are told again, as with no overlap.
        with suppress(Undecipherable):
            keys.append(decrypt(forward.previous_secret))
    return keys


def _taken(delivery: Delivery, forward: Forward) -> None:
    now = timezone.now()
    _note(delivery, state=Delivery.State.DELIVERED, next_attempt_at=None, finished_at=now, problem="")
    Forward.objects.filter(pk=forward.pk).update(failures=0, closed_until=None, last_delivered_at=now)
    # Only after a pause: what the receiver refuses among others that it takes keeps to its own time.
    if forward.failures >= BREAK_AFTER or forward.closed_until is not None:
        forwards.resume_waiting(forward.pk)


def _failed(delivery: Delivery, forward: Forward, answer: Answer) -> None:
    now = timezone.now()
    if delivery.kind == TEST:
        # A person waits for it and can press again; and a test says nothing about what rules send.
        _note(delivery, state=Delivery.State.FAILED, next_attempt_at=None, finished_at=now, problem=answer.problem)
        return
    again = now + back_off(delivery.attempts, answer.retry_after)
    if delivery.give_up_at is not None and again >= delivery.give_up_at:
        _note(delivery, state=Delivery.State.FAILED, next_attempt_at=None, finished_at=now, problem=answer.problem)
    else:
        _note(delivery, next_attempt_at=again, problem=answer.problem)
    failures = forward.failures + 1
    closed: datetime | None = None
    if failures >= BREAK_AFTER:
        doublings = min(failures - BREAK_AFTER, 10)
        closed = now + min(FIRST_BREAK * 2**doublings, LONGEST_BREAK)
    elif answer.status in ASKS_FOR_PATIENCE and answer.retry_after:
        closed = now + timedelta(seconds=min(answer.retry_after, LONGEST_RETRY_SECONDS))
    Forward.objects.filter(pk=forward.pk).update(failures=F("failures") + 1, closed_until=closed)


def _note(delivery: Delivery, **values: object) -> None:
    """Give the delivery back, if it is still ours."""
    ours = Delivery.objects.filter(pk=delivery.pk, state=Delivery.State.QUEUED, lease_until=delivery.lease_until)
    ours.update(lease_until=None, **values)


def _give_up(deliveries: QuerySet[Delivery]) -> None:
    """End those whose time is over while the webhook was left alone."""
    deliveries.update(
        state=Delivery.State.FAILED,
        next_attempt_at=None,
        lease_until=None,
        finished_at=timezone.now(),
        problem=_("The receiver took nothing for too long."),
    )
