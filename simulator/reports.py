"""Accounts, plans, pools and statistics. Sums over large fleets are estimated from an even sample."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from simulator import catalog
from simulator.clock import cycle_of, format_time, month_bounds
from simulator.errors import invalid, missing
from simulator.fleet import HOUR
from simulator.rules import Call, page_of, paging
from simulator.state import Carrier

# More SIMs than this are summed up by a sample of this size.
SAMPLE = 5000
CHUNK = 100
STATISTICS_MONTHS = 13


class Reports:
    """The calls that are not about one SIM. Every method wants the carrier's lock held."""

    def __init__(self, carrier: Carrier) -> None:
        self.carrier = carrier
        self._cache: dict[tuple[Any, ...], tuple[Any, Any]] = {}

    def get_root(self, call: Call) -> dict[str, Any]:
        """The endpoint categories (documented that they are listed; the shape is assumed)."""
        names = ("global-sims", "batchJobs", "mt-sms", "enterprise", "account", "share-pools")
        return {"categories": [{"name": name, "href": f"/{name}"} for name in names]}

    def get_enterprise(self, call: Call) -> dict[str, Any]:
        """The customer and its accounts."""
        accounts = [
            {"name": name, "status": "ACTIVE", "simCount": self.carrier.count(name)} for name in self.carrier.accounts
        ]
        return {"name": "Example Enterprise", "contact": "noc@enterprise.example", "accounts": accounts}

    def _account(self, name: str) -> str:
        if name not in self.carrier.accounts:
            raise missing("account", "name")
        return name

    def get_account(self, call: Call, name: str) -> dict[str, Any]:
        """Simple charge and card information of an account."""
        self._account(name)
        counts = {status: self.carrier.count(name, status) for status in catalog.STATUSES}
        start, end = cycle_of(self.carrier.clock.now())
        share = (self.carrier.clock.now() - start) / (end - start)
        return {
            "name": name,
            "status": "ACTIVE",
            "currency": "EUR",
            "balance": round(500.0 + counts[catalog.ACTIVATED] * 0.75, 2),
            "currentCharge": round(counts[catalog.ACTIVATED] * 2.9 * share, 2),
            "simCount": sum(counts.values()),
            "statusCounts": counts,
        }

    def list_plans(self, call: Call, name: str) -> dict[str, Any]:
        """A page of the plans on offer."""
        self._account(name)
        page, size = paging(self.carrier, call)
        plans = [plan.wire() for plan in catalog.PLANS.values()]
        return page_of(plans[page * size : (page + 1) * size], page, size, len(plans))

    def list_pools(self, call: Call) -> dict[str, Any]:
        """A page of share pools."""
        page, size = paging(self.carrier, call)
        account = call.one("accountName")
        pools = [pool for pool in catalog.POOLS if account in (None, pool.account)]
        start, end = cycle_of(self.carrier.clock.now())
        sums = self._cached(("pools",), self._pool_sums)
        data = [
            {
                "code": pool.code,
                "name": pool.name,
                "accountName": pool.account,
                "dataQuota": pool.quota,
                "dataUsage": sums[pool.code][1],
                "simCount": sums[pool.code][0],
                "cycleStart": format_time(start),
                "cycleEnd": format_time(end),
                "servicePackageCode": pool.plan,
            }
            for pool in pools
        ]
        return page_of(data[page * size : (page + 1) * size], page, size, len(pools))

    def _cached(self, key: tuple[Any, ...], compute: Any) -> Any:
        """Reports change with the fleet's records and by the hour."""
        mark = (self.carrier.version, int(self.carrier.clock.now()) // HOUR)
        if self._cache.get(key, (None, None))[0] != mark:
            if len(self._cache) > 100:
                self._cache.clear()
            self._cache[key] = (mark, compute())
        return self._cache[key][1]

    def _sampled(self, indices: Sequence[int]) -> tuple[Sequence[int], float]:
        step = max(1, len(indices) // SAMPLE)
        chosen = indices[::step]
        return chosen, len(indices) / len(chosen) if chosen else 1.0

    def _usage(self, index: int, moment: float) -> int:
        found = self.carrier.at(index)
        return self.carrier.fleet.usage(index, self.carrier.fleet.bits(index), moment, found.over)

    def _pool_sums(self) -> dict[str, tuple[int, int]]:
        """Per pool: how many SIMs, and their usage in this cycle."""
        carrier = self.carrier
        wanted = {
            (carrier.accounts.index(account), n): code
            for (account, plan), code in catalog.POOL_OF.items()
            for n, basic in enumerate(catalog.BASIC_PLANS)
            if basic.code == plan
        }
        members: dict[str, list[int]] = defaultdict(list)
        for index, pair in enumerate(zip(carrier.listing.keys, carrier.live_plans, strict=True)):
            code = wanted.get((pair[0] >> 3, pair[1]))
            if code:
                members[code].append(index)
        now = carrier.clock.now()
        sums = {}
        for pool in catalog.POOLS:
            chosen, factor = self._sampled(members[pool.code])
            used = sum(self._usage(index, now) for index in chosen)
            sums[pool.code] = (len(members[pool.code]), int(used * factor))
        return sums

    def country_statistics(self, call: Call) -> dict[str, Any]:
        """Usage and SIMs per country in a month (the present one when none is given)."""
        now = self.carrier.clock.now()
        month = call.one("month") or format_time(now)[:7]
        try:
            start, end = month_bounds(month)
        except ValueError:
            raise invalid("statistics", "month") from None
        account = call.one("accountName")
        data: list[dict[str, Any]] = []
        if now - STATISTICS_MONTHS * 31 * 24 * HOUR <= start <= now:
            moment = min(now, end - 1)
            data = self._cached(("countries", account, month), lambda: self._countries(account, moment))
        return {"month": month, "data": data}

    def _countries(self, account: str | None, moment: float) -> list[dict[str, Any]]:
        carrier = self.carrier
        total = carrier.count(account)
        chunks = max(1, SAMPLE // CHUNK)
        step = max(CHUNK, total // chunks)
        sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        for offset in range(0, total, step):
            for sim in carrier.page(account, None, offset, CHUNK)[0]:
                used = self._usage(sim.index, moment)
                if used:
                    country = carrier.fleet.network(sim.index, carrier.fleet.bits(sim.index))[0]
                    sums[country][0] += used
                    sums[country][1] += 1
        factor = step / CHUNK
        return [
            {"countryCode": country, "dataUsage": int(used * factor), "simCount": int(count * factor)}
            for country, (used, count) in sorted(sums.items())
        ]
