"""Faults on the contract's calls: what a client has to live with, switched on by the control API."""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

KINDS = (
    "latency",
    "error",
    "rate_limit",
    "reset",
    "lost_answer",
    "error_after_change",
    "html",
    "cut_body",
    "hang",
    "bad_json",
    "wrong_type",
    "redirect",
)
READS = frozenset(
    (
        "get_root",
        "get_sim",
        "list_sims",
        "list_change_logs",
        "get_custom_fields",
        "get_batch_job",
        "get_sms",
        "get_enterprise",
        "get_account",
        "list_plans",
        "list_pools",
        "country_statistics",
    )
)
WRITES = frozenset(
    (
        "set_custom_fields",
        "activate",
        "deactivate",
        "retire",
        "change_plan",
        "add_plan",
        "set_apn",
        "submit_batch_activate",
        "submit_batch_deactivate",
        "submit_batch_retire",
        "submit_batch_change_plan",
        "send_sms",
    )
)
CALLS = READS | WRITES
# These let the call happen first, unless the rule says otherwise.
_AFTER = ("lost_answer", "error_after_change", "cut_body", "hang", "bad_json", "wrong_type")
_SECONDS = {"latency": 1.0, "hang": 30.0}
_STATUS = {"error": 500, "error_after_change": 500, "rate_limit": 429, "html": 200, "redirect": 307}


@dataclass
class Rule:
    """One fault: which calls it hits, how often, and what it does to them."""

    call: str
    kind: str
    probability: float = 1.0
    count: int | None = None
    seconds: float = 0.0
    status: int = 500
    retry_after: float | None = None
    location: str | None = None
    giccid: str | None = None
    code: str | None = None
    before: bool = True
    id: int = 0
    hits: int = 0

    def matches(self, call: str, giccids: list[str]) -> bool:
        """Whether the rule is about this call on these SIMs."""
        group = {"*": CALLS, "reads": READS, "writes": WRITES}.get(self.call, frozenset((self.call,)))
        return call in group and (self.giccid is None or self.giccid in giccids)


def _number(body: dict[str, Any], name: str, default: float, least: float, most: float) -> float:
    value = body.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise ValueError(f"{name} must be a number from {least:g} to {most:g}")
    return value


def parse_rule(body: dict[str, Any]) -> Rule:
    """A rule of the control API. ValueError says what is wrong with it."""
    call, kind = body.get("call", "*"), body.get("kind")
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}")
    if call not in CALLS | {"*", "reads", "writes"}:
        raise ValueError(f"call must be *, reads, writes or one of {', '.join(sorted(CALLS))}")
    known = set(Rule.__dataclass_fields__) - {"id", "hits"}
    unknown = set(body) - known
    if unknown:
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(sorted(known))}")
    for name in ("location", "giccid", "code"):
        if not isinstance(body.get(name, ""), str | None):
            raise ValueError(f"{name} must be a text")
    count = body.get("count")
    retry = body.get("retry_after", 1 if kind == "rate_limit" else None)
    return Rule(
        call=call,
        kind=kind,
        probability=_number(body, "probability", 1.0, 0, 1),
        count=None if count is None else int(_number(body, "count", 1, 1, 10**9)),
        seconds=_number(body, "seconds", _SECONDS.get(kind, 0.0), 0, 86_400),
        status=int(_number(body, "status", _STATUS.get(kind, 500), 200, 599)),
        retry_after=None if retry is None else _number({"retry_after": retry}, "retry_after", 1, 0, 86_400),
        location=body.get("location"),
        giccid=body.get("giccid"),
        code=body.get("code"),
        before=bool(body.get("before", kind not in _AFTER)),
    )


class Faults:
    """The rules in force, and whole outages. Safe to use from any thread; waits on the wall clock."""

    def __init__(self, seed: int, now: Callable[[], float] = time.monotonic) -> None:
        self._lock = threading.Lock()
        self._random = random.Random(seed + 3)
        self._now = now
        self._rules: dict[int, Rule] = {}
        self._next = 1
        self._outage: tuple[float, str] | None = None
        # Set when the simulator ends, so that nothing that waits holds it up.
        self.ended = threading.Event()

    def add(self, rule: Rule) -> Rule:
        """Put a rule in force; gives it with its id."""
        with self._lock:
            rule.id = self._next
            self._next += 1
            self._rules[rule.id] = rule
        return rule

    def remove(self, number: int) -> bool:
        """Take a rule out of force; False when there is none of that id."""
        with self._lock:
            return self._rules.pop(number, None) is not None

    def clear(self) -> None:
        """No faults, no outage."""
        with self._lock:
            self._rules.clear()
            self._outage = None

    def rules(self) -> list[dict[str, Any]]:
        """All rules with their hits; one that is used up stays listed."""
        with self._lock:
            return [asdict(rule) for rule in self._rules.values()]

    def _fires(self, rule: Rule) -> bool:
        if rule.count is not None and rule.hits >= rule.count:
            return False
        if rule.probability < 1 and self._random.random() >= rule.probability:
            return False
        rule.hits += 1
        return True

    def draw(self, call: str, giccids: list[str]) -> list[Rule]:
        """Rules that hit this call: every latency, and the first other one."""
        hit: list[Rule] = []
        with self._lock:
            for rule in self._rules.values():
                if not rule.matches(call, giccids):
                    continue
                taken = any(other.kind != "latency" for other in hit)
                if (rule.kind == "latency" or not taken) and self._fires(rule):
                    hit.append(rule)
        return hit

    def wait(self, seconds: float) -> None:
        """Be slow, but not when the simulator ends."""
        self.ended.wait(seconds)

    def start_outage(self, seconds: float, mode: str) -> None:
        """No call gets through for some seconds: ``refuse`` resets connections, ``error`` answers 503."""
        with self._lock:
            self._outage = (self._now() + seconds, mode)

    def end_outage(self) -> None:
        """The carrier is back."""
        with self._lock:
            self._outage = None

    def outage(self) -> str | None:
        """The mode of the outage that is going on, or None."""
        with self._lock:
            if self._outage and self._now() >= self._outage[0]:
                self._outage = None
            return self._outage[1] if self._outage else None
