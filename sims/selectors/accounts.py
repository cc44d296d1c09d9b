"""Carrier accounts: what is known of them, how they went day by day, who may see them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet, Sum

from core.badges import SIM_STATUSES
from sims.models import Account, AccountHistory, Enterprise, RatePlan, SharePool, Sim, SimTally
from sims.selectors import usage
from sims.selectors.figures import NONE, Figures, Tally
from sims.selectors.sims import AnyUser
from sims.services.reference import can_be_asked_for
from staff import automation
from staff.models import AccountScope, User
from staff.roles import highest_role
from staff.scopes import scoped, visible_accounts

MOST_PEOPLE = 50


@dataclass(frozen=True)
class AccountSums:
    """SIMs of an account and the bytes they have used in their cycles."""

    sims: int = 0
    active: int = 0
    used: int = 0


@dataclass(frozen=True)
class StateCount:
    """SIMs of an account in one state: as the mirror counts, and as the carrier does by itself."""

    status: str
    sims: int
    carrier: int | None
    """``None`` where the carrier tells no counts."""

    @property
    def differs(self) -> bool:
        """Whether the two counts are two."""
        return self.carrier is not None and self.carrier != self.sims


@dataclass(frozen=True)
class PlanRow:
    """A plan that an account may use or that SIMs of it are on."""

    plan: RatePlan
    tally: Tally
    allowed: bool
    """Whether the carrier lists it for the account."""


@dataclass(frozen=True)
class Person:
    """Who may see an account, with the name of the role."""

    user: User
    role: str


def list_accounts(user: AnyUser) -> QuerySet[Account]:
    """Accounts that ``user`` may see."""
    return scoped(Account.objects.defer("raw"), user, account="name")


def get_account(user: AnyUser, name: str) -> Account:
    """One account. Raises ``Account.DoesNotExist`` for one that is unknown or out of scope."""
    if "\x00" in name:
        raise Account.DoesNotExist
    return list_accounts(user).get(name=name)


def get_enterprise(user: AnyUser) -> Enterprise | None:
    """Whom all accounts belong to; only for users who see all of them."""
    return Enterprise.objects.defer("raw").first() if visible_accounts(user) is None else None


def contact_lines(contact: Any) -> list[str]:
    """The enterprise's contact, whose shape nobody knows, in lines: ``phone: +49 …`` for a field, a text as it is."""
    if isinstance(contact, Mapping):
        return [f"{name}: {line}" for name, value in contact.items() for line in contact_lines(value)]
    if isinstance(contact, list):
        return [line for value in contact for line in contact_lines(value)]
    return [] if contact is None or contact == "" else [str(contact)[:200]]


def account_states(user: AnyUser) -> list[str]:
    """States of accounts in use, as the carrier writes them."""
    found = list_accounts(user).exclude(status="").order_by("status")
    return list(found.values_list("status", flat=True).distinct())


def sums_of(user: AnyUser, names: Iterable[str]) -> dict[str, AccountSums]:
    """SIMs and usage of each of the accounts ``names``, from the kept tallies, in one query."""
    wanted = dict.fromkeys(names, AccountSums())
    # Each SIM stands once under its state and once under its plan; only the latter holds what it has used.
    kinds = (SimTally.Dimension.STATUS, SimTally.Dimension.PLAN)
    rows = SimTally.objects.filter(dimension__in=kinds, account_name__in=list(wanted))
    grouped = scoped(rows, user, account="account_name").values("account_name").order_by()
    is_status = Q(dimension=SimTally.Dimension.STATUS)
    for name, sims, active, used in grouped.annotate(
        all_sims=Sum("sims", filter=is_status, default=0),
        active=Sum("sims", filter=is_status & Q(value=Sim.Status.ACTIVATED), default=0),
        all_used=Sum("used", filter=~is_status, default=0),
    ).values_list("account_name", "all_sims", "active", "all_used"):
        wanted[name] = AccountSums(int(sims), int(active), int(used))
    return wanted


def history(account: Account, since: date) -> list[AccountHistory]:
    """The readings of an account that the user was shown to see already: one a day (UTC), the oldest first."""
    return list(account.history.filter(day__gte=since).order_by("day"))


def last_reading(account: Account) -> AccountHistory | None:
    """The newest of them."""
    return account.history.order_by("-day").first()


def states(counts: Mapping[str, int], reading: AccountHistory | None) -> list[StateCount]:
    """SIMs by state, known states first, then others that the mirror or the carrier has; empty states left out."""
    carrier = reading.status_counts if reading else {}
    others = sorted({*counts, *carrier} - set(SIM_STATUSES))
    rows = [
        StateCount(status, counts.get(status, 0), carrier.get(status, 0) if carrier else None)
        for status in (*SIM_STATUSES, *others)
    ]
    return [row for row in rows if row.sims or row.carrier]


def plans_of(account: Account, figures: Figures) -> list[PlanRow]:
    """Plans that the account may use and those that its SIMs are on; most SIMs first. One query.

    ``figures`` are those of the account.
    """
    codes = [code for code in figures.plans if code != NONE]
    allowed = Exists(RatePlan.accounts.through.objects.filter(rateplan=OuterRef("pk"), account=account))
    found = RatePlan.objects.defer("raw").annotate(is_allowed=allowed).filter(Q(is_allowed=True) | Q(code__in=codes))
    rows = [PlanRow(plan, figures.plans.get(plan.code, Tally()), plan.is_allowed) for plan in found]
    return sorted(rows, key=lambda row: (-row.tally.sims, row.plan.code))


def pools_of(account: Account) -> list[SharePool]:
    """Share pools of the account."""
    return list(account.pools.defer("raw").order_by("code"))


def top_users(user: AnyUser, account: Account, limit: int = 10) -> list[Sim]:
    """Who used most in the cycle: the head of the index ``sim_account_usage``, whatever the size of the account."""
    return list(usage.top_users(user, account=account.name, limit=limit))


def jumped(user: AnyUser, account: Account, limit: int = 10) -> list[Sim]:
    """SIMs with an unusual day in the last seven, by the index of such SIMs alone."""
    return list(usage.jumped(user).filter(account_id=account.name)[:limit])


def people(account: Account) -> tuple[list[Person], bool]:
    """People who may see the account, those limited to it first, and whether there are more than are shown.

    For who may see users; two queries.
    """
    limited = Exists(AccountScope.objects.filter(user=OuterRef("pk"), account_name=account.name))
    users = User.objects.filter(Q(all_accounts=True) | limited, is_active=True)
    users = users.exclude(username=automation.USERNAME)
    found = list(users.prefetch_related("groups").order_by("all_accounts", "username")[: MOST_PEOPLE + 1])
    rows = [Person(user, highest_role(group.name for group in user.groups.all())) for user in found[:MOST_PEOPLE]]
    return rows, len(found) > MOST_PEOPLE


def can_be_read(account: Account) -> bool:
    """Whether the carrier can be asked for an account of this name at all."""
    return can_be_asked_for(account.name)
