"""What SIMs would have cost on a rate plan, from what they really used. The rule stands in ``docs/plans.md``.

A SIM's past is its closed billing cycles. They are read in pages of SIMs, so that a million of them takes a page's
memory, and added up plan by plan in whole units (a cycle, a pack), so that money is multiplied once and exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import NamedTuple

from django.db.models import QuerySet
from django.http import QueryDict
from django.utils import timezone

from core.bulk import among
from core.paging import Count, capped_count
from sims.filters import SimFilterSet
from sims.models import RatePlan, Sim, UsageMonth
from sims.selectors.plans import PREPAID, countries_of
from sims.selectors.sims import AnyUser, list_sims
from sims.services.usage.archive import blocks_of
from sims.services.usage.packing import Cycle, unpack_cycles, unpack_ended_cycles
from sims.services.usage.rows import PER_BLOCK, to_day

CYCLES = (1, 3, 6, 12)
DEFAULT_CYCLES = 3
MOST_SIMS = 10_000
"""SIMs whose cost is added up while the person waits."""
MOST_BLOCKS = 4_000
"""Packed months that are read for that, each of up to 192 SIMs; SIMs from all over the fleet lie in many."""
MOST_GICCIDS = 100
_PAGE = 2_000
_LONGEST_CYCLE, _USUAL_CYCLE = 31, 30
"""Days. A longer gap between two cycles means that nobody read the one between."""


class Used(NamedTuple):
    """One closed cycle of a SIM: the bytes read last in it, and its length in days."""

    data: int
    days: int


@dataclass(frozen=True)
class SimCycles:
    """A SIM with its last closed cycles, the oldest first; none when none is known."""

    giccid: str
    account: str
    plan: str | None
    country: str
    cycles: list[Used]


@dataclass(frozen=True)
class Rule:
    """How a plan is charged. ``validity`` is the length of a pack in days and 0 for a plan by the cycle."""

    code: str
    price: Decimal | None
    currency: str
    quota: int | None
    validity: int
    is_pack: bool

    @classmethod
    def of(cls, plan: RatePlan) -> Rule:
        """Prepaid plans are bought in packs; all others cost their price each cycle."""
        quota = plan.data_quota if plan.data_quota is not None and plan.data_quota >= 0 else None
        is_pack = plan.billing == PREPAID
        return cls(plan.code, plan.price, plan.currency, quota, (plan.validity_days or 0) if is_pack else 0, is_pack)

    def charge(self, used: Used) -> tuple[int, int]:
        """How many times the price a cycle costs, and the bytes beyond what that buys (no price for those is known)."""
        quota = self.quota
        if not self.is_pack:
            return 1, 0 if quota is None else max(0, used.data - quota)
        packs = -(-used.days // self.validity) if self.validity else 1
        if quota:
            packs = max(packs, -(-used.data // quota))
        return packs, used.data if quota == 0 else 0


@dataclass
class Sums:
    """What cycles cost by one rule."""

    cycles: int = 0
    units: int = 0
    over: int = 0
    """Cycles that used more than the plan holds."""
    beyond: int = 0
    """The bytes of that."""

    def add(self, rule: Rule, cycles: Sequence[Used]) -> None:
        """Charge these cycles, too."""
        for used in cycles:
            units, beyond = rule.charge(used)
            self.units += units
            if beyond:
                self.over += 1
                self.beyond += beyond
        self.cycles += len(cycles)


@dataclass
class Candidate:
    """One plan for all the SIMs. ``sums`` goes by the currency of the SIMs' own plans ('' for unknown), so that
    money is compared with money of its own kind only."""

    plan: RatePlan
    rule: Rule
    countries: frozenset[str]
    accounts: frozenset[str]
    sums: dict[str, Sums] = field(default_factory=dict)
    uncovered: int = 0
    """SIMs whose last session was in a country that the plan does not cover."""
    not_open: int = 0
    """SIMs of accounts that may not use the plan."""

    def add(self, sim: SimCycles, own_currency: str) -> None:
        """Charge a SIM's cycles."""
        self.sums.setdefault(own_currency, Sums()).add(self.rule, sim.cycles)
        if sim.country and self.countries and sim.country not in self.countries:
            self.uncovered += 1
        if self.accounts and sim.account not in self.accounts:
            self.not_open += 1


@dataclass
class Totals:
    """Everything that was added up."""

    candidates: list[Candidate]
    sims: int = 0
    """SIMs with at least one closed cycle."""
    without: int = 0
    """SIMs without."""
    cycles: int = 0
    used: int = 0
    own: dict[str, tuple[Rule, Sums]] = field(default_factory=dict)
    """By the plan that each SIM has now; '' for SIMs without a plan."""


def sims_of(user: AnyUser, query: QueryDict) -> QuerySet[Sim]:
    """The SIMs that the query of the SIM list leaves, or those that ``giccid`` names, of those ``user`` may see."""
    sims = SimFilterSet(data=query, queryset=list_sims(user)).qs
    giccids = [giccid for giccid in query.getlist("giccid") if giccid.isascii() and giccid.isalnum()]
    return sims.filter(giccid__in=giccids[:MOST_GICCIDS]) if "giccid" in query else sims


def how_many(sims: QuerySet[Sim]) -> Count:
    """How many SIMs there are, counted up to what a request adds up."""
    return capped_count(sims, MOST_SIMS)


