"""Accounts, plans and pools from the carrier: what SIMs point at, filled where only a name was known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Any, TypeVar

import structlog
from django.db import transaction
from django.utils import timezone

from sims.models import Account, Enterprise, RatePlan, SharePool
from sims.services import values
from sims.services.carrier import get_client
from sims.services.histories import keep_account, keep_pools
from sims.services.reading import storable
from sims.services.stubs import ensure_stubs
from sims.services.sync_pages import ListBroken, Pages
from sims.services.sync_runs import Held
from smarthub import Lane, SmartHub, contract
from smarthub.contract import Page
from smarthub.errors import AuthFailed, Rejected, Transient
from smarthub.values import path_segment

T = TypeVar("T")
log = structlog.get_logger(__name__)

_MOST_INT = 2**31 - 1


@dataclass
class Read:
    """How many records were read, and how many could not be."""

    records: int = 0
    errors: int = 0


def read_reference(held: Held) -> None:
    """Do a run of this kind. Errors as :meth:`Held.call`."""
    read = read_all_reference(get_client(Lane.SYNC), held)
    held.run.read = held.run.total = read.records
    held.run.errors = read.errors
    held.finish()


def read_all_reference(client: SmartHub, held: Held) -> Read:
    """Read accounts, each account's plans, and pools.

    What the carrier refuses, and a single list that it can't answer, counts as an error and is left as it was: SIMs
    must not wait for that. Raises ``AuthFailed``, and what :meth:`Held.call` raises when nothing answers at all.
    """
    read = Read()
    asker = _Asker(held, read)
    enterprise = asker.ask("enterprise", client.get_enterprise, needed=True)
    store_enterprise(enterprise)
    for name in _account_names(enterprise):
        if not can_be_asked_for(name):
            read.errors += 1
            continue
        store_account(name, asker.ask("account", lambda name=name: client.get_account(name)))  # type: ignore[misc] # mypy infers no lambda with a default
        plans, complete = asker.ask_list(
            "plans",
            lambda number, size, name=name: client.list_plans(name, number, size),  # type: ignore[misc] # as above
            client.page_size,
        )
        store_plans(name, plans, complete=complete)
        read.records += 1 + len(plans)
        held.advance()
    pools, _ = asker.ask_list("pools", lambda number, size: client.list_pools(page=number, size=size), client.page_size)
    store_pools(pools)
    read.records += len(pools)
    held.advance()
    return read


class _Asker:
    """Asks for one thing after the other and counts what can't be had."""

    def __init__(self, held: Held, read: Read) -> None:
        self._held = held
        self._read = read

    def ask(self, what: str, function: Callable[[], T], *, needed: bool = False) -> T | None:
        """``function()``; ``None`` where the carrier refuses it or, unless it is ``needed``, has no answer to it."""
        try:
            return self._held.call(function) if needed else self._held.call_a_little(function)
        except AuthFailed:
            raise
        except (Rejected, Transient) as error:
            log.warning("reference.refused", what=what, error=str(error))
            self._read.errors += 1
            return None

    def ask_list(self, what: str, function: Callable[[int, int], Page[T]], size: int) -> tuple[list[T], bool]:
        """All elements of a list, and whether it is whole."""
        found: list[T] = []
        pages = Pages({}, size)
        last = False
        while not last:
            page = self.ask(what, lambda: function(pages.page, pages.size))
            if page is None:
                return found, False
            found += page.data
            self._read.errors += len(page.unreadable)
            try:
                last = pages.took(page)
            except ListBroken:
                log.warning("reference.list_broken", what=what)
                self._read.errors += 1
                return found, False
        return found, True


def _account_names(enterprise: contract.Enterprise | None) -> list[str]:
    listed = [account.name for account in (enterprise.accounts if enterprise else None) or ()]
    # A name that the mirror had to cut is not the carrier's.
    known = Account.objects.filter(name__regex=r"^[^~]*$").values_list("name", flat=True)
    return list(dict.fromkeys([*listed, *known]))


def can_be_asked_for(name: str) -> bool:
    """Whether the name is the carrier's and can stand in a path; a SIM may name any account, the empty one too."""
    try:
        # A name that the mirror had to cut is not the carrier's.
        return "~" not in name and bool(path_segment(name, "account"))
    except ValueError:
        return False


