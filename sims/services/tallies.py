"""Keeps the tallies: what each change of SIMs and events adds and takes away, and a count anew to compare with.

A change inserts rows and touches none, so that nothing waits for anybody and nothing deadlocks; :func:`fold` makes
one row of many. A tally counts what the lists count, and :func:`differences` says where it does not.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from core.bulk import among, insert
from sims.models import Sim, SimTally, TimelineEvent
from sims.models.tally import NEVER, NO_QUOTA, QUOTA_BANDS

EVENT_COLUMNS = ("kind", "outcome", "at", "to_value", "account_name")
"""What of an event decides where it is counted."""

DAYS_KEPT = 40
"""Of the changes of state by day; pages show 30 of them."""

MOST_BYTES = 2**42
"""What one SIM adds to a sum of bytes at most (4 TiB): a carrier's word for "unlimited" must not spoil, or break,
the sums."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_COLUMNS = ("dimension", "account_name", "value", "sims", "used", "quota")
_FOLDED_AT_ONCE = 5_000

Dimension = SimTally.Dimension
_STATUS, _PLAN, _POOL = Dimension.STATUS.value, Dimension.PLAN.value, Dimension.POOL.value
_QUOTA, _SEEN = Dimension.QUOTA.value, Dimension.SEEN.value

Key = tuple[str, str, str]
"""Dimension, account, value."""
Facts = tuple[str, str, str, str, str, str, int, int]
"""What is counted of a SIM: account, state, plan, pool, band of the quota, day of the last session, bytes, bytes."""


def facts_of(sim: Sim) -> Facts:
    """What the tallies count of ``sim`` as it stands."""
    return (
        sim.account_id,
        sim.status,
        sim.plan_id or "",
        sim.pool_id or "",
        _band(sim.quota_percent),
        _seen(sim.last_session_at) if sim.status == Sim.Status.ACTIVATED else "",
        min(sim.data_usage or 0, MOST_BYTES),
        min(sim.data_quota or 0, MOST_BYTES),
    )


def _band(percent: int | None) -> str:
    if percent is None or percent < 0:
        return NO_QUOTA
    return next(name for name, (_from, to) in QUOTA_BANDS.items() if to is None or percent < to)


def _seen(moment: datetime | None) -> str:
    if moment is None or moment <= _EPOCH:
        return NEVER
    return moment.astimezone(UTC).date().isoformat()


@dataclass
class Changes:
    """What a transaction adds to the tallies and takes away, gathered; :meth:`store` inserts it."""

    sums: dict[Key, list[int]] = field(default_factory=dict)

    def sim(self, before: Facts | None, after: Facts) -> None:
        """A SIM that was ``before`` (``None``: new) is ``after``."""
        if before == after:
            return
        if before is not None and before[:6] == after[:6]:
            # Nothing but bytes, as for most SIMs of a walk.
            account, _status, plan, pool, *_rest, used, quota = after
            self._add((_PLAN, account, plan), 0, used - before[6], quota - before[7])
            self._add((_POOL, account, pool), 0, used - before[6], quota - before[7])
            return
        if before is not None:
            self._count(before, -1)
        self._count(after, 1)

    def _count(self, facts: Facts, sign: int) -> None:
        account, status, plan, pool, band, seen, used, quota = facts
        self._add((_STATUS, account, status), sign)
        self._add((_PLAN, account, plan), sign, sign * used, sign * quota)
        self._add((_POOL, account, pool), sign, sign * used, sign * quota)
        self._add((_QUOTA, account, band), sign)
        if seen:
            self._add((_SEEN, account, seen), sign)

    def event(self, event: Mapping[str, Any], sign: int) -> None:
        """An event of the timeline with these columns came (1) or went (-1). Counted when a SIM became something."""
        if event["kind"] != TimelineEvent.Kind.STATUS or event["outcome"] != TimelineEvent.Outcome.SUCCESS:
            return
        day = event["at"].astimezone(UTC).date()
        if day >= kept_since():
            self._add((Dimension.BECAME.value, event["account_name"], f"{day.isoformat()}/{event['to_value']}"), sign)

    def _add(self, key: Key, sims: int, used: int = 0, quota: int = 0) -> None:
        found = self.sums.get(key)
        if found is None:
            self.sums[key] = [sims, used, quota]
        else:
            found[0] += sims
            found[1] += used
            found[2] += quota

    def store(self) -> None:
        """Insert what came out, in the caller's transaction; one statement, none when nothing changed."""
        rows = [(*key, *sums) for key, sums in self.sums.items() if any(sums)]
        self.sums = {}
        if rows:
            _insert(rows)


