"""Keeping which SIMs have messages, and which is the newest of each."""

from __future__ import annotations

from collections.abc import Sequence

from sms.models import Conversation, Message


def add_many(messages: Sequence[Message]) -> list[Message]:
    """Store messages of different SIMs, in the caller's transaction; a fixed number of queries."""
    stored = Message.objects.bulk_create(messages)
    # In the order of the SIMs, as everybody locks them.
    newest = sorted(stored, key=lambda message: message.sim_id)
    Conversation.objects.bulk_create(
        [Conversation(sim_id=message.sim_id, last=message, last_at=message.at) for message in newest],
        update_conflicts=True,
        unique_fields=["sim"],
        update_fields=["last", "last_at"],
    )
    return stored


def note_message(message: Message) -> None:
    """A message was stored that may be older than the newest one."""
    made = Conversation(sim_id=message.sim_id, last=message, last_at=message.at)
    Conversation.objects.bulk_create([made], ignore_conflicts=True)
    Conversation.objects.filter(sim_id=message.sim_id, last_at__lt=message.at).update(last=message, last_at=message.at)
