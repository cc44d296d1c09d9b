"""The queries of the lookup. Each takes any number of keys and reads the mirror by the index of one column."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, starmap
from typing import Any

from django.db import connection, transaction

from core.bulk import among, fetching_ahead
from operations.identifiers.repairs import FIELDS, Probe
from sims.models import Sim

_KEYS = 5000
"""Keys of one query."""
_PLACES = 2000
"""Ranges of one query, of four parameters each on SQLite, which takes 32,766 at a time."""
_SHORTEST_GICCID = 17


@dataclass(slots=True)
class Hit:
    """A SIM that was found, and by which value."""

    pk: int
    giccid: str
    account: str
    value: str


def exact(numbers: Iterable[str]) -> dict[str, list[Hit]]:
    """SIMs that have one of ``numbers`` as an identifier, by number. Four queries for each thousands at most."""
    found: dict[str, list[Hit]] = defaultdict(list)
    for field in FIELDS:
        keys = [n for n in numbers if (len(n) >= _SHORTEST_GICCID) == (field == "giccid")]
        for hit in _having(field, keys):
            found[hit.value].append(hit)
    return found


def probe_hits(places: Sequence[Probe], accounts: frozenset[str] | None) -> list[list[Hit]]:
    """SIMs of ``accounts`` at each of ``places``, of which none may have many."""
    found: list[list[Hit]] = [[] for _probe in places]
    for field in FIELDS:
        wanted: dict[str, list[int]] = defaultdict(list)
        ranges: list[tuple[int, str, str, int]] = []
        for n, probe in enumerate(places):
            if probe.field == field and not (keys := probe.keys()):
                ranges.append((n, probe.low, probe.high, probe.length))
            elif probe.field == field:
                for key in keys:
                    wanted[key].append(n)
        for hit in _having(field, wanted):
            if accounts is None or hit.account in accounts:
                for n in wanted[hit.value]:
                    found[n].append(hit)
        rows = iter(ranges)
        while part := list(islice(rows, _PLACES)):
            for n, *values in _between(field, part, accounts):
                found[n].append(Hit(*values))
    return found


def _having(field: str, keys: Iterable[str]) -> Iterator[Hit]:
    """SIMs whose ``field`` is one of ``keys``."""
    ordered = iter(sorted(keys))
    while part := list(islice(ordered, _KEYS)):
        with fetching_ahead(len(part)):
            rows = list(Sim.objects.filter(among(field, part)).values_list("pk", "giccid", "account_id", field))
        yield from starmap(Hit, rows)


def in_ranges(ends: Sequence[tuple[str, str]], accounts: frozenset[str] | None, limit: int) -> list[list[Hit]]:
    """SIMs of ``accounts`` between each two giccids, ends included, in order; at most ``limit`` + 1 of all ranges."""
    found: list[list[Hit]] = [[] for _range in ends]
    rows = iter([(n, low, high, len(low)) for n, (low, high) in enumerate(ends)])
    while part := list(islice(rows, _PLACES)):
        for n, *hit in _between("giccid", part, accounts, limit + 1):
            found[n].append(Hit(*hit))
    for hits in found:
        hits.sort(key=lambda hit: hit.giccid)
    return found


def count_between(places: Sequence[Probe], accounts: frozenset[str] | None, limit: int) -> list[int]:
    """How many SIMs of ``accounts`` stand at each of ``places``, counted up to ``limit``."""
    counts = [0] * len(places)
    for field in FIELDS:
        rows = iter([(n, p.low, p.high, p.length) for n, p in enumerate(places) if p.field == field])
        while part := list(islice(rows, _PLACES)):
            asked, params = _asked(part)
            scope, names = _scope(accounts)
            sql = f"""
                WITH asked(n, low, high, length) AS ({asked})
                SELECT n, (SELECT count(*) FROM (
                    SELECT 1 AS one FROM sims_sim s WHERE s.{field} >= asked.low AND s.{field} <= asked.high
                    AND length(s.{field}) = asked.length {scope} LIMIT %s) AS few)
                FROM asked
            """  # noqa: S608 - names of our own columns; what was given is a parameter
            for n, count in _rows(sql, [*params, *names, limit]):
                counts[n] = count
    return counts


def _between(
    field: str, part: list[tuple[int, str, str, int]], accounts: frozenset[str] | None = None, limit: int = 0
) -> list[tuple[Any, ...]]:
    asked, params = _asked(part)
    scope, names = _scope(accounts)
    sql = f"""
        WITH asked(n, low, high, length) AS ({asked})
        SELECT asked.n, s.id, s.giccid, s.account_id, s.{field}
        FROM asked JOIN sims_sim s ON s.{field} >= asked.low AND s.{field} <= asked.high
        WHERE length(s.{field}) = asked.length {scope}
    """  # noqa: S608 - names of our own columns; what was given is a parameter
    if limit:
        sql, names = sql + " LIMIT %s", [*names, limit]
    return _rows(sql, [*params, *names])


def _asked(part: list[tuple[int, str, str, int]]) -> tuple[str, list[Any]]:
    if connection.vendor == "postgresql":
        # Four parameters rather than thousands, at each of which driver and planner look.
        arrays = "SELECT * FROM unnest(%s::integer[], %s::text[], %s::text[], %s::integer[])"
        return arrays, [list(column) for column in zip(*part, strict=True)]
    return "VALUES " + ", ".join(["(%s, %s, %s, %s)"] * len(part)), [value for row in part for value in row]


def _scope(accounts: frozenset[str] | None) -> tuple[str, list[Any]]:
    if accounts is None:
        return "", []
    if not accounts:
        return "AND 1 = 0", []
    return f"AND s.account_id IN ({', '.join(['%s'] * len(accounts))})", sorted(accounts)


def _rows(sql: str, params: list[Any]) -> list[tuple[Any, ...]]:
    if connection.vendor != "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(sql, params)
            return list(cursor.fetchall())
    with transaction.atomic(), connection.cursor() as cursor:
        # The planner can't know how narrow the ranges are. What it fears is worth compiling the query, and reading
        # the whole table; what comes is a handful of rows by the index.
        cursor.execute("SET LOCAL jit = off; SET LOCAL enable_seqscan = off")
        cursor.execute(sql, params)
        rows = list(cursor.fetchall())
        cursor.execute("SET LOCAL jit TO DEFAULT; SET LOCAL enable_seqscan TO DEFAULT")
        return rows