def _insert(rows: list[tuple[Any, ...]]) -> None:
    """A chunk of a walk has some dozens of them: PostgreSQL is quickest by COPY, SQLite without the ORM's objects."""
    if connection.vendor == "postgresql":
        insert(SimTally, {"batch": _batch()}, _COLUMNS, rows)
        return
    names, marks = ", ".join(_COLUMNS), ", ".join(["%s"] * len(_COLUMNS))
    batch = _batch()
    with connection.cursor() as cursor:
        statement = f"INSERT INTO sims_simtally ({names}, batch) VALUES ({marks}, %s)"  # noqa: S608 # names of ours
        cursor.executemany(statement, [(*row, batch) for row in rows])


def counted_events() -> Q:
    """The events that are counted."""
    first = kept_since()
    since = datetime(first.year, first.month, first.day, tzinfo=UTC)
    return Q(kind=TimelineEvent.Kind.STATUS, outcome=TimelineEvent.Outcome.SUCCESS, at__gte=since)


def kept_since() -> date:
    """The first UTC day whose changes of state are counted."""
    return timezone.now().astimezone(UTC).date() - timedelta(days=DAYS_KEPT)


def _batch() -> int:
    """A number that no other change has: it only keeps the keys of rows apart."""
    return secrets.randbits(62) + 1


def fold() -> int:
    """Make one row of the rows of each value; answers how many were taken in. Cheap when there are none.

    In pieces of one transaction each: killed in the middle, it has done some of them, and nothing is lost. At once
    with others it takes what they leave.
    """
    taken = 0
    while piece := _fold_piece():
        taken += piece
        if piece < _FOLDED_AT_ONCE:
            break
    return taken


@transaction.atomic
def _fold_piece() -> int:
    fresh = SimTally.objects.exclude(batch=0).order_by("id").select_for_update(skip_locked=True)
    rows = list(fresh.values_list("pk", *_COLUMNS)[:_FOLDED_AT_ONCE])
    if not rows:
        return 0
    sums = Changes()
    for _pk, dimension, account, value, *numbers in rows:
        sums._add((dimension, account, value), *numbers)
    SimTally.objects.filter(among("id", [row[0] for row in rows])).delete()
    _put_in({key: numbers for key, numbers in sums.sums.items() if any(numbers)})
    SimTally.objects.filter(batch=0, sims=0, used=0, quota=0).delete()
    return len(rows)


def _put_in(sums: Mapping[Key, Iterable[int]]) -> None:
    """Add to the rows of batch 0; always in the same order, so that two of these wait for each other at most."""
    statement = """
        INSERT INTO sims_simtally (dimension, account_name, value, batch, sims, used, quota)
        VALUES (%s, %s, %s, 0, %s, %s, %s)
        ON CONFLICT (dimension, account_name, value, batch) DO UPDATE SET
          sims = sims_simtally.sims + excluded.sims,
          used = sims_simtally.used + excluded.used,
          quota = sims_simtally.quota + excluded.quota
    """
    with connection.cursor() as cursor:
        cursor.executemany(statement, [(*key, *sums[key]) for key in sorted(sums)])


@dataclass(frozen=True)
class Difference:
    """A tally that is not what a count finds; the numbers are what is to be added to it."""

    dimension: str
    account: str
    value: str
    sims: int
    used: int
    quota: int


def differences() -> list[Difference]:
    """Where the tallies differ from what is counted now. One statement, that reads every SIM once: for the command and
    the daily check, never for a page."""
    with connection.cursor() as cursor:
        cursor.execute(f"{_difference_sql()} ORDER BY 1, 2, 3", _since())
        return [Difference(d, a, v, int(s), int(u), int(q)) for d, a, v, s, u, q in cursor.fetchall()]


