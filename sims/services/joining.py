"""Which tellings are the same event. No database here: a function of what was told, whatever the order of arrival.

Four sources tell of a change: an operation of ours, the carrier's change log, a push, and a reading of the SIM
that differs from the one before. Each time something is told, all tellings of that SIM and kind are joined anew,
so late, doubled and swapped arrivals end in the same timeline.

The rules, for tellings with the same target value:

1. Each log entry is an event. Pushes are laid along the log, then operations along what there is, each within the
   window: as many as possible find a place, in their own order (never crossing), with the least distance in time.
   Values that two sources both know must agree (where from, which APN or subscription). Where from is not known to
   an operation, which has it from the mirror and the mirror may have been behind: one that certainly happened takes
   a change from elsewhere where there is no better one.
2. A reading says only that the value became this at some moment between two readings, perhaps by way of others. It
   goes to the last event with its target in that interval, which the window widens for the skew of clocks.
3. What finds no place is an event of its own. Two tellings of one source are never one event.
4. Failed changes are joined among each other and never with a success.
5. Custom fields have no log and no push: a reading is told by the operations that set what it shows, field by
   field, and only what none of them set is an event of its own.

Exact as long as the log is complete, the clocks differ by less than half the time between two equal transitions,
and by less than the window. Equal transitions within the window that different sources tell of (one only the
log, the other only a push) are taken for one; a flip and flop between two readings that nobody else tells of
leaves no trace.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

SUCCESS, SCHEDULED, FAILED, UNCLEAR = "success", "scheduled", "failed", "unclear"
CUSTOM_FIELDS = "custom_fields"
_MOST_CELLS = 40_000
_FURTHEST_CYCLE = timedelta(days=32)
_WHOLE_SECOND = timedelta(seconds=1)


class TellingSource(StrEnum):
    """Who tells; in the order in which their time and values are believed."""

    LOG = "log"
    PUSH = "push"
    OPERATION = "operation"
    READING = "reading"


@dataclass(frozen=True)
class Telling:
    """What one source told of one change. Times are aware UTC.

    ``key`` is the same for each copy of the telling. A reading has ``time`` of itself and ``after``, that of the
    reading before it. A scheduled operation may have ``until``, when it takes effect.
    """

    source: TellingSource
    key: str
    time: datetime
    from_value: str = ""
    to_value: str = ""
    subject: str = ""
    outcome: str = SUCCESS
    after: datetime | None = None
    until: datetime | None = None
    detail: dict[str, Any] = field(default_factory=dict)
    actor_id: int | None = None
    reason: str = ""
    ticket: str = ""

    @property
    def order(self) -> tuple[datetime, str, str]:
        """A total order in time, the same for the same set of tellings."""
        return (self.moment, self.from_value, self.key)

    @property
    def moment(self) -> datetime:
        """When it happened, for comparison with others: a scheduled change happens when it takes effect."""
        return self.until or self.time


@dataclass
class Event:
    """Tellings of one event; at most one of each source, but for readings of custom fields."""

    tellings: list[Telling] = field(default_factory=list)

    @property
    def keys(self) -> set[tuple[TellingSource, str]]:
        """Which tellings are in it."""
        return {(telling.source, telling.key) for telling in self.tellings}

    def of(self, source: TellingSource) -> Telling | None:
        """The telling of that source."""
        return next((telling for telling in self.tellings if telling.source == source), None)

    @property
    def best(self) -> Telling:
        """The telling whose time is believed: log, push, operation, reading."""
        ranks = list(TellingSource)
        return min(self.tellings, key=lambda telling: (ranks.index(telling.source), telling.order))

    @property
    def order(self) -> tuple[datetime, str, str]:
        """As :attr:`Telling.order`, of the best telling."""
        return self.best.order

    @property
    def at(self) -> datetime:
        """The event's time. One that is only scheduled stands where it was accepted.

        The carrier tells whole seconds. Where our own time is within one of them, it is the finer word for the same
        moment, and two changes of one second stand in their order.
        """
        best, operation = self.best, self.of(TellingSource.OPERATION)
        if operation is not None and not operation.until and abs(operation.time - best.time) <= _WHOLE_SECOND:
            return operation.time
        return best.time

    @property
    def from_value(self) -> str:
        """What it was before. The log's word is kept as it is; else the first that knows."""
        log = self.of(TellingSource.LOG)
        return log.from_value if log else self._first("from_value")

    @property
    def to_value(self) -> str:
        """What it became."""
        return self.best.to_value

    @property
    def subject(self) -> str:
        """What of the SIM changed, as far as anybody knows."""
        return self._first("subject")

    @property
    def outcome(self) -> str:
        """Failed, or seen at the carrier by anybody but ourselves, or as our operation says."""
        told = [telling.outcome for telling in self.tellings]
        if FAILED in told:
            return FAILED
        operation = self.of(TellingSource.OPERATION)
        seen = [telling.outcome for telling in self.tellings if telling is not operation]
        if SUCCESS in seen:
            return SUCCESS
        return operation.outcome if operation else UNCLEAR

    def _first(self, name: str) -> str:
        ranks = list(TellingSource)
        ordered = sorted(self.tellings, key=lambda telling: (ranks.index(telling.source), telling.order))
        return next((getattr(telling, name) for telling in ordered if getattr(telling, name)), "")


