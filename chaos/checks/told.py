"""What the carrier pushed, and whom the portal told of it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from chaos.carrier import Truth
from chaos.checks.findings import Finding
from chaos.receiver import Receiver
from chaos.rules import EVERYTHING, TOLD, TOLD_KINDS

_NEWS = ("CYCLE_USAGE_TRACKING", "NO_SESSION_CONNECTION", "PREPAID_SERVICE_PACKAGE_EXPIRED")


def pushes(truth: Truth) -> Iterator[Finding]:
    """Each push that arrived was stored and done; each was done once in effect."""
    from notifications.models import Event, Push
    from sims.models import TimelineEvent
    from sms.models import Message

    sent: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in truth.pushes():
        sent[row["body"]["eventId"]].append(row)
    stored: dict[str, list[tuple[int, str, str]]] = defaultdict(list)
    for pk, key, state, problem in Push.objects.values_list("pk", "key", "state", "problem"):
        stored[key].append((pk, state, problem))
    known = set(Message.objects.filter(direction="mt").values_list("carrier_id", flat=True))
    entries = Counter(TimelineEvent.objects.exclude(push_key=None).values_list("push_key", flat=True))
    events = Counter(key.rpartition(":")[2] for key in Event.objects.values_list("key", flat=True))
    devices = Counter(Message.objects.filter(direction="mo").values_list("carrier_id", flat=True))
    for key, rows in sent.items():
        body = rows[0]["body"]
        kind, states = body["eventType"], [row["state"] for row in rows]
        yield Finding.checked("pushes sent by the carrier, copies counted", len(rows))
        yield Finding.checked("pushes lost on their way", states.count("lost"))
        yield Finding.checked("pushes doubled on their way", len(rows) - 1)
        arrived = [state for _pk, state, _problem in stored[key]]
        yield Finding.checked("pushes stored", len(arrived))
        if "delivered" not in states:
            continue
        of_unknown = kind == "MT_SMS_STATUS_REPORT" and body["smsMsgId"] not in known
        if not arrived:
            yield Finding.offender(f"taken, but not stored: {body}")
        elif set(arrived) != {"done"} and not (of_unknown and set(arrived) <= {"dead", "done"}):
            yield Finding.offender(f"not done: {stored[key]} {body}")
        if kind in _NEWS and (entries[key], events[key]) != (1, 1):
            yield Finding.offender(f"{entries[key]} timeline entries and {events[key]} events of {body}")
        if kind == "MO_SMS" and (devices[body["smsMsgId"]], events[key]) != (1, 1):
            yield Finding.offender(f"{devices[body['smsMsgId']]} messages and {events[key]} events of {body}")
    for key in stored.keys() - sent.keys():
        yield Finding.offender(f"the carrier never sent {stored[key]}")


def notifications(receiver: Receiver) -> Iterator[Finding]:
    """Each rule took each of its events once, and other systems were told of each once."""
    from notifications.models import Delivery, Event, NotificationItem, Rule

    for name, kinds in ((EVERYTHING, None), (TOLD, TOLD_KINDS)):
        rule = Rule.objects.get(name=name)
        wanted = Event.objects.filter(kind__in=kinds) if kinds else Event.objects.all()
        items = Counter(NotificationItem.objects.filter(rule=rule).values_list("event", flat=True))
        yield Finding.checked("events of notifications", sum(items.values()))
        for pk, kind, key in wanted.values_list("pk", "kind", "key"):
            if items[pk] != 1:
                yield Finding.offender(f"rule “{name}” took event {pk} ({kind} {key}) {items[pk]} times")
    told = Counter(Delivery.objects.filter(rule__name=TOLD).values_list("event", flat=True))
    for pk in Event.objects.filter(kind__in=TOLD_KINDS).values_list("pk", flat=True):
        if told[pk] != 1:
            yield Finding.offender(f"{told[pk]} webhooks of event {pk}")
    for ident, state, attempts in Delivery.objects.values_list("uuid", "state", "attempts"):
        yield Finding.checked("webhooks", 1)
        taken = receiver.taken[str(ident)]
        if state != "delivered" or not taken:
            yield Finding.offender(f"webhook {ident} is {state}, and was taken {taken} times")
        elif taken > 1 and attempts < taken:
            yield Finding.offender(f"webhook {ident} was taken {taken} times in {attempts} attempts")
        yield Finding.checked("webhooks taken again after a lost answer", taken - 1 if taken else 0)
