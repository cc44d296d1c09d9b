"""How many pushes a second the receiver takes, beside a bare view that only inserts one row, and an empty one.

    .venv/bin/python -m benchmarks.receiver                  # PostgreSQL, 8 connections
    .venv/bin/python -m benchmarks.receiver --flood 20000    # all stored, each done once, a worker killed in between

All three are served in one run by the same server, granian with two processes, on a PostgreSQL without fsync, which
is the hardest for us: a disk that is waited for makes all rows alike. They take turns in short rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import select
import signal
import socket
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from benchmarks.stage import machine, save, stage

BASE_DIR = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
CONNECTIONS = 8


def main() -> None:
    """Measure, or flood."""
    parser = argparse.ArgumentParser(description="Measure the receiver of pushes.")
    parser.add_argument("--database", choices=["sqlite", "postgres"], default="postgres")
    parser.add_argument("--requests", type=int, default=1000, help="in each round")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--flood", type=int, metavar="PUSHES", help="fire so many, and kill a worker in between")
    arguments = parser.parse_args()
    with stage(arguments.database) as directory:
        if arguments.flood:
            from benchmarks.flood import flood

            result = flood(directory, arguments.flood)
            name = f"flood-{arguments.flood}-{arguments.database}"
        else:
            result = measure(arguments.requests, arguments.rounds)
            name = f"receiver-{arguments.database}"
        print(json.dumps(result, indent=2))
        print(f"written to {save(name, {'machine': machine(), **result}).name}")


def measure(requests: int, rounds: int) -> dict[str, Any]:
    """Requests a second of the three, their ratios, and how long one push takes while nothing else happens."""
    from django.db import connection

    from benchmarks.bare import Row
    from notifications.services.sources import create_source

    with connection.schema_editor() as editor:
        editor.create_model(Row)
    _, token = create_source("benchmark")
    paths = {"receiver": f"/webhooks/smarthub/{token}/sim-status-change/", "bare": "/bare/", "empty": "/empty/"}
    rates: dict[str, list[float]] = {name: [] for name in paths}
    with server() as port:
        for path in paths.values():
            fire(port, path, 300, CONNECTIONS)
        for _ in range(rounds):
            for name, path in paths.items():
                rates[name].append(fire(port, path, requests, CONNECTIONS).rate)
        alone = fire(port, paths["receiver"], 200, 1)

    def ratio(other: str) -> float:
        """The middle of the rounds' ratios: what else the machine does in a round slows both."""
        return round(statistics.median(a / b for a, b in zip(rates["receiver"], rates[other], strict=True)), 3)

    return {
        "requests_per_second": {name: round(statistics.median(found)) for name, found in rates.items()},
        "receiver_to_bare": ratio("bare"),
        "receiver_to_empty": ratio("empty"),
        "alone_p50_ms": round(statistics.median(alone.times) * 1000, 2),
        "alone_p99_ms": round(statistics.quantiles(alone.times, n=100)[-1] * 1000, 2),
    }


class Fired:
    """What came of a round of requests."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.statuses: dict[str, int] = {}
        self.seconds = 0.0

    @property
    def rate(self) -> float:
        """Requests a second."""
        return len(self.times) / self.seconds


class _Line:
    """One kept connection with one request under way."""

    def __init__(self, port: int, request: bytes) -> None:
        self.socket = socket.create_connection((HOST, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.send(request)

    def send(self, request: bytes) -> None:
        self.answer = b""
        self.since = time.perf_counter()
        self.socket.sendall(request)

    def read(self) -> str | None:
        """The status, once the whole answer is there; ``reset`` when the server hung up."""
        part = self.socket.recv(65536)
        if not part:
            return "reset"
        self.answer += part
        head, _, body = self.answer.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        if len(body) < int(length[1]) if length else not body.endswith(b"0\r\n\r\n"):
            return None
        return head[9:12].decode()


def push_body(number: int) -> bytes:
    """A push about a change of state, as the carrier would send it; each about another event."""
    body = {
        "eventId": str(uuid.uuid4()),
        "eventType": "SIM_STATUS_CHANGE",
        "ruleName": "State changed",
        "accountName": "example_account",
        "giccid": f"89860118050{number % 100_000_000:08d}",
        "eventTime": time.strftime("%Y-%m-%dT%H:%M:%S+0000", time.gmtime()),
        "originalStatus": "ACTIVATED",
        "targetStatus": "DEACTIVATED",
    }
    return json.dumps(body).encode()


def fire(port: int, path: str, requests: int, connections: int, bodies: list[bytes] | None = None) -> Fired:
    """Send ``requests`` pushes, as :func:`fire_requests`."""
    bodies = bodies or [push_body(number) for number in range(requests)]
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return fire_requests(port, [head.encode() % len(body) + body for body in bodies], connections)


def fire_requests(port: int, requests: list[bytes], connections: int) -> Fired:
    """Send all of them over so many kept connections, each as soon as the one before is answered.

    One thread with plain sockets, so that sending costs as little as it can of the cores that are shared.
    """
    waiting = requests[::-1]
    fired = Fired()
    poll = select.epoll()
    lines: dict[int, _Line] = {}
    began = time.perf_counter()
    for _ in range(min(connections, len(waiting))):
        line = _Line(port, waiting.pop())
        poll.register(line.socket, select.EPOLLIN)
        lines[line.socket.fileno()] = line
    while lines:
        for number, _ in poll.poll():
            line = lines[number]
            status = line.read()
            if status is None:
                continue
            fired.times.append(time.perf_counter() - line.since)
            fired.statuses[status] = fired.statuses.get(status, 0) + 1
            if waiting and status != "reset":
                line.send(waiting.pop())
            else:
                poll.unregister(line.socket)
                line.socket.close()
                del lines[number]
    fired.seconds = time.perf_counter() - began
    poll.close()
    if list(fired.statuses) != ["200"]:
        print(f"answers: {fired.statuses}", file=sys.stderr)
    return fired


@contextmanager
def server(
    processes: int = 2,
    *,
    application: str = "benchmarks.bare:application",
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[int]:
    """An application behind granian, as the portal in production; gives its port."""
    from demo.processes import dies_with_parent
    from tests.servers import wait_until

    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    options = (
        f"--interface wsgi --host {HOST} --port {port} --workers {processes} --blocking-threads 8 --log-level error"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "granian", *options.split(), "--no-ws", application],
        cwd=BASE_DIR,
        env={**os.environ, **environment, "ALLOWED_HOSTS": "localhost"},
        preexec_fn=dies_with_parent(signal.SIGTERM),
    )
    try:
        wait_until(lambda: _listens(port), seconds=120, what="the server")
        yield port
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


if __name__ == "__main__":
    main()
