"""Storing what is to leave the portal: rows first, in the transaction that made the notification.

A delivery is sent at least once: it is stored before it is sent, and sent again when nobody knows whether it was
taken. Its id stays the same, so that the receiver can tell.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone

from core import audit
from notifications.models import Delivery, Event, Forward, Notification, Rule
from notifications.services import delivery_signals, emails, payloads
from notifications.services.matching import quiet_end
from staff.models import User

TEST = "test"
"""The kind of a delivery that the test button makes."""
SENT_AGAIN = (Delivery.State.DELIVERED, Delivery.State.FAILED)


def store(*, rule: Rule, event: Event, notification: Notification) -> int:
    """Store what ``rule`` sends out because of ``event``: one delivery for each webhook and e-mail address.

    Part of the caller's transaction. Told twice it is stored once. Answers how many there are; 0 at once for a rule
    that sends nothing. Takes ``rule.forwards``, ``event.sim`` and its account and plan from what was fetched before,
    where it was. Sending begins when the transaction is committed.
    """
    return store_many(rule=rule, taken=[(event, notification)])


def store_many(*, rule: Rule, taken: Iterable[tuple[Event, Notification]]) -> int:
    """As :func:`store`, for all that ``rule`` took at a time, in few statements."""
    forwards = [forward for forward in rule.forwards.all() if forward.active]
    if not forwards and not rule.emails:
        return 0
    rows = [
        row
        for event, notification in taken
        for row in (*_webhooks(rule, event, notification, forwards), *_emails(rule, event, notification))
    ]
    Delivery.objects.bulk_create(rows, ignore_conflicts=True, batch_size=500)
    for forward in forwards:
        delivery_signals.wake_forward_on_commit(forward.pk)
    if any(row.channel == Delivery.Channel.EMAIL and not row.digest for row in rows):
        delivery_signals.wake_emails_on_commit()
    return len(rows)


def store_test(forward: Forward, *, actor: User) -> Delivery:
    """Store a webhook that says no more than that it is a test. It is tried once, whatever the breaker says.

    Raises :class:`~django.core.exceptions.PermissionDenied` for who may not change webhooks.
    """
    if not actor.has_perm("notifications.change_forward"):
        raise PermissionDenied
    now, its_id = timezone.now(), uuid.uuid4()
    with transaction.atomic():
        delivery = Delivery.objects.create(
            uuid=its_id,
            channel=Delivery.Channel.WEBHOOK,
            forward=forward,
            kind=TEST,
            key=f"test:{its_id}",
            body=payloads.test_body(its_id, now),
            created_at=now,
            give_up_at=now,
        )
        audit.record(action="forward.tested", actor=actor, target=forward, after={"delivery": delivery.pk})
        delivery_signals.wake_forward_on_commit(forward.pk)
    return delivery


def resend(delivery: Delivery, *, actor: User) -> bool:
    """Have a delivery that is over sent again, with its id and body, as long as a new one would be tried.

    ``False`` when it is not over, or is told of in a collected e-mail. Raises
    :class:`~django.core.exceptions.PermissionDenied` for an actor who may not.
    """
    if not actor.has_perm("notifications.resend_delivery"):
        raise PermissionDenied
    now = timezone.now()
    with transaction.atomic():
        over = Delivery.objects.filter(pk=delivery.pk, state__in=SENT_AGAIN)
        taken = over.update(
            state=Delivery.State.QUEUED,
            attempts=0,
            next_attempt_at=now,
            give_up_at=give_up_at(now),
            lease_until=None,
            finished_at=None,
            problem="",
        )
        if not taken:
            return False
        audit.record(
            action="delivery.resent",
            actor=actor,
            target=delivery,
            account_name=delivery.account_name,
            before={"state": delivery.state},
            after={"state": Delivery.State.QUEUED},
        )
        if delivery.forward_id is not None:
            delivery_signals.wake_forward_on_commit(delivery.forward_id)
        else:
            delivery_signals.wake_emails_on_commit()
    return True


def give_up_at(start: datetime) -> datetime:
    """Until when something that is first due at ``start`` is tried."""
    return start + timedelta(hours=settings.CONFIG["DELIVERY_RETRY_HOURS"])


def digest_time(digest: str, now: datetime) -> datetime:
    """When e-mails of now that are collected by ``digest`` are sent: the next full hour, or ``DIGEST_HOUR``."""
    zone = ZoneInfo(settings.TIME_ZONE)
    if digest == Rule.Digest.HOURLY:
        return now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    local = now.astimezone(zone)
    due = local.replace(hour=settings.CONFIG["DIGEST_HOUR"] % 24, minute=0, second=0, microsecond=0)
    return due if due > local else due + timedelta(days=1)


def _webhooks(rule: Rule, event: Event, notification: Notification, forwards: Iterable[Forward]) -> Iterable[Delivery]:
    now = timezone.now()
    for forward in forwards:
        its_id = uuid.uuid4()
        yield Delivery(
            uuid=its_id,
            channel=Delivery.Channel.WEBHOOK,
            forward=forward,
            rule=rule,
            event=event,
            kind=event.kind,
            account_name=event.account_name,
            key=f"webhook:{forward.pk}:{rule.pk}:{event.pk}",
            body=payloads.webhook_body(its_id, now, rule=rule, event=event, notification=notification),
            created_at=now,
            next_attempt_at=now,
            give_up_at=give_up_at(now),
        )


def _emails(rule: Rule, event: Event, notification: Notification) -> Iterable[Delivery]:
    addresses = emails.usable_addresses(rule.emails)
    if not addresses:
        return
    now = timezone.now()
    due = digest_time(rule.digest, now) if rule.digest else now
    due = quiet_end(rule, due) or due
    subject, text = emails.compose(rule=rule, event=event, notification=notification)
    for address in addresses:
        yield Delivery(
            channel=Delivery.Channel.EMAIL,
            email=address,
            rule=rule,
            event=event,
            kind=event.kind,
            account_name=event.account_name,
            key=emails.key_of(address, rule.pk, event.pk),
            digest=rule.digest,
            subject=subject,
            body=text,
            created_at=now,
            next_attempt_at=due,
            give_up_at=give_up_at(due),
        )
