"""What pushes, events and what left the portal hold of a SIM's personal data, to be erased."""

from __future__ import annotations

from django.db.models import Q

from core.erasing import Part, Subject, changing, cutting, setting
from notifications.models import (
    Delivery,
    DeliveryAttempt,
    Event,
    Notification,
    NotificationItem,
    Push,
    Rule,
)
from staff.models import User

_UNFINISHED = (Push.State.RECEIVED, Push.State.FAILED)


def parts(subject: Subject) -> list[Part]:
    """Of the SIMs: bodies of pushes, devices in events, bodies of webhooks and e-mails; and the numbers wherever they
    stand. What is still being worked with is left, and told."""
    pushes = Push.objects.filter(giccid__in=subject.giccids).exclude(body="", result="", problem="")
    working = Q(state__in=_UNFINISHED)
    deliveries = Delivery.objects.filter(event__sim__in=subject.sims).exclude(subject="", body="", problem="")
    queued = Q(state=Delivery.State.QUEUED)
    answers = DeliveryAttempt.objects.filter(delivery__event__sim__in=subject.sims).exclude(answer="", problem="")
    events = Event.objects.filter(sim__in=subject.sims).exclude(detail={})
    numbers = subject.numbers
    return [
        Part(
            "body, result, problem",
            pushes.exclude(working),
            setting(body="", result="", problem=""),
            waits=pushes.filter(working),
        ),
        Part(
            "detail",
            events.filter(next_attempt_at=None),
            setting(detail={}),
            waits=events.exclude(next_attempt_at=None),
        ),
        Part(
            "subject, body, problem",
            deliveries.exclude(queued),
            setting(subject="", body="", problem=""),
            waits=deliveries.filter(queued),
        ),
        Part("answer, problem", answers, setting(answer="", problem="")),
        *cutting(Push, ["body", "result", "problem"], numbers, ~working),
        *cutting(Event, ["detail"], numbers),
        *cutting(NotificationItem, ["proposal_refused"], numbers),
        *cutting(Notification, ["note"], numbers),
        *cutting(Delivery, ["subject", "body", "problem"], numbers, ~queued),
        *cutting(DeliveryAttempt, ["answer", "problem"], numbers),
    ]


def parts_of_user(user: User) -> list[Part]:
    """Their address where mail went to it, and where rules send it."""
    if not user.email:
        return []
    mails = Delivery.objects.filter(email__iexact=user.email)
    queued = Q(state=Delivery.State.QUEUED)
    # An address is a text of its own in the list; SQLite can't look into it.
    rules = [rule.pk for rule in Rule.objects.exclude(emails=[]) if user.email.lower() in map(str.lower, rule.emails)]

    def take_out(rule: Rule) -> None:
        rule.emails = [address for address in rule.emails if address.lower() != user.email.lower()]

    return [
        Part("email", mails.exclude(queued), setting(email=""), waits=mails.filter(queued)),
        Part("emails", Rule.objects.filter(pk__in=rules), changing(("emails",), take_out)),
    ]
