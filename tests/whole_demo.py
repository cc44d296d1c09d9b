"""A whole demo in a process of its own, as ``make demo`` runs it, for tests of its life and in the browser."""

from __future__ import annotations

import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path

from demo.processes import dies_with_parent
from tests.servers import BASE_DIR, ServerFailed, wait_until

START_SECONDS = 90.0


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on at this moment, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


class WholeDemo:
    """``python -m demo`` on ``data_dir``; nothing of this process's own settings reaches it."""

    def __init__(self, data_dir: Path, *, fleet: int = 300, port: int = 0, simulator_port: int = 0) -> None:
        self.data_dir = data_dir
        free = free_ports(2)
        self.port, self.simulator_port = port or free[0], simulator_port or free[1]
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/"),
            "DATA_DIR": str(data_dir),
            "PORT": str(self.port),
            "SIMULATOR_PORT": str(self.simulator_port),
            "FLEET": str(fleet),
        }
        self.output = data_dir.with_suffix(".out")
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The portal's address, without a slash at its end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def simulator_url(self) -> str:
        """The simulator's address, without a slash at its end."""
        return f"http://127.0.0.1:{self.simulator_port}"

    def start(self) -> WholeDemo:
        """Start it and wait for its greeting."""
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "demo"],
                cwd=BASE_DIR,
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=dies_with_parent(signal.SIGTERM),
            )
        try:
            wait_until(self._is_ready, seconds=START_SECONDS, what="the demo")
        except ServerFailed:
            self.stop()
            raise
        return self

    def _is_ready(self) -> bool:
        if self.process is None or self.process.poll() is not None:
            raise ServerFailed(f"the demo ended at once:\n{self.said()}")
        return "is ready after" in self.said()

    def said(self) -> str:
        """What it printed so far."""
        return self.output.read_text(errors="replace")

    def push_url(self) -> str:
        """The push address that it printed."""
        found = re.search(r"Pushes +(\S+)", self.said())
        assert found, self.said()
        return found[1]

    def wait_for_first_sync(self, seconds: float = 90.0) -> None:
        """Wait until its first sync has ended well."""
        query = "select count(*) from sims_syncrun where kind = 'full' and state = 'done'"

        def is_over() -> bool:
            with closing(sqlite3.connect(self.data_dir / "portal.sqlite3", timeout=10)) as database:
                return database.execute(query).fetchone()[0] > 0

        wait_until(is_over, seconds=seconds, what="the first sync")

    def commands(self) -> dict[int, str]:
        """Command lines of every living process that has this demo's environment, by process id."""
        marker = f"DATA_DIR={self.data_dir}".encode()
        found = {}
        for entry in Path("/proc").iterdir():
            with suppress(OSError):
                if entry.name.isdigit() and marker in (entry / "environ").read_bytes().split(b"\0"):
                    found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
        return {pid: command for pid, command in found.items() if command}

    def pid_of(self, part: str) -> int:
        """Process id of the one whose command line holds ``part``; the oldest of several."""
        return min(pid for pid, command in self.commands().items() if part in command)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Signal the process group, wait at most 10 seconds, answer the exit code."""
        assert self.process is not None
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)
        try:
            return self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
