"""From the carrier's SIM object to the columns of ours.

What the carrier did not tell (an optional field that is absent or unreadable) leaves the mirror's value as it is;
an explicit null or an empty text empties it. Inside ``cycleUsage``, ``session`` and ``customFields`` absence has a
meaning: each of these objects, when told, is told whole.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import structlog

from sims.models import Sim
from sims.models.sim import CUSTOM_FIELDS
from sims.services import values
from smarthub import contract

if TYPE_CHECKING:
    from sims.services.newcomers import Newcomer

log = structlog.get_logger(__name__)

_MOST_INT = 2**31 - 1
_MOST_BIGINT = 2**63 - 1
_MADE_UP = "~"
_searched = attrgetter("giccid", "imsi", "msisdn", "imei", *CUSTOM_FIELDS)
_as_json = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
_SUSPECT = re.compile(r"\\u(?:0000|d[89a-f])")


@dataclass
class Reading:
    """One snapshot as column values. ``columns`` holds only what the carrier told, foreign keys by ``*_id``."""

    snapshot: contract.Sim
    columns: dict[str, Any] = field(default_factory=dict)
    problems: int = 0
    """Values that did not fit and were cut or left out; ``raw`` has them whole."""


class Received:
    """A SIM as the carrier told it when it was asked. What it says is read when somebody wants to know it: of most
    SIMs of a walk nobody does, for the mirror holds the same JSON."""

    __slots__ = ("_reading", "_snapshot", "digest", "giccid", "newcomer", "observed_at", "raw", "text")

    def __init__(self, raw: dict[str, Any], observed_at: datetime, snapshot: contract.Sim | None = None) -> None:
        """``raw`` is JSON from the client, with a readable giccid, or that of ``snapshot``; ``observed_at`` is the
        time just before the request was sent. ``text`` is the JSON with sorted keys, and ``newcomer`` what
        :func:`sims.services.newcomers.newcomer` has made of it."""
        # The client has cleaned what it parsed; an object made in Python may hold anything.
        self.raw = raw if snapshot is None else storable(raw)
        self.text = _as_json(self.raw)
        self.digest = digest_of(self.text) if self.raw else 0
        self.observed_at = observed_at
        self.giccid = snapshot.giccid if snapshot else str(raw["giccid"])
        self._snapshot = snapshot
        self._reading: Reading | None = None
        self.newcomer: Newcomer | None = None

    @property
    def snapshot(self) -> contract.Sim:
        """The SIM. Raises ValueError when it can't be read."""
        if self._snapshot is None:
            self._snapshot = contract.Sim.model_validate(self.raw)
        return self._snapshot

    @property
    def reading(self) -> Reading:
        """Its columns, worked out once. Raises ValueError when it can't be read."""
        if self._reading is None:
            self._reading = columns_of(self.snapshot)
            self._reading.columns["raw_digest"] = self.digest
        return self._reading

    def is_readable(self) -> bool:
        """Whether it can be read."""
        try:
            return self.snapshot is not None
        except ValueError as error:
            log.warning("mirror.unreadable", giccid=self.giccid, error=type(error).__name__)
            return False


def columns_of(snapshot: contract.Sim) -> Reading:
    """The columns that ``snapshot`` tells, but for the digest of all, APNs, subscriptions and what follows from other
    columns."""
    told = snapshot.model_fields_set
    reading = Reading(snapshot)
    put = reading.columns
    put["account_id"] = values.account_key(snapshot.account_name)
    put["status"] = _text(reading, snapshot.status, values.STATUS_LENGTH)
    for name in ("imsi", "msisdn", "imei"):
        if name in told:
            put[name] = _text(reading, getattr(snapshot, name), values.IDENTIFIER_LENGTH)
    if "activated_time" in told:
        put["activated_at"] = snapshot.activated_time
    if "basic_plan" in told:
        put["plan_id"] = values.code_key(snapshot.basic_plan.code if snapshot.basic_plan else None) or None
    if "share_pool_code" in told:
        put["pool_id"] = values.code_key(snapshot.share_pool_code) or None
    if "updated_time" in told:
        put["carrier_updated_at"] = snapshot.updated_time
    if "cycle_usage" in told:
        _usage(reading, snapshot.cycle_usage or contract.CycleUsage())
    if "session" in told:
        _session(reading, snapshot.session or contract.Session())
    if "custom_fields" in told:
        given = snapshot.custom_fields or {}
        for name in CUSTOM_FIELDS:
            put[name] = _text(reading, given.get(name), 200)
    return reading


def digest_of(text: str) -> int:
    """A number of 64 bits that tells one text from another: the first eight bytes of its BLAKE2b.

    Two readings of one SIM are compared by that of their JSON with sorted keys, so one in 2^64 changes would go
    unnoticed until the next.
    """
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), signed=True)


def storable(raw: dict[str, Any]) -> dict[str, Any]:
    """A JSON object as any database takes it."""
    try:
        text = json.dumps(raw)
    except TypeError:
        # Only an object made in Python holds what JSON does not.
        text = json.dumps(raw, default=str)
    else:
        if not _SUSPECT.search(text):
            return raw
    cleaned: dict[str, Any] = values.clean_json(json.loads(text))
    return cleaned


