"""What tests share: a carrier to call, users of each role, SIMs, a clean Valkey.

Nothing here needs a database or a server until a test asks for it.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from django.test import Client

    from sims.models import Sim
    from staff.models import User
    from tests.servers import Simulator

PASSWORD = "correct horse battery"
JOINED = datetime.now(UTC)
"""When every user of this process joined: with the same key and rights it is the same user for what is kept for users
(core/prepared.py), which most of them would have made anew otherwise."""


@pytest.fixture(scope="session", autouse=True)
def _roles_and_rules_survive_a_flush() -> None:
    """A transactional test empties every table; what migrations made, roles and rules, comes back with the flush."""
    from importlib import import_module

    from django.apps import apps
    from django.db import connections
    from django.db.models.signals import post_migrate

    from staff.roles import apply_roles

    make_rules = import_module("notifications.migrations.0006_default_rules").make

    def restore(using: str, **_: Any) -> None:
        with connections[using].schema_editor() as editor:
            apply_roles(apps, editor)
            make_rules(apps, editor)

    post_migrate.connect(restore, sender=apps.get_app_config("staff"), weak=False, dispatch_uid="tests.roles")


@pytest.fixture(scope="session", autouse=True)
def _short_waits() -> Iterator[None]:
    """A call or a walk that the carrier failed is tried again after hundredths of a second."""
    from sims.services import sync_runs
    from smarthub import transport

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transport, "_BACKOFF_BASE", 0.01)
        patch.setattr(sync_runs, "BACKOFF", 0.01)
        yield


@pytest.fixture(scope="session", autouse=True)
def _audit_trail_goes_with_a_flush() -> None:
    """The triggers that keep the audit trail refuse to empty it: they step aside while a test's flush does."""
    from django.db import transaction
    from django.db.backends.base.operations import BaseDatabaseOperations

    from core import audit_guard

    flush = BaseDatabaseOperations.execute_sql_flush

    def flush_all(operations: Any, statements: Any) -> None:
        connection = operations.connection
        with transaction.atomic(using=connection.alias):
            audit_guard.remove(connection)
            flush(operations, statements)
            audit_guard.install(connection)

    BaseDatabaseOperations.execute_sql_flush = flush_all  # type: ignore[method-assign, assignment]  # for the run


@pytest.fixture(scope="session")
def _valkey() -> Any:
    import redis
    from django.conf import settings

    return redis.Redis.from_url(settings.REDIS_URL)


@pytest.fixture(autouse=True)
def _clean_valkey(_valkey: Any) -> None:
    """Cache, queues, locks and call budget of an earlier test are gone, and its broker that was away is forgotten."""
    from core import queue

    queue._not_before = 0.0
    _valkey.flushdb()


@pytest.fixture
def valkey(_valkey: Any) -> Any:
    """A client of this worker's own Valkey database, empty at the start of the test."""
    return _valkey


@contextmanager
def carrier_settings(**values: Any) -> Iterator[None]:
    """Run with other carrier options (``SMARTHUB_READ_TIMEOUT=0.5``) and a client made with them."""
    from django.conf import settings

    from sims.services import carrier

    def forget_client() -> None:
        carrier._shared_client.cache_clear()
        carrier.get_budget.cache_clear()

    before = {name: settings.CONFIG[name] for name in values}
    settings.CONFIG.update(values)
    forget_client()
    try:
        yield
    finally:
        settings.CONFIG.update(before)
        forget_client()


@pytest.fixture
def with_carrier() -> Callable[..., Any]:
    """:func:`carrier_settings`, for tests that want another time-out, rate or page size for a while."""
    return carrier_settings


@pytest.fixture(scope="session")
def _simulator_process() -> Iterator[Simulator]:
    from django.conf import settings

    from tests.servers import Simulator

    simulator = Simulator(settings.RUN_DIR)
    yield simulator
    simulator.stop()


@pytest.fixture
def simulator(_simulator_process: Simulator) -> Iterator[Simulator]:
    """A carrier in its seed's state, which ``sims.services.carrier`` calls."""
    _simulator_process.reset()
    with carrier_settings(
        SMARTHUB_BASE_URL=_simulator_process.base_url,
        SMARTHUB_API_KEY=_simulator_process.api_key,
        SMARTHUB_READ_TIMEOUT=5.0,
    ):
        yield _simulator_process


@pytest.fixture
def mirrored(simulator: Simulator, db: None) -> Callable[[str], Sim]:
    """``mirrored(giccid)`` reads that SIM from the simulator into the mirror and answers the row."""

    def read(giccid: str) -> Sim:
        from sims.models import Sim
        from sims.services.mirror import Source
        from sims.services.refresh import read_sim
        from smarthub import Lane

        read_sim(giccid, lane=Lane.AGENT, source=Source.PAGE)
        return Sim.objects.get(giccid=giccid)

    return read


