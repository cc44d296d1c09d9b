"""The carrier's state: the derived fleet, the changes laid over it, and what has been logged."""

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from simulator import catalog, sims
from simulator.clock import Clock
from simulator.fleet import NOTHING, Fleet
from simulator.history import seeded_history
from simulator.listing import GONE, Added, Listing, merged
from simulator.store import Store

_STATUS_CODES = {name: code for code, name in enumerate(catalog.STATUSES)}
_MAX_ACCOUNTS = 31


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command line says."""

    fleet: int = 2000
    seed: int = 1
    api_key: str = "simulator-key"
    push_url: str | None = None
    push_secret: str | None = None
    speed: float = 1.0
    state: str | None = None
    page_size_max: int = 100
    batch_max: int = 1000
    events_per_hour: float = 60.0
    mo_sms: bool = False


@dataclass(slots=True)
class Found:
    """A SIM that the carrier knows: its index, its giccid and the changes made to it."""

    index: int
    giccid: str
    over: Mapping[str, Any]


class Source(NamedTuple):
    """Who made a change: ``call``, ``job``, ``clock``, ``control`` or ``network``, and by which logged call."""

    by: str
    call_id: int | None = None


class Carrier:
    """All state behind the calls. Every method wants ``lock`` held; a call's check and change happen under it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.lock = threading.RLock()
        self.clock = Clock(settings.speed)
        self.store = Store(settings.state)
        # Called with the time before each call and some times a second: whatever is due happens then.
        self.on_settle: list[Callable[[float], None]] = []
        self.on_reset: list[Callable[[], None]] = []
        self.version = 0
        # Whether something was written that has to last before its call is answered.
        self.changed = False
        # Set when the simulator ends: nothing is read or written any more.
        self.closed = False
        self.over: dict[str, dict[str, Any]] = {}
        self.added: dict[int, str] = {}
        self._waiting: dict[str, float] = {}
        self._next_turn = float("inf")
        if self.store.identify(settings.seed, settings.fleet):
            self._seed()
        else:
            self._resume()
        self.store.commit()

    def _seed(self) -> None:
        """The state as the seed has it, with the wall clock's time."""
        self.clock.restart()
        self.store.put("epoch", int(self.clock.now()))
        self._build()
        self.store.write_many(
            "INSERT INTO change_logs (giccid, account, type, original, target, time, status)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            seeded_history(self.fleet),
        )
        self._save_clock()

    def _resume(self) -> None:
        """The state of the file. While the simulator was down its clock went at the wall clock's pace."""
        simulated, wall = self.store.get("clock")
        self.clock.restart(simulated + max(0.0, time.time() - wall))
        self._build()
        for giccid, body in self.store.rows("SELECT giccid, body FROM overlay"):
            over = json.loads(body)
            self.over[giccid] = over
            if "index" in over:
                self.added[over["index"]] = giccid
                self.added_order.add(giccid)
            self._place(Found(over.get("index", self.fleet.index(giccid)), giccid, over))

    def _build(self) -> None:
        settings = self.settings
        self.fleet = Fleet(settings.seed, settings.fleet, self.store.get("epoch"))
        self.listing = Listing(bytearray(self.fleet.keys))
        self.live_plans = bytearray(self.fleet.plans)
        self.accounts = list(catalog.ACCOUNTS)
        self.added_order = Added()
        self.over.clear()
        self.added.clear()
        self._waiting.clear()
        self._next_turn = float("inf")
        self.version += 1

    def reset(self) -> None:
        """Back to the state of the seed; logs, jobs, messages and pushes are forgotten."""
        self.store.clear()
        self._seed()
        for hook in self.on_reset:
            hook()
        self.store.commit()

    def _save_clock(self) -> None:
        self.store.put("clock", [self.clock.now(), time.time()])

    def commit(self) -> None:
        """Make all changes lasting, with the time they were made at."""
        if self.store.dirty:
            self._save_clock()
            self.store.commit()
        self.changed = False

    def settle(self) -> float:
        """Let everything happen that is due by now; gives the time."""
        now = self.clock.now()
        for hook in self.on_settle:
            hook(now)
        return now

    def find(self, giccid: str) -> Found | None:
        """The SIM, or None when the carrier does not know it."""
        over = self.over.get(giccid, NOTHING)
        if over.get("deleted"):
            return None
        index = over.get("index", self.fleet.index(giccid))
        return None if index is None else Found(index, giccid, over)

    def at(self, index: int) -> Found:
        """The SIM of an index that is known to exist."""
        giccid = self.added.get(index) or self.fleet.giccid(index)
        return Found(index, giccid, self.over.get(giccid, NOTHING))

    def wire(self, found: Found) -> dict[str, Any]:
        """The SIM object as it is answered now."""
        return sims.sim_wire(self.fleet, found.index, found.over, self.clock.now())

    def status(self, found: Found) -> str:
        """The SIM's true state."""
        return sims.status_of(self.fleet, found.index, found.over)

    def account(self, found: Found) -> str:
        """The SIM's account."""
        return sims.account_of(self.fleet, found.index, found.over)

    def _key(self, found: Found) -> int:
        account = self.account(found)
        if account not in self.accounts:
            if len(self.accounts) >= _MAX_ACCOUNTS:
                raise ValueError(f"more than {_MAX_ACCOUNTS} accounts")
            self.accounts.append(account)
        return self.accounts.index(account) * 8 + _STATUS_CODES[self.status(found)]

    def _place(self, found: Found) -> None:
        """Bring the filters in line with the SIM's present account, state and plan."""
        gone = bool(found.over.get("deleted"))
        self.version += 1
        if "next" in found.over:
            self._waiting[found.giccid] = found.over["next"][1]
            self._next_turn = min(self._next_turn, found.over["next"][1])
        else:
            self._waiting.pop(found.giccid, None)
        if found.index < self.fleet.size:
            self.listing.move(found.index, GONE if gone else self._key(found))
            plan = sims.plan_of(self.fleet, found.index, found.over)
            self.live_plans[found.index] = catalog.BASIC_PLANS.index(plan)
        elif gone:
            self.added_order.remove(found.giccid)
            self.added.pop(found.index, None)
        else:
            self._key(found)

    def waiting_plans(self, now: float) -> list[str]:
        """SIMs whose plan change for the next cycle is due."""
        if now < self._next_turn:
            return []
        due = [giccid for giccid, when in self._waiting.items() if when <= now]
        self._next_turn = min((when for when in self._waiting.values() if when > now), default=float("inf"))
        return due

    def change(self, found: Found, fields: Mapping[str, Any]) -> Found:
        """Lay fields over a SIM; its ``updatedTime`` moves on, by a second at least."""
        bits = self.fleet.bits(found.index)
        now = self.clock.now()
        before = sims.updated_of(self.fleet, found.index, bits, found.over, now)
        over = {**found.over, **fields, "updated": max(int(now), before + 1)}
        return self.keep(Found(found.index, found.giccid, over))

    def keep(self, found: Found) -> Found:
        """Store a SIM's changes as they are."""
        self.over[found.giccid] = dict(found.over)
        self.store.write("INSERT OR REPLACE INTO overlay VALUES (?, ?)", (found.giccid, json.dumps(found.over)))
        self._place(found)
        return found

    def add(self, giccid: str, account: str, status: str) -> Found:
        """Take in a SIM that is not of the seed; its other traits are derived from a new index."""
        if self.fleet.index(giccid) is not None:
            fields: dict[str, Any] = {"account": account, "status": status}
            return self.change(Found(self.fleet.index(giccid) or 0, giccid, NOTHING), fields)
        index = self.store.get("next_index", self.fleet.size)
        self.store.put("next_index", index + 1)
        self.added[index] = giccid
        self.added_order.add(giccid)
        fields = {"index": index, "giccid": giccid, "account": account, "status": status}
        return self.change(Found(index, giccid, NOTHING), fields)

    def page(self, account: str | None, status: str | None, offset: int, limit: int) -> tuple[list[Found], int]:
        """SIMs of an account and state (None: any) in the order of their giccids, and how many there are."""
        accounts = [n for n, name in enumerate(self.accounts) if account in (None, name)]
        codes = [code for name, code in _STATUS_CODES.items() if status in (None, name)]
        keys = tuple(n * 8 + code for n in accounts for code in codes)
        added = [
            found
            for found in map(self.find, self.added_order.giccids)
            if found and account in (None, self.account(found)) and status in (None, self.status(found))
        ]
        total = self.listing.count(keys) + len(added)
        ranks = [self.listing.rank(keys, self.fleet.place(found.giccid)) for found in added]
        start, count, inserted = merged(ranks, offset, limit)
        page = [self.at(index) for index in self.listing.select(keys, start, count)]
        for place in sorted(inserted):
            page.insert(place, added[inserted[place]])
        return page[:limit], total

    def count(self, account: str | None = None, status: str | None = None) -> int:
        """How many SIMs an account has in a state (None: any)."""
        return self.page(account, status, 0, 0)[1]

    def log_change(
        self, found: Found, what: str, original: Any, target: Any, source: Source, when: float | None = None
    ) -> None:
        """Note a real change: never lost, so that a test can count what happened."""
        self.changed = True
        self.store.write(
            "INSERT INTO changes (time, giccid, what, original, target, source, call_id) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                self.clock.now() if when is None else when,
                found.giccid,
                what,
                json.dumps(original),
                json.dumps(target),
                source.by,
                source.call_id,
            ),
        )

    def log_entry(self, found: Found, type_: str, original: str, target: str, when: float | None = None) -> None:
        """Write the carrier's own change log, which clients read."""
        moment = int(self.clock.now() if when is None else when)
        self.store.write(
            "INSERT INTO change_logs (giccid, account, type, original, target, time, status)"
            " VALUES (?, ?, ?, ?, ?, ?, 'SUCCESS')",
            (found.giccid, self.account(found), type_, original, target, moment),
        )
