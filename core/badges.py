"""Word and tone of each state on screen: one table, so that a state looks the same on every page."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True, eq=False)
class Badge:
    """Each is equal to itself alone: what is made of one is kept by it.

    ``tone`` is one of ``ok``, ``info``, ``warn``, ``bad``, ``neutral``, ``off``, ``busy`` (docs/ui.md)."""

    tone: str
    label: Promise


SIM_STATUSES: dict[str, Badge] = {
    "ACTIVATED": Badge("ok", _("Activated")),
    "DEACTIVATED": Badge("warn", _("Suspended")),
    "INVENTORY": Badge("neutral", _("Inventory")),
    "TEST_READY": Badge("info", _("Test ready")),
    "RETIRED": Badge("off", _("Retired")),
}

OPERATION_STATES: dict[str, Badge] = {
    "awaiting_approval": Badge("info", _("Awaiting approval")),
    "queued": Badge("busy", _("Queued")),
    "sending": Badge("busy", _("Sending")),
    "accepted": Badge("busy", _("Accepted")),
    "unknown": Badge("warn", _("Checking")),
    "done": Badge("ok", _("Done")),
    "failed": Badge("bad", _("Failed")),
    "needs_attention": Badge("bad", _("Needs attention")),
    "cancelled": Badge("neutral", _("Cancelled")),
    "expired": Badge("neutral", _("Expired")),
}

RUN_STATES: dict[str, Badge] = {
    "waiting": Badge("busy", _("Waiting")),
    "received": Badge("busy", _("Received")),
    "running": Badge("busy", _("Running")),
    "done": Badge("ok", _("Done")),
    "processed": Badge("ok", _("Done")),
    "failed": Badge("bad", _("Failed")),
    "dead": Badge("bad", _("Given up")),
    "rejected": Badge("neutral", _("Refused")),
    "retry": Badge("warn", _("To be tried again")),
    "unused": Badge("neutral", _("Kept")),
    "ignored": Badge("neutral", _("Kept")),
}

SEVERITIES: dict[str, Badge] = {
    "info": Badge("info", _("Information")),
    "warning": Badge("warn", _("Warning")),
    "critical": Badge("bad", _("Critical")),
}

SWITCHES: dict[str, Badge] = {
    "on": Badge("ok", _("On")),
    "off": Badge("neutral", _("Off")),
}

DELIVERY_STATES: dict[str, Badge] = {
    "queued": Badge("busy", _("Queued")),
    "delivered": Badge("ok", _("Delivered")),
    "failed": Badge("bad", _("Given up")),
    "collected": Badge("neutral", _("In a collected e-mail")),
}

FORWARD_STATES: dict[str, Badge] = {
    "working": Badge("ok", _("Working")),
    "failing": Badge("warn", _("Failing")),
    "paused": Badge("bad", _("Paused")),
    "off": Badge("neutral", _("Off")),
}

MESSAGE_STATES: dict[str, Badge] = {
    "queued": Badge("busy", _("Queued")),
    "sending": Badge("busy", _("Sending")),
    "pending": Badge("busy", _("On its way")),
    "delivered": Badge("ok", _("Delivered")),
    "failed": Badge("bad", _("Not delivered")),
    "carrier_unknown": Badge("warn", _("Unknown to the carrier")),
    "needs_attention": Badge("bad", _("Needs attention")),
    "expired": Badge("neutral", _("Expired")),
    "received": Badge("info", _("Received")),
}
