"""Lines of the centre, made as the rules make them, without the rules."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from notifications.models import Event, Notification, NotificationItem, Rule

MakeLine = Callable[..., Notification]


@pytest.fixture
def rule(db: None) -> Rule:
    """A rule for everybody."""
    return Rule.objects.create(name="Everybody's", active=True, kinds=["IMEI_CHANGE"])


@pytest.fixture
def make_line(rule: Rule) -> MakeLine:
    """``make_line(sims=[…], **fields)``: a line with an event for each SIM, or one of the portal's own without."""
    numbers = itertools.count(1)

    def make(sims: list[Any] | None = None, **fields: Any) -> Notification:
        at = fields.pop("at", timezone.now() + timedelta(milliseconds=next(numbers)))
        account = sims[0].account_id if sims else ""
        values = {"rule": rule, "kind": "IMEI_CHANGE" if sims else "push_dead", "severity": "warning", "joins": False}
        line = Notification.objects.create(
            **{**values, "account_name": account, "first_at": at, "last_at": at, **fields},
            events=len(sims or [None]),
            sims=len(sims or []),
        )
        for sim in sims or [None]:
            event = Event.objects.create(
                kind=line.kind,
                key=str(next(numbers)),
                at=at,
                sim=sim,
                account_name=account,
                detail={"originalImei": "353270090000001", "targetImei": "353270090000002"} if sim else {},
                next_attempt_at=None,
            )
            NotificationItem.objects.create(notification=line, rule=line.rule, event=event, sim=sim, at=at)
        return line

    return make
