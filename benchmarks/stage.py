"""What a benchmark needs around it: servers of its own, a migrated database, and a place for what it found."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import resource
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"
MEMORY = "4GB"
"""What PostgreSQL may keep of the fleet (shared_buffers); a million SIMs take that much, indexes included."""
WRITING = {"max_wal_size": "8GB", "checkpoint_timeout": "30min"}
"""More options of PostgreSQL: a fleet is written without a checkpoint every few seconds."""


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
            postgres = Postgres(directory, memory=MEMORY, more=WRITING)
            stack.callback(postgres.stop)
            url = postgres.url
        else:
            url = f"sqlite:///{directory / 'portal.sqlite3'}"
        os.environ.update(environment(directory, url=url, valkey=f"unix://{directory / 'valkey.sock'}"))
        os.environ.update(options)
        _start_django()
        stack.callback(close_connections)
        yield directory


def environment(directory: Path, *, url: str, valkey: str) -> dict[str, str]:
    """The environment of a portal whose files are in ``directory``, which is made."""
    directory.mkdir(parents=True, exist_ok=True)
    return {
        "PORTAL_MODE": "test",
        "DJANGO_SETTINGS_MODULE": "smarthub_portal.settings",
        "SECRET_KEY": "only-for-benchmarks-" + "x" * 40,
        "ALLOWED_HOSTS": "localhost,testserver",
        "DATABASE_URL": url,
        "REDIS_URL": valkey,
        "DATA_DIR": str(directory),
        "LOG_LEVEL": "ERROR",
        "SMARTHUB_RATE": "0",
        "SMARTHUB_BASE_URL": "http://127.0.0.1:9/v1",
        "SMARTHUB_API_KEY": "none",
    }


def _start_django() -> None:
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0, interactive=False)


def close_connections() -> None:
    """Give back all connections of this process to the database."""
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
