"""How much is done and what breaks when: all of it made from the seed before anything starts."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

WORKERS = ("agent", "bulk", "spare")
WEBS = ("web-1", "web-2")
SHORT = 0.02
"""The scale below which one worker and one web server are killed, not each of them."""


@dataclass(frozen=True)
class Sizes:
    """How much a run does. ``scale`` is that of the lengths of outages and of the numbers of calls that fail."""

    scale: float = 1.0
    singles: int = 5000
    jobs: int = 10
    job_size: int = 2000
    pushes: int = 20_000
    sms: int = 500
    fleet: int = 10_000
    repeats: int = 3
    """How often each kind of fault comes."""

    @property
    def is_short(self) -> bool:
        """Whether it is the form that the tests run: starting processes again is most of what it costs."""
        return self.scale < SHORT

    @classmethod
    def scaled(cls, scale: float, **given: int | None) -> Sizes:
        """The full sizes times ``scale``, but for those ``given``; never less than what makes sense."""
        most = cls()
        sizes = {
            "singles": max(20, round(most.singles * scale)),
            "jobs": max(1, round(most.jobs * min(1.0, scale * 10))),
            "job_size": max(10, round(most.job_size * scale)),
            "pushes": max(50, round(most.pushes * scale)),
            "sms": max(5, round(most.sms * scale)),
            "fleet": max(300, round(most.fleet * scale)),
            "repeats": 1 if scale < 0.5 else most.repeats,
        }
        sizes |= {name: value for name, value in given.items() if value is not None}
        return cls(scale=scale, **sizes)


@dataclass(frozen=True)
class Fault:
    """One thing that breaks: ``at`` is the share of the single changes that were asked for by then.

    ``seconds`` is how long it lasts, where that is by the clock; ``values`` are the fault's own.
    """

    at: float
    kind: str
    seconds: float = 0.0
    values: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        said = " ".join(f"{name}={value}" for name, value in self.values.items())
        lasts = f" for {self.seconds:.1f} s" if self.seconds else ""
        return f"{self.at:6.1%}  {self.kind} {said}{lasts}"


CALL_FAULTS: dict[str, dict[str, Any]] = {
    "answers 500, nothing done": {"call": "*", "kind": "error", "status": 500},
    "answers 503, nothing done": {"call": "writes", "kind": "error", "status": 503},
    "answers 500 after the change": {"call": "writes", "kind": "error_after_change"},
    "answers 429": {"call": "*", "kind": "rate_limit", "retry_after": 1},
    "resets the connection": {"call": "*", "kind": "reset"},
    "loses the answer after the change": {"call": "writes", "kind": "lost_answer"},
    "keeps silent after the change": {"call": "writes", "kind": "hang", "seconds": 6},
    "keeps silent, nothing done": {"call": "writes", "kind": "hang", "before": True, "seconds": 6},
    "takes so long that nobody waits, and does it": {"call": "writes", "kind": "latency", "seconds": 9},
    "cuts its answer": {"call": "*", "kind": "cut_body"},
    "answers with a web page": {"call": "*", "kind": "html"},
    "answers what is no JSON": {"call": "*", "kind": "bad_json"},
}
"""Rules of the simulator (its README), each for a number of calls."""

PUSHES_WRONG = {"lost": 0.05, "duplicated": 0.08, "delayed": 0.1, "delay_seconds": 3, "out_of_order": 0.1}
"""Shares of the pushes that go wrong on their way, as long as the storm lasts."""


def schedule(seed: int, sizes: Sizes) -> list[Fault]:
    """What breaks when, in order; the same for the same seed and sizes."""
    chance = random.Random(f"faults {seed}")
    share = min(1.0, max(0.1, sizes.scale))
    faults: list[Fault] = []

    def moment() -> float:
        return round(chance.uniform(0.03, 0.85), 4)

    def add(kind: str, seconds: float = 0.0, **values: Any) -> None:
        faults.append(Fault(moment(), kind, round(seconds, 1), values))

    for _turn in range(sizes.repeats):
        for name, rule in CALL_FAULTS.items():
            count = max(2, round(chance.randint(10, 40) * share))
            add("carrier", said=name, rule={**rule, "count": count, "probability": 0.5})
        for mode in ("refuse", "error"):
            add("carrier away", 60 * share * chance.uniform(0.6, 1.0), mode=mode)
        # Long enough for a job to be handed in meanwhile, also in a small run.
        add("jobs half fail", max(20, 60 * share), rule={"half_fail": 0.3})
        add("jobs break off", max(15, 30 * share), rule={"break": True})
        add("jobs are forgotten when done", max(15, 30 * share), rule={"forget": "after"})
        for name in chance.sample(WORKERS, 1) if sizes.is_short else WORKERS:
            add("kill worker", chance.uniform(0.5, 3), name=name)
        add("kill beat", chance.uniform(0.5, 3), name="beat")
        for name in chance.sample(WEBS, 1) if sizes.is_short else WEBS:
            add("kill web", chance.uniform(0.5, 2), name=name)
        add("kill Valkey", chance.uniform(0.5, 4))
        add("restart PostgreSQL", immediate=False)
        add("restart PostgreSQL", immediate=True)
    return sorted(faults, key=lambda fault: fault.at)
