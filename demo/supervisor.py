"""Runs processes in the foreground: starts them, shows what they warn of, starts them again, ends them all.

One thread, one loop (:meth:`Supervisor.turn`). Children have process groups of their own, so that a Ctrl-C reaches
this process alone and everything ends in order. See docs/decisions for why not honcho.
"""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO

from demo.processes import dies_with_parent

LEVELS = ("debug", "info", "warning", "error", "critical")
LONGEST_LOG = 10 * 1024 * 1024
LONGEST_LINE = 300
"""Characters of a line on the terminal; the log has it whole."""
PATIENCE = 5.0
"""Seconds between asking the processes to end and ending them."""
_LEVEL = re.compile(r"\blevel=(\w+)|(?:^|\[|\b)(DEBUG|INFO|WARNING|WARN|ERROR|CRITICAL)\b")


class Stopped(BaseException):
    """Somebody asked the demo to end. Not an error, so no ``except Exception`` takes it."""


class ProcessFailed(Exception):
    """A process ended, or did not do what was waited for; the message names its log."""


@dataclass(frozen=True)
class Service:
    """A process to run. ``restart``: ``always``, ``until_done`` (until it ends with 0), or ``never``."""

    name: str
    command: list[str]
    restart: str = "always"
    shows: str = "warnings"
    """What of its output goes to the terminal, too: log lines of the level that is shown (``warnings``), besides
    them the lines that are no log lines (``all``), or ``nothing``."""


@dataclass
class Child:
    """A running :class:`Service`."""

    service: Service
    process: subprocess.Popen[bytes]
    log: IO[bytes]
    rest: bytes = b""
    started: float = field(default_factory=time.monotonic)


