"""The database of each worker of a test run: a copy of one that was migrated once."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection


@contextmanager
def prepared(run_dir: Path) -> Iterator[None]:
    """The portal's tables, on the connection of this process, whose name is another one meanwhile.

    Whoever comes first migrates ``TEST["NAME"]``; each xdist worker then takes a copy named after itself.
    """
    before = connection.settings_dict["NAME"]
    with (run_dir / "migrated").open("a+") as mark:
        fcntl.flock(mark, fcntl.LOCK_EX)
        mark.seek(0)
        if not mark.read():
            connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
            mark.write("yes")
            mark.flush()
        _use(connection.settings_dict["TEST"]["NAME"])
        # Nothing may be connected to what is copied, and SQLite then has all of it in one file.
        connection.close()
        if worker := os.environ.get("PYTEST_XDIST_WORKER"):
            connection.creation.clone_test_db(worker, verbosity=0, autoclobber=True)
            _use(connection.creation.get_test_db_clone_settings(worker)["NAME"])
    yield
    connection.creation.destroy_test_db(before, verbosity=0)


def _use(name: Any) -> None:
    settings.DATABASES["default"]["NAME"] = connection.settings_dict["NAME"] = name


def drop_migrated() -> None:
    """Take what was copied away from a PostgreSQL that stays when the run is over."""
    import psycopg

    name = settings.DATABASES["default"]["TEST"]["NAME"]
    with psycopg.connect(os.environ["TEST_DATABASE_URL"], autocommit=True) as server:
        server.execute(f'DROP DATABASE IF EXISTS "{name}"')
