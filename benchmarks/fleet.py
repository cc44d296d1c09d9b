"""A make-believe fleet, written straight into the mirror's tables: fast, the same each time."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from django.db import connection, models, transaction
from django.utils import timezone

from sims.models import Account, RatePlan, SharePool, Sim, SimReading, SimUsage, TimelineEvent
from sims.services import tallies
from sims.services.usage.packing import pack, pack_hours
from sims.services.usage.rows import to_day

BUSY_SIM_EVENTS = 600
"""Events of the one SIM whose page is measured: some years of a restless device."""
EVENTS_PER_SIM = 5
USAGE_DAYS = 30
MOST_WITH_HISTORY = 100_000
"""SIMs that have events and usage by day, at most; they are spread over the fleet."""
ACCOUNTS = ("example_account", "north_logistics", "harbour")
EXTRA_PLAN = "EXTRA-1"
_STATUSES = ("ACTIVATED", "DEACTIVATED", "INVENTORY", "TEST_READY", "RETIRED")
_SHARES = (78, 9, 7, 4, 2)
_COUNTRIES = ("DE", "FR", "CN", "US", "NL", "PL", "ES", "IT")
_DOUBLED = str.maketrans("0123456789", "0246813579")
"""What every other digit counts for the check digit."""
_MB = 1024 * 1024
_LINES_AT_ONCE = 1_000


def giccid(index: int) -> str:
    """The giccid of the SIM ``index``, with its check digit; it grows with it."""
    start = f"8986010{index:012d}"
    total = sum(map(int, start[::-2].translate(_DOUBLED) + start[-2::-2]))
    return f"{start}{-total % 10}"


def with_history(fleet: int) -> range:
    """The indices of the SIMs that have events and usage by day."""
    return range(0, fleet, max(1, fleet // MOST_WITH_HISTORY))


def busy(fleet: int) -> int:
    """The index of the SIM with the long timeline: about the middle of the fleet."""
    several = with_history(fleet)
    return several[len(several) // 2]


def build(fleet: int) -> None:
    """Fill an empty database with ``fleet`` SIMs, their accounts, plans and pools, their timeline and their usage."""
    now = timezone.now()
    Account.objects.bulk_create(Account(name=name, fetched_at=now) for name in ACCOUNTS)
    RatePlan.objects.bulk_create(
        RatePlan(code=f"PLAN-{n:02d}", name=f"Plan {n}", kind="BASIC", fetched_at=now) for n in range(12)
    )
    RatePlan.objects.create(code=EXTRA_PLAN, name="Extra", kind="SUPPLEMENTARY", fetched_at=now)
    SharePool.objects.bulk_create(
        SharePool(code=f"POOL-{n}", account_id=ACCOUNTS[n % 3], fetched_at=now) for n in range(4)
    )
    with without_indexes(Sim):
        write(Sim, sims(fleet))
    first = first_key(Sim, fleet)
    raw = json.dumps({"filler": "x" * 800})
    write(SimReading, ({"sim_id": first + index, "raw": raw} for index in range(fleet)))
    with without_indexes(TimelineEvent):
        write(TimelineEvent, _events(fleet, first))
    write(SimUsage, _usage(fleet, first))
    tallies.mend()
    tallies.fold()
    settle()


def first_key(model: Any, number: int) -> int:
    """The key of the first of ``number`` rows written into an empty table, whose keys follow each other."""
    ends = model.objects.aggregate(low=models.Min("pk"), high=models.Max("pk"))
    if ends["high"] - ends["low"] + 1 != number:
        raise SystemExit(f"the keys of {model.__name__} do not follow each other: the table was not empty")
    return int(ends["low"])


def settle() -> None:
    """PostgreSQL as autovacuum leaves it after a while. SQLite as it is: nobody runs ANALYZE there."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")


@contextmanager
def without_indexes(model: type[models.Model]) -> Iterator[None]:
    """Indexes of ``model`` are dropped and made again afterwards: for many rows that is faster than keeping them."""
    indexes = model._meta.indexes
    with connection.schema_editor() as editor:
        for index in indexes:
            editor.remove_index(model, index)
    yield
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET maintenance_work_mem = '1GB'; SET max_parallel_maintenance_workers = 2")
    with connection.schema_editor() as editor:
        for index in indexes:
            editor.add_index(model, index)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("RESET maintenance_work_mem; RESET max_parallel_maintenance_workers")


def write(model: type[models.Model], rows: Iterable[dict[str, Any]]) -> None:
    """Insert rows of column values without making objects of them: by COPY on PostgreSQL."""
    blank = model()
    fields = [field for field in model._meta.concrete_fields if not isinstance(field, models.AutoField)]
    standard: dict[str, Any] = {
        str(field.column): field.get_db_prep_save(field.pre_save(blank, True), connection) for field in fields
    }
    for field in fields:
        # These come wrapped for a parameter of a statement; here JSON is text either way.
        plain = getattr(standard[str(field.column)], "obj", standard[str(field.column)])
        as_text = isinstance(field, models.JSONField) and not isinstance(plain, str)
        standard[str(field.column)] = json.dumps(plain) if as_text else plain
    names = ", ".join(f'"{column}"' for column in standard)
    table = f'"{model._meta.db_table}" ({names})'
    if connection.vendor == "postgresql":
        _copy(table, standard, rows)
        return
    marks = ", ".join(["%s"] * len(standard))
    values = ([*({**standard, **row}).values()] for row in rows)
    with transaction.atomic(), connection.cursor() as cursor:
        while chunk := list(islice(values, 5000)):
            cursor.executemany(f"INSERT INTO {table} VALUES ({marks})", chunk)


