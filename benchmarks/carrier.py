"""A carrier that is no limit: the simulator's answers, prepared beforehand and served over HTTP as they are.

The pages of the list of SIMs, as they are and with every fiftieth SIM changed; and change logs with their SIMs, as a
file has them. Accounts, plans and pools come from a small simulator behind it.

    .venv/bin/python -m benchmarks.carrier --sims 100000

Prints its address. ``GET /bench/changed`` has the changed pages served from then on, ``/bench/load?path=…`` takes
change logs from a file of JSON: ``{"entries": […], "sims": {giccid: …}}``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from array import array
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs

PAGE = 100
"""Rows on a page of the list, whatever is asked for: what the portal asks for by default."""
API_KEY = "bench-key"
EVERY = 50
"""Of so many SIMs one is changed: 2 %."""
_SEED = 7


class Pages:
    """The list of SIMs, page by page, in a file."""

    def __init__(self, sims: int) -> None:
        self.sims = sims
        self._ends = {name: array("q", [0]) for name in ("as it is", "changed")}
        self._file_of = {name: tempfile.TemporaryFile() for name in self._ends}  # noqa: SIM115 # as above
        self.shown = "as it is"
        for page, rows in enumerate(_wires(sims)):
            for place, name in enumerate(self._ends):
                body = b",".join(row[place] for row in rows)
                told = f'],"page":{page},"size":{PAGE},"total":{sims}}}'.encode()
                self._file_of[name].write(b'{"data":[' + body + told)
                self._ends[name].append(self._file_of[name].tell())

    def page(self, number: int) -> bytes:
        """The answer for one page."""
        ends = self._ends[self.shown]
        if not 0 <= number < len(ends) - 1:
            return json.dumps({"data": [], "page": number, "size": PAGE, "total": self.sims}).encode()
        file = self._file_of[self.shown]
        file.seek(ends[number])
        return file.read(ends[number + 1] - ends[number])


def _wires(sims: int) -> Iterator[list[tuple[bytes, bytes]]]:
    """The SIMs of each page as JSON: as they are, and as they are later."""
    import time

    from simulator.fleet import Fleet
    from simulator.sims import sim_wire

    now = time.time()
    fleet = Fleet(_SEED, sims, now)
    for start in range(0, sims, PAGE):
        rows = []
        for index in range(start, min(sims, start + PAGE)):
            sim = sim_wire(fleet, index, {}, now)
            before = json.dumps(sim, separators=(",", ":")).encode()
            after = before
            if index % EVERY == 1:
                after = json.dumps(_changed(sim, index // EVERY), separators=(",", ":")).encode()
            rows.append((before, after))
        yield rows


def _changed(sim: dict[str, Any], number: int) -> dict[str, Any]:
    """A SIM later: another state, another plan, another custom field or some more usage."""
    kind = number % 4
    if kind == 0:
        return {**sim, "status": "DEACTIVATED" if sim["status"] == "ACTIVATED" else "ACTIVATED"}
    if kind == 1:
        return {**sim, "basicServicePackage": {"code": "BENCH-1", "name": "Another plan"}}
    if kind == 2:
        return {**sim, "customFields": {**sim.get("customFields", {}), "custom1": f"moved-{number}"}}
    usage = sim.get("cycleUsage", {})
    return {**sim, "cycleUsage": {**usage, "dataUsage": usage.get("dataUsage", 0) + 1_000_000}}


class Carrier:
    """The WSGI application."""

    def __init__(self, pages: Pages, behind: Callable[..., Iterable[bytes]]) -> None:
        self.pages, self.behind = pages, behind
        self.entries: list[Any] = []
        self.by_giccid: dict[str, Any] = {}

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path, query = environ["PATH_INFO"], parse_qs(environ["QUERY_STRING"])
        number, size = int(query.get("page", ["0"])[0]), int(query.get("size", [str(PAGE)])[0])
        if path == "/v1/global-sims" and "giccid" not in query:
            body = self.pages.page(number)
        elif path == "/v1/global-sims":
            found = [self.by_giccid[giccid] for giccid in query["giccid"] if giccid in self.by_giccid]
            body = json.dumps({"data": found, "page": 0, "size": size, "total": len(found)}).encode()
        elif path == "/v1/global-sims/changeLogs":
            part = self.entries[number * size : (number + 1) * size]
            body = json.dumps({"data": part, "page": number, "size": size, "total": len(self.entries)}).encode()
        elif path.startswith("/bench/"):
            body = self._control(path, query)
        else:
            return self.behind(environ, start_response)
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        start_response("200 OK", headers)
        return [body]

    def _control(self, path: str, query: dict[str, list[str]]) -> bytes:
        if path == "/bench/changed":
            self.pages.shown = "changed"
        else:
            with open(query["path"][0]) as file:
                told = json.load(file)
            self.entries, self.by_giccid = told["entries"], told["sims"]
        return b"{}"


@contextmanager
def serving(sims: int) -> Iterator[str]:
    """Such a carrier in a process of its own; its address."""
    from benchmarks.worker import BASE_DIR
    from demo.processes import dies_with_parent

    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.carrier", "--sims", str(sims)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=BASE_DIR,
        preexec_fn=dies_with_parent(),
    )
    try:
        assert process.stdout is not None  # a pipe was asked for
        address = process.stdout.readline().strip()
        if not address:
            raise RuntimeError("the carrier did not start")
        yield address
    finally:
        process.terminate()
        process.wait(10)
        if process.stdout:
            process.stdout.close()


def main() -> None:
    """Prepare and serve, until ended."""
    from simulator.app import Simulator
    from simulator.server import Server
    from simulator.state import Settings

    parser = argparse.ArgumentParser(description="Serve prepared pages of a carrier.")
    parser.add_argument("--sims", type=int, required=True)
    pages = Pages(parser.parse_args().sims)
    simulator = Simulator(Settings(fleet=1000, seed=_SEED, api_key=API_KEY))
    server = Server("127.0.0.1", 0, Carrier(pages, simulator.app.wsgi_app), sys.stderr)
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever(poll_interval=0.1)


if __name__ == "__main__":
    main()
