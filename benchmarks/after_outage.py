"""After an outage: how many calls, and how long, until what waited and what was in doubt is settled.

    .venv/bin/python -m benchmarks.after_outage --database postgres --queued 1000 --unknown 500

The rows are as an outage leaves them: changes that waited for the carrier, and changes whose answer was lost, half of
which the carrier has made. Then the portal's processes run as in ``make demo`` with a breaker that is open, and what is
counted begins when it closes. At the end the carrier's own log of changes is compared with the operations.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from datetime import timedelta
from typing import Any

from benchmarks.jobs import ACTIVE_SHARE, mirror_of, running_portal
from benchmarks.stage import machine, save, stage

LIMIT = 1800.0


def main() -> None:
    """Make the outage's rows, let the portal catch up, print and write the figures."""
    parser = argparse.ArgumentParser(description="How the portal catches up after the carrier was away.")
    parser.add_argument("--database", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--queued", type=int, default=1000, help="changes that waited to be sent")
    parser.add_argument("--unknown", type=int, default=500, help="changes in doubt")
    parser.add_argument("--rate", type=float, default=10.0, help="carrier calls per second")
    arguments = parser.parse_args()
    sims = arguments.queued + arguments.unknown
    # No walk and no change logs of their own in the count: what they ask for is not about the operations.
    quiet = dict.fromkeys(("SYNC_FULL_EVERY", "SYNC_CHANGES_EVERY", "SYNC_REFERENCE_EVERY"), "86400")
    options = {"SMARTHUB_RATE": str(arguments.rate), "BREAKER_PROBE_EVERY": "30", **quiet}
    with stage(arguments.database, **options, ALLOWED_HOSTS="127.0.0.1") as directory:
        from tests.servers import Simulator

        simulator = Simulator(directory, fleet=round(sims / ACTIVE_SHARE) + 100)
        try:
            result = measure(arguments, simulator, directory)
        finally:
            simulator.stop()
        result = {"rate": arguments.rate, "machine": machine(), **result}
    print(f"written to {save(f'outage-{sims}-{arguments.database}', result).name}")


def measure(arguments: argparse.Namespace, simulator: Any, directory: Any) -> dict[str, Any]:
    """The figures of one recovery."""
    from operations.models import Operation
    from sims.models import SyncRun

    simulator.control("PUT", "life", {"events_per_hour": 0})
    giccids = mirror_of(simulator, arguments.queued + arguments.unknown)
    _leave_behind(simulator, giccids, arguments.queued)
    for kind in (SyncRun.Kind.FULL, SyncRun.Kind.REFERENCE, SyncRun.Kind.STATISTICS, SyncRun.Kind.CHANGES):
        SyncRun.objects.create(kind=kind, state=SyncRun.State.DONE)
    made_before = arguments.unknown // 2
    breaker = _open_breaker(simulator)
    with running_portal(directory, simulator):
        _wait(lambda: breaker.opened_at() is None, "the probe")
        closed = time.time()
        open_still = Operation.objects.filter(state__in=Operation.OPEN_STATES)
        _wait(lambda: not open_still.exists(), "the last operation")
        seconds = time.time() - closed
    calls = simulator.control("GET", "calls", params={"limit": 10_000})["data"]
    counted = Counter(call["call"] for call in calls)
    log = simulator.control("GET", "changes", params={"limit": 10_000})["data"]
    changes = Counter(change["giccid"] for change in log)
    result = {
        "queued": arguments.queued,
        "unknown": arguments.unknown,
        "seconds": round(seconds, 1),
        "calls": sum(counted.values()),
        "by_call": dict(counted.most_common()),
        "most_calls_in_a_second": max(Counter(call["time"] for call in calls).values()),
        "states": dict(Counter(Operation.objects.values_list("state", flat=True))),
        "changed_once": sum(number == 1 for number in changes.values()),
        "changed_twice": sum(number > 1 for number in changes.values()),
        "changes_made_before": made_before,
    }
    for name, value in result.items():
        print(f"{name:>24}: {value}")
    return result


def _leave_behind(simulator: Any, giccids: list[str], queued: int) -> None:
    """The operations, the oldest first: every second one in doubt has happened at the carrier."""
    from django.contrib.auth import get_user_model
    from django.utils import timezone

    from operations.models import Operation, OperationAttempt
    from sims.models import Sim

    user = get_user_model().objects.create(username="agent", is_superuser=True, all_accounts=True)
    since = timezone.now() - timedelta(hours=2)
    Sim.objects.update(observed_at=since)
    sims = {sim.giccid: sim for sim in Sim.objects.filter(giccid__in=giccids).only("pk", "giccid", "status")}
    for number, giccid in enumerate(giccids):
        at = since + timedelta(seconds=number)
        common = {"sim": sims[giccid], "kind": "suspend", "actor": user, "reason": "outage", "created_at": at}
        common |= {"before": {"status": "ACTIVATED"}, "next_attempt_at": at}
        if number < queued:
            until = timezone.now() + timedelta(hours=2)
            Operation.objects.create(**common, state="queued", carrier_code="carrier_away", expires_at=until)
            continue
        sent = {"first_sent_at": at, "sends": 1, "carrier_code": "timeout"}
        operation = Operation.objects.create(**common, **sent, state="unknown")
        OperationAttempt.objects.create(
            operation=operation, step="send", started_at=at, finished_at=at, outcome="unknown", code="timeout"
        )
        if number % 2:
            simulator.patch(giccid, status="DEACTIVATED", push=False)


def _open_breaker(simulator: Any) -> Any:
    """As failures would have; nothing of it reaches the carrier."""
    import redis
    from django.conf import settings

    from smarthub import Breaker

    every = float(settings.CONFIG["BREAKER_PROBE_EVERY"])
    breaker = Breaker(redis.Redis.from_url(settings.REDIS_URL), probe_every=every)
    for _ in range(breaker.failures):
        breaker.failed(breaker.admit())
    assert breaker.opened_at() is not None
    return breaker


def _wait(condition: Any, what: str) -> None:
    deadline = time.monotonic() + LIMIT
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"waited in vain for {what}")
        time.sleep(0.2)


if __name__ == "__main__":
    main()
