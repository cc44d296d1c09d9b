"""A deploy under load: each process gets SIGTERM and comes again; no request fails, no change is lost or made twice.

Runs on PostgreSQL, as production does, with real processes and the simulator as the carrier.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
from django.conf import settings
from django.db import connection, transaction
from django.test import Client

from demo.processes import dies_with_parent
from operations.models import Operation, OperationAttempt
from operations.services.dispatch import dispatch
from operations.tests.fixtures import plans
from operations.tests.job_fixtures import carrier_sims
from sims.models import Sim
from tests.servers import BASE_DIR, wait_until
from tests.whole_demo import free_ports

__all__ = ["carrier_sims", "plans"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.postgres,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(600),
]

TOKEN = "t" * 32
HEAD = "131072"
"""Bytes of a request's head: three times the longest address (a list filtered by 100 values of 200 characters), which
htmx and the browser repeat in headers, and as much again."""
GRANIAN = (
    f"--interface wsgi --host 127.0.0.1 --workers 1 --blocking-threads 4 --no-ws --http 1 --http1-buffer-size {HEAD}"
)
WSGI = "smarthub_portal.wsgi:application"
CELERY = "worker --queues agent --pool threads --concurrency 2 --without-gossip --without-mingle --loglevel INFO"


class Process:
    """A process of the portal that is asked to end and started again, as the files in ``deploy/`` have it."""

    def __init__(self, command: Sequence[str], environment: dict[str, str], log: Path) -> None:
        self._command, self._environment, self.log = list(command), environment, log
        self.start()

    def start(self) -> None:
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *self._command],
                cwd=BASE_DIR,
                env=self._environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=dies_with_parent(),
            )

    def ask_to_end(self) -> None:
        """SIGTERM to the first process alone."""
        self._process.terminate()

    def end(self) -> None:
        """Ask, and wait until it has ended of itself."""
        self.ask_to_end()
        assert self._process.wait(60) in {0, -signal.SIGTERM}, self.log.read_text()[-2000:]

    def kill(self) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(10)


class Web(Process):
    """A web process on a port of its own."""

    def __init__(self, port: int, environment: dict[str, str], log: Path) -> None:
        self.address = f"http://127.0.0.1:{port}"
        super().__init__(
            ["granian", *GRANIAN.split(), "--port", str(port), "--workers-kill-timeout", "35", WSGI], environment, log
        )

    def answers(self) -> bool:
        try:
            return requests.get(f"{self.address}/healthz", timeout=2).ok
        except requests.RequestException:
            return False

    def takes(self, *, address: int, header: int) -> bool:
        """Whether it reads a head with so many bytes of query string and of a header."""
        try:
            where = f"{self.address}/healthz?{'a' * address}"
            return requests.get(where, headers={"Referer": "b" * header}, timeout=20).ok
        except requests.ConnectionError:  # it may close before all is sent
            return False


class People:
    """Threads that open pages and ask for changes by way of those web processes that are in service."""

    def __init__(self, session: str, giccids: list[str]) -> None:
        self.in_service: list[str] = []
        self.failed: list[str] = []
        self.asked: list[str] = []
        self.answered = 0
        self.under_way: Counter[str] = Counter()
        """Requests without an answer yet, by the address of the web process."""
        self._session, self._giccids, self._last = session, giccids[2:], giccids[:2]
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._ask, args=(n,), daemon=True) for n in range(2)]
        self._threads += [threading.Thread(target=self._read, args=(giccids[n],), daemon=True) for n in range(2)]

    def begin(self) -> None:
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(60)

    def is_done_with(self, web: Web) -> bool:
        """Whether nobody waits for its answer."""
        return not self.under_way[web.address]

    def ask_last(self, web: Web) -> None:
        """Ask ``web`` for one more change, which waits half-way for a lock; end the process; let go of the lock."""
        giccid = self._last.pop()
        asking = threading.Thread(target=self._ask_for, args=(giccid, web.address), daemon=True)
        with transaction.atomic():
            Sim.objects.select_for_update().get(giccid=giccid)
            asking.start()
            wait_until(_somebody_waits, seconds=60, what="the request at the lock")
            web.ask_to_end()
            wait_until(lambda: not web.answers(), seconds=60, what="no new connections")
        asking.join(60)
        web.end()

    def _ask_for(self, giccid: str, address: str = "") -> None:
        form = {"kind": "suspend", "reason": "the customer asked for it", "ticket": ""}
        if self._request("POST", f"/sims/{giccid}/operations/", address, data=form):
            self.asked.append(giccid)

    def _read(self, giccid: str) -> None:
        while not self._over.wait(0.3):
            self._request("GET", f"/sims/{giccid}/")

    def _ask(self, number: int) -> None:
        mine = self._giccids[number::2]
        while mine and not self._over.wait(0.5):
            self._ask_for(mine.pop())

    def _request(self, method: str, path: str, address: str = "", **arguments: Any) -> bool:
        with self._lock:
            address = address or min(self.in_service, key=lambda known: self.under_way[known])
            self.under_way[address] += 1
        try:
            return self._answered(method, address, path, arguments)
        finally:
            with self._lock:
                self.under_way[address] -= 1

    def _answered(self, method: str, address: str, path: str, arguments: dict[str, Any]) -> bool:
        cookies = {settings.SESSION_COOKIE_NAME: self._session, settings.CSRF_COOKIE_NAME: TOKEN}
        headers = {"X-CSRFToken": TOKEN, "Connection": "close"}
        try:
            response = requests.request(
                method, address + path, cookies=cookies, headers=headers, allow_redirects=False, timeout=60, **arguments
            )
        except requests.RequestException as error:
            self.failed.append(f"{method} {path}: {type(error).__name__} {error}")
            return False
        self.answered += 1
        if response.status_code not in {200, 302, 303}:
            self.failed.append(f"{method} {path}: {response.status_code} {response.text[:300]}")
            return False
        return True


def _somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
        return bool(cursor.fetchone()[0])


@contextmanager
def processes(environment: dict[str, str], directory: Path) -> Iterator[tuple[list[Web], list[Process]]]:
    """Two web processes and two workers."""
    webs = [Web(port, environment, directory / f"web-{port}.log") for port in free_ports(2)]
    workers = [
        Process(
            ["celery", "-A", "smarthub_portal", *CELERY.split(), "--hostname", f"w{n}@%h"],
            environment,
            directory / f"worker-{n}.log",
        )
        for n in range(2)
    ]
    try:
        for web in webs:
            wait_until(web.answers, seconds=90, what=str(web.log))
        yield webs, workers
    finally:
        for process in (*webs, *workers):
            process.kill()


def test_nothing_is_dropped(
    simulator: Any,
    carrier_sims: Callable[..., Any],
    supervisor: Any,
    portal_environment: dict[str, str],
    tmp_path: Path,
) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("a deploy of one process after the other is production's")
    browser = Client()
    browser.force_login(supervisor)
    giccids = [sim.giccid for sim in carrier_sims("suspend", 100, account=None)]
    simulator.fault(call="writes", kind="latency", seconds=1)
    environment = {**portal_environment, "LOG_LEVEL": "INFO", "ALLOWED_HOSTS": "127.0.0.1"}
    people = People(browser.cookies[settings.SESSION_COOKIE_NAME].value, giccids)

    def wait_for_more(number: int) -> None:
        more = len(people.asked) + number
        enough = min(more, len(giccids) - 2)
        wait_until(lambda: len(people.asked) >= enough or people.failed, seconds=90, what=f"{number} more changes")

    with processes(environment, tmp_path) as (webs, workers):
        assert webs[0].takes(address=100 * 205, header=2 * 100 * 205)
        assert not webs[0].takes(address=100 * 205, header=2 * int(HEAD))
        people.in_service = [web.address for web in webs]
        people.begin()
        wait_for_more(4)
        for web in webs:
            people.in_service = [other.address for other in webs if other is not web]
            wait_until(partial(people.is_done_with, web), seconds=60, what="no request at it")
            people.ask_last(web)
            web.start()
            wait_until(web.answers, seconds=90, what=str(web.log))
            people.in_service = [other.address for other in webs]
            wait_for_more(2)
        for worker in workers:
            wait_until(Operation.objects.filter(state="sending").exists, seconds=30, what="a change under way")
            worker.end()
            worker.start()
            wait_for_more(2)
        people.end()
        deadline = time.monotonic() + 90
        while Operation.objects.filter(state__in=Operation.OPEN_STATES).exists() and time.monotonic() < deadline:
            dispatch()
            time.sleep(0.5)

    assert people.failed == []
    assert len(people.asked) >= 12
    operations = Counter(Operation.objects.values_list("sim__giccid", "state"))
    assert operations == Counter((giccid, "done") for giccid in people.asked)
    made = Counter(c["giccid"] for c in simulator.changes() if c["what"] == "status" and c["giccid"] in people.asked)
    assert made == Counter(people.asked), "each change once at the carrier"
    sent = Counter(call["giccid"] for call in simulator.calls("deactivate"))
    assert sent == Counter(people.asked), "and sent once"
    assert not OperationAttempt.objects.filter(code="worker_lost").exists(), "no worker left one in doubt"
