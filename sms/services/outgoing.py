"""Messages to devices: rows made with their operations, and what the carrier's yes says of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import structlog
from django.db import IntegrityError, transaction
from django.utils import timezone

from operations.models import Operation
from smarthub import SmartHub, errors
from sms.models import Draft, Message
from sms.placeholders import fill
from sms.services import conversations, delivery
from sms.services.texts import Composed, compose, tpvp_of, wire_text

log = structlog.get_logger(__name__)

_LONGEST_ID = 80


def store_single(operation: Operation, composed: Composed, validity: int | None) -> Message:
    """The message of one operation, in the transaction that stores it."""
    return conversations.add_many([_message(operation, composed, validity)])[0]


def store_many(operations: Sequence[Operation], draft: Draft) -> None:
    """The messages of a job's operations, each with the values of its SIM filled in."""
    conversations.add_many(
        [
            _message(operation, compose(fill(draft.text, operation.sim), draft.coding), draft.validity)
            for operation in operations
        ]
    )


def _message(operation: Operation, composed: Composed, validity: int | None) -> Message:
    return Message(
        sim_id=operation.sim_id,
        direction=Message.Direction.MT,
        text=composed.text,
        coding=int(composed.coding),
        validity=validity,
        operation=operation,
        at=operation.created_at,
    )


def send(client: SmartHub, operation: Operation) -> dict[str, Any]:
    """The one call. NOT idempotent: two calls are two messages (documented). Raises errors of ``smarthub.errors``."""
    message = Message.objects.filter(operation=operation).first()
    if message is None or message.text_removed_at is not None or message.coding is None:
        raise errors.Rejected("text_removed", call="send_sms")
    answer = client.send_sms(
        operation.sim.giccid,
        wire_text(message.text, message.coding),
        data_coding=message.coding,
        tpvp=tpvp_of(message.validity),
    )
    return {"sms_id": answer.sms_id, "status": answer.status or ""}


def note_accepted(operation: Operation, result: Mapping[str, Any]) -> None:
    """The carrier took the message; from now on its delivery is waited for."""
    now = timezone.now()
    carrier_id = str(result.get("sms_id") or "")
    rows = Message.objects.filter(operation=operation)
    values = {
        "delivery": Message.Delivery.PENDING,
        "reported_at": now,
        "next_poll_at": now + timedelta(seconds=delivery.FIRST_POLL),
    }
    try:
        with transaction.atomic():
            rows.update(carrier_id=carrier_id if len(carrier_id) <= _LONGEST_ID else "", **values)
    except IntegrityError:
        # The carrier gave an id twice: without one nobody can ask, and the message says so.
        log.warning("sms.id_twice", operation=operation.pk)
        rows.update(**values)
    status = str(result.get("status") or "")
    message = rows.exclude(carrier_id="").first()
    if message is None:
        rows.update(next_poll_at=None)
    elif status:
        delivery.note_status(message, status, None)
