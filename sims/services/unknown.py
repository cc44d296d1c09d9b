"""Accounts, plans and pools that a SIM named and nobody has read yet: each is asked for soon, by itself, and once.

What the carrier does not know stays a stub: the next reading of all accounts, plans and pools may still fill it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog
from django.db.models import Model
from django.utils import timezone

from sims.models import Account, RatePlan, SharePool, Sim, Subscription
from sims.services.carrier import get_client
from sims.services.reference import can_be_asked_for, store_account, store_plans, store_pools
from sims.services.sync_pages import ListBroken, Pages
from smarthub import Lane, SmartHub
from smarthub.contract import Page
from smarthub.errors import Rejected, SmartHubError, Transient

log = structlog.get_logger(__name__)

MOST_AT_ONCE = 20
"""Accounts asked about in one call of :func:`fetch`; more wait for the next."""
_MOST_PAGES = 50


def fetch() -> int:
    """Ask for stubs not asked for yet; answers for how many. A carrier that is away is asked again the next time."""
    client = get_client(Lane.SYNC)
    asked = 0
    for model, key, account_of, ask in (
        (Account, "name", lambda name: name, _ask_account),
        (RatePlan, "code", _account_of_plan, _ask_plans),
        (SharePool, "code", _account_of_pool, _ask_pools),
    ):
        asked += _fetch(model, key, account_of, lambda name, ask=ask: ask(client, name))  # type: ignore[misc] # mypy infers no lambda with a default
    return asked


def _fetch(model: type[Model], key: str, account_of: Callable[[str], str | None], ask: Callable[[str], None]) -> int:
    stubs = model._default_manager.filter(fetched_at=None, asked_at=None)
    names: list[str] = list(stubs.order_by(key).values_list(key, flat=True)[:MOST_AT_ONCE])
    by_account: dict[str | None, list[str]] = {}
    for name in names:
        by_account.setdefault(account_of(name), []).append(name)
    for account, wanted in by_account.items():
        claimed: Any = model._default_manager.filter(**{f"{key}__in": wanted}, fetched_at=None)
        if not claimed.filter(asked_at=None).update(asked_at=timezone.now()):
            continue
        if account is None or not can_be_asked_for(account):
            continue
        try:
            ask(account)
        except Rejected as error:
            log.warning("stub.refused", kind=model.__name__, account=account, error=str(error))
        except (Transient, ListBroken) as error:
            log.warning("stub.later", kind=model.__name__, account=account, error=type(error).__name__)
            if isinstance(error, SmartHubError) and error.code != "unreadable":
                claimed.update(asked_at=None)
    return len(names)


def _account_of_plan(code: str) -> str | None:
    """An account that has a SIM on the plan, or one that bought it."""
    on_plan = Sim.objects.filter(plan_id=code).values_list("account_id", flat=True)[:1]
    bought = Subscription.objects.filter(plan_id=code).values_list("sim__account_id", flat=True)[:1]
    return next(iter(on_plan), None) or next(iter(bought), None)


def _account_of_pool(code: str) -> str | None:
    return next(iter(Sim.objects.filter(pool_id=code).values_list("account_id", flat=True)[:1]), None)


def _ask_account(client: SmartHub, name: str) -> None:
    store_account(name, client.get_account(name))


def _ask_plans(client: SmartHub, account: str) -> None:
    found, complete = _whole(lambda page, size: client.list_plans(account, page, size), client.page_size)
    store_plans(account, found, complete=complete)


def _ask_pools(client: SmartHub, account: str) -> None:
    store_pools(_whole(lambda page, size: client.list_pools(account, page, size), client.page_size)[0])


def _whole(ask: Callable[[int, int], Page[Any]], size: int) -> tuple[list[Any], bool]:
    """A list of the carrier and whether it is whole. Raises errors of ``smarthub.errors`` and ``ListBroken``."""
    pages, found = Pages({}, size), list[Any]()
    for _ in range(_MOST_PAGES):
        page = ask(pages.page, pages.size)
        found += page.data
        if pages.took(page):
            return found, not page.unreadable
    return found, False
