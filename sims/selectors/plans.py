"""Rate plans: which of them a user may see, who is on them, and what a gigabyte of one costs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import (
    DecimalField,
    Exists,
    ExpressionWrapper,
    F,
    FloatField,
    OuterRef,
    Q,
    QuerySet,
    TextField,
    Value,
)
from django.db.models.functions import Cast, Coalesce, NullIf
from django.db.models.lookups import Contains
from django.utils import timezone

from core.paging import COUNT_LIMIT, Count
from core.templatetags.portal import data_unit
from sims.models import Account, RatePlan, Subscription
from sims.selectors import figures
from sims.selectors.figures import Tally
from sims.selectors.sims import AnyUser
from staff.scopes import visible_accounts

SUPPLEMENTARY, PREPAID = RatePlan.Kind.SUPPLEMENTARY, "PREPAID"


@dataclass(frozen=True)
class OnIt:
    """Who has a plan: as their basic one, counted exactly, or (``is_addon``) as a supplementary one, counted up to
    10,000. ``used`` and ``quota`` are bytes of the running cycle, ``None`` for a supplementary one."""

    sims: Count
    used: int | None = None
    quota: int | None = None
    is_addon: bool = False

    @property
    def percent(self) -> int | None:
        """How much of the quota is used; ``None`` without one."""
        return self.used * 100 // self.quota if self.quota and self.used is not None else None


def list_plans(user: AnyUser) -> QuerySet[RatePlan]:
    """Plans that ``user`` may see: those that the accounts in scope may use, and those that SIMs in scope have."""
    plans = RatePlan.objects.defer("raw")
    accounts = visible_accounts(user)
    if accounts is None:
        return plans
    names = sorted(accounts)
    usable = RatePlan.accounts.through.objects.filter(account_id__in=names).values("rateplan_id")
    bought = Subscription.objects.filter(plan_id=OuterRef("pk"), sim__account_id__in=names, gone_since__isnull=True)
    had = [code for code, tally in figures.figures(user).plans.items() if tally.sims]
    return plans.filter(Q(pk__in=usable) | Q(pk__in=had) | Q(Exists(bought)))


def get_plan(user: AnyUser, code: str) -> RatePlan:
    """One plan with all its columns. Raises ``RatePlan.DoesNotExist`` for an unknown one and one out of scope."""
    if "\x00" in code:
        raise RatePlan.DoesNotExist
    return list_plans(user).defer(None).get(pk=code)


def chosen_plans(user: AnyUser, codes: Iterable[str]) -> list[RatePlan]:
    """The plans of these codes that ``user`` may see, in the order of the codes; the others are left out."""
    wanted = [code for code in dict.fromkeys(codes) if code and "\x00" not in code]
    found = {plan.code: plan for plan in list_plans(user).filter(pk__in=wanted)} if wanted else {}
    return [found[code] for code in wanted if code in found]


def accounts_of(user: AnyUser, plan: RatePlan) -> list[str]:
    """Names of the accounts that may use ``plan``, those that ``user`` may see, in order."""
    accounts = plan.accounts.order_by("name")
    visible = visible_accounts(user)
    if visible is not None:
        accounts = accounts.filter(name__in=sorted(visible))
    return list(accounts.values_list("name", flat=True))


def on_plans(user: AnyUser, plans: Sequence[RatePlan]) -> dict[str, OnIt]:
    """Who is on each of ``plans``, of the SIMs that ``user`` may see. Two queries at most."""
    tallies = figures.by_plan(user, [plan.code for plan in plans])
    # Of a plan that is only known by its code nobody can tell the kind but who has it.
    held = _holders(user, [plan.code for plan in plans if plan.kind != RatePlan.Kind.BASIC])
    found = {}
    for plan in plans:
        tally, holders = tallies.get(plan.code, Tally()), held.get(plan.code, Count(0))
        if plan.kind == SUPPLEMENTARY or (holders.number and not tally.sims):
            found[plan.code] = OnIt(holders, is_addon=True)
        else:
            found[plan.code] = OnIt(Count(tally.sims), tally.used, tally.quota)
    return found


def _holders(user: AnyUser, codes: list[str]) -> dict[str, Count]:
    """How many SIMs have each supplementary plan in force, counted no further than the limit; one query."""
    if not codes:
        return {}
    accounts = visible_accounts(user)
    if accounts is not None and not accounts:
        return {code: Count(0) for code in codes}
    join, names = "", sorted(accounts or ())
    if accounts is not None:
        join = f"JOIN sims_sim m ON m.id = s.sim_id AND m.account_id IN ({_marks(names)})"
    now = connection.ops.adapt_datetimefield_value(timezone.now())
    sql = f"""
        SELECT p.code, (SELECT count(DISTINCT held.sim_id) FROM (
          SELECT s.sim_id FROM sims_subscription s {join}
          WHERE s.plan_id = p.code AND s.gone_since IS NULL AND (s.expires_at IS NULL OR s.expires_at > %s)
          LIMIT {COUNT_LIMIT + 1}) held)
        FROM sims_rateplan p WHERE p.code IN ({_marks(codes)})
    """  # noqa: S608 - marks and numbers of ours, values apart
    with connection.cursor() as cursor:
        cursor.execute(sql, [*names, now, *codes])
        return {code: Count(min(number, COUNT_LIMIT), number > COUNT_LIMIT) for code, number in cursor.fetchall()}


def _marks(values: Sequence[str]) -> str:
    return ", ".join(["%s"] * len(values))


# What plans cost --------------------------------------------------------------------------------------------------


def gigabyte() -> int:
    """Bytes of a GB as the portal counts them (``DATA_UNITS``)."""
    return data_unit() ** 3


def price_per_gb(plan: RatePlan) -> Decimal | None:
    """What a gigabyte of the plan's quota costs when all of it is used; ``None`` without price or quota."""
    if plan.price is None or not plan.data_quota or plan.data_quota < 0:
        return None
    return plan.price * gigabyte() / plan.data_quota