def is_soon_done(sims: QuerySet[Sim], *, cycles: int) -> bool:
    """Whether ``sims`` are few enough, and their usage lies in few enough places, to be added up while one waits.

    One query, for the ids of no more SIMs than that.
    """
    ids = list(sims.order_by("giccid").values_list("pk", flat=True)[: MOST_SIMS + 1])
    read = sum(len(blocks_of(ids[start : start + _PAGE])) for start in range(0, len(ids), _PAGE))
    return len(ids) <= MOST_SIMS and read * (cycles + 1) <= MOST_BLOCKS


def add_up(sims: QuerySet[Sim], plans: Sequence[RatePlan], *, cycles: int) -> Totals:
    """What the last ``cycles`` closed cycles of ``sims`` cost on their own plans and would have on ``plans``.

    A fixed number of queries, and two for each 2,000 SIMs.
    """
    totals = Totals([candidate(plan) for plan in plans])
    rules = Rules()
    for page in pages(sims, cycles=cycles):
        rules.read(sim.plan for sim in page)
        for sim in page:
            take(totals, sim, rules[sim.plan])
    return totals


def candidate(plan: RatePlan) -> Candidate:
    """A plan to be charged, with the accounts that may use it (one query unless they were prefetched)."""
    accounts = frozenset(account.pk for account in plan.accounts.all())
    return Candidate(plan, Rule.of(plan), frozenset(countries_of(plan)), accounts)


def take(totals: Totals, sim: SimCycles, own: Rule) -> None:
    """Add a SIM to the totals."""
    if not sim.cycles:
        totals.without += 1
        return
    totals.sims += 1
    totals.cycles += len(sim.cycles)
    totals.used += sum(used.data for used in sim.cycles)
    if own.code not in totals.own:
        totals.own[own.code] = (own, Sums())
    totals.own[own.code][1].add(own, sim.cycles)
    currency = own.currency if own.price is not None else ""
    for each in totals.candidates:
        each.add(sim, currency)


class Rules:
    """The rules of the SIMs' own plans, a query for those not met before."""

    def __init__(self) -> None:
        self._known: dict[str, Rule] = {"": Rule("", None, "", None, 0, False)}

    def read(self, codes: Iterator[str | None]) -> None:
        """Know these plans."""
        new = {code for code in codes if code and code not in self._known}
        if new:
            for plan in RatePlan.objects.filter(pk__in=sorted(new)).defer("raw"):
                self._known[plan.code] = Rule.of(plan)

    def __getitem__(self, code: str | None) -> Rule:
        return self._known[code or ""]


def pages(sims: QuerySet[Sim], *, cycles: int) -> Iterator[list[SimCycles]]:
    """The SIMs with their last ``cycles`` closed cycles, some thousand at a time, in the order of giccid.

    Two queries a page.
    """
    names = ("pk", "giccid", "account_id", "plan_id", "country_code", "cycle_start", "usage__cycles")
    rows = sims.order_by("giccid").values_list(*names)
    page = list(rows[:_PAGE])
    since = _first_month(cycles)
    while page:
        archived = _archived(_closed(row[0] for row in page), since)
        yield [
            SimCycles(giccid, account, plan, country, _last(packed, archived.get(pk, []), start, cycles))
            for pk, giccid, account, plan, country, start, packed in page
        ]
        if len(page) < _PAGE:
            return
        page = list(rows.filter(giccid__gt=page[-1][1])[:_PAGE])


def _closed(sim_ids: Iterator[int]) -> dict[int, set[int]]:
    """The places of the SIMs by block."""
    return {block: {sim_id % PER_BLOCK for sim_id in ids} for block, ids in blocks_of(list(sim_ids)).items()}


def _archived(blocks: Mapping[int, set[int]], since: date) -> dict[int, list[Cycle]]:
    """The cycles in closed months from ``since`` on, by the id of the SIM."""
    rows = UsageMonth.objects.filter(among("block", sorted(blocks)), month__gte=since)
    found: dict[int, list[Cycle]] = {}
    for block, packed in rows.values_list("block", "packed").iterator(chunk_size=200):
        for place, cycles in unpack_ended_cycles(packed, blocks[block]).items():
            found.setdefault(block * PER_BLOCK + place, []).extend(cycles)
    return found


def _last(packed: bytes | None, archived: list[Cycle], start: datetime | None, number: int) -> list[Used]:
    """The last closed cycles of a SIM whose running one began at ``start``, each with its length."""
    over = archived + unpack_cycles(packed) if packed else archived
    running = to_day(start.astimezone(UTC).date()) if start else None
    if running is not None:
        over = [cycle for cycle in over if cycle.day < running]
    if not over:
        return []
    over.sort(key=lambda cycle: cycle.day)
    ends = [cycle.day for cycle in over[1:]] + [over[-1].day + _USUAL_CYCLE if running is None else running]
    lengths = [min(max(end - cycle.day, 1), _LONGEST_CYCLE) for cycle, end in zip(over, ends, strict=True)]
    return [Used(cycle.total, days) for cycle, days in zip(over, lengths, strict=True)][-number:]


def _first_month(cycles: int) -> date:
    """The month before which no cycle is looked for: a running cycle may have begun in the month before this one."""
    today = timezone.now().date()
    months = today.year * 12 + today.month - 1 - (cycles + 1)
    return date(months // 12, months % 12 + 1, 1)
