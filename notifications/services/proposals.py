"""Operations that rules ask for: proposed for approval, or sent at once where an administrator has allowed it.

Only kinds that can be taken back are offered. Retiring is final, buying a plan and sending a message cost money and
can't be undone: those are decisions of a person who looks at the SIM.
"""

from __future__ import annotations

from notifications.models import Event, NotificationItem, Rule
from operations.models import Operation

KINDS = ("activate", "suspend", "change_plan", "set_apn")
"""Kinds of operation that a rule may ask for."""


def propose(rule: Rule, event: Event, item: NotificationItem) -> Operation | None:
    """Ask for the rule's operation on the event's SIM, in the caller's transaction, and note it in ``item``.

    ``None`` when the rule asks for none, the event has no SIM, or something stands against it: then the sentence is
    in ``item.proposal_refused``. Once per rule and event.
    """
    return None
