"""Settings of the tests: those of the portal in test mode, with servers that the test run starts itself.

``TEST_DATABASE`` is ``sqlite`` (default) or ``postgres``; ``TEST_DATABASE_URL`` names a PostgreSQL that is there
already, whose user may create databases.

Only names are computed here (``conftest.py`` starts what listens there): the settings are read by mypy and by the
processes that tests start, too. A process that a test starts finds ``DATABASE_URL`` and ``REDIS_URL`` in its
environment, as any other installation would.
"""

import os
import sys
import tempfile
from pathlib import Path

from smarthub_portal.config import OPTIONS

# A run's own directory, the same for all its xdist workers; short, since sockets lie in it.
RUN_DIR = Path(
    os.environ.setdefault("TEST_RUN_DIR", str(Path(tempfile.gettempdir()) / f"portal-{os.getuid()}-{os.getpid()}"))
)
_WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
_VALKEY_DATABASE = int(_WORKER.removeprefix("gw") or -1) + 1
_ENGINE = "postgres" if os.environ.get("TEST_DATABASE_URL") else os.environ.get("TEST_DATABASE", "sqlite")

_DEFAULTS = {
    "SECRET_KEY": "only-for-tests-" + "x" * 40,
    "SMARTHUB_BASE_URL": "http://127.0.0.1:9/v1",
    "SMARTHUB_API_KEY": "test-key",
    "SMARTHUB_RATE": "0",
    # Tests make one call fail again and again, with no other in between; those of the breaker set it.
    "BREAKER_FAILURES": "0",
    "DATA_DIR": str(RUN_DIR / f"data{_WORKER}"),
    "REDIS_URL": f"unix://{RUN_DIR / 'valkey.sock'}?db={_VALKEY_DATABASE}",
    "LOG_LEVEL": "WARNING",
}
if _ENGINE == "postgres":
    _DEFAULTS["DATABASE_URL"] = (
        os.environ.get("TEST_DATABASE_URL") or f"postgres://postgres@/portal?host={RUN_DIR / 'postgres'}"
    )
if "pytest" in sys.modules:
    # What a developer's shell holds must not reach the tests.
    for _option in OPTIONS:
        os.environ.pop(_option.name, None)
        os.environ.pop(f"{_option.name}_FILE", None)
    os.environ.update(_DEFAULTS)
for _name, _value in _DEFAULTS.items():
    os.environ.setdefault(_name, _value)
os.environ["PORTAL_MODE"] = "test"

from smarthub_portal.settings import *  # noqa: F403, E402 - after the environment they read is set

_DATABASE = DATABASES["default"]  # noqa: F405 - comes with the star
if _DATABASE["ENGINE"].endswith("sqlite3"):
    # In a file, so that the threads and processes a test starts see it; never synced, it is thrown away.
    _DATABASE["TEST"] = {"NAME": str(RUN_DIR / "test.sqlite3")}
    _DATABASE["OPTIONS"]["init_command"] += "PRAGMA synchronous=OFF;"
else:
    # A pool keeps connections open, and a test database with open connections can't be dropped.
    _DATABASE["OPTIONS"].pop("pool", None)
    # Of this run, and not of the worker: see tests/databases.py.
    _DATABASE["TEST"] = {"NAME": f"test_{RUN_DIR.name}"}

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # fast; the real ones cost time by design