@pytest.fixture
def make_user(db: None) -> Callable[..., User]:
    """``make_user(role, accounts=None, **fields)``: a user of that role; sees all accounts, or those named."""
    from django.contrib.auth.models import Group
    from django.core.management.color import no_style
    from django.db import connection

    from staff.models import AccountScope, User

    numbers = itertools.count(1)
    # PostgreSQL would go on with the numbers of users that were rolled back; see JOINED.
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), [User]):
            cursor.execute(statement)

    def make(role: str, accounts: list[str] | None = None, **fields: Any) -> User:
        fields = {"username": f"{role.lower()}{next(numbers)}", "date_joined": JOINED} | fields
        user = User(all_accounts=accounts is None, **fields)
        user.set_password(PASSWORD)
        user.save()
        user.groups.add(Group.objects.get(name=role))
        AccountScope.objects.bulk_create(AccountScope(user=user, account_name=name) for name in accounts or ())
        return user

    return make


@pytest.fixture
def viewer(make_user: Callable[..., User]) -> User:
    """A user who may only look."""
    return make_user("Viewer", username="viewer")


@pytest.fixture
def agent(make_user: Callable[..., User]) -> User:
    """A support agent who sees all accounts."""
    return make_user("Agent", username="agent")


@pytest.fixture
def supervisor(make_user: Callable[..., User]) -> User:
    """A supervisor who sees all accounts."""
    return make_user("Supervisor", username="supervisor")


@pytest.fixture
def administrator(make_user: Callable[..., User]) -> User:
    """An administrator who sees all accounts."""
    return make_user("Administrator", username="administrator")


@pytest.fixture
def scoped_agent(make_user: Callable[..., User]) -> User:
    """A support agent who sees ``example_account`` alone."""
    return make_user("Agent", ["example_account"], username="scoped")


@pytest.fixture
def login() -> Callable[[User], Client]:
    """``login(user)`` answers a test client that is signed in as ``user``."""
    from django.test import Client

    def sign_in(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return sign_in


@pytest.fixture
def make_sim(db: None) -> Callable[..., Sim]:
    """``make_sim(**fields)``: a row of the mirror that no carrier knows; ``account`` and ``plan`` may be names."""
    from django.utils import timezone

    from sims.models import Account, RatePlan, SharePool, Sim

    numbers = itertools.count(1)

    def make(**fields: Any) -> Sim:
        number = next(numbers)
        for field, model, key in (
            ("account", Account, "name"),
            ("plan", RatePlan, "code"),
            ("pool", SharePool, "code"),
        ):
            if isinstance(fields.get(field), str):
                fields[field] = model._default_manager.get_or_create(**{key: fields[field]})[0]
        if "account" not in fields:
            fields["account"] = Account.objects.get_or_create(name="example_account")[0]
        fields.setdefault("giccid", f"8986019900000{number:07d}")
        fields.setdefault("imsi", f"46001990{number:07d}")
        fields.setdefault("msisdn", f"861459900{number:04d}")
        fields.setdefault("status", "ACTIVATED")
        fields.setdefault("observed_at", timezone.now())
        identifiers = [fields["giccid"], fields["imsi"], fields["msisdn"], fields.get("imei", "")]
        identifiers += [fields.get(f"custom{i}", "") for i in range(1, 6)]
        fields.setdefault("search", "\n".join(text.lower() for text in identifiers if text))
        return Sim.objects.create(**fields)

    return make


@pytest.fixture
def portal_environment(request: pytest.FixtureRequest) -> dict[str, str]:
    """The environment for a process of the portal (worker, command) that shares this test's database and Valkey.

    For tests with a committed database (``transactional_db``). It points at the simulator when the test uses it.
    """
    from django.conf import settings
    from django.db import connection

    if connection.vendor == "sqlite":
        database = f"sqlite:///{connection.settings_dict['NAME']}"
    else:
        # The address that the run was given, with this test's database in place of the first one.
        address = urlsplit(settings.CONFIG["DATABASE_URL"])
        database = address._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "DATABASE_URL": database,
        "REDIS_URL": settings.REDIS_URL,
        "SMARTHUB_BASE_URL": settings.CONFIG["SMARTHUB_BASE_URL"],
        "SMARTHUB_API_KEY": settings.CONFIG["SMARTHUB_API_KEY"],
        "SMARTHUB_READ_TIMEOUT": str(settings.CONFIG["SMARTHUB_READ_TIMEOUT"]),
    }
