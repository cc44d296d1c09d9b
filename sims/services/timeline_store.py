"""Writes the timeline's rows: what is told goes into the row of its event, wherever the joining puts it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, OuterRef, Q, Subquery

from sims.models import Sim, TimelineEvent
from sims.services import joining, tallies
from sims.services.joining import Event, Telling, TellingSource

_MARGIN = timedelta(days=1)
_MENDED_AT_ONCE = 500
_WRITTEN = (
    "account_name",
    "at",
    "from_value",
    "to_value",
    "subject",
    "outcome",
    "detail",
    "operation_id",
    "actor_id",
    "reason",
    "ticket",
    "log_time",
    "push_key",
    "push_time",
    "observed_after",
    "observed_at",
    "tellings",
)


@dataclass(frozen=True)
class Told:
    """A telling and what it is about."""

    sim_id: int
    kind: str
    telling: Telling


@dataclass
class _Changes:
    create: list[TimelineEvent] = field(default_factory=list)
    update: list[TimelineEvent] = field(default_factory=list)
    delete: list[TimelineEvent] = field(default_factory=list)
    moved: list[int] = field(default_factory=list)
    states: dict[int, TimelineEvent] = field(default_factory=dict)
    accounts: dict[int, str] = field(default_factory=dict)
    """Of each SIM, as it is while the SIMs are locked."""
    tallies: tallies.Changes = field(default_factory=tallies.Changes)


def window() -> timedelta:
    """Within which tellings of different sources may be one event (``TIMELINE_JOIN_WINDOW``)."""
    return timedelta(seconds=settings.CONFIG["TIMELINE_JOIN_WINDOW"])


def integrate(told: Sequence[Told]) -> int:
    """Join what was told into the timeline; answers how many tellings were new or said something else than before.

    Runs in one transaction with the SIMs locked in the order of giccid. The number of queries does not depend on
    how much was told.
    """
    if not told:
        return 0
    with transaction.atomic():
        sims = lock_sims({item.sim_id for item in told})
        by_place = _rows_by_place(told)
        changes = _Changes(accounts={sim.pk: sim.account_id for sim in sims})
        news = 0
        groups: dict[tuple[int, str], list[Telling]] = defaultdict(list)
        for item in told:
            groups[item.sim_id, item.kind].append(item.telling)
        for place in sorted(groups):
            news += _rejoin(place, by_place.get(place, []), groups[place], changes)
        _write(changes)
        _settle_states(changes.states)
        changes.tallies.store()
    return news


def lock_sims(sim_ids: Collection[int]) -> list[Sim]:
    """Lock these SIMs (PostgreSQL; SQLite has one writer anyway), always in the order of giccid: no deadlock."""
    rows = Sim.objects.select_for_update(no_key=True).filter(pk__in=sorted(sim_ids)).order_by("giccid")
    return list(rows.only("id", "giccid", "account_id"))


def move_events(sims: Iterable[Sim]) -> None:
    """Have the events of ``sims``, which are stored with another account than before, go with them.

    In the caller's transaction, which holds the lock on the SIMs. A number of queries that does not depend on how
    many they are.
    """
    accounts = {sim.pk: sim.account_id for sim in sims}
    if not accounts:
        return
    changes = tallies.Changes()
    events = TimelineEvent.objects.filter(sim_id__in=list(accounts))
    columns = ("sim_id", *tallies.EVENT_COLUMNS)
    for sim_id, *values in events.filter(tallies.counted_events()).values_list(*columns):
        before = dict(zip(tallies.EVENT_COLUMNS, values, strict=True))
        changes.event(before, -1)
        changes.event(before | {"account_name": accounts[sim_id]}, 1)
    events.update(account_name=Subquery(Sim.objects.filter(pk=OuterRef("sim_id")).values("account_id")))
    changes.store()


def mend_accounts() -> int:
    """Give events whose SIM has another account than they say the SIM's; answers of how many SIMs there were some.

    A check for once a day that looks at every event: one that is told of by the way while its SIM moves (an SMS, a
    note) may say the account before.
    """
    astray = TimelineEvent.objects.exclude(account_name=F("sim__account_id")).order_by("sim_id")
    mended = 0
    while sims := list(astray.values_list("sim_id", flat=True).distinct()[:_MENDED_AT_ONCE]):
        with transaction.atomic():
            move_events(lock_sims(sims))
        mended += len(sims)
    return mended


def _rows_by_place(told: Sequence[Told]) -> dict[tuple[int, str], list[TimelineEvent]]:
    """The rows that may have to do with what was told, by SIM and kind."""
    since = min(item.telling.after or item.telling.time for item in told) - 2 * window() - _MARGIN
    operations = [int(t.telling.key) for t in told if t.telling.source == TellingSource.OPERATION]
    near = Q(at__gte=since) | Q(observed_at__gte=since) | Q(outcome=joining.SCHEDULED)
    rows = TimelineEvent.objects.filter(
        near | Q(operation_id__in=operations),
        sim_id__in={item.sim_id for item in told},
        kind__in={item.kind for item in told},
    ).order_by("id")
    found: dict[tuple[int, str], list[TimelineEvent]] = defaultdict(list)
    for row in rows:
        # A row without tellings is a plain one, such as a push's news: nothing joins it.
        if row.tellings:
            found[row.sim_id, row.kind].append(row)
    return found


def _rejoin(place: tuple[int, str], rows: list[TimelineEvent], told: list[Telling], changes: _Changes) -> int:
    """Work out the events of one SIM and kind anew and note which rows change; answers how much was news."""
    known: dict[tuple[TellingSource, str], Telling] = {}
    home: dict[tuple[TellingSource, str], TimelineEvent] = {}
    for row in rows:
        for telling in _tellings(row):
            known[telling.source, telling.key] = telling
            home[telling.source, telling.key] = row
    news: set[tuple[TellingSource, str]] = set()
    for telling in told:
        before = known.get((telling.source, telling.key))
        merged = _later(before, telling) if before else telling
        if merged != before:
            known[telling.source, telling.key] = merged
            news.add((telling.source, telling.key))
    if not news:
        return 0
    homes = {row.pk: {(t["source"], t["key"]) for t in row.tellings} for row in rows}
    events = joining.join(place[1], known.values(), window=window())
    free = {row.pk: row for row in rows}
    waiting: list[Event] = []
    for event in sorted(events, key=lambda event: event.order):
        if (kept := _row_for(event, home, free)) is None:
            waiting.append(event)
        elif place[1] == joining.CUSTOM_FIELDS or (said := event.keys) != homes[kept.pk] or said & news:
            # What one event of custom fields shows depends on the others too.
            _note(kept, event, known.values(), changes)
    for event in waiting:
        _note(TimelineEvent(sim_id=place[0], kind=place[1]), event, known.values(), changes)
    for row in free.values():
        changes.delete.append(row)
        changes.tallies.event(vars(row), -1)
    if place[1] == TimelineEvent.Kind.STATUS:
        _note_state(place[0], events, changes)
    return len(news)


def _later(before: Telling, telling: Telling) -> Telling:
    """What holds after a source told again: the first time stays, the rest is what it says now."""
    if telling.source != TellingSource.OPERATION:
        return replace(telling, time=before.time, after=before.after) if telling.outcome != before.outcome else before
    until = telling.until or before.until
    if before.outcome == joining.SCHEDULED and telling.outcome != joining.SCHEDULED and until is None:
        until = telling.time
    return replace(telling, time=before.time, until=until, from_value=telling.from_value or before.from_value)


def _row_for(
    event: Event, home: dict[tuple[TellingSource, str], TimelineEvent], free: dict[int, TimelineEvent]
) -> TimelineEvent | None:
    for source in (TellingSource.OPERATION, TellingSource.LOG, TellingSource.PUSH, TellingSource.READING):
        for telling in event.tellings:
            row = home.get((telling.source, telling.key)) if telling.source == source else None
            if row is not None and row.pk in free:
                return free.pop(row.pk)
    return None


def _note(row: TimelineEvent, event: Event, known: Iterable[Telling], changes: _Changes) -> None:
    before = {name: getattr(row, name) for name in _WRITTEN}
    after = {"account_name": changes.accounts[row.sim_id], **_values(row.kind, event, known)}
    if row.pk is not None and before == after:
        return
    for name, value in after.items():
        setattr(row, name, value)
    changes.tallies.event(vars(row), 1)
    if row.pk is None:
        changes.create.append(row)
        return
    changes.tallies.event({"kind": row.kind, **before}, -1)
    changes.update.append(row)
    if any(before[name] != after[name] and before[name] for name in ("operation_id", "log_time", "push_key")):
        changes.moved.append(row.pk)


def _note_state(sim_id: int, events: list[Event], changes: _Changes) -> None:
    done = [event for event in events if event.outcome == joining.SUCCESS]
    if done:
        last = max(done, key=lambda event: (event.at, event.order))
        changes.states[sim_id] = TimelineEvent(sim_id=sim_id, to_value=last.to_value, at=last.at)


def _write(changes: _Changes) -> None:
    if changes.delete:
        TimelineEvent.objects.filter(pk__in=[row.pk for row in changes.delete]).delete()
    if changes.moved:
        # Two rows may swap their log entries: for a moment nobody holds them, for they are unique.
        TimelineEvent.objects.filter(pk__in=changes.moved).update(operation_id=None, log_time=None, push_key=None)
    if changes.update:
        # An upsert on the key: an UPDATE of so many columns with a CASE for each takes seconds of a batch job.
        TimelineEvent.objects.bulk_create(
            changes.update,
            update_conflicts=True,
            unique_fields=["id"],
            update_fields=[name.removesuffix("_id") if name == "actor_id" else name for name in _WRITTEN],
        )
    if changes.create:
        TimelineEvent.objects.bulk_create(changes.create)


def _settle_states(states: dict[int, TimelineEvent]) -> None:
    """Since when a SIM is in its state is the time of the event that made it so, once somebody tells it better."""
    if not states:
        return
    moved = []
    for sim in Sim.objects.filter(pk__in=list(states)).only("id", "status", "status_changed_at"):
        event = states[sim.pk]
        if event.to_value == sim.status and event.at != sim.status_changed_at:
            sim.status_changed_at = event.at
            moved.append(sim)
    if moved:
        Sim.objects.bulk_update(moved, ["status_changed_at"])


def _values(kind: str, event: Event, known: Iterable[Telling]) -> dict[str, Any]:
    operation = event.of(TellingSource.OPERATION)
    log = event.of(TellingSource.LOG)
    push = event.of(TellingSource.PUSH)
    reading = event.of(TellingSource.READING)
    detail: dict[str, Any] = {}
    for telling in (reading, log, push, operation):
        detail.update(telling.detail if telling else {})
    if kind == joining.CUSTOM_FIELDS and reading and operation is None:
        behind = joining.told_within(reading, known, window())
        detail["changes"] = joining.untold_changes(reading, behind)
    return {
        "at": event.at,
        "from_value": event.from_value,
        "to_value": event.to_value,
        "subject": event.subject,
        "outcome": event.outcome,
        "detail": detail,
        "operation_id": int(operation.key) if operation else None,
        "actor_id": operation.actor_id if operation else None,
        "reason": operation.reason if operation else "",
        "ticket": operation.ticket if operation else "",
        "log_time": log.time if log else None,
        "push_key": push.key if push else None,
        "push_time": push.time if push else None,
        "observed_after": reading.after if reading else None,
        "observed_at": reading.time if reading else None,
        "tellings": [_as_json(telling) for telling in event.tellings],
    }


def _as_json(telling: Telling) -> dict[str, Any]:
    """A telling as the row keeps it; who asked and why stand in columns."""
    values: dict[str, Any] = {
        "source": str(telling.source),
        "key": telling.key,
        "time": telling.time.isoformat(),
        "from": telling.from_value,
        "to": telling.to_value,
        "subject": telling.subject,
        "outcome": telling.outcome,
        "after": telling.after.isoformat() if telling.after else None,
        "until": telling.until.isoformat() if telling.until else None,
        "detail": telling.detail,
    }
    return {name: value for name, value in values.items() if value}


def _tellings(row: TimelineEvent) -> list[Telling]:
    found = []
    for item in row.tellings:
        source = TellingSource(item["source"])
        own = source == TellingSource.OPERATION
        found.append(
            Telling(
                source=source,
                key=item["key"],
                time=datetime.fromisoformat(item["time"]),
                from_value=item.get("from", ""),
                to_value=item.get("to", ""),
                subject=item.get("subject", ""),
                outcome=item["outcome"],
                after=datetime.fromisoformat(item["after"]) if "after" in item else None,
                until=datetime.fromisoformat(item["until"]) if "until" in item else None,
                detail=item.get("detail", {}),
                actor_id=row.actor_id if own else None,
                reason=row.reason if own else "",
                ticket=row.ticket if own else "",
            )
        )
    return found
