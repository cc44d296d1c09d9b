"""From the bytes of a push to what it says: tolerant in everything but being a JSON object."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn

from smarthub.values import parse_time

KINDS = (
    "CYCLE_USAGE_TRACKING",
    "IMEI_CHANGE",
    "NO_SESSION_CONNECTION",
    "PREPAID_SERVICE_PACKAGE_EXPIRED",
    "PREPAID_SERVICE_PACKAGE_TRAFFIC_TRACKING",
    "SIM_STATUS_CHANGE",
    "SIM_APN_STATUS_CHANGE",
    "MO_SMS",
    "MT_SMS_STATUS_REPORT",
)
"""The nine kinds that are documented; their spelling is assumed. Any other is kept and shown."""

DEEPEST = 32
"""Objects and lists inside each other that a body may have; those of the carrier are flat."""
YEARS = range(1970, 2200)
"""In which an event can have been: a sender's slip must not become a time that no zone can show."""

_REPLACEMENT = "\ufffd"


class NotAPush(ValueError):
    """The body is not a JSON object. ``str()`` says in which way, without quoting the body."""


@dataclass(frozen=True)
class Reading:
    """The common fields of a push (all of them assumed); empty where it does not tell."""

    kind: str
    giccid: str
    account_name: str
    event_time: datetime | None
    key: str
    """The same for every copy: the event id, or a digest of the canonical body."""
    body: dict[str, Any]


def as_text(raw: bytes) -> str:
    """The body as text that every database takes.

    What is not UTF-8 and NUL characters, which PostgreSQL refuses and JSON does not allow, become U+FFFD.
    """
    return raw.decode("utf-8", "replace").replace("\x00", _REPLACEMENT)


def parse(raw: bytes) -> dict[str, Any]:
    """The JSON object in ``raw``; raises :class:`NotAPush` for anything else."""
    try:
        return parse_text(raw.decode("utf-8"))
    except UnicodeDecodeError:
        raise NotAPush("The body is not UTF-8.") from None


def parse_text(text: str) -> dict[str, Any]:
    """The JSON object in ``text``, with NUL and lone surrogates in its texts made U+FFFD.

    JSON can write both (``\\u0000``) and no column of PostgreSQL can hold them: so no handler meets them.
    """
    try:
        value = _decoder.decode(text.removeprefix("\ufeff"))
        if not isinstance(value, dict):
            raise NotAPush("The body is JSON, but not an object.")
        # By a fixed measure: how deep the stack of whoever reads it may grow differs from process to process.
        if text.count("{") + text.count("[") > DEEPEST and _is_deeper(value, DEEPEST):
            raise RecursionError
        # Only an escape can bring them: raw ones are no JSON, or no UTF-8.
        cleaned: dict[str, Any] = _clean(value) if "\\u" in text else value
    except RecursionError:
        raise NotAPush("The body is nested too deeply.") from None
    except NotAPush:
        raise
    except ValueError:
        raise NotAPush("The body is not JSON.") from None
    return cleaned


def read(body: dict[str, Any], path_kind: str) -> Reading:
    """What a parsed push says. ``path_kind`` is the last part of the address it came to, or empty."""
    kind = kind_name(_text(body.get("eventType"))) or kind_name(path_kind)
    giccid = _text(body.get("giccid")) or _text(body.get("fromGiccid")) or _text(body.get("toGiccid"))
    return Reading(
        kind=kind[:80],
        giccid=giccid[:40],
        account_name=_text(body.get("accountName"))[:120],
        event_time=read_time(body.get("eventTime")),
        key=_key(body),
        body=body,
    )


def kind_name(text: str) -> str:
    """An event type in its one spelling: ``imei-change`` and ``imei_change`` are ``IMEI_CHANGE``."""
    return text.strip().upper().replace("-", "_")


def read_time(value: object) -> datetime | None:
    """A time of the carrier in UTC; ``None`` for what can't be read as one, or lies outside of :data:`YEARS`."""
    try:
        moment = parse_time(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return moment if moment is not None and moment.year in YEARS else None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("beyond every number that a database holds")
    return number


_decoder = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite)


def _is_deeper(value: Any, levels: int) -> bool:
    """Level by level, since a call for each is what a deep body is to be kept from."""
    within: list[Any] = [value]
    while within and levels:
        members = [item.values() if isinstance(item, dict) else item for item in within]
        within = [inner for items in members for inner in items if isinstance(inner, (dict, list))]
        levels -= 1
    return bool(within)


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        if value.isascii() and "\x00" not in value:
            return value
        return value.replace("\x00", _REPLACEMENT).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_clean(name): _clean(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_clean(item) for item in value]
    return value


def _text(value: object) -> str:
    """A text or a whole number as text, trimmed; empty for anything else. Identifiers may come as numbers."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return ""


def _key(body: dict[str, Any]) -> str:
    event_id = _text(body.get("eventId"))
    if event_id and len(event_id) <= 80:
        return event_id
    canonical = event_id or json.dumps(body, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
