"""The storm: people work, the networks push, and what the plan says breaks meanwhile."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import requests

from chaos import batches, network, people
from chaos.people import Office
from chaos.plan import PUSHES_WRONG, Fault, Sizes
from chaos.stage import Stage

PEOPLE_AT_ONCE = 8
OPEN_AT_ONCE = 80
"""Single changes under way from which on nobody asks for more: people wait for what they asked for, too. In a small
run they are fewer, so that there is something left to do when the last fault comes."""
CONTROL_TRIES = 4
LOOK_EVERY = 0.1
FOLLOW_EVERY = 1.0
SILENT_FOR = 600.0
"""Seconds without any progress after which the storm is over, with what was reached."""

Say = Callable[[str], None]


class Storm:
    """One storm; :meth:`run` returns when all was asked for and the last fault has come."""

    def __init__(self, stage: Stage, office: Office, sizes: Sizes, faults: list[Fault], say: Say) -> None:
        self.stage, self.office, self.sizes, self.say = stage, office, sizes, say
        self._faults = list(faults)
        self._acts = self._in_order()
        self._taken = self._done = self._open_singles = 0
        self._lock = threading.Lock()
        self._rules: dict[str, str] = {}
        self._ends: list[tuple[float, Callable[[], Any], str]] = []
        self.made: Counter[str] = Counter()
        """Faults made, by their kinds."""
        self.troubles: list[str] = []
        """What went wrong in this program itself."""

    def _in_order(self) -> list[tuple[Callable[[Office, int], None], int]]:
        acts: list[tuple[Callable[[Office, int], None], int]] = []
        acts += [(people.single_change, number) for number in range(self.sizes.singles)]
        acts += [(people.message, number) for number in range(self.sizes.sms)]
        random.Random(self.office.seed).shuffle(acts)
        return acts

    @property
    def share(self) -> float:
        """How much of what people ask for was asked for."""
        return self._done / len(self._acts)

    def run(self) -> None:
        """Go through it; the calling thread breaks things and starts them again."""
        self.stage.simulator.control("POST", "pushes/faults", PUSHES_WRONG)
        deciding = threading.Thread(target=people.decide, args=(self.office,), daemon=True)
        work = [*[self._work] * PEOPLE_AT_ONCE, self._make_batches, self._push]
        workers = [threading.Thread(target=self._guarded, args=(each,), daemon=True) for each in work]
        for thread in (*workers, deciding):
            thread.start()
        followed = told = moved = time.monotonic()
        before = -1
        while any(thread.is_alive() for thread in workers) or self._faults:
            self._break_what_is_due()
            self.stage.revive()
            now = time.monotonic()
            if now - followed > FOLLOW_EVERY:
                followed = now
                self._follow()
            if self._done != before:
                before, moved = self._done, now
            if now - moved > SILENT_FOR:
                self.troubles.append(f"nothing moved for {SILENT_FOR:.0f} s at {self.share:.0%}")
                break
            if now - told > 15:
                told = now
                self.say(f"  {self.share:4.0%}: {self._done} asked for, {sum(self.made.values())} faults made")
            time.sleep(LOOK_EVERY)
        self.office.stopping.set()
        deciding.join(30)
        self._end_all()

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:
            self.troubles.append(f"{getattr(work, '__name__', work)}: {type(error).__name__}: {error}")
            raise

    def _work(self) -> None:
        """One pair of hands: the next act, as long as there are some."""
        while not self.office.stopping.is_set():
            with self._lock:
                if self._taken == len(self._acts):
                    return
                act, number = self._acts[self._taken]
                self._taken += 1
            while self._is_busy() and not self.office.stopping.wait(0.05):
                pass
            act(self.office, number)
            with self._lock:
                self._done += 1

    def _is_busy(self) -> bool:
        return self._open_singles > min(OPEN_AT_ONCE, max(4, self.sizes.singles // 20))

    def _make_batches(self) -> None:
        for number in range(self.sizes.jobs):
            if not self._wait_for(number / self.sizes.jobs * 0.9):
                return
            batches.batch(self.office, number, self.sizes.job_size)

    def _push(self) -> None:
        """Pushes beside those that changes cause: as many as are missing to the number that was asked for."""
        seed, truth = self.office.seed, self.office.truth
        sent = messages = devices = 0
        own = self.sizes.pushes // 2
        while sent < own and self._wait_for(sent / own * 0.95):
            count = min(network.AT_ONCE, own - sent, max(5, own // 20))
            bodies = network.pushes(truth, seed, sent, count, time.time())
            sent += count
            if messages < self.sizes.sms // 4 + 1:
                bodies.append(network.message_in(truth, seed, messages, time.time()))
                messages += 1
            self._control("POST", "pushes/many", {"bodies": bodies})
            if devices < own // 50 + 1:
                # One that was not heard in time may have been put into the other device all the same, or not.
                with contextlib.suppress(requests.RequestException):
                    network.other_device(truth, seed, devices)
                devices += 1

    def _wait_for(self, share: float) -> bool:
        while self.share < share:
            if self.office.stopping.wait(0.1):
                return False
        return True

    def _follow(self) -> None:
        """See how far things are; while the database or the carrier is away, later."""
        from django.db import DatabaseError, connection

        from operations.models import Operation

        try:
            self.office.truth.follow()
            rows = Operation.objects.filter(job=None, state__in=Operation.OPEN_STATES)
            self._open_singles = rows.exclude(state=Operation.State.AWAITING_APPROVAL).count()
        except DatabaseError:
            connection.close()
        except requests.RequestException:
            return

    def _control(self, method: str, path: str, body: Any = None) -> Any:
        """Call the carrier's control API; a busy machine may make it wait. Said twice is no other storm."""
        for attempt in range(CONTROL_TRIES):
            try:
                return self.stage.simulator.control(method, path, body)
            except requests.RequestException:
                if attempt == CONTROL_TRIES - 1:
                    raise
        raise AssertionError("not reached")

    def _break_what_is_due(self) -> None:
        now = time.monotonic()
        for end in [end for end in self._ends if end[0] <= now]:
            self._ends.remove(end)
            end[1]()
        while self._faults and self._faults[0].at <= self.share:
            fault = self._faults.pop(0)
            self._make(fault)

    def _make(self, fault: Fault) -> None:
        kind, values = fault.kind, fault.values
        if kind == "carrier":
            rule = {name: value for name, value in values["rule"].items() if value is not None}
            self._rules[self._control("POST", "faults", rule)["id"]] = f"carrier {values['said']}"
        elif kind == "carrier away":
            self._control("POST", "outage", {"seconds": fault.seconds, "mode": values["mode"]})
            self._count(f"carrier away ({values['mode']})")
        elif kind.startswith("jobs"):
            self._control("POST", "jobs/faults", values["rule"])
            self._ends.append((time.monotonic() + fault.seconds, self._mend_jobs, kind))
            self._count(f"carrier's {kind}")
        elif kind.startswith("kill") and "name" in values:
            self.stage.kill(values["name"], fault.seconds)
            self._count(f"{kind} -9")
        elif kind == "kill Valkey":
            self.stage.kill_valkey(fault.seconds)
            self._count("Valkey killed, back empty")
        else:
            self.stage.postgres.restart(immediate=values["immediate"])
            self._count(f"PostgreSQL restarted ({'immediate' if values['immediate'] else 'fast'})")

    def _mend_jobs(self) -> None:
        self._control("DELETE", "jobs/faults")

    def _count(self, what: str, times: int = 1) -> None:
        self.made[what] += times

    def _end_all(self) -> None:
        """No fault is left; what calls were spoiled is counted."""
        for rule in self._control("GET", "faults")["data"]:
            self._count(self._rules.get(rule["id"], "carrier"), rule["hits"])
        for path in ("faults", "outage", "jobs/faults", "pushes/faults"):
            self._control("DELETE", path)
        self._control("POST", "sms/faults", {"outcome": "DELIVERED"})
        self.stage.revive(everything=True)
