"""Rate plans side by side: a row for each thing that plans have, what differs, and the best of each row in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from core.countries import country_name
from core.templatetags.portal import bytes_tag
from sims.models import RatePlan
from sims.money import money, rounded
from sims.selectors.plans import OnIt, countries_of, price_per_gb
from sims.tables import usage_meter
from sims.tables_plans import billing_word, kind_word, sims_address, validity_word

LEAST, MOST = 2, 4
"""Plans that can be compared."""


@dataclass(frozen=True)
class Cell:
    """What one plan has; ``best`` is a word about it where it is the best of the row."""

    value: Any
    best: str = ""


@dataclass(frozen=True)
class Line:
    """A row. ``differs`` says that the plans are not alike in it."""

    label: str
    cells: list[Cell]
    differs: bool = False
    note: str = ""


@dataclass(frozen=True)
class Comparison:
    """What is shown of some plans, in their order."""

    plans: Sequence[RatePlan]
    lines: list[Line]
    common: list[str]
    """Names of the countries that all of them cover."""
    only: list[tuple[RatePlan, list[str]]]
    """Names of the countries that one of them covers and no other."""
    currencies: list[str] = field(default_factory=list)
    """Of their prices; more than one can't be compared."""


def compare(plans: Sequence[RatePlan], on_it: Mapping[str, OnIt]) -> Comparison:
    """``plans`` side by side, with who is on them."""
    currencies = sorted({plan.currency for plan in plans if plan.price is not None})
    codes = [set(countries_of(plan)) for plan in plans]
    return Comparison(
        plans=plans,
        lines=[*_facts(plans), *_prices(plans, len(currencies) == 1), _countries(plans), *_use(plans, on_it)],
        common=_names(set.intersection(*codes)) if codes else [],
        only=[
            (plan, _names(own.difference(*(other for number, other in enumerate(codes) if number != place))))
            for place, (plan, own) in enumerate(zip(plans, codes, strict=True))
        ],
        currencies=currencies,
    )


def _facts(plans: Sequence[RatePlan]) -> list[Line]:
    return [
        _line(_("Kind"), plans, kind_word),
        _line(_("Billing"), plans, billing_word),
        _line(
            _("Data quota"),
            plans,
            lambda plan: None if plan.data_quota is None else bytes_tag(plan.data_quota),
            best=(_("largest"), max, lambda plan: plan.data_quota),
        ),
        _line(
            _("SMS quota"),
            plans,
            lambda plan: None if plan.sms_quota is None else number_format(plan.sms_quota, force_grouping=True),
            best=(_("largest"), max, lambda plan: plan.sms_quota),
        ),
        _line(_("Validity"), plans, validity_word),
    ]


def _prices(plans: Sequence[RatePlan], one_currency: bool) -> list[Line]:
    periods = {(plan.billing, plan.validity_days) for plan in plans}
    same = one_currency and len(periods) == 1
    note = ""
    if not one_currency:
        note = _("In different currencies.")
    elif not same:
        note = _("For different lengths of time.")
    lowest: Any = (_("lowest"), min, lambda plan: plan.price)
    price_of: Any = (_("lowest"), min, price_per_gb)
    return [
        _line(_("Price"), plans, _price, best=lowest if same else None, note=note),
        _line(
            _("Price per GB"),
            plans,
            lambda plan: rounded(price_per_gb(plan), plan.currency),
            best=price_of if one_currency else None,
            note=_("When all of the quota is used.") if one_currency else _("In different currencies."),
        ),
    ]


def _price(plan: RatePlan) -> SafeString | str:
    if plan.price is None:
        return ""
    length = validity_word(plan)
    period = _("for %(days)s") % {"days": length} if length else _("a cycle")
    return format_html('{} <span class="muted small">{}</span>', money(plan.price, plan.currency), period)


def _countries(plans: Sequence[RatePlan]) -> Line:
    return _line(
        _("Countries"),
        plans,
        lambda plan: str(len(codes)) if (codes := countries_of(plan)) else "",
        best=(_("most"), max, lambda plan: len(countries_of(plan)) or None),
        compared=lambda plan: tuple(countries_of(plan)),
    )


def _use(plans: Sequence[RatePlan], on_it: Mapping[str, OnIt]) -> list[Line]:
    sims, used = [], []
    for plan in plans:
        found = on_it[plan.code]
        sims.append(Cell(format_html('<a href="{}">{}</a>', sims_address(plan, found), found.sims.text)))
        used.append(Cell(None if found.used is None else usage_meter(found.used, found.quota, found.percent)))
    return [Line(_("SIMs"), sims), Line(_("Used of their quota"), used, note=_("In the running cycle."))]


def _line(
    label: str,
    plans: Sequence[RatePlan],
    shown: Callable[[RatePlan], Any],
    *,
    best: tuple[str, Callable[..., Any], Callable[[RatePlan], Decimal | int | None]] | None = None,
    compared: Callable[[RatePlan], Any] | None = None,
    note: str = "",
) -> Line:
    """A row of what ``shown`` answers. ``best`` is a word, how to choose and by what; nothing is best where all are
    alike. ``compared`` is what tells whether they differ, where that is not what is shown."""
    values = [(compared or shown)(plan) for plan in plans]
    words = [""] * len(plans)
    if best is not None:
        word, choose, key = best
        keys = [key(plan) for plan in plans]
        known = [value for value in keys if value is not None]
        if len(known) > 1 and len(set(known)) > 1:
            words = [word if value == choose(known) else "" for value in keys]
    cells = [Cell(shown(plan), word) for plan, word in zip(plans, words, strict=True)]
    return Line(label, cells, differs=len({str(value) for value in values}) > 1, note=note)


def _names(codes: set[str]) -> list[str]:
    return sorted(country_name(code) for code in codes)