def price_order() -> Any:
    """The price as an expression to sort by; -1 where there is none."""
    return Coalesce(F("price"), Value(Decimal(-1)), output_field=DecimalField(max_digits=12, decimal_places=4))


def per_gb_order() -> Any:
    """:func:`price_per_gb` as an expression to sort by, the same in any unit; -1 where there is none."""
    price, quota = Cast(F("price"), FloatField()), Cast(NullIf(F("data_quota"), Value(0)), FloatField())
    return Coalesce(ExpressionWrapper(price / quota, output_field=FloatField()), Value(-1.0))


# Countries --------------------------------------------------------------------------------------------------------


def countries_of(plan: RatePlan) -> list[str]:
    """Codes of the countries that the plan covers, in order; none when the carrier told none."""
    codes = plan.country_codes if isinstance(plan.country_codes, list) else []
    return sorted({code for code in codes if isinstance(code, str) and code})


def covers(code: str) -> Any:
    """The condition of a plan that covers the country of this code.

    The list of codes is looked at as text, which both databases can do alike. The table of plans is small.
    """
    return Contains(Cast(F("country_codes"), TextField()), f'"{code}"')


def covered_countries(user: AnyUser) -> list[str]:
    """Codes of the countries that any plan of the user covers, in order."""
    return sorted({code for plan in list_plans(user).only("country_codes") for code in countries_of(plan)})


def neighbours(user: AnyUser, plan: RatePlan, *, most: int = 8) -> list[RatePlan]:
    """Other plans of the same kind and currency that cover at least its countries and have a price for a GB, the
    cheapest a GB first."""
    if price_per_gb(plan) is None or not plan.currency:
        return []
    own = set(countries_of(plan))
    others = list_plans(user).filter(kind=plan.kind, currency=plan.currency, price__isnull=False).exclude(pk=plan.pk)
    priced = [(price, other) for other in others if (price := price_per_gb(other)) is not None]
    fitting = [(price, other.code, other) for price, other in priced if own <= set(countries_of(other))]
    return [other for _price, _code, other in sorted(fitting, key=lambda item: item[:2])[:most]]


def scope_names(user: AnyUser) -> list[str]:
    """Names of the accounts that ``user`` may see and that have plans, in order."""
    accounts = Account.objects.filter(plans__isnull=False).distinct().order_by("name")
    visible = visible_accounts(user)
    if visible is not None:
        accounts = accounts.filter(name__in=sorted(visible))
    return list(accounts.values_list("name", flat=True))
