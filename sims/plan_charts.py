"""The charts of rate plans: prices beside each other, and what the same cycles cost on each plan."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from django.utils.translation import gettext as _

from core.charts import Chart, Limit, Series
from sims.cost_report import Report
from sims.models import RatePlan
from sims.selectors.plans import price_per_gb


def per_gb(plan: RatePlan, others: Sequence[RatePlan]) -> Chart:
    """The price of a GB of ``plan`` beside that of ``others``, which are of the same currency; the cheapest first."""
    priced = [(price, each) for each in (plan, *others) if (price := price_per_gb(each)) is not None]
    priced.sort(key=lambda pair: (pair[0], pair[1].code))
    own = price_per_gb(plan)
    return Chart(
        name="plan-per-gb",
        title=_("Price of a GB"),
        note=_("When all of the quota is used. Beside it the plans of the same kind that cover the same countries."),
        unit=plan.currency,
        axis=_("Rate plan"),
        names=True,
        labels=[each.code for _price, each in priced],
        series=[Series(_("Price of a GB"), [_figure(price) for price, _each in priced])],
        limits=[] if own is None else [Limit(plan.code, _figure(own))],
    )


def compared(plans: Sequence[RatePlan]) -> Chart | None:
    """The price of a GB of each of ``plans``; ``None`` where they can't be drawn on one scale."""
    priced = [(each, price) for each in plans if (price := price_per_gb(each)) is not None]
    if len(priced) < 2 or len({each.currency for each, _price in priced}) > 1:
        return None
    return Chart(
        name="plans-per-gb",
        title=_("Price of a GB"),
        note=_("When all of the quota is used."),
        unit=priced[0][0].currency,
        axis=_("Rate plan"),
        names=True,
        labels=[each.code for each, _price in priced],
        series=[Series(_("Price of a GB"), [_figure(price) for _each, price in priced])],
    )


def costs(report: Report) -> Chart | None:
    """What the cycles cost on each plan, in the currency that most plans have, beside what the own plans cost."""
    drawn = [row for row in report.plans if row.total is not None]
    if not drawn:
        return None
    names = [row.currency for row in drawn]
    currency = max(sorted(set(names)), key=names.count)
    rows = [row for row in drawn if row.currency == currency]
    own = next((row for row in report.own if row.currency == currency and row.cycles == report.totals.cycles), None)
    left_out = len(drawn) - len(rows)
    return Chart(
        name="plan-costs",
        title=_("Cost of the same cycles on each plan"),
        note=_("Plans with prices in another currency are not drawn.") if left_out else "",
        unit=currency,
        axis=_("Rate plan"),
        names=True,
        labels=[row.plan.code for row in rows if row.plan],
        series=[Series(_("Cost"), [_figure(row.total or Decimal(0)) for row in rows])],
        limits=[Limit(_("Own plans"), _figure(own.total or Decimal(0)))] if own else [],
    )


def _figure(amount: Decimal) -> float:
    return round(float(amount), 4)
