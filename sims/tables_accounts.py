"""The table of carrier accounts, and its filters."""

from __future__ import annotations

from typing import Any, ClassVar

import django_tables2 as tables
from django.db.models import FloatField, Q, QuerySet, Value
from django.db.models.functions import Cast, Coalesce
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from core.expressions import OrNone
from core.filters import Choices, FilterSet, ManyFilter, SearchFilter
from core.spreadsheets import FileColumn
from core.tables import AgoColumn, BaseTable
from core.templatetags.portal import bytes_tag, or_dash
from sims.links import account_url, sims_url
from sims.models import Account, Sim
from sims.selectors import accounts
from sims.templatetags.fleet import count, money_tag

_NUMBER = {"td": {"class": "num"}, "th": {"class": "num"}}
_WORDS = {"ACTIVE": ("ok", _("Active")), "SUSPENDED": ("warn", _("Suspended")), "CLOSED": ("off", _("Closed"))}

ORDERS: dict[str, Any] = {
    # There are as many accounts as contracts, hundreds at most: no order but the name's has an index.
    "name": "name",
    "status": "status",
    # As a float: SQLite compares a decimal behind a function as if it were text.
    "balance": Coalesce(Cast("balance", FloatField()), Value(-1e15)),
    "charge": Coalesce(Cast("current_charge", FloatField()), Value(-1e15)),
    "read": OrNone("fetched_at"),
}


def account_badge(status: str) -> SafeString | object:
    """The state of an account as coloured dot and word; one that nobody knows stands as it is."""
    if not status:
        return or_dash("")
    tone, word = _WORDS.get(status, ("neutral", status))
    return format_html('<span class="badge badge-{}"><span class="dot"></span>{}</span>', tone, word)


class AccountTable(BaseTable):
    """Accounts; each row bears ``sums`` (:class:`sims.selectors.accounts.AccountSums`)."""

    fixed = ("name",)
    files: ClassVar = {
        "balance": (
            FileColumn(_("Balance"), lambda row: row.balance),
            FileColumn(_("Currency"), lambda row: row.currency),
        ),
        "charge": (FileColumn(_("Current charge"), lambda row: row.current_charge),),
        "used": (FileColumn(_("Data used, bytes"), lambda row: row.sums.used),),
    }

    name = tables.Column(
        verbose_name=_("Account"),
        empty_values=(),
        attrs={"td": {"class": "col-key"}, "th": {"class": "col-key"}},
    )
    status = tables.Column(verbose_name=_("State"))
    sims = tables.Column(accessor="sums__sims", verbose_name=_("SIMs"), orderable=False, attrs=_NUMBER)
    active = tables.Column(accessor="sums__active", verbose_name=_("Activated"), orderable=False, attrs=_NUMBER)
    balance = tables.Column(verbose_name=_("Balance"), attrs=_NUMBER)
    charge = tables.Column(accessor="current_charge", verbose_name=_("Current charge"), attrs=_NUMBER)
    used = tables.Column(accessor="sums__used", verbose_name=_("Data used"), orderable=False, attrs=_NUMBER)
    read = AgoColumn(accessor="fetched_at", verbose_name=_("Read"))

    class Meta:
        row_attrs: ClassVar = {"data-account": lambda record: record.name}

    def render_name(self, record: Account) -> SafeString:
        """The way to the account's page; a word where nothing but its name is known."""
        stub = "" if record.fetched_at else format_html(' <span class="tag">{}</span>', _now("not read yet"))
        words = record.name or _now("(without a name)")
        return format_html('<a href="{}" data-row-link>{}</a>{}', account_url(record.name), words, stub)

    def render_status(self, value: str) -> Any:
        """Dot and word."""
        return account_badge(value)

    def render_sims(self, record: Account, value: int) -> SafeString:
        """Leads to the SIMs."""
        return format_html('<a href="{}">{}</a>', sims_url(account=record.name), count(value))

    def render_active(self, record: Account, value: int) -> SafeString:
        """Leads to the active ones."""
        url = sims_url(account=record.name, status=str(Sim.Status.ACTIVATED))
        return format_html('<a href="{}">{}</a>', url, count(value))

    def render_balance(self, record: Account) -> Any:
        """With its currency."""
        return money_tag(record.balance, record.currency)

    def render_charge(self, record: Account) -> Any:
        """With its currency."""
        return money_tag(record.current_charge, record.currency)

    def render_used(self, value: int) -> SafeString:
        """In a unit."""
        return bytes_tag(value)


def _find(rows: QuerySet[Account], text: str) -> QuerySet[Account]:
    return rows.filter(name__icontains=text.strip().replace("\x00", ""))


def _states(request: HttpRequest) -> Choices:
    return [(value, _WORDS.get(value, ("", value))[1]) for value in accounts.account_states(request.user)]


class AccountFilterSet(FilterSet):
    """``q`` (a part of the name), ``status``."""

    q = SearchFilter(find=_find)
    status = ManyFilter(
        label=_("State"),
        choices=_states,
        labels={value: word for value, (_tone, word) in _WORDS.items()},
        condition=lambda values: Q(status__in=values),
    )
