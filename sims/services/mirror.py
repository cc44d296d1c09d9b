"""The one way into the mirror: readings of SIMs, whoever made them, become rows and timeline events."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from operator import itemgetter
from typing import Any

from django.db import transaction
from django.db.models import Model
from django.utils import timezone

from core import bulk
from core.bulk import Json, among, bare
from sims.models import Account, RatePlan, SharePool, Sim, SimReading, TimelineEvent
from sims.models.sim import CUSTOM_FIELDS
from sims.services import heads, newcomers, timeline
from sims.services import reading as readings
from sims.services.newcomers import Newcomer
from sims.services.reading import Received
from sims.services.stubs import ensure_stubs
from sims.services.subscriptions import store_subscriptions
from sims.services.tallies import Changes, facts_of
from sims.services.timeline_store import Told, move_events
from sims.services.usage.record import Moved, has_moved, record
from smarthub import contract

AT_ONCE = 1000
"""SIMs in one transaction at most."""
_TRIES = 3
# Two readings under way at the same time may be answered in either order; longer than any call lasts.
_OVERLAP = timedelta(minutes=2)
_COLUMNS = [field.attname for field in Sim._meta.concrete_fields]
_UPDATED = [name for name in _COLUMNS if name not in ("id", "giccid", "first_seen_at", "status_changed_at")]
_OF_POOL = ("account_id", "plan_id")
_REST = [name for name in _COLUMNS if name not in (*heads.COLUMNS, "search")]
"""What else a change is compared with and told from; the search text is made anew."""


_Same = dict[datetime, list[int]]
"""Ids of rows that are as they were, by the time at which that was read."""


class Source(StrEnum):
    """Why the SIM was read."""

    WALK = "walk"
    CHANGES = "changes"
    PUSH = "push"
    PAGE = "page"
    READ_BACK = "read_back"


@dataclass(frozen=True)
class ApplyResult:
    """How many SIMs were new, changed, the same, or read before what the mirror already holds.

    ``problems`` counts single values that were cut or left out because no column holds them, and SIMs that could not
    be read at all.
    """

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    stale: int = 0
    problems: int = 0

    def __add__(self, other: ApplyResult) -> ApplyResult:
        """Both together."""
        return ApplyResult(
            self.new + other.new,
            self.changed + other.changed,
            self.unchanged + other.unchanged,
            self.stale + other.stale,
            self.problems + other.problems,
        )


def apply(snapshots: Sequence[contract.Sim], *, source: Source, observed_at: datetime) -> ApplyResult:
    """Bring the mirror to what ``snapshots`` say. ``observed_at`` is the time just before the request was sent.

    Idempotent and proof against any order: a snapshot older than the row's own reading changes nothing. Only rows
    that differ are written; differences of state, plan, device, APNs, custom fields and supplementary plans are told
    to the timeline, but for a SIM seen for the first time. Unknown accounts, plans and pools become stubs. Each
    chunk (:func:`chunks`) is one short transaction with a number of queries that does not depend on its length.
    """
    page = [Received(snapshot.raw, observed_at, snapshot) for snapshot in snapshots]
    return sum((apply_chunk(chunk, source=source) for chunk in chunks([page])), ApplyResult())


def chunks(pages: Iterable[Sequence[Received]]) -> Iterator[list[Received]]:
    """What came, page after page, as the lists that :func:`apply_chunk` takes one after the other.

    Each is in the order of giccid, with a SIM at most once: of what one page tells of a SIM twice the newer holds,
    and what a later page tells of it again belongs to a later chunk. All SIMs of a page were asked for at one time.
    """
    gathered: dict[str, Received] = {}
    for page in pages:
        newest = _newest(page)
        if gathered and (len(gathered) + len(newest) > AT_ONCE or not gathered.keys().isdisjoint(newest)):
            yield from _cut(gathered)
            gathered = {}
        gathered |= newest
    yield from _cut(gathered)


def _newest(page: Sequence[Received]) -> dict[str, Received]:
    newest: dict[str, Received] = {}
    for received in page:
        known = newest.get(received.giccid)
        if known is None or (received.is_readable() and not (known.is_readable() and _is_newer(known, received))):
            newest[received.giccid] = received
    return newest


def _is_newer(one: Received, other: Received) -> bool:
    first, second = one.snapshot.updated_time, other.snapshot.updated_time
    return bool(first and second and first > second)


def _cut(gathered: dict[str, Received]) -> Iterator[list[Received]]:
    ordered = [gathered[giccid] for giccid in sorted(gathered)]
    for start in range(0, len(ordered), AT_ONCE):
        yield ordered[start : start + AT_ONCE]


def apply_chunk(chunk: Sequence[Received], *, source: Source) -> ApplyResult:
    """:func:`apply` for one of :func:`chunks`, all of it or nothing. Each SIM keeps its own time of reading."""
    for attempt in range(_TRIES):
        try:
            with transaction.atomic():
                return _Chunk(chunk, source).apply()
        except _MetMeanwhile:
            if attempt == _TRIES - 1:
                raise
    raise AssertionError("not reached")


def mark_missing(giccids: Iterable[str], *, asked_at: datetime) -> int:
    """Note that the carrier, asked at ``asked_at``, does not know these SIMs; answers how many that was news of.

    A SIM that was read since then is left alone. Nothing is deleted; a SIM seen again is unmarked by :func:`apply`.
    """
    with transaction.atomic():
        rows = list(
            Sim.objects.select_for_update(no_key=True)
            .filter(giccid__in=sorted(giccids), missing_since=None, observed_at__lt=asked_at)
            .order_by("giccid")
            .only("id", "giccid", "account_id")
        )
        Sim.objects.filter(pk__in=[row.pk for row in rows]).update(missing_since=asked_at, changed_at=timezone.now())
        TimelineEvent.objects.bulk_create(_presence(row, "missing", asked_at) for row in rows)
    return len(rows)


class _MetMeanwhile(Exception):
    """Another process stored a SIM that was new to us; done again, it is a row like any other."""


def _presence(sim: Sim, what: str, at: datetime) -> TimelineEvent:
    return TimelineEvent(
        sim=sim,
        account_name=sim.account_id,
        kind=TimelineEvent.Kind.NOTIFICATION,
        at=at,
        subject="presence",
        to_value=what,
        detail={"event": what},
    )


class _Chunk:
    """The work of one transaction."""

    def __init__(self, chunk: Sequence[Received], source: Source) -> None:
        self.received = {received.giccid: received for received in chunk}
        self.source = source
        self.now = timezone.now()
        self.problems = 0
        self.told: list[Told] = []
        self.events: list[TimelineEvent] = []
        self.moved: list[Moved] = []
        self.tallies = Changes()
        self.elsewhere: list[Sim] = []
        """Those that have another account than before."""
        self.named: list[Sim] = []
        """Those that name another account, plan or pool than before."""

    def apply(self) -> ApplyResult:
        found = heads.lock(self.received, str(self.source))
        others, stale = self._compare(found.heads)
        changed, same = self._changed(others)
        new = self._new([received for received in found.strangers if self._is_readable(received)])
        self._stubs(new)
        # Before the SIMs are written: it may mark some of them.
        record(self.moved)
        if changed:
            bulk.upsert(Sim, _COLUMNS, [_all(row) for row, _ in changed], key="id", update=_UPDATED)
        heads.renew(same, str(self.source))
        created = self._create(new)
        self._keep_readings(new, changed)
        move_events(self.elsewhere)
        subs = [(row, self.received[row.giccid].snapshot, True) for row in created]
        subs += [(row, self.received[row.giccid].snapshot, False) for row, _ in changed]
        self.told += store_subscriptions(subs, before=dict(changed))
        timeline.record_observed(self.told)
        TimelineEvent.objects.bulk_create(self.events)
        self.tallies.store()
        unchanged = found.unchanged + sum(map(len, same.values()))
        return ApplyResult(len(created), len(changed), unchanged, stale, self.problems)

    def _is_readable(self, received: Received) -> bool:
        readable = received.is_readable()
        self.problems += not readable
        return readable

    def _compare(self, found: Iterable[Any]) -> tuple[list[Sim], int]:
        """Rows that have to be looked at, and how many others were newer."""
        others = []
        stale = 0
        for head in found:
            received = self.received[head.giccid]
            if received.observed_at < head.observed_at:
                stale += 1
            elif not self._is_readable(received):
                continue
            elif _was_answered_before(head, received):
                stale += 1
            else:
                others.append(head)
        return list(bare(Sim, heads.COLUMNS, others)), stale

    def _changed(self, others: list[Sim]) -> tuple[list[tuple[Sim, datetime]], _Same]:
        """The rows that differ, with the time of their last reading; and those that do not."""
        changed: list[tuple[Sim, datetime]] = []
        same: _Same = defaultdict(list)
        if not others:
            return changed, same
        rest = Sim.objects.filter(among("id", [head.pk for head in others])).order_by("giccid")
        for row, values in zip(others, rest.values_list(*_REST), strict=True):
            row.__dict__.update(zip(_REST, values, strict=True))
            before, received = row.observed_at, self.received[row.giccid]
            if self._differs(row, received):
                row.observed_at, row.observed_by = received.observed_at, str(self.source)
                row.changed_at = self.now
                changed.append((row, before))
            else:
                same[received.observed_at].append(row.pk)
        return changed, same

    def _differs(self, row: Sim, received: Received) -> bool:
        """Put the reading into the row; whether anything is other than before. Notes events for the timeline."""
        reading, at = received.reading, received.observed_at
        self.problems += reading.problems
        put = dict(reading.columns)
        if "pool_id" not in put and any(put.get(name, getattr(row, name)) != getattr(row, name) for name in _OF_POOL):
            # A pool is one of an account and a plan: with another one and no word of a pool, it is in none.
            put["pool_id"] = None
        apns = readings.merged_apns(reading.snapshot, row.apns)
        if apns is not None:
            put["apns"], put["apn_state"] = apns, readings.apn_state(apns)
        before = {name: getattr(row, name) for name in put}
        if before == put and row.missing_since is None:
            return False
        counted = facts_of(row)
        for name, value in put.items():
            setattr(row, name, value)
        if row.missing_since is not None:
            row.missing_since = None
            self.events.append(_presence(row, "seen_again", at))
        row.quota_percent = readings.quota_percent(row.data_usage, row.data_quota)
        row.search = readings.search_text(row)
        self.tallies.sim(counted, facts_of(row))
        if before["account_id"] != row.account_id:
            self.elsewhere.append(row)
        if any(name in before and before[name] != getattr(row, name) for name in ("account_id", "plan_id", "pool_id")):
            self.named.append(row)
        if before["status"] != row.status:
            row.status_changed_at = at
        if has_moved(row, before):
            self.moved.append(Moved(row, row.observed_at, at, before))
        self._tell(row, before, at)
        return True

    def _tell(self, row: Sim, before: dict[str, Any], at: datetime) -> None:
        def tell(kind: str, **told: Any) -> None:
            self.told.append(timeline.observed(row, kind, after=row.observed_at, at=at, **told))

        kinds = TimelineEvent.Kind
        for kind, name in ((kinds.STATUS, "status"), (kinds.PLAN, "plan_id"), (kinds.IMEI, "imei")):
            if name in before and before[name] != getattr(row, name):
                tell(kind, from_value=before[name] or "", to_value=getattr(row, name) or "")
        old = {apn["apn"]: apn["status"] for apn in before.get("apns", ())}
        new = {apn["apn"]: apn["status"] for apn in row.apns} if "apns" in before else {}
        for apn in sorted(old.keys() | new.keys()):
            if old.get(apn, "") != new.get(apn, ""):
                tell(kinds.APN, from_value=old.get(apn, ""), to_value=new.get(apn, ""), subject=apn)
        changes = {
            name: [before[name], getattr(row, name)]
            for name in CUSTOM_FIELDS
            if name in before and before[name] != getattr(row, name)
        }
        if changes:
            tell(kinds.CUSTOM_FIELDS, detail={"changes": changes})

    def _new(self, strangers: list[Received]) -> list[Newcomer]:
        """Rows for SIMs seen for the first time, not yet stored."""
        self.problems += sum(received.reading.problems for received in strangers)
        return [newcomers.newcomer(received, str(self.source)) for received in strangers]

    def _create(self, new: list[Newcomer]) -> list[Sim]:
        if not new:
            return []
        keys = bulk.insert_absent(Sim, newcomers.COLUMNS, [each.row for each in new], key="giccid")
        if len(keys) < len(new):
            raise _MetMeanwhile
        for each in new:
            each.sim.pk = keys[each.sim.giccid]
            self.tallies.sim(None, each.facts)
        return [each.sim for each in new]

    def _keep_readings(self, new: list[Newcomer], changed: list[tuple[Sim, datetime]]) -> None:
        told = [bulk.behind(each.sim.pk, each.text) for each in new]
        told += [(row.pk, Json(self.received[row.giccid].text)) for row, _ in changed]
        if told:
            bulk.upsert(SimReading, ("sim_id", "raw"), told, key="sim_id", update=("raw",))

    def _stubs(self, new: list[Newcomer]) -> None:
        """Accounts, plans and pools that rows are the first to name, as far as they are not there yet. Always in this
        order."""
        rows = [*self.named, *(each.sim for each in new)]
        plans = {row.plan_id: row.giccid for row in rows if row.plan_id}
        wanted: tuple[tuple[type[Model], str, dict[str, dict[str, Any]]], ...] = (
            (Account, "name", {row.account_id: {} for row in rows}),
            (RatePlan, "code", {code: {"name": self._plan_name(giccid)} for code, giccid in plans.items()}),
            (SharePool, "code", {row.pool_id: {} for row in rows if row.pool_id}),
        )
        for model, key, stubs in wanted:
            ensure_stubs(model, key, stubs)

    def _plan_name(self, giccid: str) -> str:
        plan = self.received[giccid].snapshot.basic_plan
        return readings.values.clip(plan.name if plan else "", 200)


def _was_answered_before(row: Any, received: Received) -> bool:
    """Asked later but answered from before: only possible while both were under way, for the carrier's own time is
    not to be trusted beyond that."""
    updated = received.snapshot.updated_time
    if updated is None or row.carrier_updated_at is None or updated >= row.carrier_updated_at:
        return False
    return received.observed_at - row.observed_at < _OVERLAP


def _all(row: Sim) -> tuple[Any, ...]:
    """The values of ``_COLUMNS``. Not by the attributes: those of relations look at each value."""
    values: tuple[Any, ...] = _in_order(row.__dict__)
    return values


_in_order = itemgetter(*_COLUMNS)
