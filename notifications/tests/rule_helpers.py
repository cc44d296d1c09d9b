"""Events and rules as tests want them: straight into the database, without a teller."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

from django.utils import timezone

from core.facts import ask
from notifications.models import Event, Rule
from notifications.selectors import centre
from sims.models import Sim
from staff.models import User

_numbers = itertools.count(1)
USAGE, DEVICE = "CYCLE_USAGE_TRACKING", "IMEI_CHANGE"


def make_rule(**fields: Any) -> Rule:
    """A rule on usage, switched on, whose events all count; ``roles``, ``users`` and ``forwards`` are rows."""
    many = {name: fields.pop(name) for name in ("roles", "users", "forwards") if name in fields}
    number = next(_numbers)
    rule = Rule.objects.create(**{"name": f"rule {number}", "active": True, "kinds": [USAGE], **fields})
    for name, rows in many.items():
        getattr(rule, name).set(rows)
    return rule


def make_event(sim: Sim | None = None, *, ago: float = 0, **fields: Any) -> Event:
    """An event of usage that the rules were not applied to yet, ``ago`` seconds old."""
    at = timezone.now() - timedelta(seconds=ago)
    known = {"sim": sim, "account_name": sim.account_id, "plan_code": sim.plan_id or ""} if sim else {}
    return Event.objects.create(
        **{"kind": USAGE, "key": f"event {next(_numbers)}", "at": at, "recorded_at": at, **known, **fields}
    )


def unread_count(user: User) -> int:
    """What the badge of ``user`` says."""
    [number] = ask(user, centre.unread_count(user))
    return int(number)
