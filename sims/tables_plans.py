"""The table of rate plans."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar

import django_tables2 as tables
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from core.countries import country_name
from core.spreadsheets import FileColumn
from core.tables import BaseTable, tooltip
from core.templatetags.portal import bytes_tag
from sims.filters_plans import BILLINGS
from sims.links import plan_url, sims_url
from sims.models import RatePlan
from sims.money import money, rounded
from sims.selectors.plans import OnIt, countries_of, price_per_gb
from sims.tables import usage_meter

_NUMBER = {"td": {"class": "num"}, "th": {"class": "num"}}
COMPARE_FORM = "compare"
"""Id of the form that takes the ticked plans."""


def kind_word(plan: RatePlan) -> str:
    """Basic or supplementary; what the carrier writes, where that is neither."""
    return str(RatePlan.Kind(plan.kind).label if plan.kind in RatePlan.Kind.values else plan.kind)


def billing_word(plan: RatePlan) -> str:
    """Postpaid or prepaid; what the carrier writes, where that is neither."""
    return str(BILLINGS.get(plan.billing, plan.billing))


def validity_word(plan: RatePlan) -> str:
    """``30 days``; an empty text where the plan has no such length."""
    if plan.validity_days is None:
        return ""
    return ngettext("%(number)s day", "%(number)s days", plan.validity_days) % {"number": plan.validity_days}


def sims_address(plan: RatePlan, on_it: OnIt) -> str:
    """The list of the SIMs that are on the plan."""
    return sims_url(**{"addon" if on_it.is_addon else "plan": plan.code})


def _on_it(plan: Any) -> OnIt:
    found: OnIt = plan.on_it
    return found


def _rounded(amount: Decimal | None) -> Decimal | None:
    return None if amount is None else amount.quantize(Decimal("0.01"))


class TickColumn(tables.Column):
    """Boxes that are part of a form, so that ticking works without a script; ``portal.js`` keeps them over pages."""

    def render(self, value: str) -> SafeString:
        """The box of one row."""
        return format_html(
            '<label><input type="checkbox" name="plan" value="{}" form="{}" data-select-row="{}" '
            'aria-label="{}"></label>',
            value,
            COMPARE_FORM,
            value,
            _now("Tick %(plan)s") % {"plan": value},
        )


class PlanTable(BaseTable):
    """Rate plans. Rows bear ``on_it``, who is on them."""

    fixed = ("select", "code")
    default_columns = ("name", "kind", "quota", "price", "per_gb", "countries", "sims", "usage")
    files: ClassVar = {
        "quota": (FileColumn(_("Data quota, bytes"), lambda plan: plan.data_quota),),
        "price": (
            FileColumn(_("Price"), lambda plan: plan.price),
            FileColumn(_("Currency"), lambda plan: plan.currency),
        ),
        "per_gb": (FileColumn(_("Price per GB"), lambda plan: _rounded(price_per_gb(plan))),),
        "countries": (FileColumn(_("Countries"), lambda plan: " ".join(countries_of(plan)), width=30),),
        "sims": (FileColumn(_("SIMs"), lambda plan: _on_it(plan).sims.token),),
        "usage": (
            FileColumn(_("Data used, bytes"), lambda plan: _on_it(plan).used),
            FileColumn(_("Their quota, bytes"), lambda plan: _on_it(plan).quota),
        ),
    }

    select = TickColumn(
        accessor="code",
        orderable=False,
        exclude_from_export=True,
        verbose_name="",
        attrs={"td": {"class": "col-select"}, "th": {"class": "col-select"}},
    )
    code = tables.Column(verbose_name=_("Code"), attrs={"td": {"class": "col-key"}, "th": {"class": "col-key"}})
    name = tables.Column(verbose_name=_("Name"), attrs={"td": {"class": "clip", "title": tooltip}})
    kind = tables.Column(verbose_name=_("Kind"), orderable=False)
    billing = tables.Column(verbose_name=_("Billing"), orderable=False)
    quota = tables.Column(accessor="data_quota", verbose_name=_("Data quota"), attrs=_NUMBER)
    sms = tables.Column(accessor="sms_quota", verbose_name=_("SMS quota"), orderable=False, attrs=_NUMBER)
    validity = tables.Column(accessor="validity_days", verbose_name=_("Validity"), orderable=False, attrs=_NUMBER)
    price = tables.Column(verbose_name=_("Price"), attrs=_NUMBER)
    per_gb = tables.Column(accessor="price", verbose_name=_("Price per GB"), attrs=_NUMBER)
    countries = tables.Column(accessor="country_codes", verbose_name=_("Countries"), orderable=False, attrs=_NUMBER)
    sims = tables.Column(accessor="on_it", verbose_name=_("SIMs"), orderable=False, attrs=_NUMBER)
    usage = tables.Column(accessor="on_it", verbose_name=_("Used of their quota"), orderable=False)

    class Meta:
        row_attrs: ClassVar = {"data-plan": lambda record: record.code}

    def render_code(self, record: RatePlan) -> SafeString:
        """The way to the plan's page; a word where nothing but its code is known."""
        stub = "" if record.fetched_at else format_html(' <span class="tag">{}</span>', _now("not read yet"))
        return format_html('<a href="{}" data-row-link>{}</a>{}', plan_url(record.code), record.code, stub)

    def render_kind(self, record: RatePlan) -> str:
        """As a word."""
        return kind_word(record)

    def render_billing(self, record: RatePlan) -> str:
        """As a word."""
        return billing_word(record)

    def render_quota(self, value: int) -> SafeString:
        """In a unit."""
        return bytes_tag(value)

    def render_validity(self, record: RatePlan) -> str:
        """In days."""
        return validity_word(record)

    def render_price(self, record: RatePlan) -> str:
        """With the currency."""
        return money(record.price, record.currency)

    def render_per_gb(self, record: RatePlan) -> Any:
        """With the currency."""
        return rounded(price_per_gb(record), record.currency) or self.default

    def render_countries(self, record: RatePlan) -> Any:
        """How many, their names as tooltip."""
        codes = countries_of(record)
        if not codes:
            return self.default
        return format_html('<span title="{}">{}</span>', ", ".join(map(country_name, codes)), len(codes))

    def render_sims(self, record: RatePlan, value: OnIt) -> SafeString:
        """The way to the list of them."""
        return format_html('<a href="{}">{}</a>', sims_address(record, value), value.sims.text)

    def render_usage(self, value: OnIt) -> Any:
        """All of them together, in the running cycle."""
        return self.default if value.used is None else usage_meter(value.used, value.quota, value.percent)
