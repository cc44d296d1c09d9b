"""What is really so at the carrier, from its own log; independent of the portal and of its client."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from tests.servers import Simulator

LOG_LIMIT = 100_000


@dataclass(frozen=True)
class Change:
    """One real change. ``by`` is ``call``, ``job``, ``clock``, ``control`` or ``network``; ``unix`` its time."""

    id: int
    unix: float
    giccid: str
    what: str
    before: Any
    after: Any
    by: str

    @property
    def is_ours(self) -> bool:
        """Whether the portal asked for it."""
        return self.by in ("call", "job")

    def __str__(self) -> str:
        return f"change {self.id} of {self.giccid} at {self.unix:.2f}: {self.what} {self.before} → {self.after}"


class Truth:
    """Each SIM's state, plan and APNs as the carrier's log tells them; brought up to date by :meth:`follow`."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.changes: list[Change] = []
        self.seeded: dict[str, dict[str, Any]] = {sim["giccid"]: sim for sim in simulator.seeded()}
        self.giccids = sorted(self.seeded)
        self.status = {giccid: sim["status"] for giccid, sim in self.seeded.items()}
        self.plan = {giccid: sim["basicServicePackage"]["code"] for giccid, sim in self.seeded.items()}
        self.apns = {g: {a["apn"]: a["status"] for a in sim.get("apns", ())} for g, sim in self.seeded.items()}
        self._lock = threading.Lock()

    def follow(self) -> None:
        """Read what the log has more."""
        with self._lock:
            last = self.changes[-1].id if self.changes else 0
            told = self.simulator.control("GET", "changes", params={"since": last, "limit": LOG_LIMIT})
            if told["total"] > len(told["data"]):
                raise RuntimeError("the carrier's log of changes is longer than one answer")
            for row in told["data"]:
                names = ("id", "unix", "giccid", "what", "from", "to", "by")
                change = Change(*(row[name] for name in names))
                self.changes.append(change)
                self._take(change)

    def _take(self, change: Change) -> None:
        if change.what == "status":
            self.status[change.giccid] = change.after
        elif change.what == "plan":
            self.plan[change.giccid] = change.after
        elif change.what == "apn":
            self.apns[change.giccid].update(change.after or {})

    def pushes(self) -> list[dict[str, Any]]:
        """All pushes that the carrier meant to send, with what became of each."""
        told = self.simulator.control("GET", "pushes", params={"limit": LOG_LIMIT})
        if told["total"] > len(told["data"]):
            raise RuntimeError("the carrier's log of pushes is longer than one answer")
        data: list[dict[str, Any]] = told["data"]
        return data