Cost = Callable[[Event, Telling], float | None]
"""Seconds of distance, or ``None`` where the two can't be one event."""


def join(kind: str, tellings: Iterable[Telling], *, window: timedelta) -> list[Event]:
    """The events that ``tellings`` of one SIM and one kind of change stand for, each telling in exactly one."""
    good: list[Telling] = []
    bad: list[Telling] = []
    for telling in sorted(tellings, key=lambda telling: (telling.source, telling.order)):
        (bad if telling.outcome == FAILED else good).append(telling)
    if kind == CUSTOM_FIELDS:
        return _join_custom_fields(good, window) + [Event([telling]) for telling in bad]
    return _join_by_target(good, window) + _join_by_target(bad, window)


def _join_by_target(tellings: Sequence[Telling], window: timedelta) -> list[Event]:
    groups: dict[str, list[Telling]] = defaultdict(list)
    for telling in tellings:
        groups[telling.to_value].append(telling)
    events = []
    for target in sorted(groups):
        found: list[Event] = []
        for source in TellingSource:
            own = sorted((t for t in groups[target] if t.source == source), key=lambda t: t.order)
            cost = _reading_cost(window) if source == TellingSource.READING else _point_cost(window)
            found = _lay_along(found, own, cost)
        events.extend(found)
    return events


def _point_cost(window: timedelta) -> Cost:
    limit = window.total_seconds()

    def cost(event: Event, telling: Telling) -> float | None:
        if _disagree(event.subject, telling.subject):
            return None
        if not _disagree(event.from_value, telling.from_value):
            return distance(event, telling)
        happened = telling.source == TellingSource.OPERATION and (telling.outcome == SUCCESS or telling.until)
        seconds = distance(event, telling) if happened else None
        return None if seconds is None else _FURTHEST_CYCLE.total_seconds() + seconds

    def distance(event: Event, telling: Telling) -> float | None:
        moment = event.best.moment
        if telling.outcome == SCHEDULED and telling.until is None:
            # Accepted for the turn of a cycle that nobody told us: the first such change from now on.
            late = (moment - telling.time).total_seconds()
            return max(late, 0.0) if -limit <= late <= _FURTHEST_CYCLE.total_seconds() else None
        seconds = abs((moment - telling.moment).total_seconds())
        return seconds if seconds <= limit else None

    return cost


def _reading_cost(window: timedelta) -> Cost:
    limit = window.total_seconds()

    def cost(event: Event, reading: Telling) -> float | None:
        if _disagree(event.subject, reading.subject):
            return None
        moment = event.best.moment
        before = (moment - reading.time).total_seconds()
        if before > 0:
            return 1.0 + before if before <= limit else None
        if reading.after is None:
            return 0.0
        after = (reading.after - moment).total_seconds()
        if after > 0:
            return 1.0 + after if after <= limit else None
        # Inside the interval: the later one, for it made the value that was read.
        whole = (reading.time - reading.after).total_seconds()
        return -before / whole if whole else 0.0

    return cost


