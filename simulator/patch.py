"""Changes made at the carrier by somebody else: the body of the control API's PATCH and POST of a SIM."""

import re
from typing import Any

from simulator import catalog, sims
from simulator.changes import Changes, Trace
from simulator.clock import cycle_of
from simulator.state import Carrier, Found, Source

GICCID = re.compile(r"\d{19,20}", re.ASCII)
# Set as they are, without a change log of their own.
_PLAIN = {"imsi": "imsi", "msisdn": "msisdn", "accountName": "account", "sharePoolCode": "pool"}
_KNOWN = {
    *_PLAIN,
    *sims.CUSTOM_FIELDS,
    "status",
    "imei",
    "plan",
    "apns",
    "add_plan",
    "session",
    "dataUsage",
    "addUsage",
    "extra",
    "drop",
    "log",
    "push",
    "giccid",
}
SOURCE = Source("control")


def check(body: dict[str, Any]) -> None:
    """ValueError for what cannot be set."""
    unknown = set(body) - _KNOWN
    if unknown:
        raise ValueError(
            f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(sorted(_KNOWN))}; use extra for other fields"
        )
    for name in (*_PLAIN, *sims.CUSTOM_FIELDS, "status", "imei", "plan", "add_plan"):
        if not isinstance(body.get(name, ""), str):
            raise ValueError(f"{name} must be a text")
    if "status" in body and body["status"] not in catalog.STATUSES:
        raise ValueError(f"status must be one of {', '.join(catalog.STATUSES)}; use extra for unknown ones")
    for name, type_ in (("plan", "BASIC"), ("add_plan", "SUPPLEMENTARY")):
        if name in body and (body[name] not in catalog.PLANS or catalog.PLANS[body[name]].type != type_):
            raise ValueError(f"{name} must be the code of a {type_} plan")
    for name, kind in (
        ("extra", dict),
        ("session", dict),
        ("drop", list),
        ("apns", list),
        ("dataUsage", int),
        ("addUsage", int),
    ):
        if name in body and not isinstance(body[name], kind):
            raise ValueError(f"{name} must be a {kind.__name__}")
    for entry in body.get("apns", ()):
        if not isinstance(entry, dict) or set(entry) != {"apn", "status"}:
            raise ValueError("apns must be a list of objects with apn and status")


def apply(carrier: Carrier, changes: Changes, found: Found, body: dict[str, Any]) -> Found:
    """Make a checked body's changes, with their log entries and pushes unless it says otherwise."""
    trace = Trace(bool(body.get("log", True)), bool(body.get("push", True)))
    plain = {own: body[name] for name, own in _PLAIN.items() if name in body}
    plain |= {name: body[name] for name in ("session", "dataUsage", "extra", "drop") if name in body}
    if "addUsage" in body:
        cycle = cycle_of(carrier.clock.now())[0]
        before = found.over.get("spike", (0, 0))
        plain["spike"] = [cycle, body["addUsage"] + (before[1] if before[0] == cycle else 0)]
    if plain:
        found = carrier.change(found, plain)
        if "account" in plain:
            carrier.store.write("UPDATE change_logs SET account = ? WHERE giccid = ?", (plain["account"], found.giccid))
    if "status" in body and body["status"] != carrier.status(found):
        found = changes.set_status(found, body["status"], SOURCE, trace)
    if "plan" in body and body["plan"] != sims.plan_of(carrier.fleet, found.index, found.over).code:
        found = changes.set_plan(found, body["plan"], SOURCE, trace)
    if "imei" in body:
        found = changes.set_imei(found, body["imei"], SOURCE, trace)
    if "add_plan" in body:
        found, _ = changes.add_subscription(found, body["add_plan"], SOURCE, trace)
    if "apns" in body:
        found = _set_apns(carrier, changes, found, body["apns"], trace)
    custom = {name: body[name] for name in sims.CUSTOM_FIELDS if name in body}
    return changes.set_custom_fields(found, custom, SOURCE) if custom else found


def _set_apns(carrier: Carrier, changes: Changes, found: Found, wanted: list[dict[str, str]], trace: Trace) -> Found:
    """The SIM has these APNs and no others; those that are new or differ are told of."""
    fleet = carrier.fleet
    before = sims.apns_of(fleet, found.index, fleet.bits(found.index), found.over)
    for entry in wanted:
        if before.get(entry["apn"]) != entry["status"]:
            found = changes.set_apn(found, entry["apn"], entry["status"], SOURCE, trace)
    gone = set(before) - {entry["apn"] for entry in wanted}
    if gone:
        found = carrier.change(found, {"apns": {entry["apn"]: entry["status"] for entry in wanted}})
        carrier.log_change(found, "apn", dict.fromkeys(sorted(gone), "present"), None, SOURCE)
    return found
