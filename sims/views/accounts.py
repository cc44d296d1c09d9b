"""The carrier accounts: the list, and the page of one."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import Any, ClassVar

from django.contrib.auth.decorators import permission_required
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from core.charts import Chart
from core.listing import Listing, ListView
from sims import account_charts, dashboard_rows
from sims.links import key_of
from sims.models import Account, AccountHistory, Sim
from sims.selectors import accounts
from sims.selectors.figures import DAYS_OF_ACTIVITY, Figures, figures
from sims.selectors.pools import percent, projection, recent
from sims.tables_accounts import ORDERS, AccountFilterSet, AccountTable, account_badge

RANGES = (31, 92, 400)
_CONTACT_LINES = 12
_ACTS = {
    Sim.Status.ACTIVATED: _("Activations"),
    Sim.Status.DEACTIVATED: _("Suspensions"),
    Sim.Status.RETIRED: _("Retirements"),
}


class AccountListView(ListView):
    """The accounts that the user may see; above them whom they belong to, for who sees all."""

    name = "accounts"
    template_name = "sims/accounts.html"
    permission_required = "sims.view_account"
    table_class = AccountTable
    filterset_class = AccountFilterSet
    orders: ClassVar = ORDERS
    unique_key = "name"
    default_sort = "name"
    noun = _("account")
    noun_plural = _("accounts")

    def get_queryset(self) -> QuerySet[Account]:
        """What the user may see."""
        return accounts.list_accounts(self.request.user)

    def decorate(self, rows: list[Any]) -> None:
        """SIMs and usage of the accounts of the page, in one query."""
        sums = accounts.sums_of(self.request.user, [row.name for row in rows])
        for row in rows:
            row.sums = sums[row.name]

    def extra_context(self, listing: Listing) -> dict[str, Any]:
        """The enterprise, and what an empty list says."""
        enterprise = accounts.get_enterprise(self.request.user)
        return {
            "enterprise": enterprise,
            "contact": accounts.contact_lines(enterprise.contact)[:_CONTACT_LINES] if enterprise else [],
            "empty_title": _("No accounts yet"),
            "empty_text": _("They appear with the first reading of accounts, plans and pools."),
        }


@require_safe
@permission_required("sims.view_account", raise_exception=True)
def account_page(request: HttpRequest, name: str) -> HttpResponse:
    """Everything about one account; ``?days=`` how far back its charts go (31, 92 or 400 days)."""
    try:
        account = accounts.get_account(request.user, key_of(request, name))
    except Account.DoesNotExist as error:
        raise Http404 from error
    days = next((number for number in RANGES if str(number) == request.GET.get("days")), RANGES[0])
    own = figures(request.user, account=account.name)
    context = {
        "account": account,
        "badge": account_badge(account.status),
        "askable": account.fetched_at is not None or accounts.can_be_read(account),
        "figures": own,
        "active": own.by_status[Sim.Status.ACTIVATED],
        "used": sum(tally.used for tally in own.plans.values()),
        "ranges": [(number, number == days) for number in RANGES],
        **_days(account, own, days),
        **_activity(own),
        "plans": accounts.plans_of(account, own),
        "pools": _pools(account, own),
        "top": accounts.top_users(request.user, account),
        "jumped": accounts.jumped(request.user, account),
        **_people(request, account),
    }
    return render(request, "sims/account.html", context)


def _days(account: Account, own: Figures, days: int) -> dict[str, Any]:
    """The charts over time, and SIMs by state beside what the carrier counted last."""
    today = timezone.now().astimezone(UTC).date()
    readings = accounts.history(account, today - timedelta(days=days - 1))
    # Whoever looks 31 days back may find nothing, and the account was read before.
    newest: AccountHistory | None = readings[-1] if readings else accounts.last_reading(account)
    states = accounts.states(own.by_status, newest)
    money: Chart = account_charts.money(readings, today)
    counted = newest.sim_count if newest else None
    return {
        "states": states,
        "segments": dashboard_rows.states({state.status: state.sims for state in states if state.sims}),
        "differs": any(state.differs for state in states) or (counted is not None and counted != own.total),
        "carrier_total": counted,
        "carrier_read": newest.read_at if newest else None,
        "tells_states": bool(newest and newest.status_counts),
        "money": money,
        "history": account_charts.states(readings, today),
    }


def _activity(own: Figures) -> dict[str, Any]:
    totals = [
        (status, word, sum(day.get(status, 0) for day in own.activity.values())) for status, word in _ACTS.items()
    ]
    return {"activity": account_charts.activity(own.activity), "acts": totals, "activity_days": DAYS_OF_ACTIVITY}


def _pools(account: Account, own: Figures) -> list[Any]:
    found: list[Any] = accounts.pools_of(account)
    readings = recent(found)
    for pool in found:
        pool.projection = projection(pool, readings[pool.code])
        pool.percent = percent(pool.data_usage, pool.data_quota)
        pool.members = own.pools[pool.code].sims if pool.code in own.pools else 0
    return found


def _people(request: HttpRequest, account: Account) -> dict[str, Any]:
    if not request.user.has_perm("staff.view_user"):
        return {}
    people, more = accounts.people(account)
    return {"people": people, "more_people": more}
