"""The servers and databases of one run of ``make bench``; each database is built when it is first asked for."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.stage import MEMORY, WRITING, environment
from benchmarks.worker import Worker

POSTGRES, SQLITE = "postgres", "sqlite"
_SOURCES = ("fleet.py", "records.py")
"""What decides what a database holds: one that was built by others is not taken for it."""


@dataclass(frozen=True)
class Fleet:
    """A database with so many SIMs. 0 is one with the tables alone."""

    engine: str
    sims: int


@dataclass
class World:
    """Valkey and PostgreSQL in a directory, and the portal on any number of databases there.

    Use it with ``with``. A ``keep`` directory stays, with its databases, for the next run.
    """

    keep: Path | None = None
    built: dict[str, float] = field(default_factory=dict)
    """Seconds that each database took; those of an earlier run are not in it."""

    def __enter__(self) -> World:
        self._stack = contextlib.ExitStack()
        # Ended from outside, it leaves as after a Ctrl-C: with its servers and its directory.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        if self.keep is None:
            self.directory = Path(tempfile.mkdtemp(prefix="bench-"))
            self._stack.callback(shutil.rmtree, self.directory, ignore_errors=True)
        else:
            self.directory = self.keep.resolve()
            self.directory.mkdir(parents=True, exist_ok=True)
        self._postgres: Any = None
        self._valkey: Any = None
        self._numbers: dict[str, int] = {}
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def environment(self, fleet: Fleet, *, name: str = "") -> dict[str, str]:
        """The portal on that database, for a :class:`Worker` or a web server. ``name`` asks for an empty one of that
        name, new in each run."""
        if name:
            self._drop(fleet.engine, name)
            self._copy(fleet.engine, self._with_tables(fleet.engine), name)
            return self._on(fleet.engine, name)
        name = f"fleet_{fleet.sims}_{_digest()}"
        if not self._exists(fleet.engine, name):
            self._build(fleet, name)
        elif name not in self._numbers:
            with Worker(self._on(fleet.engine, name)) as worker:
                worker("benchmarks.world:bring_up_to_date")
        return self._on(fleet.engine, name)

    def worker(self, fleet: Fleet, *, name: str = "", **options: str) -> Worker:
        """A process on :meth:`environment`, ended at the latest with the world."""
        worker = Worker({**self.environment(fleet, name=name), **options})
        self._stack.callback(worker.close)
        return worker

    def _build(self, fleet: Fleet, name: str) -> None:
        raw = f"raw_{name}"
        self._drop(fleet.engine, raw)
        self._copy(fleet.engine, self._with_tables(fleet.engine), raw)
        began = time.perf_counter()
        with Worker(self._on(fleet.engine, raw)) as worker:
            worker("benchmarks.world:fill", fleet=fleet.sims)
        self.built[f"{fleet.sims}-{fleet.engine}"] = round(time.perf_counter() - began, 1)
        self._rename(fleet.engine, raw, name)
        self._numbers[name] = self._numbers.pop(raw)
        print(f"{fleet.sims:,} SIMs built on {fleet.engine} in {self.built[f'{fleet.sims}-{fleet.engine}']:.0f} s")

    def _with_tables(self, engine: str) -> str:
        """The database that all others are copies of. Never kept: migrations change."""
        name = "tables"
        if name + engine not in self._numbers:
            self._drop(engine, name)
            self._copy(engine, "", name)
            with Worker(self._on(engine, name)) as worker:
                worker("benchmarks.world:migrate")
            self._numbers[name + engine] = 0
        return name

    def _on(self, engine: str, name: str) -> dict[str, str]:
        # Each has a Valkey database of its own: what is cached of one is not true of another.
        number = self._numbers.setdefault(name, len(self._numbers) + 1)
        if self._valkey is None:
            self._valkey = self._start("Valkey")
        url = f"sqlite:///{self._file(name)}"
        if engine == POSTGRES:
            url = f"postgres://postgres@/{name}?host={self._server().directory}"
        valkey = f"unix://{self._valkey.socket}?db={number}"
        return environment(self.directory / "data" / name, url=url, valkey=valkey)

    def _start(self, what: str) -> Any:
        from tests import servers

        if what == "Valkey":
            server: Any = servers.Valkey(self.directory)
        else:
            server = servers.Postgres(self.directory, memory=MEMORY, more=WRITING)
        self._stack.callback(server.stop)
        return server

    def _server(self) -> Any:
        if self._postgres is None:
            self._postgres = self._start("PostgreSQL")
        return self._postgres

    def _file(self, name: str) -> Path:
        return self.directory / f"{name}.sqlite3"

    def _exists(self, engine: str, name: str) -> bool:
        if engine == SQLITE:
            return self._file(name).exists()
        return bool(self._sql("SELECT 1 FROM pg_database WHERE datname = %s", name))

    def _drop(self, engine: str, name: str) -> None:
        if engine == POSTGRES:
            self._sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            return
        for path in self.directory.glob(f"{name}.sqlite3*"):
            path.unlink()

    def _copy(self, engine: str, source: str, name: str) -> None:
        """Make a database: an empty one without a source."""
        if engine == POSTGRES:
            self._sql(f'CREATE DATABASE "{name}" TEMPLATE "{source or "template0"}"')
        elif source:
            shutil.copyfile(self._file(source), self._file(name))

    def _rename(self, engine: str, name: str, new: str) -> None:
        if engine == POSTGRES:
            self._sql(f'ALTER DATABASE "{name}" RENAME TO "{new}"')
        else:
            self._file(name).rename(self._file(new))

    def _sql(self, statement: str, *values: Any) -> list[Any]:
        import psycopg

        with psycopg.connect(self._server().url, autocommit=True) as connection:
            cursor = connection.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []


def _digest() -> str:
    here = Path(__file__).parent
    return hashlib.sha256(b"".join((here / name).read_bytes() for name in _SOURCES)).hexdigest()[:8]


# What follows is called in a worker.


def migrate() -> None:
    """All tables, empty."""
    from django.core.management import call_command

    call_command("migrate", verbosity=0, interactive=False)


def bring_up_to_date() -> None:
    """A kept database, after the portal's migrations have changed."""
    migrate()
    from benchmarks.fleet import settle

    settle()


def fill(fleet: int) -> None:
    """A fleet and what stands around it, settled as a database is that runs for a while."""
    from benchmarks import fleet as sims
    from benchmarks import records

    began = time.perf_counter()
    sims.build(fleet)
    middle = time.perf_counter()
    records.build(fleet)
    last = time.perf_counter()
    sims.settle()
    if os.environ.get("BENCH_VERBOSE"):
        print(
            f"fleet {middle - began:.0f} s, records {last - middle:.0f} s, vacuum {time.perf_counter() - last:.0f} s",
            file=sys.stderr,
        )
