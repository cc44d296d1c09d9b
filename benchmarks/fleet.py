"""A make-believe fleet, written straight into the mirror's tables: fast, the same each time."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from django.db import connection, models, transaction
from django.utils import timezone

from sims.models import Account, RatePlan, SharePool, Sim, TimelineEvent
from sims.services import tallies

BUSY_SIM_EVENTS = 600
"""Events of the one SIM whose page is measured: some years of a restless device."""
EVENTS_PER_SIM = 3
_NOW = datetime(2026, 11, 1, tzinfo=UTC)
_STATUSES = ("ACTIVATED", "DEACTIVATED", "INVENTORY", "TEST_READY", "RETIRED")
_SHARES = (78, 9, 7, 4, 2)
_COUNTRIES = ("DE", "FR", "CN", "US", "NL", "PL", "ES", "IT")
_ACCOUNTS = ("example_account", "north_logistics", "harbour")
_DOUBLED = str.maketrans("0123456789", "0246813579")
"""What every other digit counts for the check digit."""
_MB = 1024 * 1024


def giccid(index: int) -> str:
    """The giccid of the SIM ``index``, with its check digit; it grows with it."""
    start = f"8986010{index:012d}"
    total = sum(map(int, start[::-2].translate(_DOUBLED) + start[-2::-2]))
    return f"{start}{-total % 10}"


def build(fleet: int) -> None:
    """Fill an empty database with ``fleet`` SIMs, their accounts, plans and pools, and their timeline."""
    Account.objects.bulk_create(Account(name=name, fetched_at=_NOW) for name in _ACCOUNTS)
    RatePlan.objects.bulk_create(
        RatePlan(code=f"PLAN-{n:02d}", name=f"Plan {n}", kind="BASIC", fetched_at=_NOW) for n in range(12)
    )
    SharePool.objects.bulk_create(
        SharePool(code=f"POOL-{n}", account_id=_ACCOUNTS[n % 3], fetched_at=_NOW) for n in range(4)
    )
    _write(Sim, _sims(fleet))
    ids = dict(Sim.objects.values_list("giccid", "pk"))
    _write(TimelineEvent, _events(fleet, ids))
    tallies.mend()
    tallies.fold()
    _settle()


def _settle() -> None:
    """PostgreSQL as autovacuum leaves it after a while. SQLite as it is: nobody runs ANALYZE there."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")


def _write(model: type[models.Model], rows: Iterable[dict[str, Any]]) -> None:
    """Insert rows of column values without making objects of them: by COPY on PostgreSQL."""
    blank = model()
    fields = [field for field in model._meta.concrete_fields if not field.primary_key]
    standard: dict[str, Any] = {
        str(field.column): field.get_db_prep_save(field.pre_save(blank, True), connection) for field in fields
    }
    for name, value in standard.items():
        # A JSON column's value comes wrapped for a parameter of a statement; here it is text either way.
        standard[name] = json.dumps(value.obj) if hasattr(value, "obj") else value
    columns = list(standard)
    names = ", ".join(f'"{column}"' for column in columns)
    table = f'"{model._meta.db_table}" ({names})'
    values = ([*({**standard, **row}).values()] for row in rows)
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY {table} FROM STDIN") as copy:
                for value in values:
                    copy.write_row(value)
            return
        marks = ", ".join(["%s"] * len(columns))
        while chunk := list(islice(values, 5000)):
            cursor.executemany(f"INSERT INTO {table} VALUES ({marks})", chunk)


def _moments() -> Callable[[datetime], Any]:
    return connection.ops.adapt_datetimefield_value


def _sims(fleet: int) -> Iterator[dict[str, Any]]:
    choice = random.Random(1)
    moment = _moments()
    observed_at = moment(timezone.now())
    apns = json.dumps([{"apn": "iot.example", "status": "ENABLED"}])
    raw = json.dumps({"filler": "x" * 800})
    for index in range(fleet):
        quota = choice.choice((50, 100, 500)) * _MB
        usage = int(quota * choice.random() * 1.1)
        identifiers = {
            "giccid": giccid(index),
            "imsi": f"46001{index:010d}",
            "msisdn": f"86145{index:08d}",
            "imei": f"35327009{choice.randrange(10**7):07d}",
            "custom1": f"customer-{index % 997}",
            "custom2": f"Depot {choice.randrange(40)}" if choice.random() < 0.5 else "",
        }
        yield {
            **identifiers,
            "search": "\n".join(value.lower() for value in identifiers.values() if value),
            "account_id": _ACCOUNTS[index % 4 % 3],
            "status": choice.choices(_STATUSES, _SHARES)[0],
            "status_changed_at": moment(_NOW - timedelta(seconds=choice.randrange(3 * 10**7))),
            "plan_id": f"PLAN-{choice.randrange(12):02d}",
            "pool_id": f"POOL-{choice.randrange(4)}" if choice.random() < 0.4 else None,
            "apns": apns,
            "apn_state": "ENABLED",
            "data_usage": usage,
            "data_quota": quota,
            "quota_percent": usage * 100 // quota,
            "online": choice.random() < 0.6,
            "last_session_at": moment(_NOW - timedelta(seconds=choice.randrange(10**7))),
            "country_code": choice.choice(_COUNTRIES),
            "network": "26201",
            "rat_type": "LTE",
            "raw": raw,
            "observed_at": observed_at,
            "observed_by": "walk",
        }


def _events(fleet: int, ids: dict[str, int]) -> Iterator[dict[str, Any]]:
    moment = _moments()
    for index in range(fleet):
        many = BUSY_SIM_EVENTS if index == fleet // 2 else EVENTS_PER_SIM
        for number in range(many):
            at = moment(_NOW - timedelta(hours=7 * number + index % 7))
            values = ("DEACTIVATED", "ACTIVATED") if number % 2 == 0 else ("ACTIVATED", "DEACTIVATED")
            yield {
                "sim_id": ids[giccid(index)],
                "account_name": _ACCOUNTS[index % 4 % 3],
                "kind": "status",
                "at": at,
                "from_value": values[0],
                "to_value": values[1],
                "log_time": at,
            }