def merged_apns(snapshot: contract.Sim, before: list[dict[str, Any]]) -> list[dict[str, str]] | None:
    """The APNs after this snapshot, ``None`` when it tells none. Unreadable ones stay as the mirror has them."""
    if "apns" not in snapshot.model_fields_set:
        return None
    told = [
        {"apn": values.key(apn.apn, values.EVENT_SUBJECT_LENGTH), "status": values.clip(apn.status, 40)}
        for apn in snapshot.apns or ()
    ]
    if any(path.startswith("apns[") for path in snapshot.unreadable):
        known = {apn["apn"]: apn for apn in told}
        told += [apn for apn in before if apn["apn"] not in known]
        states = {apn["apn"]: apn["status"] for apn in before}
        # An unreadable state is no state: what is known of the APN holds.
        told = [{**apn, "status": apn["status"] or states.get(apn["apn"], "")} for apn in told]
    return told


def apn_state(apns: list[dict[str, Any]]) -> str:
    """All APNs in one word, for the list's filter. A state unknown to us counts as not enabled."""
    enabled = sum(apn["status"] == contract.ApnStatus.ENABLED for apn in apns)
    if not apns:
        return Sim.ApnState.NONE
    if enabled == len(apns):
        return Sim.ApnState.ENABLED
    return Sim.ApnState.MIXED if enabled else Sim.ApnState.DISABLED


def quota_percent(usage: int | None, quota: int | None) -> int | None:
    """Part of the quota used in percent, rounded down; ``None`` without a quota."""
    if usage is None or not quota:
        return None
    return min(usage * 100 // quota, _MOST_INT)


def search_text(sim: Sim) -> str:
    """Identifiers and custom fields in lower case, a line each; no line for an empty one."""
    # Each by itself: a letter's lower case may depend on what follows it.
    return "\n".join([part.lower() for part in _searched(sim) if part])


def subscription_columns(sub: contract.Subscription) -> dict[str, Any]:
    """The columns of a supplementary plan, but for its id; as told, whole."""
    return {
        "plan_id": values.code_key(sub.code),
        "status": values.clip(sub.status, 40),
        "activated_at": sub.activated_time,
        "expires_at": sub.expired_time,
        "data_usage": _count(None, sub.data_usage, _MOST_BIGINT),
        "data_quota": _count(None, sub.data_quota, _MOST_BIGINT),
    }


def subscription_ids(subs: list[contract.Subscription]) -> list[str]:
    """An id for each: the carrier's, or one made of code and time of activation, numbered where those repeat."""
    seen: dict[str, int] = {}
    ids = []
    for sub in subs:
        ident = values.key(sub.subscription_id, values.CODE_LENGTH)
        if not ident:
            moment = _stamp(sub.activated_time)
            base = values.key(f"{_MADE_UP}{sub.code}@{moment}", values.CODE_LENGTH - 8)
            seen[base] = seen.get(base, 0) + 1
            ident = f"{base}#{seen[base]}"
        ids.append(ident)
    return ids


def is_made_up(subscription_id: str) -> bool:
    """Whether the id is one that :func:`subscription_ids` had to make."""
    return subscription_id.startswith(_MADE_UP)


def _usage(reading: Reading, usage: contract.CycleUsage) -> None:
    told = {
        "cycle_start": usage.cycle_start,
        "cycle_end": usage.cycle_end,
        "data_usage": _count(reading, usage.data_usage, _MOST_BIGINT),
        "data_quota": _count(reading, usage.data_quota, _MOST_BIGINT),
        "sms_usage": _count(reading, usage.sms_usage, _MOST_INT),
    }
    _put_readable(reading, "cycleUsage", told)


def _session(reading: Reading, session: contract.Session) -> None:
    told = {
        "online": session.online,
        "last_session_at": session.last_session_time,
        "country_code": _text(reading, session.country_code, 8),
        "network": _text(reading, session.network, 40),
        "rat_type": _text(reading, session.rat_type, 40),
        "ip_address": _text(reading, session.ip_address, 45),
    }
    _put_readable(reading, "session", told)


_WIRE_NAMES = {"last_session_at": "lastSessionTime"}


def _put_readable(reading: Reading, parent: str, told: dict[str, Any]) -> None:
    """What is told of an object, but for members that were there and could not be read."""
    if not reading.snapshot.unreadable:
        reading.columns.update(told)
        return
    lost = {path for path in reading.snapshot.unreadable if path.startswith(f"{parent}.")}
    for name, value in told.items():
        head, *rest = name.split("_")
        wire = _WIRE_NAMES.get(name, head + "".join(part.title() for part in rest))
        if f"{parent}.{wire}" in lost:
            reading.problems += 1
        else:
            reading.columns[name] = value


def _text(reading: Reading, text: str | None, length: int) -> str:
    if not text:
        return ""
    if len(text) <= length and text.isascii() and "\0" not in text:
        return text
    clipped = values.clip(text, length)
    reading.problems += clipped != text
    return clipped


def _count(reading: Reading | None, number: int | None, most: int) -> int | None:
    """A count that its column can hold; an absurd one is not told."""
    if number is None or 0 <= number <= most:
        return number
    if reading is not None:
        reading.problems += 1
    return None


def _stamp(moment: datetime | None) -> str:
    return moment.isoformat() if moment else ""