def _copy(table: str, standard: dict[str, Any], rows: Iterable[dict[str, Any]]) -> None:
    """By COPY in its text form, whose lines are made here: a fifth of the time of handing over row by row."""
    start = {name: _text(value) for name, value in standard.items()}
    lines = ("\t".join({**start, **{name: _text(row[name]) for name in row}}.values()) for row in rows)
    # Before COPY begins, during which the connection takes no question: rows may ask one before the first of them.
    chunk = list(islice(lines, _LINES_AT_ONCE))
    with transaction.atomic(), connection.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN") as copy:
        while chunk:
            copy.write("\n".join(chunk) + "\n")
            chunk = list(islice(lines, _LINES_AT_ONCE))


def _text(value: Any) -> str:
    """A value as it stands in a line of COPY."""
    if type(value) is str:
        if "\\" in value or "\n" in value or "\t" in value:
            return value.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t")
        return value
    if value is None:
        return "\\N"
    if isinstance(value, (bytes, memoryview)):
        return f"\\\\x{bytes(value).hex()}"
    return str(value)


def moments() -> Callable[[datetime], Any]:
    """What makes a time a value of a column."""
    return connection.ops.adapt_datetimefield_value


def sims(fleet: int) -> Iterator[dict[str, Any]]:
    """The rows of the SIMs, in the order of their giccids."""
    choice = random.Random(1)
    chance, whole = choice.random, choice.randrange
    moment, now = moments(), timezone.now()
    observed_at = moment(now)
    apns = json.dumps([{"apn": "iot.example", "status": "ENABLED"}])
    statuses = [status for status, share in zip(_STATUSES, _SHARES, strict=True) for _ in range(share)]
    common = {"apns": apns, "network": "26201", "rat_type": "LTE"}
    common |= {"observed_at": observed_at, "observed_by": "walk"}
    # A time in many is made for many SIMs: making one takes as long as all the rest of a row.
    seen = [moment(now - timedelta(seconds=whole(10**7))) for _ in range(20_000)]
    since = [moment(now - timedelta(seconds=whole(3 * 10**7))) for _ in range(20_000)]
    for index in range(fleet):
        quota = (50, 100, 500)[int(chance() * 3)] * _MB
        usage = int(quota * chance() * 1.1)
        text = f"customer-{index % 997}", f"Depot {int(chance() * 80)}" if chance() < 0.5 else ""
        ids = giccid(index), f"46001{index:010d}", f"86145{index:08d}", f"35327009{int(chance() * 10**7):07d}"
        online, apn = chance(), chance()
        yield {
            "giccid": ids[0],
            "imsi": ids[1],
            "msisdn": ids[2],
            "imei": ids[3],
            "custom1": text[0],
            "custom2": text[1],
            "search": "\n".join(value.lower() for value in (*ids, *text) if value),
            "account_id": ACCOUNTS[index % 4 % 3],
            "status": statuses[int(chance() * 100)],
            "status_changed_at": since[int(chance() * 20_000)],
            "plan_id": f"PLAN-{int(chance() * 12):02d}" if chance() < 0.97 else None,
            "pool_id": f"POOL-{int(chance() * 4)}" if chance() < 0.4 else None,
            "apn_state": "ENABLED" if apn < 0.9 else "DISABLED" if apn < 0.95 else "",
            "data_usage": usage,
            "data_quota": quota,
            "quota_percent": usage * 100 // quota if chance() < 0.98 else None,
            "usage_jump_on": (now - timedelta(days=chance() * 30)).date() if index % 1000 == 7 else None,
            "online": True if online < 0.6 else False if online < 0.98 else None,
            "last_session_at": seen[int(chance() * 20_000)] if chance() < 0.97 else None,
            "country_code": _COUNTRIES[int(chance() * 8)] if chance() < 0.97 else "",
            **common,
        }


def _events(fleet: int, first: int) -> Iterator[dict[str, Any]]:
    moment, now = moments(), timezone.now().replace(microsecond=0)
    most = busy(fleet)
    for index in with_history(fleet):
        for number in range(BUSY_SIM_EVENTS if index == most else EVENTS_PER_SIM):
            # Spread over a month and a half, none at the same second in great numbers.
            at = moment(now - timedelta(seconds=number * 777_600 + index * 7919 % 777_600))
            kind, values = _KINDS[(index + number) % len(_KINDS)]
            yield {
                "sim_id": first + index,
                "account_name": ACCOUNTS[index % 4 % 3],
                "kind": kind,
                "at": at,
                "from_value": values[number % 2],
                "to_value": values[1 - number % 2],
                "log_time": at,
            }


_KINDS = (
    ("status", ("DEACTIVATED", "ACTIVATED")),
    ("status", ("ACTIVATED", "DEACTIVATED")),
    ("plan", ("PLAN-01", "PLAN-02")),
    ("imei", ("353270090000001", "353270090000002")),
)


def _usage(fleet: int, first: int) -> Iterator[dict[str, Any]]:
    choice = random.Random(2)
    today = to_day(timezone.now().astimezone(UTC).date())
    start = timezone.now().astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    for index in with_history(fleet):
        pace = 1_000_000 + int(choice.random() * 7_000_000)
        days = [int(pace * choice.random() * 2) * 2 for _ in range(USAGE_DAYS - 1)]
        yield {
            "sim_id": first + index,
            "counted": sum(days) // 2,
            "usual": pace,
            "cycle": int(start.timestamp()),
            "fell_at": 0,
            "since": today - len(days),
            "day": today,
            "hours": pack_hours([int(pace * choice.random() / 12) for _ in range(12)] + [0] * 12),
            "days": pack(days),
            "cycles": b"",
        }
