"""Usage by country and month from the carrier, kept for ever: the carrier gives only so many months back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import structlog
from django.db import transaction
from django.utils import timezone

from sims.models import Account, CountryMonth, CountryUsage, SyncRun
from sims.services import values
from sims.services.carrier import get_client
from sims.services.reference import can_be_asked_for
from sims.services.sync_runs import Held
from smarthub import Lane, SmartHub, contract
from smarthub.errors import AuthFailed, Rejected, Transient

log = structlog.get_logger(__name__)

MOST_MONTHS = 24
"""Months back that are asked for at most, the running one among them."""
EMPTY_MONTHS = 2
"""Empty months in a row after which none further back are asked for: the carrier has nothing older."""
SETTLES = timedelta(days=5)
"""After a month's end until its figures count as final; roaming records come late (assumed)."""
_SENSELESS = ("unreadable", "wrong_type")
"""The carrier answers, but nobody can read it, today or in a minute."""
_MOST_BIGINT, _MOST_INT = 2**63 - 1, 2**31 - 1


def read_statistics(held: Held) -> None:
    """Do a run of this kind. What the carrier refuses for one account and month counts as an error and is left.

    Reads the running month, the one before until it has settled, and on first sight the months before those. Goes on
    with the next account when it was interrupted. Raises ``AuthFailed``, and what :meth:`Held.call` raises.
    """
    client = get_client(Lane.SYNC)
    run = held.run
    names = [
        name
        for name in Account.objects.order_by("name").values_list("name", flat=True)
        if "~" not in name and can_be_asked_for(name)
    ]
    run.total = len(names)
    for number, name in enumerate(names[run.read :], run.read + 1):
        _read_account(client, held, name)
        run.read = number
        held.advance()
    held.finish()


def _read_account(client: SmartHub, held: Held, name: str) -> None:
    known = {row.month: row for row in CountryMonth.objects.filter(account_id=name)}
    empty = 0
    for month in _months_back():
        row = known.get(month)
        if row is not None and _is_settled(month, row.read_at):
            countries = row.countries
        else:
            read = _read_month(client, held, name, month)
            if read is None:
                held.run.errors += 1
                return
            countries = read
            held.run.changed += 1
            held.advance()
        empty = 0 if countries else empty + 1
        if empty >= EMPTY_MONTHS:
            return


def _read_month(client: SmartHub, held: Held, name: str, month: date) -> int | None:
    """How many countries were told; ``None`` for an answer that is a refusal or can't be read."""

    def ask() -> contract.CountryStatistics | None:
        try:
            return client.country_statistics(name, f"{month:%Y-%m}")
        except Transient as error:
            if error.code not in _SENSELESS:
                raise
            log.warning("statistics.unreadable", account=name, month=str(month), error=str(error))
            return None

    try:
        answer = held.call(ask)
    except AuthFailed:
        raise
    except Rejected as error:
        log.warning("statistics.refused", account=name, month=str(month), error=str(error))
        return None
    if answer is None or answer.month not in (None, f"{month:%Y-%m}"):
        return None
    return _store(name, month, answer)


def is_wanted() -> bool:
    """Whether it is known which accounts there are to ask about."""
    kinds = [SyncRun.Kind.FULL, SyncRun.Kind.REFERENCE]
    return SyncRun.objects.filter(kind__in=kinds, state=SyncRun.State.DONE).exists() and Account.objects.exists()


def _months_back() -> Iterator[date]:
    month = timezone.now().date().replace(day=1)
    for _ in range(MOST_MONTHS):
        yield month
        month = (month - timedelta(days=1)).replace(day=1)


def _is_settled(month: date, read_at: datetime) -> bool:
    after = (month + timedelta(days=31)).replace(day=1)
    end = datetime(after.year, after.month, 1, tzinfo=UTC)
    return read_at >= end + SETTLES


def _store(name: str, month: date, answer: contract.CountryStatistics) -> int:
    """Keep one month as it was told now; answers how many countries it has."""
    now = timezone.now()
    rows: dict[str, CountryUsage] = {}
    for told in answer.data or ():
        code = values.clip(told.country_code, 8)
        rows[code] = CountryUsage(
            account_id=name,
            month=month,
            country_code=code,
            data_usage=_count(told.data_usage, _MOST_BIGINT),
            sim_count=_count(told.sim_count, _MOST_INT),
            read_at=now,
        )
    with transaction.atomic():
        known = CountryUsage.objects.filter(account_id=name, month=month)
        if answer.data is not None and not answer.unreadable:
            known.exclude(country_code__in=list(rows)).delete()
        CountryUsage.objects.bulk_create(
            [rows[code] for code in sorted(rows)],
            update_conflicts=True,
            unique_fields=["account", "month", "country_code"],
            update_fields=["data_usage", "sim_count", "read_at"],
        )
        CountryMonth.objects.update_or_create(
            account_id=name, month=month, defaults={"read_at": now, "countries": len(rows)}
        )
    return len(rows)


def _count(number: int | None, most: int) -> int | None:
    return number if number is None or 0 <= number <= most else None