def store_enterprise(enterprise: contract.Enterprise | None) -> None:
    """Keep whom the key belongs to, as it was read now; nothing for one that could not be read."""
    if enterprise is None:
        return
    Enterprise.objects.update_or_create(
        pk=1,
        defaults={
            "name": values.clip(enterprise.name, 200),
            "contact": storable({"contact": enterprise.contact})["contact"],
            # Its accounts have rows of their own, and there may be thousands.
            "raw": storable({key: value for key, value in enterprise.raw.items() if key != "accounts"}),
            "fetched_at": timezone.now(),
        },
    )


def store_account(name: str, account: contract.Account | None) -> None:
    """Store an account as it was read now, and keep it for the day; a stub for one that could not be read."""
    key = values.account_key(name)
    if account is None:
        ensure_stubs(Account, "name", {key: {}})
        return
    row, _ = Account.objects.update_or_create(
        name=key,
        defaults={
            "status": values.clip(account.status, 40),
            "currency": values.clip(account.currency, 8),
            "balance": _money(account.balance, 16),
            "current_charge": _money(account.current_charge, 16),
            "raw": storable(account.raw),
            "fetched_at": timezone.now(),
        },
    )
    keep_account(row, sim_count=account.sim_count, status_counts=account.status_counts)


def store_plans(account_name: str, plans: list[contract.Plan], *, complete: bool) -> None:
    """Store plans of an account. What an incomplete list lacks stays the account's: nobody said that it is gone."""
    now = timezone.now()
    rows = {
        values.code_key(plan.code): RatePlan(
            code=values.code_key(plan.code),
            name=values.clip(plan.name, 200),
            kind=values.clip(plan.type, 40),
            billing=values.clip(plan.billing, 40),
            data_quota=plan.data_quota,
            sms_quota=_int(plan.sms_quota),
            validity_days=_int(plan.validity_days),
            price=_money(plan.price, 12),
            currency=values.clip(plan.currency, 8),
            country_codes=values.clean_json(plan.country_codes or []),
            raw=storable(plan.raw),
            fetched_at=now,
        )
        for plan in plans
    }
    with transaction.atomic():
        _upsert(RatePlan, "code", rows)
        own = Account.objects.get(name=values.account_key(account_name)).plans
        if complete:
            own.set(rows.values())
        else:
            own.add(*rows.values())


def store_pools(pools: list[contract.Pool]) -> None:
    """Store share pools as they were read now, and keep them for the day."""
    now = timezone.now()
    rows = {
        values.code_key(pool.code): SharePool(
            code=values.code_key(pool.code),
            name=values.clip(pool.name, 200),
            account_id=values.account_key(pool.account_name) or None,
            plan_id=values.code_key(pool.plan_code) or None,
            data_quota=pool.data_quota,
            data_usage=pool.data_usage,
            sim_count=_int(pool.sim_count),
            cycle_start=pool.cycle_start,
            cycle_end=pool.cycle_end,
            raw=storable(pool.raw),
            fetched_at=now,
        )
        for pool in pools
    }
    with transaction.atomic():
        ensure_stubs(Account, "name", {row.account_id: {} for row in rows.values() if row.account_id})
        ensure_stubs(RatePlan, "code", {row.plan_id: {} for row in rows.values() if row.plan_id})
        _upsert(SharePool, "code", rows)
        keep_pools(rows[code] for code in sorted(rows))


def _upsert(model: type[RatePlan] | type[SharePool], key: str, rows: dict[str, Any]) -> None:
    if rows:
        model._default_manager.bulk_create(
            [rows[code] for code in sorted(rows)],
            update_conflicts=True,
            unique_fields=[key],
            update_fields=[field.name for field in model._meta.concrete_fields if field.name != key],
        )


def _money(amount: Decimal | None, digits: int) -> Decimal | None:
    """An amount as its column holds it; an absurd one is not told (``raw`` has it)."""
    # One less than fits: rounded to the column's places, or to SQLite's fifteen digits, it must not become more.
    if amount is None or not amount.is_finite() or abs(amount) >= Decimal(10) ** (digits - 4) - 1:
        return None
    try:
        return amount.quantize(Decimal("0.0001"), rounding=ROUND_HALF_EVEN)
    except InvalidOperation:
        return None


def _int(number: int | None) -> int | None:
    return number if number is None or 0 <= number <= _MOST_INT else None
