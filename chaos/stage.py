"""Everything that runs, as processes of their own: PostgreSQL, Valkey, the carrier, workers, beat, web.

Processes are started by the thread that made the stage: they die with it, however it ends.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import requests

from benchmarks.stage import close_connections
from benchmarks.stage import environment as portal_environment
from chaos.carrier import Truth
from chaos.plan import WEBS, WORKERS, Sizes
from chaos.receiver import Receiver
from demo.__main__ import celery
from demo.processes import dies_with_parent
from demo.supervisor import python
from tests.servers import BASE_DIR, Postgres, Simulator, Valkey, wait_until
from tests.whole_demo import free_ports

PASSWORD = secrets.token_urlsafe(12)
PEOPLE = {
    "agent-1": ("Agent", None),
    "agent-2": ("Agent", None),
    "agent-3": ("Agent", ["example_account", "north_logistics"]),
    "supervisor-1": ("Supervisor", None),
    "supervisor-2": ("Supervisor", None),
}
WITH_VALKEY = 30.0
"""Seconds after its end within which a worker may notice."""
QUEUES = {"agent": "agent,push", "bulk": "bulk,sync,deliver", "spare": "agent,push,bulk,sync,deliver"}
SETTINGS = {
    "ALLOWED_HOSTS": "127.0.0.1",
    "LOG_LEVEL": "WARNING",
    "SUDO_MINUTES": "1",
    "SMARTHUB_CONNECT_TIMEOUT": "1",
    "SMARTHUB_READ_TIMEOUT": "4",
    "SYNC_CHANGES_EVERY": "5",
    "SYNC_FULL_EVERY": "45",
    "SYNC_LEASE": "10",
    "OPERATION_LEASE": "8",
    "OPERATION_DISPATCH_EVERY": "1",
    "BATCH_LOST_SUBMIT_AFTER": "12",
    "BATCH_CHUNK_SIZE": "500",
    "BATCH_POLL_DEADLINE": "120",
    "FORWARD_ALLOW_PRIVATE": "true",
    "FORWARD_ALLOW_HTTP": "true",
    "FORWARD_PORTS": "any",
}
"""Waits are short, so that what a fault leaves behind is found within the run; the rules are those of production."""


@dataclass
class Process:
    """One process of the portal, which is started again after it was killed."""

    name: str
    command: list[str]
    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    due: float | None = None
    """When (``time.monotonic``) it is started again; ``None`` while it runs."""

    def start(self) -> None:
        """Start it, in a session of its own."""
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command,
                cwd=BASE_DIR,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=dies_with_parent(),
            )
        self.due = None

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Kill it and what it started, without a word."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)
            self.process.wait(30)


@dataclass
class Stage:
    """What a run has around it."""

    directory: Path
    postgres: Postgres
    valkey: Valkey
    simulator: Simulator
    truth: Truth
    receiver: Receiver
    addresses: list[str]
    processes: dict[str, Process] = field(default_factory=dict)
    valkey_due: float | None = None
    valkey_killed: float = float("-inf")
    ended_with_valkey: int = 0
    """Processes that ended when Valkey did: kombu's worker may (an error in closing a connection that is gone)."""
    ended_by_themselves: list[str] = field(default_factory=list)
    """Processes that were gone and that nothing had happened to."""

    def kill(self, name: str, seconds: float) -> None:
        """Kill the process of this name; it is started again after so long."""
        self.processes[name].kill()
        self.processes[name].due = time.monotonic() + seconds

    def kill_valkey(self, seconds: float) -> None:
        """All that Valkey held is lost; it comes back empty after so long."""
        if self.valkey_due is None:
            self.valkey.kill()
        self.valkey_killed = time.monotonic()
        self.valkey_due = time.monotonic() + seconds

    def revive(self, *, everything: bool = False) -> None:
        """Start again what is due (or all that is gone), and whatever has ended by itself."""
        now = time.monotonic()
        if self.valkey_due is not None and (everything or self.valkey_due <= now):
            self.valkey_due = None
            self.valkey.start()
        for process in self.processes.values():
            if process.due is None and process.process is not None and process.process.poll() is not None:
                if now - self.valkey_killed < WITH_VALKEY:
                    self.ended_with_valkey += 1
                else:
                    self.ended_by_themselves.append(f"{process.name} (exit code {process.process.returncode})")
                process.due = now
            if process.due is not None and (everything or process.due <= now):
                process.start()

    def stop(self, name: str) -> None:
        """End a process for good, gently."""
        self.processes.pop(name).kill(signal.SIGTERM)