def _disagree(one: str, other: str) -> bool:
    return bool(one and other and one != other)


def _lay_along(events: list[Event], tellings: list[Telling], cost: Cost) -> list[Event]:
    """Put ``tellings`` (in order) into ``events``; those without a place become events of their own."""
    events = sorted(events, key=lambda event: event.order)
    if len(events) * len(tellings) > _MOST_CELLS:
        pairs = _nearest(events, tellings, cost)
    else:
        pairs = _align(events, tellings, cost)
    for position, telling in enumerate(tellings):
        if position in pairs:
            events[pairs[position]].tellings.append(telling)
        else:
            events.append(Event([telling]))
    return events


def _align(events: list[Event], tellings: list[Telling], cost: Cost) -> dict[int, int]:
    """Most pairs, then least cost, without crossing: {place in tellings: place in events}."""
    width = len(events) + 1
    # (minus the pairs, cost) of the best alignment of the first i tellings with the first j events.
    best: list[list[tuple[int, float]]] = [[(0, 0.0)] * width]
    paired: list[list[bool]] = [[False] * width]
    for telling in tellings:
        above = best[-1]
        row, marks = [above[0]], [False]
        for j, event in enumerate(events, start=1):
            choice, mark = min(row[j - 1], above[j]), False
            seconds = cost(event, telling)
            if seconds is not None:
                pair = (above[j - 1][0] - 1, above[j - 1][1] + seconds)
                if pair < choice:
                    choice, mark = pair, True
            row.append(choice)
            marks.append(mark)
        best.append(row)
        paired.append(marks)
    pairs: dict[int, int] = {}
    i, j = len(tellings), len(events)
    while i and j:
        if paired[i][j]:
            i, j = i - 1, j - 1
            pairs[i] = j
        elif best[i][j] == best[i][j - 1]:
            j -= 1
        else:
            i -= 1
    return pairs


def _nearest(events: list[Event], tellings: list[Telling], cost: Cost) -> dict[int, int]:
    """The nearest pairs first: for histories so busy that an exact alignment would take too long."""
    offers = sorted(
        (seconds, i, j)
        for i, telling in enumerate(tellings)
        for j, event in enumerate(events)
        if (seconds := cost(event, telling)) is not None
    )
    pairs: dict[int, int] = {}
    taken: set[int] = set()
    for _, i, j in offers:
        if i not in pairs and j not in taken:
            pairs[i] = j
            taken.add(j)
    return pairs


def _join_custom_fields(tellings: Sequence[Telling], window: timedelta) -> list[Event]:
    events = [Event([telling]) for telling in tellings if telling.source != TellingSource.READING]
    events.sort(key=lambda event: event.order)
    own: list[Event] = []
    for reading in (telling for telling in tellings if telling.source == TellingSource.READING):
        inside = [event for event in events if _within(event.best, reading, window)]
        if inside and not untold_changes(reading, [event.best for event in inside]):
            covering = [event for event in inside if _sets_any(event.best, reading)]
            covering[-1].tellings.append(reading)
        else:
            own.append(Event([reading]))
    return events + own


def untold_changes(reading: Telling, operations: Iterable[Telling]) -> dict[str, Any]:
    """The custom fields of a reading that none of ``operations`` set to what was read: {field: [old, new]}."""
    changes: dict[str, Any] = dict(reading.detail.get("changes", {}))
    for operation in operations:
        for name, (_, new) in operation.detail.get("changes", {}).items():
            if name in changes and changes[name][1] == new:
                del changes[name]
    return changes


def told_within(reading: Telling, tellings: Iterable[Telling], window: timedelta) -> list[Telling]:
    """The operations among ``tellings`` that may be behind what ``reading`` shows."""
    return [
        telling
        for telling in tellings
        if telling.source == TellingSource.OPERATION and telling.outcome != FAILED and _within(telling, reading, window)
    ]


def _within(telling: Telling, reading: Telling, window: timedelta) -> bool:
    start = reading.after if reading.after is not None else reading.time
    return start - window <= telling.time <= reading.time + window


def _sets_any(operation: Telling, reading: Telling) -> bool:
    return untold_changes(reading, [operation]) != reading.detail.get("changes", {})
