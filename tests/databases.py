"""The database of a test run, and the copy of it that each of its xdist workers has."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.db import connection


def migrate() -> None:
    """Make all tables, in the database named ``TEST["NAME"]``, and leave nothing connected to it."""
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    connection.close()


@contextmanager
def prepared() -> Iterator[None]:
    """Tables for the tests of this process: made now, or for a worker a copy of what was made before workers began."""
    before = connection.settings_dict["NAME"]
    if worker := os.environ.get("PYTEST_XDIST_WORKER"):
        _use(connection.settings_dict["TEST"]["NAME"])
        connection.creation.clone_test_db(worker, verbosity=0, autoclobber=True)
        _use(connection.creation.get_test_db_clone_settings(worker)["NAME"])
    else:
        migrate()
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
