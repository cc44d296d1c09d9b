"""``python -m benchmarks.plans``: how long a batch job's plan takes, and the holding of its SIMs.

A fleet of ``--fleet`` SIMs is written straight into the mirror; the plan takes ``--sims`` of them by a filter, by
their giccids, and as a change of plan.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.db import connection
from django.utils import timezone

from benchmarks.stage import stage


def main() -> None:
    """Print seconds, and the memory that this process came to use."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", choices=["sqlite", "postgres"], default="postgres")
    parser.add_argument("--fleet", type=int, default=1_000_000)
    parser.add_argument("--sims", type=int, default=100_000)
    parser.add_argument("--hold", action="store_true", help="confirm the last plan and hold its SIMs, too")
    arguments = parser.parse_args()
    with stage(arguments.database, BATCH_MAX_LINES=str(arguments.sims)):
        _measure(arguments)


def _measure(arguments: argparse.Namespace) -> None:
    from django.http import QueryDict

    from benchmarks.fleet import settle
    from sims.models import Account, RatePlan, SharePool, Sim
    from staff.models import User

    _timed("build the fleet", lambda: _fleet(arguments.fleet))
    actor = User.objects.create_superuser("bench", password=None, all_accounts=True)
    for plan in RatePlan.objects.all():
        plan.accounts.set(Account.objects.all())
    SharePool.objects.create(code="CHOSEN")
    active = Sim.objects.filter(status="ACTIVATED").order_by("giccid").values_list("pk", flat=True)
    some = list(active[: arguments.sims])
    for start in range(0, len(some), 10_000):
        Sim.objects.filter(pk__in=some[start : start + 10_000]).update(pool="CHOSEN")
    giccids = list(Sim.objects.filter(pool="CHOSEN").values_list("giccid", flat=True))
    settle()
    wish: dict[str, Any] = {"actor": actor, "params": {}}
    by_filter = {"kind": "suspend", "source": "filter", "query": QueryDict("pool=CHOSEN")}
    by_state = {"kind": "suspend", "source": "text", "identifiers": "\n".join(giccids)}
    ticked = {"kind": "change_plan", "source": "ticked", "giccids": giccids, "params": {"plan": "PLAN-03"}}
    _plan("by a filter", {**wish, **by_filter})
    _plan("pasted", {**wish, **by_state})
    job = _plan("ticked, change of plan", {**wish, **ticked})
    if arguments.hold:
        _hold(job, actor)
    print(f"memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB")


def _fleet(size: int) -> None:
    """As the other benchmarks have it, without its timeline."""
    from benchmarks.fleet import ACCOUNTS, sims, write
    from sims.models import Account, RatePlan, SharePool, Sim

    now = timezone.now()
    Account.objects.bulk_create(Account(name=name, fetched_at=now) for name in ACCOUNTS)
    RatePlan.objects.bulk_create(
        RatePlan(code=f"PLAN-{n:02d}", kind="BASIC", price=n, currency="EUR", fetched_at=now) for n in range(12)
    )
    SharePool.objects.bulk_create(SharePool(code=f"POOL-{n}", account_id=ACCOUNTS[n % 3]) for n in range(4))
    write(Sim, sims(size))


def _plan(name: str, wish: dict[str, Any]) -> Any:
    from operations.services.jobs.plan import make_job, make_plan, recheck

    job = _timed(f"{name}: in the request", lambda: make_job(**wish))
    _timed(f"{name}: by the task", lambda: make_plan(job.pk))
    job.refresh_from_db()
    print(f"  {job.lines} lines, {job.eligible} eligible, {job.refused} refused")
    _timed(f"{name}: checked again", lambda: recheck(job))
    return job


def _hold(job: Any, actor: Any) -> None:
    from operations.models import BatchJob
    from operations.services.jobs.confirm import confirm, hold_sims

    confirm(job, actor, "benchmark", "B-1")
    BatchJob.objects.filter(pk=job.pk).update(state="running")
    _timed("hold its SIMs", lambda: hold_sims(job.pk))


def _timed(name: str, action: Callable[[], Any]) -> Any:
    """Print how long it took, and what of it this process and its connection's server process computed."""
    start, own, server = time.perf_counter(), time.process_time(), _server_seconds()
    answer = action()
    seconds, own, server = time.perf_counter() - start, time.process_time() - own, _server_seconds() - server
    print(f"{name}: {seconds:.1f} s, of which computing: ours {own:.1f} s, database {server:.1f} s", flush=True)
    return answer


def _server_seconds() -> float:
    """What a busy machine does not change: the time that the database has computed for us; 0 where that is ours."""
    if connection.vendor != "postgresql":
        return 0.0
    connection.ensure_connection()
    fields = Path(f"/proc/{connection.connection.info.backend_pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
