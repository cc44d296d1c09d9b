"""The table of share pools, and its filters."""

from __future__ import annotations

from typing import Any, ClassVar

import django_tables2 as tables
from django.db.models import Q, QuerySet
from django.db.models.lookups import GreaterThanOrEqual, LessThan
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from core.expressions import OrNone
from core.filters import Choices, FilterSet, ManyFilter, SearchFilter
from core.spreadsheets import FileColumn
from core.tables import AgoColumn, BaseTable, tooltip
from sims.filters import NONE
from sims.links import account_url, plan_url, pool_url, sims_url
from sims.models import SharePool
from sims.models.tally import QUOTA_BANDS
from sims.selectors import sims
from sims.selectors.pools import FULLNESS, percent
from sims.selectors.usage import Projection
from sims.tables import usage_meter
from sims.templatetags.fleet import count, projected

_NUMBER = {"td": {"class": "num"}, "th": {"class": "num"}}

ORDERS: dict[str, Any] = {
    # There are few pools beside SIMs: no order but the code's has an index.
    "code": "code",
    "name": "name",
    "account": OrNone("account_id"),
    "sims": OrNone("sim_count"),
    "used": FULLNESS,
    "ends": OrNone("cycle_end"),
    "read": OrNone("fetched_at"),
}


class PoolTable(BaseTable):
    """Share pools; each row bears ``projection`` (``None`` for none)."""

    fixed = ("code",)
    default_columns = ("name", "account", "plan", "sims", "used", "projection", "ends")
    files: ClassVar = {
        "account": (FileColumn(_("Account"), lambda row: row.account_id, is_text=True),),
        "plan": (FileColumn(_("Rate plan"), lambda row: row.plan_id, is_text=True),),
        "used": (
            FileColumn(_("Data used, bytes"), lambda row: row.data_usage),
            FileColumn(_("Quota, bytes"), lambda row: row.data_quota),
            FileColumn(_("Used, percent"), lambda row: percent(row.data_usage, row.data_quota)),
        ),
        "projection": (
            FileColumn(_("At the end at this pace, bytes"), lambda row: row.projection and row.projection.at_end),
            FileColumn(_("Full on"), lambda row: row.projection and row.projection.full_on),
        ),
    }

    code = tables.Column(verbose_name=_("Code"), attrs={"td": {"class": "col-key"}, "th": {"class": "col-key"}})
    name = tables.Column(verbose_name=_("Name"), attrs={"td": {"class": "clip", "title": tooltip}})
    account = tables.Column(accessor="account_id", verbose_name=_("Account"), attrs={"td": {"class": "clip"}})
    plan = tables.Column(
        accessor="plan", verbose_name=_("Rate plan"), orderable=False, attrs={"td": {"class": "clip clip-long"}}
    )
    sims = tables.Column(accessor="sim_count", verbose_name=_("Members"), attrs=_NUMBER)
    used = tables.Column(accessor="data_usage", verbose_name=_("Used of quota"), empty_values=())
    projection = tables.Column(verbose_name=_("At this pace"), orderable=False, attrs={"td": {"class": "wide"}})
    ends = AgoColumn(accessor="cycle_end", verbose_name=_("Cycle ends"))
    read = AgoColumn(accessor="fetched_at", verbose_name=_("Read"))

    class Meta:
        row_attrs: ClassVar = {"data-pool": lambda record: record.code}

    def render_code(self, record: SharePool) -> SafeString:
        """The way to the pool's page; a word where nothing but its code is known."""
        stub = "" if record.fetched_at else format_html(' <span class="tag">{}</span>', _now("not read yet"))
        return format_html('<a href="{}" data-row-link>{}</a>{}', pool_url(record.code), record.code, stub)

    def render_account(self, value: str) -> SafeString:
        """Leads to the account."""
        return format_html('<a href="{}" title="{}">{}</a>', account_url(value), value, value)

    def render_plan(self, record: SharePool) -> SafeString:
        """Leads to the plan."""
        return format_html('<a href="{}" title="{}">{}</a>', plan_url(str(record.plan_id)), record.plan_id, record.plan)

    def render_sims(self, record: SharePool, value: int) -> SafeString:
        """As the carrier counts; leads to those that the portal knows."""
        return format_html('<a href="{}">{}</a>', sims_url(pool=record.code), count(value))

    def render_used(self, record: SharePool) -> SafeString:
        """Against the quota where there is one."""
        share = percent(record.data_usage, record.data_quota)
        return usage_meter(record.data_usage, record.data_quota, percent=share)

    def render_projection(self, value: Projection) -> Any:
        """At the end of the cycle; when the quota is full, if it is before."""
        return projected(value)


def _find(rows: QuerySet[SharePool], text: str) -> QuerySet[SharePool]:
    part = text.strip().replace("\x00", "")
    return rows.filter(Q(code__icontains=part) | Q(name__icontains=part))


def _accounts(request: HttpRequest) -> Choices:
    return [(name, name) for name in sims.account_names(request.user)]


def _quota(values: list[str]) -> Q:
    found = Q(pk__in=[])
    for value in values:
        if value == NONE:
            found |= Q(LessThan(FULLNESS, 0.0))
        elif value in QUOTA_BANDS:
            low, high = QUOTA_BANDS[value]
            band = Q(GreaterThanOrEqual(FULLNESS, float(low)))
            found |= band if high is None else band & Q(LessThan(FULLNESS, float(high)))
    return found


class PoolFilterSet(FilterSet):
    """``q`` (a part of code or name), ``account``, ``quota`` (how much of it is used; words as of the list of SIMs)."""

    q = SearchFilter(find=_find)
    account = ManyFilter(label=_("Account"), choices=_accounts, condition=lambda values: Q(account_id__in=values))
    quota = ManyFilter(
        label=_("Quota used"),
        choices=[
            ("0-50", _("Under 50 %")),
            ("50-80", _("50 to 80 %")),
            ("80-100", _("80 to 100 %")),
            ("over", _("100 % and over")),
            (NONE, _("No quota")),
        ],
        condition=_quota,
    )
