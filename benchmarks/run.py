"""What the bars are given: how large the run is, its servers, and the pages that are asked for in turn."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from benchmarks.worker import Worker
from benchmarks.world import SQLITE, Fleet, World

REFERENCE_FLEET = 10_000
"""What growth is measured against."""


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    runs: int = 31
    """Calls of each page, of which the median counts."""
    runs_of_many: int = 15
    """Of the pages that there are many of, such as one for each filter; the slowest are called ``runs`` times more."""
    sample: int = 0
    """Of those pages, so many; 0 for all (and some pairs), -1 for all pairs, too."""
    rounds: int = 7
    """Of requests to a real server."""
    requests: int = 96
    changes: int = 10_000
    small: bool = False


@dataclass
class Run:
    """One run of ``make bench``."""

    world: World
    fleet: int
    database: str
    size: Size
    walk: int
    """SIMs that the carrier lists in the walk."""
    _pages: dict[Fleet, Pages] = field(default_factory=dict)

    @property
    def large(self) -> Fleet:
        """The fleet that is measured."""
        return Fleet(self.database, self.fleet)

    @property
    def small(self) -> Fleet:
        """The fleet that growth is measured against."""
        return Fleet(self.database, REFERENCE_FLEET if self.fleet > REFERENCE_FLEET else 2_000)

    @property
    def of_sqlite(self) -> tuple[Fleet, Fleet]:
        """The fleets of bar 10."""
        return Fleet(SQLITE, min(self.fleet, 100_000)), Fleet(SQLITE, 2_000)

    def pages(self, fleet: Fleet) -> Pages:
        """The pages of that fleet; one process for all bars."""
        if fleet not in self._pages:
            self.say(f"pages of {fleet.sims:,} SIMs on {fleet.engine}")
            self._pages[fleet] = Pages(self.world.worker(fleet), fleet.sims, self.size)
        return self._pages[fleet]

    @staticmethod
    def say(text: str) -> None:
        """A word on the terminal while it takes long."""
        print(f"... {text}", file=sys.stderr, flush=True)


class Pages:
    """The pages of one database and what they took."""

    def __init__(self, worker: Worker, fleet: int, size: Size) -> None:
        self.worker, self.size = worker, size
        self.groups: dict[str, list[str]] = {}
        for page in worker("benchmarks.asking:prepare", fleet=fleet, sample=size.sample):
            self.groups.setdefault(page["group"], []).append(page["name"])
        self.samples: dict[str, list[tuple[float, float]]] = {}
        self._warm: set[str] = set()
        self._costs: dict[str, dict[str, int]] = {}

    def names(self, groups: Iterable[str]) -> list[str]:
        """All pages of these groups."""
        return [name for group in groups for name in self.groups[group]]

    def warm_up(self, names: list[str]) -> None:
        """Once for each page."""
        if cold := [name for name in names if name not in self._warm]:
            self.worker(
                "benchmarks.asking:warm_up", names=cold, calls=1 if self.size.small else 2 if len(cold) > 12 else 3
            )
            self._warm.update(cold)

    def ask(self, name: str) -> None:
        """One call more."""
        self.samples.setdefault(name, []).append(self.worker("benchmarks.asking:ask", name=name))

    def median(self, name: str) -> float:
        """Milliseconds of a page. In a small run those that it computes here, which other work hardly changes."""
        return statistics.median(cpu if self.size.small else elapsed for elapsed, cpu in self.samples[name])

    def cost(self, name: str) -> dict[str, int]:
        """What a page asks of the database, see :func:`benchmarks.asking.cost`."""
        if name not in self._costs:
            self._costs[name] = self.worker("benchmarks.asking:cost", name=name)
        return self._costs[name]

    def entry(self, name: str) -> dict[str, Any]:
        """For the file of results: median, best, computing of ours, calls."""
        times = [elapsed for elapsed, _cpu in self.samples[name]]
        return {
            "median_ms": round(statistics.median(times), 2),
            "best_ms": round(min(times), 2),
            "cpu_ms": round(statistics.median(cpu for _elapsed, cpu in self.samples[name]), 2),
            "calls": len(times),
        }

    @cached_property
    def cookies(self) -> str:
        """Of an agent who is signed in."""
        return str(self.worker("benchmarks.asking:session", user="agent"))


def measure(several: list[Pages], groups: Iterable[str], runs: int, *, anew: bool = False) -> None:
    """Ask for every page of the groups ``runs`` times: in turn, and one database after the other in each turn, so that
    what else the machine does falls on all alike. Pages that were measured before are not again, unless ``anew``."""
    wanted = list(dict.fromkeys(groups))
    measure_names(several, lambda pages: pages.names(wanted), runs, anew=anew)


def measure_names(several: list[Pages], names: Callable[[Pages], list[str]], runs: int, *, anew: bool = False) -> None:
    """:func:`measure` for single pages."""
    todo = {id(pages): [n for n in names(pages) if anew or n not in pages.samples] for pages in several}
    for pages in several:
        pages.warm_up(todo[id(pages)])
        for name in todo[id(pages)]:
            pages.samples.pop(name, None)
    longest = max((len(names) for names in todo.values()), default=0)
    for _ in range(runs):
        for place in range(longest):
            for pages in several:
                if place < len(todo[id(pages)]):
                    pages.ask(todo[id(pages)][place])
