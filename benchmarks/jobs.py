"""How a large batch job runs: how long, with how much memory, and what the pages feel of it.

    .venv/bin/python -m benchmarks.jobs --database postgres --sims 100000
    .venv/bin/python -m benchmarks.jobs --database postgres --sims 20000 --rate 0

A simulated carrier, the web server, the two workers and the clock run as in ``make demo``, each in a process of its
own. A job suspends ``--sims`` SIMs; at the end the carrier's own log of changes is compared with the operations.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import statistics
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests

from benchmarks.stage import machine, save, stage

ACTIVE_SHARE = 0.75
"""Of the simulator's SIMs a little more than these are activated, which a suspension needs."""
IDLE_SAMPLES = 30
EVERY = 2.0
"""Seconds from one sample to the next while the job runs."""
LIMIT = 4 * 3600.0


def main() -> None:
    """Run the job, print what it took, write the figures."""
    parser = argparse.ArgumentParser(description="Run a large batch job against the simulator and watch it.")
    parser.add_argument("--database", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--sims", type=int, default=100_000, help="SIMs that the job suspends")
    parser.add_argument("--fleet", type=int, default=0, help="SIMs of the carrier; by default as many as it needs")
    parser.add_argument("--rate", type=float, default=10.0, help="carrier calls per second; 0 is no limit")
    arguments = parser.parse_args()
    fleet = arguments.fleet or round(arguments.sims / ACTIVE_SHARE)
    options = {"BATCH_MAX_LINES": str(arguments.sims), "SMARTHUB_RATE": str(arguments.rate)}
    with stage(arguments.database, **options, ALLOWED_HOSTS="127.0.0.1") as directory:
        from tests.servers import Simulator

        simulator = Simulator(directory, fleet=fleet)
        try:
            with running_portal(directory, simulator) as (pids, url):
                result = measure(arguments.sims, simulator, pids, url)
        finally:
            simulator.stop()
        result = {"fleet": fleet, "rate": arguments.rate, "machine": machine(), **result}
    name = f"job-{arguments.sims}-{arguments.database}-{arguments.rate:g}"
    print(f"written to {save(name, result).name}")


def measure(sims: int, simulator: Any, pids: dict[str, int], url: str) -> dict[str, Any]:
    """Make, confirm and run the job; its figures."""
    simulator.control("PUT", "life", {"events_per_hour": 0})
    giccids = mirror_of(simulator, sims)
    session = _signed_in()
    pages = {"list": f"{url}/sims/", "sim": f"{url}/sims/{giccids[0]}/"}
    idle = [_seconds(session, pages) for _ in range(IDLE_SAMPLES)][3:]
    calls = simulator.control("GET", "calls", params={"limit": 1})["total"]
    cpu = {name: _computed(pid) for name, pid in pids.items()}
    job, planned = _started(giccids)
    watch = _Watch(job, pids, session, pages)
    start = time.perf_counter()
    watch.until_it_ends()
    seconds = time.perf_counter() - start
    result = {
        "sims": sims,
        "planned_seconds": round(planned, 1),
        "seconds": round(seconds, 1),
        "state": job.state,
        "counts": {name: getattr(job, name) for name in ("succeeded", "failed", "unknown", "pending")},
        "calls": simulator.control("GET", "calls", params={"limit": 1})["total"] - calls,
        "memory_mib": watch.memory(),
        "cpu_seconds": {name: round(_computed(pid) - cpu[name], 1) for name, pid in pids.items()},
        "pages_ms": {name: _compared(name, idle, watch.pages) for name in pages},
        "untrue": _untrue(job, simulator),
    }
    for name, value in result.items():
        print(f"{name}: {value}", flush=True)
    return result


class _Watch:
    """Samples memory and pages while the job runs."""

    def __init__(self, job: Any, pids: dict[str, int], session: requests.Session, addresses: dict[str, str]) -> None:
        self.job, self._pids, self._session, self._addresses = job, pids, session, addresses
        self.pages: list[dict[str, float]] = []
        self._memory: dict[str, list[int]] = {name: [] for name in pids}

    def until_it_ends(self) -> None:
        """Returns when the job has ended, or after :data:`LIMIT`."""
        pause, deadline, told = threading.Event(), time.monotonic() + LIMIT, 0.0
        while time.monotonic() < deadline:
            self.job.refresh_from_db()
            if self.job.state in type(self.job).FINAL_STATES:
                return
            for name, pid in self._pids.items():
                self._memory[name].append(_resident(pid))
            self.pages.append(_seconds(self._session, self._addresses))
            if time.monotonic() - told > 30:
                told = time.monotonic()
                print(f"  {self.job.succeeded} of {self.job.eligible} done, {self.job.pending} to come", flush=True)
            pause.wait(EVERY)

    def memory(self) -> dict[str, dict[str, int]]:
        """Of each process: MiB at most, and in each quarter of the time."""
        found = {}
        for name, samples in self._memory.items():
            quarter = max(1, len(samples) // 4)
            parts = [max(samples[n : n + quarter]) for n in range(0, len(samples), quarter)][:4]
            found[name] = {"most": max(samples), **{f"quarter {n + 1}": part for n, part in enumerate(parts)}}
        return found


@contextlib.contextmanager
def running_portal(directory: Path, simulator: Any) -> Iterator[tuple[dict[str, int], str]]:
    """The processes of a demo on the stage's database; answers those whose memory counts, and the address."""
    from demo.__main__ import portal
    from demo.options import Options
    from demo.processes import dies_with_parent
    from tests.servers import wait_until
    from tests.whole_demo import free_ports

    options = Options(directory, free_ports(1)[0], 0, 1, simulator.base_url, simulator.api_key)
    carrier = {"SMARTHUB_BASE_URL": simulator.base_url, "SMARTHUB_API_KEY": simulator.api_key}
    processes: dict[str, subprocess.Popen[bytes]] = {}
    with contextlib.ExitStack() as stack:
        for service in portal(options):
            log = stack.enter_context((directory / f"{service.name}.log").open("wb"))
            process = subprocess.Popen(
                service.command,
                env={**os.environ, **carrier},
                stdout=log,
                stderr=log,
                preexec_fn=dies_with_parent(signal.SIGTERM),
            )
            stack.callback(_end, process)
            processes[service.name] = process
        url = options.portal_url.rstrip("/")
        wait_until(lambda: _answers(f"{url}/healthz"), seconds=120, what="the web server")
        yield {name: processes[name].pid for name in ("web", "agent", "bulk")}, url


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(5)


def _answers(url: str) -> bool:
    with contextlib.suppress(requests.RequestException):
        return requests.get(url, timeout=2).ok
    return False


def mirror_of(simulator: Any, sims: int) -> list[str]:
    """Write the carrier's SIMs into the mirror as far as a job looks at them; answers ``sims`` activated ones."""
    from django.db import connection
    from django.utils import timezone

    from benchmarks.fleet import settle, write
    from sims.models import Account, Sim

    now = connection.ops.adapt_datetimefield_value(timezone.now())
    fleet = simulator.seeded()
    Account.objects.bulk_create(Account(name=name) for name in sorted({sim["accountName"] for sim in fleet}))
    names = ("giccid", "imsi", "msisdn", "imei", "status")
    write(
        Sim,
        (
            {
                **{name: sim.get(name) or "" for name in names},
                "account_id": sim["accountName"],
                "search": "\n".join(str(sim.get(name) or "") for name in names[:-1]),
                "observed_at": now,
                "observed_by": "walk",
            }
            for sim in fleet
        ),
    )
    settle()
    chosen = Sim.objects.filter(status="ACTIVATED").order_by("giccid").values_list("giccid", flat=True)[:sims]
    if len(found := list(chosen)) < sims:
        raise SystemExit(f"only {len(found)} SIMs are activated; give a larger --fleet")
    return found


def _signed_in() -> requests.Session:
    from django.conf import settings
    from django.test import Client

    from staff.models import User

    client = Client()
    client.force_login(User.objects.create_superuser("watcher", password=None, all_accounts=True))
    session = requests.Session()
    session.trust_env = False
    session.cookies.set(settings.SESSION_COOKIE_NAME, client.cookies[settings.SESSION_COOKIE_NAME].value)
    return session


def _started(giccids: list[str]) -> tuple[Any, float]:
    """The running job, and the seconds that its plan took."""
    from operations.services.approval import approve
    from operations.services.jobs.confirm import confirm
    from operations.services.jobs.plan import make_job
    from staff.models import User
    from tests.servers import wait_until

    maker, other = (User.objects.create_superuser(name, password=None, all_accounts=True) for name in ("one", "two"))
    start = time.perf_counter()
    job = make_job(actor=maker, kind="suspend", params={}, source="ticked", giccids=giccids)

    def is_made() -> bool:
        job.refresh_from_db()
        return job.planned_at is not None

    wait_until(is_made, seconds=600, what="the plan")
    planned = time.perf_counter() - start
    job = confirm(job, maker, "benchmark", "B-1")
    if job.state == "awaiting_approval":
        approve(job, other)
    return job, planned


def _seconds(session: requests.Session, addresses: dict[str, str]) -> dict[str, float]:
    taken = {}
    for name, address in addresses.items():
        start = time.perf_counter()
        answer = session.get(address, timeout=60, allow_redirects=False)
        taken[name] = time.perf_counter() - start
        if answer.status_code != 200:
            raise SystemExit(f"{address} answered {answer.status_code}")
    return taken


def _compared(name: str, idle: list[dict[str, float]], running: list[dict[str, float]]) -> dict[str, float]:
    before = statistics.median(sample[name] for sample in idle) * 1000
    meanwhile = statistics.median(sample[name] for sample in running) * 1000
    return {"idle": round(before, 1), "running": round(meanwhile, 1), "ratio": round(meanwhile / before, 2)}


def _resident(pid: int) -> int:
    """MiB in memory of a process and its children; the largest of them counts."""
    found = [0]
    for number in [pid, *_children(pid)]:
        with contextlib.suppress(OSError):
            status = Path(f"/proc/{number}/status").read_text()
            found += [int(line.split()[1]) // 1024 for line in status.splitlines() if line.startswith("VmRSS:")]
    return max(found)


def _computed(pid: int) -> float:
    """Seconds that a process and its children have computed so far."""
    total = 0
    for number in [pid, *_children(pid)]:
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def _children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(part) for part in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def _untrue(job: Any, simulator: Any) -> dict[str, int]:
    """SIMs whose result is not what the carrier's log of changes says; all zero when every result is true."""
    from operations.models import Operation

    changes = simulator.control("GET", "changes", params={"limit": 100_000, "what": "status", "source": "job"})
    times = Counter(row["giccid"] for row in changes["data"])
    results = dict(Operation.objects.filter(job=job).values_list("sim__giccid", "state"))
    done = {giccid for giccid, state in results.items() if state == "done"}
    return {
        "changed more than once": sum(number > 1 for number in times.values()),
        "changed without an operation": len(times.keys() - results.keys()),
        "done but not changed": len(done - times.keys()),
        "changed but not done": len(times.keys() & results.keys() - done),
        "log not whole": changes["total"] - len(changes["data"]),
    }


if __name__ == "__main__":
    main()
