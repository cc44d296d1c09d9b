"""What the page "Cost on other plans" takes for as many SIMs as it adds up at once, and for SIMs from all over a fleet.

    .venv/bin/python -m benchmarks.costs --database postgres --sims 20000

Every SIM has twelve closed months of days, as the archive packs them, and is charged on twelve plans.
"""

from __future__ import annotations

import argparse
import random
import time
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from benchmarks.stage import machine, save, stage

MONTHS, PLANS = 12, 12
_MB = 1024 * 1024


def main() -> None:
    """Make the months, time the sums, write them to a file."""
    parser = argparse.ArgumentParser(description="Measure what the cost on other plans takes.")
    parser.add_argument("--database", choices=["sqlite", "postgres"], default="postgres")
    parser.add_argument("--sims", type=int, default=20_000, help="of the fleet")
    arguments = parser.parse_args()
    with stage(arguments.database):
        result = {"sims": arguments.sims, "machine": machine(), **measure(arguments.sims)}
    for name, value in result.items():
        print(f"{name:32} {value}")
    print(f"written to {save(f'costs-{arguments.sims}-{arguments.database}', result).name}")


def measure(sims: int) -> dict[str, Any]:
    """Seconds for the first 10,000 SIMs, and for 10,000 of all over the fleet without a bound on the places read."""
    from benchmarks import fleet
    from sims.models import RatePlan, Sim
    from sims.selectors import costs

    fleet.build(sims)
    for number, plan in enumerate(RatePlan.objects.order_by("code")):
        plan.price, plan.currency, plan.data_quota = Decimal(number + 1), "EUR", (number + 1) * 20 * _MB
        plan.save()
    _close_months()
    plans = list(RatePlan.objects.prefetch_related("accounts").order_by("code"))[:PLANS]
    last = Sim.objects.order_by("giccid").values_list("giccid", flat=True)[costs.MOST_SIMS - 1]
    ids = random.Random(1).sample(range(sims), costs.MOST_SIMS)
    chosen = Sim.objects.filter(giccid__in=[fleet.giccid(index) for index in ids])
    timed: dict[str, Any] = {}
    for cycles in (3, 12):
        for name, found in (("together", Sim.objects.filter(giccid__lte=last)), ("scattered", chosen)):
            began, cpu = time.perf_counter(), time.process_time()
            totals = costs.add_up(found, plans, cycles=cycles)
            timed[f"{name}_{cycles}_seconds"] = round(time.perf_counter() - began, 2)
            timed[f"{name}_{cycles}_cpu"] = round(time.process_time() - cpu, 2)
            timed[f"{name}_{cycles}_cycles"] = totals.cycles
            timed[f"{name}_{cycles}_blocks"] = _places(found, costs)
    return timed


def _places(found: Any, costs: Any) -> int:
    from sims.services.usage.archive import blocks_of

    return len(blocks_of(list(found.values_list("pk", flat=True))))


def _close_months() -> None:
    """Twelve months before this one for every SIM, some megabytes a day."""
    from django.utils import timezone

    from sims.models import Sim, UsageMonth
    from sims.services.usage.packing import Cycle, Month, pack_months
    from sims.services.usage.rows import PER_BLOCK, to_day

    dice = random.Random(2)
    blocks = sorted({pk // PER_BLOCK for pk in Sim.objects.values_list("pk", flat=True)})
    first = timezone.now().date().replace(day=1)
    for _ in range(MONTHS):
        end, first = first, (first - timedelta(days=1)).replace(day=1)
        rows = [
            UsageMonth(
                block=block, month=first, packed=_packed(dice, first, end, Cycle, Month, pack_months, to_day(first))
            )
            for block in blocks
        ]
        UsageMonth.objects.bulk_create(rows, batch_size=200)


def _packed(dice: random.Random, first: date, end: date, cycle: Any, month: Any, pack: Any, start: int) -> bytes:
    months = {}
    for place in range(192):
        days = [dice.getrandbits(23) << 1 for _ in range((end - first).days)]
        months[place] = month(days=days, cycles=[cycle(start, sum(days) >> 1, 100 * _MB)])
    packed: bytes = pack(months)
    return packed


if __name__ == "__main__":
    main()
