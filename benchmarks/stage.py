"""What a benchmark needs around it: servers of its own, a migrated database, and a place for what it found."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import resource
import shutil
import signal
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"
MEMORY = "4GB"
"""What PostgreSQL may keep of the fleet (shared_buffers); a million SIMs take that much, indexes included."""
WARM_UP = 3
"""Calls of each page that are not counted: templates compiled, plans and pages of the database in memory."""


@contextlib.contextmanager
def stage(database: str, **options: str) -> Iterator[Path]:
    """Start Valkey and the database (``sqlite`` or ``postgres``) in a directory of their own, and Django on them.

    ``options`` are environment variables of the portal. Everything is gone afterwards.
    """
    from tests.servers import Postgres, Valkey

    directory = Path(tempfile.mkdtemp(prefix="bench-"))
    # Ended from outside, it leaves as after a Ctrl-C: with its servers and its directory.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        stack.callback(Valkey(directory).stop)
        if database == "postgres":
            postgres = Postgres(directory, memory=MEMORY)
            stack.callback(postgres.stop)
            url = postgres.url
        else:
            url = f"sqlite:///{directory / 'portal.sqlite3'}"
        os.environ.update(
            PORTAL_MODE="test",
            DJANGO_SETTINGS_MODULE="smarthub_portal.settings",
            SECRET_KEY="only-for-benchmarks-" + "x" * 40,
            DATABASE_URL=url,
            REDIS_URL=f"unix://{directory / 'valkey.sock'}",
            DATA_DIR=str(directory),
            LOG_LEVEL="ERROR",
            SMARTHUB_RATE="0",
            SMARTHUB_BASE_URL="http://127.0.0.1:9/v1",
            SMARTHUB_API_KEY="none",
        )
        os.environ.update(options)
        (directory / "staticfiles").mkdir()
        _start_django()
        stack.callback(_close_connections)
        yield directory


def _start_django() -> None:
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0, interactive=False)


def _close_connections() -> None:
    from django.db import connections

    for connection in connections.all():
        connection.close()
        close_pool = getattr(connection, "close_pool", None)
        if close_pool is not None:
            close_pool()


def milliseconds(action: Callable[[], Any]) -> tuple[float, float]:
    """How long one call of ``action`` takes, and how much of that this process computes, in milliseconds."""
    start, cpu = time.perf_counter(), time.process_time()
    action()
    return (time.perf_counter() - start) * 1000, (time.process_time() - cpu) * 1000


def summary(samples: list[tuple[float, float]]) -> dict[str, float]:
    """Median, the value that nine of ten calls stay under, the best, and the median of the computing alone."""
    times = [elapsed for elapsed, _cpu in samples]
    return {
        "median_ms": round(statistics.median(times), 2),
        "p90_ms": round(statistics.quantiles(times, n=10)[-1], 2),
        "best_ms": round(min(times), 2),
        "cpu_ms": round(statistics.median(cpu for _elapsed, cpu in samples), 2),
    }


def peak_memory() -> float:
    """The most memory this process has held so far, in MiB."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def machine() -> dict[str, Any]:
    """What the figures were measured on; no names of hosts or paths."""
    from django.db import connection

    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SHOW server_version")
        else:
            cursor.execute("SELECT sqlite_version()")
        version = cursor.fetchone()[0]
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(pages / 1024**3),
        "python": platform.python_version(),
        "database": f"{connection.display_name} {version}",
        "load": round(os.getloadavg()[1], 1),
    }


def save(name: str, result: dict[str, Any]) -> Path:
    """Write ``result`` to ``benchmarks/results/<name>.json``."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(result, indent=2) + "\n")
    return path
