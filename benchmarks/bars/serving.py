"""Bar 5: requests a second over real connections to the server that production uses, one process for each core."""

from __future__ import annotations

import os
import statistics

from benchmarks.receiver import CONNECTIONS, Fired, fire_requests, server
from benchmarks.rows import Row
from benchmarks.run import Run

PATHS = {"F": "/bare/", "list": "/sims/"}
_WARM_UP = 40
_SPIKE = 10.0
"""No request takes so many times as long as the median."""


def requests_a_second(run: Run) -> list[Row]:
    """The list against F, in short rounds by turns."""
    pages = run.pages(run.large)
    head = "GET {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookies}\r\n\r\n"
    request = {name: head.format(path=path, cookies=pages.cookies).encode() for name, path in PATHS.items()}
    fired: dict[str, list[Fired]] = {name: [] for name in PATHS}
    environment = run.world.environment(run.large)
    with server(os.cpu_count() or 1, application="benchmarks.served:application", environment=environment) as port:
        for each in request.values():
            fire_requests(port, [each] * _WARM_UP, CONNECTIONS)
        for _ in range(run.size.rounds):
            for name, each in request.items():
                fired[name].append(fire_requests(port, [each] * run.size.requests, CONNECTIONS))
    if any(set(one.statuses) != {"200"} for several in fired.values() for one in several):
        raise RuntimeError("not every request was answered 200")
    rates = {name: statistics.median(one.rate for one in several) for name, several in fired.items()}
    times = {name: [ms * 1000 for one in several for ms in one.times] for name, several in fired.items()}
    middle = {name: statistics.median(each) for name, each in times.items()}
    detail = {name: {"median_ms": round(middle[name], 1), "longest_ms": round(max(times[name]), 1)} for name in PATHS}
    note = f"{len(times['list'])} requests, {CONNECTIONS} connections"
    return [
        Row(5, "list", rates["list"], "req/s", "F", rates["F"], 0.5, at_least=True, note=note, detail=detail),
        Row(5, "longest request of the list", max(times["list"]), "ms", "median", middle["list"], _SPIKE),
        Row(5, "longest request of F", max(times["F"]), "ms", "median", middle["F"], _SPIKE, informs=True),
    ]
