"""What was added up in :mod:`sims.selectors.costs` as a comparison for people: money, differences, the cheapest."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from django.utils.formats import number_format

from sims.models import RatePlan
from sims.money import WIDE, rounded, with_sign
from sims.selectors.costs import Candidate, Sums, Totals


@dataclass
class Row:
    """One way to pay for the same cycles: a plan for all of the SIMs, or (``plan`` is ``None``) their own plans as far
    as those are in one currency."""

    plan: RatePlan | None
    currency: str
    cycles: int
    total: Decimal | None
    """``None`` where the plan has no price."""
    over: int
    beyond: int
    difference: Decimal | None = None
    """To what the own plans cost; of those cycles alone whose own plan is known in the same currency."""
    percent: Decimal | None = None
    compared: int = 0
    """How many cycles that are."""
    uncovered: int = 0
    not_open: int = 0
    is_cheapest: bool = False
    is_cheapest_within: bool = False
    """The cheapest of those that no cycle would have been over."""

    @property
    def a_cycle(self) -> Decimal | None:
        """The mean of a SIM and cycle."""
        return self.total / self.cycles if self.total is not None and self.cycles else None

    @property
    def total_text(self) -> str:
        """The total with its currency; empty where there is none, as all of these."""
        return rounded(self.total, self.currency)

    @property
    def a_cycle_text(self) -> str:
        """The mean with its currency."""
        return rounded(self.a_cycle, self.currency)

    @property
    def difference_text(self) -> str:
        """The difference with its sign and currency."""
        return rounded(self.difference, self.currency, signed=True)

    @property
    def percent_text(self) -> str:
        """The difference in percent with its sign."""
        if self.percent is None:
            return ""
        number = self.percent.quantize(Decimal("0.1"), context=WIDE)
        return f"{with_sign(number_format(number, force_grouping=True), number)} %"


@dataclass
class Report:
    """The comparison: own plans first (a row for each currency), then the plans, the cheapest first."""

    totals: Totals
    own: list[Row] = field(default_factory=list)
    plans: list[Row] = field(default_factory=list)
    unpriced: int = 0
    """Cycles of SIMs whose own plan has no known price, or that have none."""

    @property
    def currencies(self) -> list[str]:
        """All currencies in it, in order."""
        return sorted({row.currency for row in (*self.own, *self.plans) if row.total is not None})

    @property
    def cheapest(self) -> list[Row]:
        """The cheapest of each currency."""
        return [row for row in (*self.own, *self.plans) if row.is_cheapest]

    @property
    def cheapest_within(self) -> list[Row]:
        """The cheapest of each currency without going over."""
        return [row for row in (*self.own, *self.plans) if row.is_cheapest_within]


def report(totals: Totals) -> Report:
    """The comparison of ``totals``."""
    own, unpriced = _own(totals)
    made = Report(totals, own=[own[currency] for currency in sorted(own)], unpriced=unpriced)
    if totals.cycles:
        rows = [_row(each, own) for each in totals.candidates]
        made.plans = sorted(rows, key=lambda row: (row.total is None, row.currency, row.total or 0, _code(row)))
        _mark(made)
    return made


def _own(totals: Totals) -> tuple[dict[str, Row], int]:
    """What the SIMs' own plans cost by currency, and how many cycles have no known price."""
    rows: dict[str, Row] = {}
    unpriced = 0
    for rule, sums in totals.own.values():
        if rule.price is None:
            unpriced += sums.cycles
            continue
        row = rows.setdefault(rule.currency, Row(None, rule.currency, 0, Decimal(0), 0, 0))
        row.total = (row.total or Decimal(0)) + rule.price * sums.units
        row.cycles += sums.cycles
        row.over += sums.over
        row.beyond += sums.beyond
    return rows, unpriced


def _row(each: Candidate, own: dict[str, Row]) -> Row:
    price, currency, parts = each.rule.price, each.rule.currency, each.sums.values()
    row = Row(
        plan=each.plan,
        currency=currency,
        cycles=sum(sums.cycles for sums in parts),
        total=None if price is None else price * sum(sums.units for sums in parts),
        over=sum(sums.over for sums in parts),
        beyond=sum(sums.beyond for sums in parts),
        uncovered=each.uncovered,
        not_open=each.not_open,
    )
    same, mine = each.sums.get(currency, Sums()), own.get(currency)
    if price is not None and mine is not None and mine.total is not None and same.cycles:
        row.compared = same.cycles
        row.difference = price * same.units - mine.total
        row.percent = row.difference * 100 / mine.total if mine.total else None
    return row


def _mark(made: Report) -> None:
    """Say which is the cheapest of each currency. Own plans count only where they are all of the cycles."""
    whole = [row for row in made.own if row.cycles == made.totals.cycles]
    for currency in made.currencies:
        rows = [row for row in (*whole, *made.plans) if row.currency == currency and row.total is not None]
        if len(rows) < 2:
            continue
        min(rows, key=_cost).is_cheapest = True
        within = [row for row in rows if not row.over]
        if within:
            min(within, key=_cost).is_cheapest_within = True


def _cost(row: Row) -> tuple[Decimal, int]:
    # The own plans first where it costs the same: nothing would have to change.
    return (row.total or Decimal(0), 0 if row.plan is None else 1)


def _code(row: Row) -> str:
    return row.plan.code if row.plan else ""
