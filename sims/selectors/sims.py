"""Reading SIMs and what they can be filtered by; everything starts from what the user may see."""

from __future__ import annotations

from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.db.models import QuerySet

from core.badges import SIM_STATUSES
from core.prepared import WORD, found_for
from sims.models import Account, RatePlan, SharePool, Sim
from staff.models import User
from staff.scopes import scoped, visible_accounts

AnyUser = User | AnonymousUser


def list_sims(user: AnyUser) -> QuerySet[Sim]:
    """All SIMs that ``user`` may see, with names of plan and pool."""
    return scoped(_light(Sim.objects.select_related("plan", "pool")), user)


def get_sim(user: AnyUser, giccid: str) -> Sim:
    """One SIM with its plan and pool. Raises ``Sim.DoesNotExist`` for one that is unknown or out of scope."""
    if not giccid.isascii() or not giccid.isalnum():
        # What can't be a giccid is not taken to the database, which may refuse the very text (NUL).
        raise Sim.DoesNotExist
    found = found_for(user, _of_giccid, giccid)
    if not found:
        raise Sim.DoesNotExist
    return found[0]


def _of_giccid(user: AnyUser) -> QuerySet[Sim]:
    return list_sims(user).filter(giccid=WORD)


def _light(queryset: QuerySet[Sim]) -> QuerySet[Sim]:
    """Without the columns that no page shows and that are most of a row."""
    return queryset.defer("search", "plan__raw", "pool__raw")


def account_names(user: AnyUser) -> list[str]:
    """Names of the carrier accounts that ``user`` may see, in order."""
    return list(scoped(Account.objects.order_by("name"), user, account="name").values_list("name", flat=True))


def plans(user: AnyUser) -> list[tuple[str, str]]:
    """Code and name of basic plans that ``user``'s accounts may use, and of those not read yet."""
    queryset = RatePlan.objects.exclude(kind=RatePlan.Kind.SUPPLEMENTARY).order_by("code")
    accounts = visible_accounts(user)
    if accounts is not None:
        queryset = queryset.filter(accounts__name__in=sorted(accounts)).distinct()
    return list(queryset.values_list("code", "name"))


def supplementary_plans(user: AnyUser) -> list[tuple[str, str]]:
    """Code and name of supplementary plans that ``user``'s accounts may use."""
    queryset = RatePlan.objects.filter(kind=RatePlan.Kind.SUPPLEMENTARY).order_by("code")
    accounts = visible_accounts(user)
    if accounts is not None:
        queryset = queryset.filter(accounts__name__in=sorted(accounts)).distinct()
    return list(queryset.values_list("code", "name"))


def pools(user: AnyUser) -> list[tuple[str, str]]:
    """Code and name of share pools of ``user``'s accounts."""
    return list(scoped(SharePool.objects.order_by("code"), user).values_list("code", "name"))


def unknown_statuses() -> list[str]:
    """Statuses in use that the contract does not know. Told to everybody: a word of the carrier, no one's data."""
    return [status for status in _hop(_STATUSES, []) if status not in SIM_STATUSES]


def countries(user: AnyUser) -> list[str]:
    """Codes of the countries where SIMs that ``user`` may see had their last session, in order."""
    accounts = visible_accounts(user)
    if accounts is None:
        return _hop(_COUNTRIES.format(accounts=""), [])
    if not accounts:
        return []
    marks = ", ".join(["%s"] * len(accounts))
    return _hop(_COUNTRIES.format(accounts=f"WHERE name IN ({marks})"), sorted(accounts))


# SELECT DISTINCT reads every SIM; these go from one value to the next by the index, a step for each value.
_STATUSES = """
WITH RECURSIVE found(value) AS (
  SELECT min(status) FROM sims_sim
  UNION ALL
  SELECT (SELECT min(status) FROM sims_sim WHERE status > found.value) FROM found WHERE found.value IS NOT NULL
)
SELECT value FROM found WHERE value IS NOT NULL
"""
_COUNTRIES = """
WITH RECURSIVE found(account, value) AS (
  SELECT name, (SELECT min(country_code) FROM sims_sim WHERE account_id = name) FROM sims_account {accounts}
  UNION ALL
  SELECT account, (SELECT min(country_code) FROM sims_sim WHERE account_id = account AND country_code > value)
  FROM found WHERE value IS NOT NULL
)
SELECT DISTINCT value FROM found WHERE value <> '' ORDER BY value
"""


def _hop(sql: str, params: list[str]) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return [value for (value,) in cursor.fetchall()]
