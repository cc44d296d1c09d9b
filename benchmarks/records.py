"""What stands around a make-believe fleet: people, operations, pushes, messages, notifications, tags, plans added."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import Group
from django.utils import timezone

from benchmarks.fleet import ACCOUNTS, EXTRA_PLAN, first_key, giccid, moments, write
from notifications.models import Event, Notification, NotificationItem, Push, PushSource, Rule
from operations.models import Operation
from sims.models import Sim, SimTag, Subscription, Tag
from sms.models import Conversation, Message
from staff.models import User

MOST = 20_000
"""Of each kind of record; a small fleet has one a SIM."""
TAGS = ("vip", "field test", "returned")
PEOPLE = {"agent": "Agent", "administrator": "Administrator"}
"""Names of users and their roles; they see all accounts."""
SUPERUSER = "root"
"""Who sees Django's own admin site."""


def number_of(fleet: int) -> int:
    """Records of each kind that stand around so many SIMs."""
    return min(fleet, MOST)


def build(fleet: int) -> None:
    """All of it, for the SIMs that :func:`benchmarks.fleet.build` has made."""
    first = first_key(Sim, fleet)
    people()
    write(SimTag, _tags(fleet, first))
    write(Subscription, _subscriptions(fleet, first))
    write(Operation, _operations(fleet, first))
    write(Push, _pushes(fleet))
    write(Message, _messages(fleet, first))
    write(Conversation, _conversations(fleet, first, first_key(Message, number_of(fleet))))
    _notifications(fleet, first)


def people() -> None:
    """One of each role that is asked as, without passwords: nobody signs in by the form."""
    for name, role in PEOPLE.items():
        User.objects.create_user(name, password=None, all_accounts=True).groups.add(Group.objects.get(name=role))
    User.objects.create_superuser(SUPERUSER, password=None, all_accounts=True)


def _spread(fleet: int) -> Iterator[tuple[int, int]]:
    """Numbers of records, and the index of a SIM for each: all over the fleet, in no order."""
    for number in range(number_of(fleet)):
        yield number, number * 7919 % fleet


def _ago(now: datetime, number: int) -> datetime:
    """Rising with the number, as rows come: a month, the last one just now."""
    return now - timedelta(seconds=(MOST - number) * 130)


def _tags(fleet: int, first: int) -> Iterator[dict[str, Any]]:
    keys = [Tag.objects.create(name=name, key=name).pk for name in TAGS]
    for place, key in enumerate(keys):
        for index in range(place, fleet, 100):
            yield {"sim_id": first + index, "giccid": giccid(index), "tag_id": key}


def _subscriptions(fleet: int, first: int) -> Iterator[dict[str, Any]]:
    moment, now = moments(), timezone.now()
    until = moment(now + timedelta(days=20))
    for index in range(0, fleet, 50):
        names = {"carrier_id": f"sub-{index}", "plan_id": EXTRA_PLAN, "status": "ACTIVE"}
        yield {
            "sim_id": first + index,
            "giccid": giccid(index),
            **names,
            "activated_at": moment(now - timedelta(days=10)),
            "expires_at": until,
        }


def _operations(fleet: int, first: int) -> Iterator[dict[str, Any]]:
    choice, moment, now = random.Random(3), moments(), timezone.now()
    actor = User.objects.get(username="agent").pk
    states = ["done"] * 90 + ["failed"] * 6 + ["cancelled"] * 3 + ["needs_attention"]
    for number, index in _spread(fleet):
        at = moment(_ago(now, number))
        yield {
            "sim_id": first + index,
            "kind": choice.choice(("activate", "suspend", "change_plan", "set_apn")),
            "params": json.dumps({"plan": "PLAN-01", "apn": "iot.example", "apn_status": "ENABLED"}),
            "state": choice.choice(states),
            "actor_id": actor,
            "reason": "asked for by the customer",
            "ticket": f"T-{number}",
            "created_at": at,
            "next_attempt_at": None,
            "finished_at": at,
            "sends": 1,
        }


def _pushes(fleet: int) -> Iterator[dict[str, Any]]:
    choice, moment, now = random.Random(4), moments(), timezone.now()
    source = PushSource.objects.create(name="benchmark", token_digest="0" * 64).pk
    states = ["done"] * 95 + ["ignored"] * 3 + ["failed", "dead"]
    for number, index in _spread(fleet):
        at = moment(_ago(now, number))
        yield {
            "source_id": source,
            "path_kind": "sim-status-change",
            "kind": choice.choice(("SIM_STATUS_CHANGE", "IMEI_CHANGE", "CYCLE_USAGE_TRACKING")),
            "giccid": giccid(index),
            "account_name": ACCOUNTS[index % 4 % 3],
            "key": f"push-{number}",
            "body": json.dumps({"giccid": giccid(index), "filler": "x" * 400}),
            "state": choice.choice(states),
            "received_at": at,
            "attempts": 1,
            "next_attempt_at": None,
            "finished_at": at,
        }


def _messages(fleet: int, first: int) -> Iterator[dict[str, Any]]:
    moment, now = moments(), timezone.now()
    for number, index in _spread(fleet):
        is_sent = number % 3 == 0
        yield {
            "sim_id": first + index,
            "direction": "mt" if is_sent else "mo",
            "carrier_id": f"sms-{number}",
            "text": f"reading {number}: all is well",
            "at": moment(_ago(now, number)),
            "delivery": "delivered" if is_sent else "",
        }


def _conversations(fleet: int, first: int, first_message: int) -> Iterator[dict[str, Any]]:
    """The newest message of each SIM that has some."""
    moment, now = moments(), timezone.now()
    newest = {index: number for number, index in _spread(fleet)}
    for index, number in sorted(newest.items()):
        yield {"sim_id": first + index, "last_id": first_message + number, "last_at": moment(_ago(now, number))}


def _notifications(fleet: int, first: int) -> None:
    """A line with one event each; a third of them open."""
    moment, now = moments(), timezone.now()
    rules = [(rule.pk, rule.kinds[0]) for rule in Rule.objects.filter(roles=None).order_by("pk")]
    closer = User.objects.get(username="agent").pk

    def events() -> Iterator[dict[str, Any]]:
        for number, index in _spread(fleet):
            at = moment(_ago(now, number))
            about = {"sim_id": first + index, "account_name": ACCOUNTS[index % 4 % 3], "next_attempt_at": None}
            yield {"kind": rules[number % len(rules)][1], "key": f"k-{number}", "at": at, "recorded_at": at, **about}

    def lines() -> Iterator[dict[str, Any]]:
        for number, index in _spread(fleet):
            at, (rule, kind) = moment(_ago(now, number)), rules[number % len(rules)]
            closed = {"state": "closed", "closed_at": at, "closed_by_id": closer} if number % 3 else {"state": "open"}
            times = {"first_at": at, "last_at": at, "events": 1, "sims": 1, "joins": False, "severity": "warning"}
            yield {"rule_id": rule, "kind": kind, "account_name": ACCOUNTS[index % 4 % 3], **times, **closed}

    write(Event, events())
    write(Notification, lines())
    first_event, first_line = (first_key(model, number_of(fleet)) for model in (Event, Notification))

    def items() -> Iterator[dict[str, Any]]:
        for number, index in _spread(fleet):
            keys = {"notification_id": first_line + number, "event_id": first_event + number, "sim_id": first + index}
            yield {**keys, "rule_id": rules[number % len(rules)][0], "at": moment(_ago(now, number))}

    write(NotificationItem, items())
