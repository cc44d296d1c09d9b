"""A running simulator for the tests of its rules, over real HTTP, and a tiny receiver of pushes."""

import contextlib
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

ROOT = Path(__file__).resolve().parents[2]
KEY = "test-key"
FLEET = 400
SAMPLE = "8986011805021000040"


def wait_for(condition: Callable[[], Any], seconds: float = 10) -> Any:
    """Poll until the condition gives something true; fail at the deadline."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    pytest.fail(f"not within {seconds} s")


class Simulator:
    """A simulator in a process of its own, with short ways to call it."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "simulator", "--port", "0", "--api-key", KEY, "--events-per-hour", "0"]
        self.process = subprocess.Popen(
            [*command, *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line.startswith("simulator ready on http://127.0.0.1:"), self.process.communicate()
        self.url = line.split()[-1]
        self.session = requests.Session()
        self.session.headers["X-API-Key"] = KEY

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        """One request with the key, not following redirects."""
        options.setdefault("timeout", 10)
        return self.session.request(method, self.url + path, allow_redirects=False, **options)

    def get(self, path: str, **query: Any) -> Any:
        """The JSON of a successful GET."""
        response = self.call("GET", path, params=query)
        assert response.status_code == 200, response.text
        return response.json()

    def post(self, path: str, body: Any = None) -> requests.Response:
        """A POST with a JSON body, if any."""
        return self.call("POST", path, json=body) if body is not None else self.call("POST", path)

    def put(self, path: str, body: Any) -> requests.Response:
        """A PUT with a JSON body."""
        return self.call("PUT", path, json=body)

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON of a successful control call."""
        response = requests.request(method, f"{self.url}/_simulator{path}", json=body, timeout=10)
        assert response.ok, response.text
        return response.json()

    def sim(self, giccid: str) -> Any:
        """A SIM as the contract answers it."""
        return self.get(f"/global-sims/{giccid}")

    def example(self, status: str, number: int = 0) -> str:
        """The giccid of a SIM of ``example_account`` in a state; never the contract's sample."""
        account = self.control("GET", "/fleet")["accounts"][0]
        return [giccid for giccid in account["examples"][status] if giccid != SAMPLE][number]

    def changes(self, giccid: str) -> list[tuple[str, Any, Any]]:
        """What really happened to a SIM: what, from, to."""
        data = self.control("GET", f"/changes?giccid={giccid}")["data"]
        return [(change["what"], change["from"], change["to"]) for change in data]

    def advance(self, seconds: float) -> None:
        """Let simulated time pass."""
        self.control("POST", "/clock", {"advance": seconds})

    def fault(self, kind: str, call: str = "*", **options: Any) -> int:
        """Put a fault in force."""
        return int(self.control("POST", "/faults", {"kind": kind, "call": call, **options})["id"])

    def kill(self) -> None:
        """As hard as it gets."""
        self.process.kill()
        self._end()

    def stop(self) -> int:
        """Ask it to end; gives its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self._end()

    def _end(self) -> int:
        self.session.close()
        status = self.process.wait(timeout=5)
        for stream in (self.process.stdout, self.process.stderr):
            if stream:
                stream.close()
        return status


@pytest.fixture(scope="session")
def running() -> Iterator[Simulator]:
    """One simulator for all tests of a worker."""
    simulator = Simulator("--fleet", str(FLEET))
    yield simulator
    simulator.stop()


@pytest.fixture
def carrier(running: Simulator) -> Simulator:
    """The simulator in the state of its seed."""
    running.control("POST", "/reset")
    return running


@pytest.fixture
def launch() -> Iterator[Callable[..., Simulator]]:
    """Start more simulators with arguments of their own."""
    started: list[Simulator] = []

    def start(*arguments: str) -> Simulator:
        started.append(Simulator(*arguments))
        return started[-1]

    yield start
    for simulator in started:
        with contextlib.suppress(ProcessLookupError):
            simulator.kill()


class Receiver:
    """Takes pushes; answers with the next of ``answers``, then 200. None closes without an answer."""

    def __init__(self) -> None:
        self.received: list[tuple[str, dict[str, str], bytes]] = []
        self.answers: list[int | None] = []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                owner.received.append((self.path, dict(self.headers.items()), body))
                status = owner.answers.pop(0) if owner.answers else 200
                if status is not None:
                    self.send_response(status)
                    self.send_header("Content-Length", "0")
                    self.end_headers()

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/webhooks/smarthub/token/"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def bodies(self) -> list[Any]:
        """The JSON bodies received so far."""
        return [json.loads(body) for _, _, body in list(self.received)]


@pytest.fixture
def receiver(carrier: Simulator) -> Iterator[Receiver]:
    """A receiver that the simulator pushes to."""
    found = Receiver()
    carrier.control("PUT", "/push-target", {"url": found.url})
    yield found
    carrier.control("POST", "/reset")
    found.server.shutdown()
    found.server.server_close()
