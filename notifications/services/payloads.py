"""The body of an outgoing webhook, version 1; docs/webhooks.md promises it to those who receive it.

No secret, no text of a message, nothing that the notification centre would not show.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.conf import settings

from notifications import kinds
from notifications.models import Event, Notification, Rule

VERSION = 1


def webhook_body(its_id: UUID, created: datetime, *, rule: Rule, event: Event, notification: Notification) -> str:
    """What ``event`` is told as, once ``rule`` took it."""
    kind = kinds.KINDS.get(event.kind)
    return _json(
        {
            "version": VERSION,
            "id": str(its_id),
            "type": "notification",
            "created": _moment(created),
            "rule": {"id": rule.pk, "name": rule.name},
            "severity": str(notification.severity),
            "notification": {"id": notification.pk, "link": link(f"/notifications/{notification.pk}/")},
            "event": {
                "id": event.pk,
                "kind": event.kind,
                "label": kinds.label_of(event.kind),
                "at": _moment(event.at),
                "account": event.account_name or None,
                "value": event.value,
                "unit": str(kind.unit) if kind and event.value is not None and kind.unit else None,
                "text": kinds.describe(event.kind, event.value, event.detail),
                "detail": event.detail if isinstance(event.detail, dict) else {},
            },
            "sim": _sim(event),
            "link": link(f"/notifications/{notification.pk}/"),
        }
    )


def test_body(its_id: UUID, created: datetime) -> str:
    """What the test button sends."""
    return _json(
        {"version": VERSION, "id": str(its_id), "type": "test", "created": _moment(created), "link": link("/")}
    )


def link(path: str) -> str:
    """The address of a page of this portal, for people who are elsewhere."""
    base = settings.CONFIG["PORTAL_URL"]
    if not base:
        host = next((name for name in settings.ALLOWED_HOSTS if name != "*"), "localhost").lstrip(".")
        base = f"https://{host}"
    return base.rstrip("/") + path


def _sim(event: Event) -> dict[str, Any] | None:
    sim = event.sim
    if sim is None:
        return None
    return {
        "giccid": sim.giccid,
        "account": sim.account_id,
        "plan": sim.plan_id,
        "plan_name": sim.plan.name or None if sim.plan is not None else None,
        "label": sim.custom1 or None,
        "link": link(f"/sims/{sim.giccid}/"),
    }


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _json(content: dict[str, Any]) -> str:
    """As text that can be stored and sent: a carrier's text may hold half a character."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace").decode()
