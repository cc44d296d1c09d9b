"""What each SIM would have cost on other plans, as a file: a line for each SIM, the sums in the last ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet
from django.http import QueryDict
from django.utils.translation import gettext as _

from core.exports import Exporter, NotAvailable
from core.spreadsheets import Cell, Column, Table
from sims.cost_report import Row, report
from sims.models import RatePlan, Sim
from sims.selectors import costs
from sims.selectors.plans import chosen_plans
from staff.scopes import visible_accounts

NAME = "plan_costs"
PERMISSIONS = ("sims.view_sim", "sims.view_rateplan")


def table_of(sims: QuerySet[Sim], plans: Sequence[RatePlan], *, cycles: int) -> Table:
    """A line for each of ``sims``: what its last closed cycles cost on its own plan, and would have on ``plans``."""
    return Table(
        title=_("Cost on other plans"),
        file_name="cost-on-other-plans",
        columns=_columns(plans),
        rows=lambda: _rows(sims, plans, cycles),
        total=lambda: sims.order_by().count(),
    )


def _columns(plans: Sequence[RatePlan]) -> list[Column]:
    columns = [
        Column(_("giccid"), is_text=True, width=24),
        Column(_("Account"), width=20),
        Column(_("Rate plan"), width=18),
        Column(_("Closed cycles")),
        Column(_("Data used, bytes")),
        Column(_("Cost"), width=12),
        Column(_("Currency")),
        Column(_("Cycles over the quota")),
        Column(_("Beyond the quota, bytes")),
    ]
    for plan in plans:
        heads = (_("%(plan)s: cost"), _("%(plan)s: currency"), _("%(plan)s: cycles over"), _("%(plan)s: bytes beyond"))
        columns += [Column(head % {"plan": plan.code}, width=18) for head in heads]
    return columns


def _rows(sims: QuerySet[Sim], plans: Sequence[RatePlan], cycles: int) -> Iterator[Sequence[Cell]]:
    totals = costs.Totals([costs.candidate(plan) for plan in plans])
    rules = costs.Rules()
    for page in costs.pages(sims, cycles=cycles):
        rules.read(sim.plan for sim in page)
        for sim in page:
            own = rules[sim.plan]
            costs.take(totals, sim, own)
            cells: list[Cell] = [sim.giccid, sim.account, sim.plan, len(sim.cycles)]
            cells.append(sum(used.data for used in sim.cycles) if sim.cycles else None)
            cells += _charged(own, sim)
            for each in totals.candidates:
                cells += _charged(each.rule, sim)
            yield cells
    yield from _sums(totals, plans)


def _charged(rule: costs.Rule, sim: costs.SimCycles) -> list[Cell]:
    """Cost, currency, cycles over the quota and bytes beyond it, for one SIM."""
    if not sim.cycles:
        return [None] * 4
    sums = costs.Sums()
    sums.add(rule, sim.cycles)
    return [*_price(None if rule.price is None else rule.price * sums.units, rule.currency), sums.over, sums.beyond]


def _sums(totals: costs.Totals, plans: Sequence[RatePlan]) -> Iterator[Sequence[Cell]]:
    """The last lines: one for each currency of the SIMs' own plans; what a plan costs for all stands in the first."""
    made = report(totals)
    by_code: dict[str, Row] = {row.plan.code: row for row in made.plans if row.plan}
    for number, own in enumerate(made.own or [None]):
        cells: list[Cell] = [_("Total"), None, None, totals.cycles if not number else None]
        cells.append(totals.used if not number else None)
        cells += _summed(own)
        for plan in plans:
            cells += _summed(by_code.get(plan.code)) if not number else [None] * 4
        yield cells


def _summed(row: Row | None) -> list[Cell]:
    return [None] * 4 if row is None else [*_price(row.total, row.currency), row.over, row.beyond]


def _price(amount: Decimal | None, currency: str) -> list[Cell]:
    return [amount, currency if amount is not None else None]


def _table(user: Any, params: dict[str, Any]) -> Table:
    if not user.has_perms(PERMISSIONS):
        raise NotAvailable(_("Your role does not allow it any more."))
    plans = chosen_plans(user, params["plans"])
    if not plans:
        raise NotAvailable(_("The plans are not open to you any more."))
    sims = costs.sims_of(user, QueryDict(params["query"]))
    return table_of(sims, plans, cycles=int(params["cycles"]))


EXPORTER = Exporter(name=NAME, table=_table, accounts=visible_accounts)
