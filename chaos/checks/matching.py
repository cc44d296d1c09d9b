"""Which change at the carrier is of which operation: by SIM, by what it made of it, and by the time it was open.

A SIM has one open change at a time, so a change lies in the time of its operation and of no other. That of one whose
end nobody could tell (``needs_attention``) goes on: what was sent may have landed when the portal gave it up.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from chaos.carrier import Change, Truth

SLACK = 1.0
"""Seconds by which the carrier's time of a change may lie outside, on one machine."""
WHAT = {
    "activate": "status",
    "suspend": "status",
    "retire": "status",
    "change_plan": "plan",
    "add_plan": "subscription",
    "set_apn": "apn",
    "set_custom_fields": "custom_fields",
    "send_sms": "sms",
}
TARGET = {"activate": "ACTIVATED", "suspend": "DEACTIVATED", "retire": "RETIRED"}
COLUMNS = (
    "id",
    "kind",
    "params",
    "state",
    "first_sent_at",
    "finished_at",
    "result",
    "job_id",
    "message",
    "carrier_code",
    "sends",
    "sim__giccid",
    "sim_id",
)


@dataclass
class Wish:
    """An operation as the checks see it, with the changes that are its."""

    row: dict[str, Any]
    changes: list[Change] = field(default_factory=list)

    @property
    def id(self) -> int:
        return int(self.row["id"])

    @property
    def kind(self) -> str:
        return str(self.row["kind"])

    @property
    def state(self) -> str:
        return str(self.row["state"])

    @property
    def giccid(self) -> str:
        return str(self.row["sim__giccid"])

    @property
    def is_for_later(self) -> bool:
        """Whether it waits at the carrier for the next billing cycle."""
        return self.kind == "change_plan" and self.row["params"].get("effective") == "NEXT_CYCLE"

    @property
    def what(self) -> str:
        """What the carrier's log calls its change."""
        return "next_plan" if self.is_for_later else WHAT[self.kind]

    def covers(self, change: Change) -> bool:
        """Whether the change may be this operation's."""
        sent, ended = self.row["first_sent_at"], self.row["finished_at"]
        if sent is None or change.what != self.what or change.unix < sent.timestamp() - SLACK:
            return False
        if ended is not None and self.state != "needs_attention" and change.unix > ended.timestamp() + SLACK:
            return False
        return self._makes(change)

    def _makes(self, change: Change) -> bool:
        params = self.row["params"]
        if self.kind in TARGET:
            return bool(change.after == TARGET[self.kind])
        if self.kind == "change_plan":
            return change.after == params["plan"] or (self.is_for_later and change.after is None)
        if self.kind == "add_plan":
            return bool(change.after == params["plan"])
        if self.kind == "set_apn":
            return bool(change.after == {params["apn"]: params["apn_status"]})
        if self.kind == "set_custom_fields":
            return all(params.get(name) == text for name, text in change.after.items())
        known = self.row["result"].get("sms_id")
        return change.after == known or (not known and self.state == "needs_attention")

    def __str__(self) -> str:
        job = f" of job {self.row['job_id']}" if self.row["job_id"] else ""
        return (
            f"operation {self.id}{job} ({self.kind} {self.row['params']}, {self.state}, code "
            f"{self.row['carrier_code']!r}, sent {self.row['sends']} times from {self.row['first_sent_at']}, ended "
            f"{self.row['finished_at']}) of {self.giccid}"
        )


@dataclass
class Matched:
    """All operations with their changes, and the changes that are nobody's."""

    truth: Truth
    wishes: dict[int, Wish]
    nobodys: list[Change]

    @classmethod
    def of(cls, truth: Truth) -> Matched:
        """Of the portal's operations and the carrier's log as they are now."""
        from operations.models import Operation

        rows = Operation.objects.order_by("pk").values(*COLUMNS)
        return cls.join(truth, [Wish(dict(row)) for row in rows.iterator()])

    @classmethod
    def join(cls, truth: Truth, wishes: Iterable[Wish]) -> Matched:
        """Give each change that the portal made to the operation that it is of."""
        by_sim: dict[str, list[Wish]] = defaultdict(list)
        for wish in wishes:
            by_sim[wish.giccid].append(wish)
        nobodys = []
        for change in truth.changes:
            if not change.is_ours:
                continue
            able = [wish for wish in by_sim[change.giccid] if wish.covers(change)]
            if able:
                # One that surely happened before one that nobody could tell of, and one that has none yet.
                best = min(able, key=lambda wish: (len(wish.changes), wish.state == "needs_attention", wish.id))
                best.changes.append(change)
            else:
                nobodys.append(change)
        return cls(truth, {wish.id: wish for of in by_sim.values() for wish in of}, nobodys)

    def was_so(self, wish: Wish) -> bool:
        """Whether the SIM was as the operation wanted it when it was sent: then there was nothing to change."""
        sent = wish.row["first_sent_at"]
        if sent is None:
            return False
        before = [c for c in self._of_sim(wish.giccid) if c.unix < sent.timestamp() + SLACK]
        seeded, params = self.truth.seeded[wish.giccid], wish.row["params"]
        if wish.kind in TARGET:
            return bool(_last(before, "status", seeded["status"]) == TARGET[wish.kind])
        if wish.kind == "change_plan":
            plan = _last(before, "plan", seeded["basicServicePackage"]["code"])
            if not wish.is_for_later:
                return bool(plan == params["plan"])
            # A change for now voids one that was to come.
            coming = [change for change in before if change.what in ("plan", "next_plan")]
            waits = coming[-1].after if coming and coming[-1].what == "next_plan" else None
            return bool(waits == (None if plan == params["plan"] else params["plan"]))
        if wish.kind == "set_apn":
            state = {apn["apn"]: apn["status"] for apn in seeded.get("apns", ())}
            for change in before:
                state.update(change.after if change.what == "apn" else {})
            return bool(state.get(params["apn"]) == params["apn_status"])
        if wish.kind == "set_custom_fields":
            texts = dict(seeded.get("customFields", {}))
            for change in before:
                texts.update(change.after if change.what == "custom_fields" else {})
            return all(texts.get(name, "") == text for name, text in params.items())
        return False

    def _of_sim(self, giccid: str) -> list[Change]:
        if not hasattr(self, "_by_sim"):
            self._by_sim: dict[str, list[Change]] = defaultdict(list)
            for change in self.truth.changes:
                self._by_sim[change.giccid].append(change)
        return self._by_sim[giccid]


def _last(changes: Iterable[Change], what: str, seeded: Any) -> Any:
    value = seeded
    for change in changes:
        if change.what == what:
            value = change.after
    return value
