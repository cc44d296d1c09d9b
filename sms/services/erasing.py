"""Texts of messages, to be erased. That there was a message stays, as when its time is over."""

from __future__ import annotations

from django.db.models import Q
from django.utils import timezone

from core.erasing import Part, Subject, cutting, setting
from operations.models import Operation
from sms.models import Draft, Message, MessageTemplate


def parts(subject: Subject) -> list[Part]:
    """The texts of the SIMs' messages; and the numbers in texts of others. What is yet to be sent keeps its own."""
    waiting = Q(operation__state__in=Operation.OPEN_STATES)
    messages = Message.objects.filter(sim__in=subject.sims, text_removed_at__isnull=True)
    return [
        Part(
            "text",
            messages.exclude(waiting),
            setting(text="", text_removed_at=timezone.now()),
            waits=messages.filter(waiting),
        ),
        *cutting(Message, ["text"], subject.numbers, ~waiting),
        *cutting(Draft, ["text"], subject.numbers),
        *cutting(MessageTemplate, ["text"], subject.numbers),
    ]