class Supervisor:
    """Runs :class:`Service` s with ``environment``, their logs in ``logs``; use as a context, it ends them all.

    ``level`` is the least level of the lines it repeats on the terminal.
    """

    def __init__(self, *, environment: Mapping[str, str], logs: Path, level: str = "warning") -> None:
        self._environment = dict(environment)
        self._logs = logs
        self._shown = set(LEVELS[LEVELS.index(level) :])
        self._selector = selectors.DefaultSelector()
        self._children: dict[str, Child] = {}
        self._due: list[tuple[float, Service]] = []
        self._failures: dict[str, int] = {}
        self.finished: dict[str, int] = {}
        """Exit codes of services that ended for good."""
        self._asked_to_stop = False
        self._guard = dies_with_parent()

    def __enter__(self) -> Supervisor:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._asked_to_stop = True

    def start(self, service: Service) -> None:
        """Start ``service``; its output goes to ``logs/<name>.log`` from now on."""
        path = self._logs / f"{service.name}.log"
        if path.exists() and path.stat().st_size > LONGEST_LOG:
            path.replace(path.with_suffix(".log.1"))
        process = subprocess.Popen(
            service.command,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=self._guard,
        )
        child = Child(service, process, path.open("ab"))
        self._children[service.name] = child
        os.set_blocking(process.stdout.fileno(), False)  # type: ignore[union-attr]  # a pipe was asked for
        self._selector.register(process.stdout, selectors.EVENT_READ, child)  # type: ignore[arg-type]  # as above

    def turn(self) -> None:
        """A fraction of a second of work. Raises :class:`Stopped` when somebody asked for the end."""
        for key, _ in self._selector.select(timeout=0.1):
            self._read(key.data)
        for child in list(self._children.values()):
            if child.process.poll() is not None:
                self._ended(child)
        now = time.monotonic()
        for due, service in list(self._due):
            if due <= now:
                self._due.remove((due, service))
                self.start(service)
        if self._asked_to_stop:
            raise Stopped

    def wait_for(self, condition: Callable[[], bool], *, seconds: float, name: str) -> None:
        """Work until ``condition()``; :class:`ProcessFailed` when that takes longer than ``seconds``."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise ProcessFailed(f"{name} did not get ready within {seconds:.0f} s.{self._end_of_log(name)}")
            self.turn()

    def run(self, service: Service) -> None:
        """Start ``service`` and work until it has ended; :class:`ProcessFailed` when it ended with an error."""
        self.start(service)
        while service.name not in self.finished:
            self.turn()
        if self.finished[service.name]:
            raise ProcessFailed(f"{service.name} failed.{self._end_of_log(service.name)}")

    def _end_of_log(self, name: str, lines: int = 15) -> str:
        path = self._logs / f"{name}.log"
        text = path.read_text(errors="replace") if path.exists() else ""
        return f" The end of {path}:\n" + "\n".join(text.splitlines()[-lines:])

    def _read(self, child: Child) -> None:
        with contextlib.suppress(BlockingIOError):
            data = os.read(child.process.stdout.fileno(), 65536)  # type: ignore[union-attr]  # a pipe
            if not data:
                self._selector.unregister(child.process.stdout)  # type: ignore[arg-type]  # a pipe
                return
            child.log.write(data)
            child.log.flush()
            *lines, child.rest = re.split(rb"[\r\n]+", child.rest + data)
            for line in lines:
                self._show(child.service, line.decode(errors="replace"))

    def _show(self, service: Service, line: str) -> None:
        found = _LEVEL.search(line)
        level = (found.group(1) or found.group(2)).lower() if found else ""
        if service.shows == "all" and not level:
            level = LEVELS[-1]
        is_shown = {"warn": "warning"}.get(level, level) in self._shown
        if line and is_shown and service.shows != "nothing":
            self.say(f"{service.name:<9}| {line[:LONGEST_LINE]}")

    def say(self, text: str) -> None:
        """Print ``text``; a terminal that is gone is no reason to leave processes behind."""
        with contextlib.suppress(OSError, ValueError):
            print(text, flush=True)

    def _ended(self, child: Child) -> None:
        service, code = child.service, child.process.returncode
        self._forget(child)
        if service.restart == "never" or (service.restart == "until_done" and code == 0):
            self.finished[service.name] = code
            return
        if time.monotonic() - child.started > 60:
            self._failures[service.name] = 0
        failures = self._failures[service.name] = self._failures.get(service.name, 0) + 1
        pause = min(0.5 * 2 ** (failures - 1), 30.0)
        self.say(f"{service.name:<9}| ended ({_how(code)}), starts again in {pause:g} s")
        self._due.append((time.monotonic() + pause, service))

    def _forget(self, child: Child) -> None:
        """Read what it last said and end what it may have left behind."""
        stdout = child.process.stdout
        if stdout is not None:
            for _ in range(100):
                if stdout not in self._selector.get_map() or not self._selector.select(timeout=0):
                    break
                self._read(child)
            if stdout in self._selector.get_map():
                self._selector.unregister(stdout)
            stdout.close()
        if child.rest:
            self._show(child.service, child.rest.decode(errors="replace"))
        child.log.close()
        _signal_group(child.process, signal.SIGKILL)
        self._children.pop(child.service.name, None)

    def stop(self, last: str = "valkey") -> None:
        """End every process within a few seconds, the service named ``last`` after all others. Never raises."""
        self._due.clear()
        for names in ([n for n in self._children if n != last], [n for n in self._children if n == last]):
            children = [self._children[name] for name in names]
            for child in children:
                with contextlib.suppress(OSError):
                    child.process.terminate()
            deadline = time.monotonic() + PATIENCE
            while any(child.process.poll() is None for child in children) and time.monotonic() < deadline:
                for key, _ in self._selector.select(timeout=0.05):
                    self._read(key.data)
            for child in children:
                _signal_group(child.process, signal.SIGKILL)
                child.process.wait()
                self._forget(child)
        self._selector.close()


def _signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(OSError):  # the group is empty, so it is gone
        os.killpg(process.pid, number)


def _how(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def python(*arguments: str) -> list[str]:
    """A command that runs this Python, unbuffered, so that logs and progress come as they are written."""
    return [sys.executable, "-u", *arguments]
