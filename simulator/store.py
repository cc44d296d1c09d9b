"""SQLite behind the simulator: a file that survives kill -9, or the same tables in memory."""

import json
import sqlite3
from collections.abc import Iterable
from typing import Any

CALLS_KEPT = PUSHES_KEPT = 100_000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS overlay (giccid TEXT PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS change_logs (id INTEGER PRIMARY KEY, giccid TEXT, account TEXT, type TEXT,
    original TEXT, target TEXT, time INTEGER, status TEXT);
CREATE INDEX IF NOT EXISTS change_logs_time ON change_logs (time, account, type);
CREATE INDEX IF NOT EXISTS change_logs_giccid ON change_logs (giccid);
CREATE TABLE IF NOT EXISTS changes (id INTEGER PRIMARY KEY AUTOINCREMENT, time REAL, giccid TEXT, what TEXT,
    original TEXT, target TEXT, source TEXT, call_id INTEGER);
CREATE INDEX IF NOT EXISTS changes_giccid ON changes (giccid);
CREATE TABLE IF NOT EXISTS calls (id INTEGER PRIMARY KEY, time REAL, call TEXT, method TEXT, path TEXT,
    giccid TEXT, status TEXT, fault TEXT);
CREATE INDEX IF NOT EXISTS calls_giccid ON calls (giccid);
CREATE INDEX IF NOT EXISTS calls_call ON calls (call);
CREATE TABLE IF NOT EXISTS jobs (id TEXT PRIMARY KEY, body TEXT NOT NULL, finished REAL);
CREATE TABLE IF NOT EXISTS job_items (job_id TEXT, n INTEGER, giccid TEXT, status TEXT, code TEXT,
    PRIMARY KEY (job_id, n)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS messages (id TEXT PRIMARY KEY, body TEXT NOT NULL, ended INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS pushes (id INTEGER PRIMARY KEY AUTOINCREMENT, time REAL, kind TEXT, giccid TEXT,
    body TEXT NOT NULL, state TEXT, due REAL, attempts INTEGER DEFAULT 0, answer TEXT, shard INTEGER);
CREATE INDEX IF NOT EXISTS pushes_due ON pushes (state, shard, due);
CREATE INDEX IF NOT EXISTS pushes_giccid ON pushes (giccid);
"""
_TABLES = ("overlay", "change_logs", "changes", "calls", "jobs", "job_items", "messages", "pushes")
_IDENTITY = ("version", "seed", "fleet")
VERSION = 1


class StateMismatch(Exception):
    """A state file of another fleet, seed or version of the simulator."""


class Store:
    """One connection, used by one thread at a time (the carrier's lock is the caller's business)."""

    def __init__(self, path: str | None) -> None:
        self.db = sqlite3.connect(path or ":memory:", check_same_thread=False, timeout=1, isolation_level=None)
        # One simulator per file: a second one is refused while the first lives.
        self.db.execute("PRAGMA locking_mode=EXCLUSIVE")
        self.db.execute("PRAGMA journal_mode=WAL")
        # A killed process loses nothing without a sync per commit; only a machine that loses power may.
        self.db.execute("PRAGMA synchronous=NORMAL")
        self.db.executescript(_SCHEMA)
        self._open = False

    def identify(self, seed: int, fleet: int) -> bool:
        """Whether the file is new; StateMismatch when it holds another fleet or seed."""
        wanted = dict(zip(_IDENTITY, (VERSION, seed, fleet), strict=True))
        found = {name: self.get(name) for name in _IDENTITY}
        if found["seed"] is None:
            for name, value in wanted.items():
                self.put(name, value)
            return True
        for name, value in wanted.items():
            if found[name] != value:
                raise StateMismatch(f"the state file was made with {name} {found[name]}, not {value}")
        return False

    def get(self, key: str, default: Any = None) -> Any:
        """A value of the meta table."""
        row = self.db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return json.loads(row[0]) if row else default

    def put(self, key: str, value: Any) -> None:
        """Set a value of the meta table."""
        self.write("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, json.dumps(value)))

    def write(self, sql: str, values: Iterable[Any] = ()) -> int:
        """Execute a statement in the open transaction (opening one); gives the last row id."""
        self._begin()
        return self.db.execute(sql, tuple(values)).lastrowid or 0

    def write_many(self, sql: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """Execute a statement once per row in the open transaction."""
        self._begin()
        self.db.executemany(sql, rows)

    def rows(self, sql: str, values: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query, uncommitted ones of ours included."""
        return self.db.execute(sql, tuple(values)).fetchall()

    def one(self, sql: str, values: Iterable[Any] = ()) -> Any:
        """The first column of the first row, or None."""
        row = self.db.execute(sql, tuple(values)).fetchone()
        return row[0] if row else None

    def _begin(self) -> None:
        if not self._open:
            self.db.execute("BEGIN IMMEDIATE")
            self._open = True

    @property
    def dirty(self) -> bool:
        """Whether something was written since the last commit."""
        return self._open

    def commit(self) -> None:
        """Make everything written so far lasting."""
        if self._open:
            self.db.execute("COMMIT")
            self._open = False

    def clear(self) -> None:
        """Empty every table but the file's identity; the numbers of log rows go on, so that none means two things."""
        for table in _TABLES:
            self.write(f"DELETE FROM {table}")  # noqa: S608 -- names from this module
        self.write("DELETE FROM meta WHERE key NOT IN (?, ?, ?)", _IDENTITY)

    def trim(self) -> None:
        """Keep the logs bounded; pushes that are still to be sent stay."""
        calls = self.one("SELECT max(id) FROM calls") or 0
        self.write("DELETE FROM calls WHERE id <= ?", (calls - CALLS_KEPT,))
        pushes = self.one("SELECT max(id) FROM pushes") or 0
        self.write("DELETE FROM pushes WHERE id <= ? AND state != 'pending'", (pushes - PUSHES_KEPT,))

    def close(self) -> None:
        """Commit and close."""
        self.commit()
        self.db.close()