@transaction.atomic
def mend() -> int:
    """Bring the tallies to what is counted; answers how many were wrong. Idempotent; nobody waits for it.

    What is missing is worked out and inserted by one statement, which sees one moment of the database. Changes that
    are under way bring their own part.
    """
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # Two of these at once would mend twice. It keeps out nobody else, and the statement sees what the one
            # before has done. SQLite has one writer anyway.
            cursor.execute("LOCK TABLE sims_simtally IN SHARE UPDATE EXCLUSIVE MODE")
        cursor.execute(
            "INSERT INTO sims_simtally (dimension, account_name, value, sims, used, quota, batch) "  # noqa: S608 # ours
            f"SELECT found.*, %s FROM ({_difference_sql()}) found",
            [_batch(), *_since()],
        )
        return int(cursor.rowcount)


def forget_old_days() -> None:
    """Remove the days of changes of state that nobody looks at any more."""
    SimTally.objects.filter(dimension=Dimension.BECAME, value__lt=kept_since().isoformat()).delete()


def _since() -> list[Any]:
    """The parameters of the difference: only the days that pages show are compared, older ones are on their way out."""
    first = kept_since()
    moment = datetime(first.year, first.month, first.day, tzinfo=UTC)
    return [connection.ops.adapt_datetimefield_value(moment), first.isoformat()]


_DAY = {
    "sqlite": "substr({column}, 1, 10)",
    "postgresql": "to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD')",
}
_LEAST = {"sqlite": "min", "postgresql": "least"}
_EPOCH_SQL = {"sqlite": "'1970-01-01 00:00:00'", "postgresql": "'1970-01-01 00:00:00+00'::timestamptz"}


def _difference_sql() -> str:
    """Count less tally, where that is not nothing. Each SIM is read once and grouped by all that is counted; the sums
    of each dimension are made from the groups."""
    vendor = connection.vendor
    bands = " ".join(
        f"WHEN quota_percent < {to} THEN '{name}'" if to is not None else f"ELSE '{name}'"
        for name, (_from, to) in QUOTA_BANDS.items()
    )
    seen = (
        f"CASE WHEN status <> 'ACTIVATED' THEN '' WHEN last_session_at IS NULL OR last_session_at <= "
        f"{_EPOCH_SQL[vendor]} THEN '{NEVER}' ELSE {_DAY[vendor].format(column='last_session_at')} END"
    )
    used, quota = (f"{_LEAST[vendor]}(COALESCE({name}, 0), {MOST_BYTES})" for name in ("data_usage", "data_quota"))
    parts = [
        f"SELECT '{dimension}', account, {column}, SUM(sims), {sums} FROM each_kind {where} GROUP BY account, {column}"  # noqa: S608 # names of ours
        for dimension, column, sums, where in (
            (Dimension.STATUS, "status", "0, 0", ""),
            (Dimension.PLAN, "plan", "SUM(used), SUM(quota)", ""),
            (Dimension.POOL, "pool", "SUM(used), SUM(quota)", ""),
            (Dimension.QUOTA, "band", "0, 0", ""),
            (Dimension.SEEN, "seen", "0, 0", "WHERE seen <> ''"),
        )
    ]
    day = _DAY[vendor].format(column="at")
    return f"""
        SELECT dimension, account, value, SUM(sims), SUM(used), SUM(quota) FROM (
          WITH each_kind AS MATERIALIZED (
            SELECT account_id AS account, status, COALESCE(plan_id, '') AS plan, COALESCE(pool_id, '') AS pool,
              CASE WHEN quota_percent IS NULL OR quota_percent < 0 THEN '{NO_QUOTA}' {bands} END AS band,
              {seen} AS seen, COUNT(*) AS sims, SUM({used}) AS used, SUM({quota}) AS quota
            FROM sims_sim GROUP BY 1, 2, 3, 4, 5, 6
          ), counted(dimension, account, value, sims, used, quota) AS (
            {" UNION ALL ".join(parts)}
            UNION ALL SELECT '{Dimension.BECAME}', account_name, {day} || '/' || to_value, COUNT(*), 0, 0
            FROM sims_timelineevent WHERE kind = 'status' AND outcome = 'success' AND at >= %s
            GROUP BY account_name, {day} || '/' || to_value
            UNION ALL SELECT dimension, account_name, value, -sims, -used, -quota
            FROM sims_simtally WHERE dimension <> '{Dimension.BECAME}' OR value >= %s
          ) SELECT * FROM counted
        ) both_sides GROUP BY dimension, account, value HAVING SUM(sims) <> 0 OR SUM(used) <> 0 OR SUM(quota) <> 0
    """  # noqa: S608 # names of ours