@contextlib.contextmanager
def stage(directory: Path, sizes: Sizes, seed: int) -> Iterator[Stage]:
    """Start everything, with users and a mirror that has seen the whole fleet; end everything afterwards."""
    with contextlib.ExitStack() as stack:
        valkey = Valkey(directory)
        stack.callback(valkey.stop)
        # A commit that was answered outlives a crash; that the machine itself crashes is not played here.
        postgres = Postgres(directory, memory="512MB", more={"synchronous_commit": "on", "max_wal_size": "4GB"})
        stack.callback(postgres.stop)
        simulator = Simulator(directory, fleet=sizes.fleet, seed=seed, more=["--events-per-hour", "0"])
        stack.callback(simulator.stop)
        receiver = Receiver()
        stack.callback(receiver.stop)
        ports = free_ports(len(WEBS))
        addresses = [f"http://127.0.0.1:{port}" for port in ports]
        environment = _environment(directory, postgres, simulator, addresses[0])
        os.environ.update(environment)
        token = _prepare(receiver)
        stack.callback(close_connections)
        built = Stage(directory, postgres, valkey, simulator, Truth(simulator), receiver, addresses)
        simulator.control("PUT", "push-target", {"url": f"{addresses[0]}/webhooks/smarthub/{token}/"})
        for name, command in _commands(directory, ports).items():
            process = Process(name, command, {**os.environ, "PYTHONFAULTHANDLER": "1"}, directory / f"{name}.log")
            built.processes[name] = process
            stack.callback(process.kill)
            process.start()
        wait_until(lambda: all(_answers(f"{address}/healthz") for address in addresses), seconds=180, what="web")
        yield built


def _environment(directory: Path, postgres: Postgres, simulator: Simulator, address: str) -> dict[str, str]:
    valkey = f"unix://{directory / 'valkey.sock'}"
    return {
        **portal_environment(directory, url=postgres.url, valkey=valkey),
        **SETTINGS,
        "PORTAL_URL": address,
        "SMARTHUB_BASE_URL": simulator.base_url,
        "SMARTHUB_API_KEY": simulator.api_key,
    }


def _commands(directory: Path, ports: list[int]) -> dict[str, list[str]]:
    web = "--interface wsgi --host 127.0.0.1 --workers 1 --blocking-threads 6 --log-level error --no-ws"
    worker = "worker --pool threads --without-gossip --without-mingle --loglevel WARNING -c 5"
    beat = celery("beat", "--pidfile=", "--loglevel", "WARNING", "--schedule", str(directory / "beat-schedule"))
    return {
        **{
            name: python("-m", "granian", *web.split(), "--port", str(port), "demo.wsgi:application")
            for name, port in zip(WEBS, ports, strict=True)
        },
        **{name: celery(*worker.split(), "-n", f"{name}@%h", "-Q", QUEUES[name]) for name in WORKERS},
        "beat": beat,
    }


def _prepare(receiver: Receiver) -> str:
    """Tables, people, rules, and a mirror that knows the fleet; answers the token of the carrier's pushes."""
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0, interactive=False)
    from chaos.rules import make_rules
    from notifications.services.sources import create_source
    from staff.services import create_user

    for name, (role, accounts) in PEOPLE.items():
        create_user(username=name, role=role, password=PASSWORD, accounts=accounts)
    make_rules(receiver.url)
    for kind in ("reference", "full", "changes"):
        call_command("sync", f"--{kind}", stdout=_Nowhere(), stderr=_Nowhere())
    _source, token = create_source("the carrier")
    return token


class _Nowhere:
    """Takes what a command prints."""

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return False


def _answers(url: str) -> bool:
    with contextlib.suppress(requests.RequestException):
        return requests.get(url, timeout=5, proxies={"http": ""}).ok
    return False


def end_of_log(path: Path, lines: int = 20) -> str:
    """The last lines of a process's log."""
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
