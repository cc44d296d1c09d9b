"""Trying a rule on what happened in the last days: the same matching as the real thing, without effect."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import islice

from django.contrib.auth.models import AnonymousUser
from django.utils import timezone

from notifications.models import Event, Rule
from notifications.services.facts import facts_of
from notifications.services.matching import Spacing, joins_line, matches
from staff.models import User
from staff.scopes import scoped

DAYS = (7, 30, 90)
MOST_EVENTS = 100_000
"""Events that one trial looks at, the newest ones."""
CHUNK = 2000
SAMPLE = 20
"""Events shown, the newest ones."""


@dataclass
class Day:
    """What the rule would have made on one day, by the clock of whoever looks."""

    date: date
    events: int = 0
    lines: int = 0


@dataclass
class Trial:
    """What a rule would have made of the events of the last days."""

    days: int
    looked_at: int = 0
    """Events of the rule's kinds in that time that the user may see."""
    capped: bool = False
    """Whether there were more than :data:`MOST_EVENTS`."""
    events: int = 0
    lines: int = 0
    sims: int = 0
    emails: int = 0
    webhooks: int = 0
    operations: int = 0
    """Events for which an operation would have been asked for; where the SIM had one open already, in vain."""
    operation_sims: int = 0
    by_day: list[Day] = field(default_factory=list)
    """Every day, the oldest first."""
    sample: list[Event] = field(default_factory=list)
    """The newest events, newest first."""

    @property
    def most(self) -> int:
        """Events on the fullest day, at least 1."""
        return max([day.events for day in self.by_day] + [1])


def walk(rule: Rule, events: Iterable[Event]) -> Iterator[tuple[Event, int]]:
    """The events that ``rule`` takes of ``events`` in the order of their recording, each with the number of its line.

    As :mod:`notifications.services.firing` would have it, had the rule been switched on and new before the first, and
    had nobody closed a line.
    """
    spacing = Spacing(rule.once_per)
    open_lines: dict[tuple[str, str], tuple[datetime, int]] = {}
    lines = 0
    queue = iter(events)
    while chunk := list(islice(queue, CHUNK)):
        for event, facts in zip(chunk, facts_of(chunk, [rule]), strict=True):
            if not matches(rule, facts) or not spacing.take(event.sim_id, event.at):
                continue
            key = (event.kind, event.account_name)
            known = open_lines.get(key)
            if known is None or not joins_line(rule, known[0], event.recorded_at):
                lines += 1
                known = open_lines[key] = (event.recorded_at, lines)
            yield event, known[1]


def try_rule(rule: Rule, *, days: int, user: User | AnonymousUser) -> Trial:
    """Try ``rule`` on the events of the last ``days`` that ``user`` may see. Writes nothing.

    Tags are those of today; all else is as it was then.
    """
    now = timezone.now()
    trial = Trial(days)
    recent = scoped(Event.objects.all(), user, account="account_name")
    recent = recent.filter(recorded_at__gt=now - timedelta(days=days), kind__in=rule.kinds)
    beyond = recent.order_by("-pk").values_list("pk", flat=True)[MOST_EVENTS : MOST_EVENTS + 1].first()
    if beyond is not None:
        trial.capped = True
        recent = recent.filter(pk__gt=beyond)
    trial.looked_at = recent.count()
    _count(rule, trial, recent.defer("detail").order_by("pk").iterator(chunk_size=CHUNK), now)
    wanted = [event.pk for event in trial.sample]
    trial.sample = list(Event.objects.filter(pk__in=wanted).select_related("sim").order_by("-pk"))
    return trial


def _count(rule: Rule, trial: Trial, events: Iterable[Event], now: datetime) -> None:
    days = [timezone.localdate(now) - timedelta(days=back) for back in range(trial.days, -1, -1)]
    taken: Counter[date] = Counter()
    opened: Counter[date] = Counter()
    sims: set[int] = set()
    for event, line in walk(rule, events):
        day = max(timezone.localdate(event.recorded_at), days[0])
        taken[day] += 1
        if line > trial.lines:
            trial.lines = line
            opened[day] += 1
        if event.sim_id is not None:
            sims.add(event.sim_id)
            trial.operations += bool(rule.operation_kind)
        trial.sample = [*trial.sample[1 - SAMPLE :], event]
    trial.events, trial.sims = taken.total(), len(sims)
    trial.operation_sims = len(sims) if rule.operation_kind else 0
    trial.emails = trial.events * len(rule.emails)
    trial.webhooks = trial.events * rule.forwards.filter(active=True).count()
    trial.by_day = [Day(day, taken[day], opened[day]) for day in days]
