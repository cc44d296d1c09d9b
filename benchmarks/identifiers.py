"""How fast a choice of many lines is read and looked up in a large fleet.

.venv/bin/python -m benchmarks.identifiers --database postgres --fleet 1000000 --lines 100000
"""

from __future__ import annotations

import argparse
import random
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from benchmarks.stage import machine, peak_memory, save, stage


def main() -> None:
    """Build the fleet, read each kind of choice once, print and write the figures."""
    parser = argparse.ArgumentParser(description="Measure the identifier reader.")
    parser.add_argument("--database", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--fleet", type=int, default=100_000)
    parser.add_argument("--lines", type=int, default=100_000)
    arguments = parser.parse_args()
    with stage(arguments.database):
        choices = measure(arguments.fleet, arguments.lines)
        result = {"fleet": arguments.fleet, "lines": arguments.lines, "machine": machine(), "choices": choices}
        result["peak_mib"] = peak_memory()
    print(f"written to {save(f'identifiers-{arguments.fleet}-{arguments.database}', result).name}")


def measure(fleet: int, lines: int) -> dict[str, dict[str, Any]]:
    """Seconds for reading and for looking up, of each kind of choice."""
    from django.db import connection

    from benchmarks.fleet import sims, write
    from sims.models import Account, RatePlan, SharePool, Sim
    from staff.models import User

    Account.objects.bulk_create(Account(name=name) for name in ("example_account", "north_logistics", "harbour"))
    RatePlan.objects.bulk_create(RatePlan(code=f"PLAN-{n:02d}", kind="BASIC") for n in range(12))
    SharePool.objects.bulk_create(SharePool(code=f"POOL-{n}", account_id="harbour") for n in range(4))
    write(Sim, sims(fleet))
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE sims_sim")
    user = User(username="somebody", all_accounts=True)
    user.save()
    return {name: once(name, make, lines, user) for name, make in choices(fleet).items()}


def choices(fleet: int) -> dict[str, Callable[[int], str]]:
    """What is measured, by name: a text of so many lines."""
    from benchmarks.fleet import giccid

    chance = random.Random(2)

    def each(write: Callable[[int], str]) -> Callable[[int], str]:
        return lambda lines: "\n".join(write(chance.randrange(fleet)) for _line in range(lines))

    return {
        "giccids": each(giccid),
        "mixed": each(lambda n: (giccid(n), f"46001{n:010d}", f"86145{n:08d}")[n % 3]),
        "check digit lost": each(lambda n: giccid(n)[:-1]),
        "one check digit in ten lost": each(lambda n: giccid(n)[:-1] if n % 10 == 0 else giccid(n)),
        "unknown": each(lambda n: f"89869{n:014d}7"),
        "unknown IMEI": each(lambda n: f"35999{n:09d}3"),
        "cut off": each(lambda n: f"{giccid(n)[0]}.{giccid(n)[1:15]}E+19"),
        "cut off short": each(lambda n: f"8.{n % 10**5:05d}E+19"),
        "one range": lambda lines: f"{giccid(0)}..{giccid(lines - 1)}",
    }


def once(name: str, make: Callable[[int], str], lines: int, user: Any) -> dict[str, Any]:
    """Read and look up one choice."""
    from operations.identifiers import read_text, resolve

    text = make(lines)
    start = time.perf_counter()
    read = read_text(text)
    middle = time.perf_counter()
    outcomes = Counter(str(line.outcome) for line in resolve(read, user))
    end = time.perf_counter()
    print(f"{name:28}{middle - start:>8.2f} s read{end - middle:>8.2f} s looked up  {dict(outcomes)}", flush=True)
    return {"read_seconds": round(middle - start, 2), "lookup_seconds": round(end - middle, 2), "outcomes": outcomes}


if __name__ == "__main__":
    main()
