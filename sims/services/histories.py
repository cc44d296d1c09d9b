"""Keeping by day what the carrier shows only as it is now: accounts and share pools."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sims.models import Account, AccountHistory, PoolHistory, SharePool

_MOST_INT = 2**31 - 1


def keep_account(account: Account, *, sim_count: int | None, status_counts: Mapping[str, int] | None) -> None:
    """Note how an account was just read; the last reading of a day stays. ``account`` is stored and was read now."""
    at = _read_at(account.fetched_at)
    AccountHistory.objects.bulk_create(
        [
            AccountHistory(
                account=account,
                day=at.date(),
                balance=account.balance,
                current_charge=account.current_charge,
                currency=account.currency,
                sim_count=_int(sim_count),
                status_counts=dict(status_counts or {}),
                read_at=at,
            )
        ],
        update_conflicts=True,
        unique_fields=["account", "day"],
        update_fields=["balance", "current_charge", "currency", "sim_count", "status_counts", "read_at"],
    )


def keep_pools(pools: Iterable[SharePool]) -> None:
    """Note how share pools were just read, in one statement; the last reading of a day stays."""
    copied: dict[str, Any]
    rows = []
    for pool in pools:
        at = _read_at(pool.fetched_at)
        copied = {name: getattr(pool, name) for name in _POOL}
        rows.append(PoolHistory(pool_id=pool.code, day=at.date(), read_at=at, **copied))
    if rows:
        PoolHistory.objects.bulk_create(
            rows, update_conflicts=True, unique_fields=["pool", "day"], update_fields=[*_POOL, "read_at"]
        )


_POOL = ("cycle_start", "cycle_end", "data_quota", "data_usage", "sim_count")


def _read_at(moment: datetime | None) -> datetime:
    assert moment is not None, "kept before it was read"
    return moment


def _int(number: int | None) -> int | None:
    return number if number is None or 0 <= number <= _MOST_INT else None
