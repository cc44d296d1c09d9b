"""Starts the servers that every test run needs; fixtures are in ``tests/fixtures.py``."""

from __future__ import annotations

import contextlib
import gc
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_django import DjangoDbBlocker

pytest_plugins = ["tests.fixtures"]

_servers = pytest.StashKey[contextlib.ExitStack]()


def pytest_configure(config: pytest.Config) -> None:
    """In the process that controls the run, and before its workers start: Valkey, and PostgreSQL where asked for."""
    if hasattr(config, "workerinput") or config.option.help or config.option.version:
        return
    from tests import databases, servers

    run_dir = Path(os.environ["TEST_RUN_DIR"])
    if run_dir.exists() and run_dir.lstat().st_uid == os.getuid():
        shutil.rmtree(run_dir)  # of a killed run whose process id comes round again
    run_dir.mkdir(mode=0o700)  # fails where somebody else made it first
    stack = contextlib.ExitStack()
    config.stash[_servers] = stack
    stack.callback(shutil.rmtree, run_dir, ignore_errors=True)
    with contextlib.ExitStack() as failed:
        failed.push(stack)
        stack.callback(servers.Valkey(run_dir).stop)
        if os.environ.get("TEST_DATABASE") == "postgres" and not os.environ.get("TEST_DATABASE_URL"):
            stack.callback(servers.Postgres(run_dir).stop)
        if os.environ.get("TEST_DATABASE_URL"):
            stack.callback(databases.drop_migrated)
        failed.pop_all()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config) -> None:
    """A database is migrated once for all workers."""
    from pytest_django.plugin import blocking_manager_key

    from tests import databases

    with config.stash[blocking_manager_key].unblock():
        databases.migrate()


@pytest.fixture(scope="session")
def django_db_setup(django_test_environment: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """In place of pytest-django's own, which migrates a database for each worker."""
    from tests.databases import prepared

    with django_db_blocker.unblock(), prepared(), django_db_blocker.block():
        yield


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What asks for no database is the same on any: it runs on SQLite only. What is marked so, on PostgreSQL only."""
    on_postgres = os.environ.get("TEST_DATABASE") == "postgres"
    kept: list[pytest.Item] = []
    left_out: list[pytest.Item] = []
    for item in items:
        asked = {"db", "transactional_db"} & set(getattr(item, "fixturenames", ()))
        if on_postgres:
            runs = bool(asked or item.get_closest_marker("django_db"))
        else:
            runs = not item.get_closest_marker("postgres")
        (kept if runs else left_out).append(item)
    config.hook.pytest_deselected(items=left_out)
    items[:] = _slow_ones_first(kept, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))


def _slow_ones_first(items: list[pytest.Item], workers: int) -> list[pytest.Item]:
    """Each worker's share begins with the slow tests: one that begins last is waited for by all.

    xdist hands out ``items`` in shares of the same size, one behind the other.
    """
    slow = [item for item in items if item.get_closest_marker("slow") or item.get_closest_marker("demo")]
    rest = [item for item in items if not (item.get_closest_marker("slow") or item.get_closest_marker("demo"))]
    ordered: list[pytest.Item] = []
    for worker in range(workers):
        size = (len(items) - len(ordered)) // (workers - worker)
        share = slow[worker::workers]
        filled = max(0, size - len(share))
        ordered += share + rest[:filled]
        rest = rest[filled:]
    return ordered


def pytest_collection_finish() -> None:
    """What was imported stays: the collector need not look at it again and again."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure(config: pytest.Config) -> None:
    """End what was started, also after Ctrl-C."""
    stack = config.stash.get(_servers, None)
    if stack is not None:
        stack.close()
