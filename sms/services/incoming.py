"""What the carrier's pushes say of messages. Their text is personal data: it goes into the record and nowhere else."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from core.pushes import PushEvent, PushProblem
from sims.models import Sim, TimelineEvent
from sims.services import timeline
from sims.services.mirror import Source
from sims.services.refresh import read_sim
from sims.services.values import clean
from smarthub import Lane
from smarthub.errors import NotFound
from smarthub.values import is_giccid, parse_time
from sms.models import Message
from sms.services.conversations import note_message
from sms.services.delivery import BY_STATUS, note_status

_MOST_CODING = 255


def receive_message(event: PushEvent) -> str:
    """Keep a message that a device sent (``MO_SMS``), once however many copies of the push come.

    Raises :class:`~core.pushes.PushProblem` for an unknown SIM, a missing text, or an id that another SIM's message
    has. All fields of the push are assumed: ``smsMsgId``, ``fromGiccid``, ``messageText``, ``dataCoding``,
    ``receivedTime``.
    """
    text = event.body.get("messageText")
    if not isinstance(text, str):
        raise PushProblem("messageText is missing.")
    sim = _sim(event)
    at = _not_to_come(event, _time(event.body.get("receivedTime")) or event.event_time)
    carrier_id = _carrier_id(event)
    with transaction.atomic():
        message, created = Message.objects.get_or_create(
            direction=Message.Direction.MO,
            carrier_id=carrier_id,
            defaults={
                "sim": sim,
                "text": clean(text),
                "coding": _coding(event.body.get("dataCoding")),
                "at": at,
            },
        )
        if message.sim_id != sim.pk:
            raise PushProblem(f"smsMsgId is that of message #{message.pk}, which is another SIM's.")
        if created:
            note_message(message)
        timeline.record_plain(
            sim=sim,
            kind=TimelineEvent.Kind.SMS,
            at=message.at,
            # Not the push's own key: a second push with the same message is the same entry.
            push_key=hashlib.sha256(f"mo {carrier_id}".encode()).hexdigest(),
            detail={"direction": "mo", "message_id": message.pk},
        )
    return f"message #{message.pk}" if created else f"message #{message.pk}, known already"


def note_delivery(event: PushEvent) -> str:
    """The state of a message that was sent (``MT_SMS_STATUS_REPORT``).

    Idempotent, and the order of reports does not matter. Raises :class:`~core.pushes.PushProblem` as long as the
    portal knows no such message, which is so for a moment when the report is faster than the carrier's answer to the
    sending: the push is tried again and can be replayed. All fields are assumed: ``smsMsgId``, ``toGiccid``,
    ``status``, ``reportTime``.
    """
    carrier_id = _wire_text(event.body.get("smsMsgId"))
    if not carrier_id:
        raise PushProblem("smsMsgId is missing.")
    status = _wire_text(event.body.get("status"))
    if not status:
        raise PushProblem("status is missing.")
    sent = Message.objects.select_related("operation__sim", "sim")
    message = sent.filter(direction=Message.Direction.MT, carrier_id=carrier_id[:80]).first()
    if message is None:
        raise PushProblem("The portal sent no message with this smsMsgId.")
    told = _wire_text(event.body.get("toGiccid")) or event.giccid
    if told and told != message.sim.giccid:
        raise PushProblem(f"toGiccid is not the SIM of message #{message.pk}.")
    if status not in BY_STATUS:
        return f"message #{message.pk}: the contract knows no status {status[:40]}"
    with transaction.atomic():
        news = note_status(message, status, _time(event.body.get("reportTime")) or event.event_time)
    return f"message #{message.pk} {status}" + ("" if news else ", known already or outdated")


def _sim(event: PushEvent) -> Sim:
    """The SIM the push is about; one the mirror does not know yet is asked for at the carrier, once."""
    giccid = _wire_text(event.body.get("fromGiccid")) or event.giccid
    if not giccid:
        raise PushProblem("fromGiccid is missing.")
    if not is_giccid(giccid):
        raise PushProblem("fromGiccid is not a giccid of 19 or 20 digits.")
    known = Sim.objects.filter(giccid=giccid).first()
    if known is not None:
        return known
    try:
        read_sim(giccid, lane=Lane.PUSH, source=Source.PUSH)
    except NotFound:
        raise PushProblem("Neither the portal nor the carrier knows this SIM.") from None
    return Sim.objects.get(giccid=giccid)


def _carrier_id(event: PushEvent) -> str:
    """The message's id; without one the push's key stands in, so that copies of the push stay one message."""
    told = _wire_text(event.body.get("smsMsgId"))
    if told and len(told) <= 80:
        return told
    return "push:" + hashlib.sha256((told or event.key).encode()).hexdigest()


def _not_to_come(event: PushEvent, told: datetime) -> datetime:
    """``told``, but not after the push came: a wrong clock would keep a message the newest, and its text, for good."""
    return min(told, event.received_at or timezone.now())


def _wire_text(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return clean(value).strip() if isinstance(value, str) else ""


def _coding(value: Any) -> int | None:
    """The data coding (0 operator default, 1 ASCII, 4 binary); ``None`` for what is not a small number."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 3:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= _MOST_CODING else None


def _time(value: Any) -> datetime | None:
    try:
        return parse_time(value).astimezone(UTC)
    except ValueError:
        return None
