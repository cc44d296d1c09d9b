"""Which rules an event is for, and when a rule keeps quiet. Pure, so that a trial and the real thing can't differ.

:func:`matches` looks at the conditions, :class:`Spacing` at "at most one per SIM in", :func:`joins_line` at the window
of a line of the notification centre, :func:`quiet_end` at the quiet hours.
"""

from __future__ import annotations

import bisect
import zoneinfo
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from notifications.models import Rule, Severity
from sims.models.tag import tag_key


@dataclass(frozen=True)
class Facts:
    """What conditions are compared with."""

    kind: str
    account_name: str = ""
    """Empty: the portal's own affair."""
    plan_code: str = ""
    """The SIM's basic rate plan when it happened."""
    tags: frozenset[str] = frozenset()
    """The keys (``sims.models.tag.tag_key``) of the SIM's tags when the rules are applied."""
    value: float | None = None
    """The figure in the kind's unit."""


def matches(rule: Rule, facts: Facts) -> bool:
    """Whether the conditions of ``rule`` hold; one left empty always does. Whether it is switched on is not asked.

    A threshold is reached by a figure equal to or above it; an event without a figure never reaches one.
    """
    return (
        facts.kind in rule.kinds
        and (not rule.accounts or facts.account_name in rule.accounts)
        and (not rule.plans or facts.plan_code in rule.plans)
        and (not rule.tags or not facts.tags.isdisjoint(map(tag_key, rule.tags)))
        and (rule.threshold is None or (facts.value is not None and facts.value >= rule.threshold))
    )


class Spacing:
    """At most one event of a SIM within ``seconds``, by the time at which the events happened, whichever way round
    they come: an event is taken unless one that was taken lies nearer than that, before or after it.

    Events without a SIM, and all events with ``seconds`` of 0, are taken.
    """

    def __init__(self, seconds: int, taken: Iterable[tuple[int, datetime]] = ()) -> None:
        self.period = timedelta(seconds=seconds)
        self._taken: dict[int, list[datetime]] = {}
        for sim_id, at in sorted(taken):
            self._taken.setdefault(sim_id, []).append(at)

    def take(self, sim_id: int | None, at: datetime) -> bool:
        """Whether an event of that SIM at that time counts; if so, it is remembered."""
        if sim_id is None or not self.period:
            return True
        times = self._taken.setdefault(sim_id, [])
        place = bisect.bisect_left(times, at)
        near = times[max(place - 1, 0) : place + 1]
        if any(abs(at - other) < self.period for other in near):
            return False
        times.insert(place, at)
        return True


def joins_line(rule: Rule, first_at: datetime, recorded_at: datetime) -> bool:
    """Whether an event recorded then belongs to the line whose first event was recorded at ``first_at``.

    Workers that record at the same time number events in another order than that of their times: one that comes
    after the first of its line may be older by a little.
    """
    return rule.group_within > 0 and recorded_at - first_at < timedelta(seconds=rule.group_within)


def quiet_end(rule: Rule, at: datetime) -> datetime | None:
    """When the quiet hours end in which ``at`` lies, aware in UTC; ``None`` outside of them.

    In quiet hours e-mails wait; notifications, webhooks and operations do not. The gravest severity knows no quiet
    hours. They are by the clock on the wall of the rule's zone: where it jumps over their end, they end with the
    jump, and an hour that comes twice is quiet twice.
    """
    if rule.severity == Severity.CRITICAL or not _is_quiet(rule, at):
        return None
    assert rule.quiet_until is not None  # tells the type checker
    zone = _zone(rule)
    today = at.astimezone(zone).date()
    ends = sorted(
        datetime.combine(today + timedelta(days=day), rule.quiet_until, zone).replace(fold=fold).astimezone(UTC)
        for day in (0, 1)
        for fold in (0, 1)
    )
    end = next(end for end in ends if end > at and not _is_quiet(rule, end))
    if end.astimezone(zone).time() == rule.quiet_until:
        return end
    # The clock jumped over the end. It was quiet before the jump and is not after it.
    quiet, loud = at.astimezone(UTC), end
    while loud - quiet > timedelta(seconds=1):
        middle = quiet + (loud - quiet) / 2
        quiet, loud = (middle, loud) if _is_quiet(rule, middle) else (quiet, middle)
    return loud.replace(microsecond=0)


def _is_quiet(rule: Rule, at: datetime) -> bool:
    starts, ends = rule.quiet_from, rule.quiet_until
    if starts is None or ends is None or starts == ends:
        return False
    now: time = at.astimezone(_zone(rule)).time()
    return starts <= now < ends if starts < ends else now >= starts or now < ends


def _zone(rule: Rule) -> zoneinfo.ZoneInfo:
    """The rule's zone; a name that this machine does not know counts as UTC."""
    try:
        return zoneinfo.ZoneInfo(rule.quiet_zone or "UTC")
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        return zoneinfo.ZoneInfo("UTC")
