"""Applying the rules to what happened: lines of the notification centre, deliveries, proposed operations.

One transaction takes a batch of events, does everything that the rules say, and marks the events as done: whoever is
killed in it leaves them as they were. The rules concerned are locked in their order until its end, so that two
workers space, count and group as one would.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import structlog
from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from notifications.models import Event, Notification, NotificationItem, Rule
from notifications.services import deliveries, proposals
from notifications.services.facts import facts_of
from notifications.services.matching import Spacing, joins_line, matches
from sims.models import Sim

log = structlog.get_logger(__name__)

BATCH = 500
"""Events of one transaction."""
MOST_WITH_OPERATIONS = 25
"""Events of one transaction while a rule asks for operations, which hold their SIMs until it is committed."""
FIRST_RETRY, LONGEST_RETRY = timedelta(seconds=10), timedelta(hours=1)


def apply(event_id: int) -> bool:
    """Apply the rules to one event; ``False`` when it was done before, or another worker is about it.

    Harmless as often as one likes, and from many workers.
    """
    return len(_apply(_waiting().filter(pk=event_id), [])) == 1


def apply_due(most: int = 5000) -> int:
    """Apply the rules to events that are due, the longest waiting first; answers to how many, at most about ``most``.

    Events that another worker is about are left to it. One that no rule can digest is told in the log and comes again
    later; it holds up no other.
    """
    done = 0
    while done < most:
        due = _waiting().filter(next_attempt_at__lte=timezone.now()).order_by("next_attempt_at", "pk")[:BATCH]
        seen: list[int] = []
        try:
            number = len(_apply(due, seen))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is that of one event, found by taking each alone
            log.warning("events.batch_failed", events=len(seen), error=type(error).__name__)
            number = sum(_apply_alone(event_id) for event_id in seen)
        if not number:
            break
        done += number
    return done


def _waiting() -> QuerySet[Event]:
    return Event.objects.select_for_update(skip_locked=True).filter(next_attempt_at__isnull=False)


def _apply(waiting: QuerySet[Event], seen: list[int]) -> list[Event]:
    """Apply the rules to those of ``waiting`` that nobody else is about, all or nothing; answers them.

    Their numbers are put into ``seen`` before anything is done. It may do only the first of them, where more would
    keep people waiting.
    """
    with transaction.atomic():
        # In the order in which they were recorded.
        events = sorted(waiting, key=lambda event: event.pk)
        rules = _lock_rules({event.kind for event in events}) if events else []
        if any(rule.operation_kind for rule in rules):
            events = events[:MOST_WITH_OPERATIONS]
        seen += [event.pk for event in events]
        _fire(rules, events)
        Event.objects.filter(pk__in=seen).update(next_attempt_at=None)
    return events


def _apply_alone(event_id: int) -> bool:
    try:
        return apply(event_id)
    except Exception as error:  # noqa: BLE001 - as above: the event is kept and comes again
        log.warning("events.not_applied", event_id=event_id, error=type(error).__name__)
    now = timezone.now()
    event = Event.objects.filter(pk=event_id, next_attempt_at__isnull=False).only("recorded_at").first()
    if event is not None:
        # After a tenth of its age: within seconds at first, hourly in the end.
        wait = min(max((now - event.recorded_at) / 10, FIRST_RETRY), LONGEST_RETRY)
        Event.objects.filter(pk=event_id, next_attempt_at__isnull=False).update(next_attempt_at=now + wait)
    return True


def _lock_rules(kinds: set[str]) -> list[Rule]:
    """The rules switched on that ask for any of ``kinds``, as they are now and stay until the transaction ends."""
    known = Rule.objects.filter(active=True).values_list("pk", "kinds")
    wanted = [rule_id for rule_id, asked in known if not kinds.isdisjoint(asked)]
    if not wanted:
        return []
    rules = Rule.objects.select_for_update(no_key=True).filter(pk__in=wanted, active=True)
    return list(rules.order_by("pk").prefetch_related("forwards"))


def _fire(rules: Sequence[Rule], events: Sequence[Event]) -> None:
    facts = facts_of(events, rules) if rules else []
    before = NotificationItem.objects.filter(event__in=events, rule__in=rules).values_list("rule_id", "event_id")
    # What a rule took once it does not take again, should somebody have an event done anew.
    taken = set(before) if rules else set()
    for rule in rules:
        matched = [
            event
            for event, known in zip(events, facts, strict=True)
            if (rule.pk, event.pk) not in taken and matches(rule, known)
        ]
        spaced = _spaced(rule, matched)
        if spaced:
            _take(rule, spaced)


def _spaced(rule: Rule, events: Sequence[Event]) -> list[Event]:
    """The events that "at most one per SIM in" leaves, with what the rule took before in mind."""
    if not rule.once_per or not events:
        return list(events)
    period = timedelta(seconds=rule.once_per)
    times = [event.at for event in events]
    before = NotificationItem.objects.filter(
        rule=rule,
        sim_id__in={event.sim_id for event in events if event.sim_id is not None},
        at__gte=min(times) - period,
        at__lte=max(times) + period,
    )
    spacing = Spacing(rule.once_per, before.values_list("sim_id", "at"))
    return [event for event in events if spacing.take(event.sim_id, event.at)]


@dataclass
class _Line:
    """Events of a batch that one notification stands for, which is there already or not yet."""

    notification: Notification
    events: list[Event] = field(default_factory=list)


def _take(rule: Rule, events: Sequence[Event]) -> None:
    """Put the events into their lines, and do what the rule says for each."""
    items: list[NotificationItem] = []
    for line in _lines(rule, events):
        _write(line)
        items += [
            NotificationItem(notification=line.notification, rule=rule, event=event, sim_id=event.sim_id, at=event.at)
            for event in line.events
        ]
    items = NotificationItem.objects.bulk_create(items, batch_size=500)
    _follow(rule, items)


def _lines(rule: Rule, events: Iterable[Event]) -> Iterator[_Line]:
    """One line for the events of a kind and account within the window; none is joined that a person has closed."""
    groups: dict[tuple[str, str], list[Event]] = {}
    for event in events:
        groups.setdefault((event.kind, event.account_name), []).append(event)
    for (kind, account), members in groups.items():
        line = _open_line(rule, kind, account)
        for event in members:
            if line is None or not _takes(rule, line, event):
                if line is not None:
                    line.notification.joins = False
                    yield line
                line = _Line(_new_notification(rule, event))
            line.events.append(event)
        if line is not None:
            yield line


def _takes(rule: Rule, line: _Line, event: Event) -> bool:
    open_still = line.notification.state == Notification.State.OPEN
    return open_still and joins_line(rule, line.notification.first_at, event.recorded_at)


def _open_line(rule: Rule, kind: str, account: str) -> _Line | None:
    """The line that new events join. Locked, so that nobody closes it between the look and the joining."""
    lines = Notification.objects.select_for_update(no_key=True).filter(
        rule=rule, kind=kind, account_name=account, joins=True
    )
    notification = lines.first()
    return _Line(notification) if notification is not None else None


def _new_notification(rule: Rule, event: Event) -> Notification:
    return Notification(
        rule=rule,
        kind=event.kind,
        account_name=event.account_name,
        severity=rule.severity,
        first_at=event.recorded_at,
        joins=rule.group_within > 0,
    )


def _write(line: _Line) -> None:
    """Write the line and its counts. Its last time is now: whoever looked before this has not read it."""
    notification = line.notification
    now = timezone.now()
    sims = {event.sim_id for event in line.events if event.sim_id is not None}
    if notification.pk is None:
        notification.last_at = now
        notification.events, notification.sims = len(line.events), len(sims)
        notification.save()
        return
    known = NotificationItem.objects.filter(notification=notification, sim_id__in=sims)
    sims -= set(known.values_list("sim_id", flat=True))
    Notification.objects.filter(pk=notification.pk).update(
        events=F("events") + len(line.events),
        sims=F("sims") + len(sims),
        joins=notification.joins,
        **({"last_at": now} if line.events else {}),
    )


def _follow(rule: Rule, items: Sequence[NotificationItem]) -> None:
    """Deliveries and operations. Their SIMs are read for them alone, all at once."""
    sends = bool(rule.emails or rule.forwards.all())
    if not sends and not rule.operation_kind:
        return
    sims = Sim.objects.select_related("account", "plan").in_bulk({item.sim_id for item in items if item.sim_id})
    for item in items:
        if item.sim_id is not None:
            item.event.sim = sims[item.sim_id]
    if sends:
        deliveries.store_many(rule=rule, taken=[(item.event, item.notification) for item in items])
    # Always in the same order, so that two workers do not wait for each other's SIMs.
    for item in sorted(items, key=lambda item: item.sim_id or 0):
        proposals.propose(rule, item.event, item)
