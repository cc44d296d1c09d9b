"""A SIM as the carrier answers it: what the seed says, with the changes made since laid over it."""

from collections.abc import Mapping
from typing import Any

from simulator import catalog
from simulator.clock import DAY, cycle_of, format_time
from simulator.fleet import NOTHING, Fleet, Times, subscription_ends, subscription_wire

CUSTOM_FIELDS = ("custom1", "custom2", "custom3", "custom4", "custom5")


def status_of(fleet: Fleet, index: int, over: Mapping[str, Any]) -> str:
    """The present state."""
    return str(over.get("status") or fleet.status(index))


def account_of(fleet: Fleet, index: int, over: Mapping[str, Any]) -> str:
    """The present account."""
    return str(over.get("account") or fleet.account(index))


def plan_of(fleet: Fleet, index: int, over: Mapping[str, Any]) -> catalog.Plan:
    """The present basic plan."""
    return catalog.PLANS[over["plan"]] if "plan" in over else fleet.plan(index)


def imei_of(fleet: Fleet, index: int, bits: int, over: Mapping[str, Any]) -> str | None:
    """The present IMEI; None where no device was seen yet."""
    if "imei" in over:
        return over["imei"] or None
    unseen = fleet.status(index) == catalog.INVENTORY or (index > 0 and bits >> 56 < 12)
    return None if unseen else fleet.imei(index, bits)


def apns_of(fleet: Fleet, index: int, bits: int, over: Mapping[str, Any]) -> dict[str, str]:
    """The present APNs with their status."""
    return dict(over["apns"]) if "apns" in over else fleet.apns(index, bits)


def custom_of(fleet: Fleet, index: int, bits: int, over: Mapping[str, Any]) -> dict[str, str]:
    """The present custom fields; a field emptied later is there with an empty text."""
    fields = fleet.custom_fields(index, bits)
    fields.update(over.get("custom", NOTHING))
    return fields


def subscriptions_of(fleet: Fleet, index: int, bits: int, over: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All supplementary subscriptions, oldest first."""
    return [*fleet.subscriptions(index, bits), *over.get("subs", ())]


def _active_until(fleet: Fleet, index: int, bits: int, over: Mapping[str, Any], now: float) -> float:
    """Until when the device has used data."""
    if status_of(fleet, index, over) == catalog.ACTIVATED:
        return now if "since" in over or not fleet.is_offline(index, bits) else fleet.last_seen(index, bits, now)
    return float(over.get("stopped", fleet.times(index, bits).stopped) or 0)


def subscriptions_wire(
    fleet: Fleet, index: int, bits: int, over: Mapping[str, Any], now: float
) -> list[dict[str, Any]]:
    """The subscriptions as JSON; a quarter of the SIM's data goes to each until it is used up."""
    entries = subscriptions_of(fleet, index, bits, over)
    until = _active_until(fleet, index, bits, over, now) if entries else 0.0
    found = []
    for entry in entries:
        hours = fleet.hours(bits, entry["activated"], min(until, subscription_ends(entry)))
        found.append(subscription_wire(entry, fleet.rate(index, bits) * hours // 4, now))
    return found


def _session(
    fleet: Fleet, index: int, bits: int, over: Mapping[str, Any], now: float, times: Times
) -> dict[str, Any] | None:
    status = status_of(fleet, index, over)
    stopped = over.get("stopped", times.stopped)
    if fleet.is_silent(index, bits):
        if bits >> 40 & 1:
            return None
        last, online = fleet.epoch - (40 + (bits >> 41 & 0x3F)) * DAY, False
        if over.get("since") or last < (times.activated or now):
            return None
    elif status == catalog.ACTIVATED:
        started = over.get("since")
        online = started is not None or not fleet.is_offline(index, bits)
        last = fleet.last_record(bits, now) if online else fleet.last_seen(index, bits, now)
        last = int(max(last, started or times.activated or 0))
    elif stopped is not None and (over.get("activated") or times.activated):
        last, online = int(stopped), False
    else:
        return None
    country, network, rat = fleet.network(index, bits)
    session: dict[str, Any] = {
        "online": online,
        "lastSessionTime": format_time(last),
        "countryCode": country,
        "network": network,
        "ratType": rat,
    }
    if online:
        session["ipAddress"] = f"10.{8 + (index >> 16) % 200}.{index >> 8 & 0xFF}.{index & 0xFF}"
    return session


def updated_of(
    fleet: Fleet, index: int, bits: int, over: Mapping[str, Any], now: float, times: Times | None = None
) -> int:
    """The last visible change: of the record, or of the usage of an active device."""
    last = (times or fleet.times(index, bits)).changed
    status = status_of(fleet, index, over)
    for entry in subscriptions_of(fleet, index, bits, over):
        if last < subscription_ends(entry) <= now:
            last = subscription_ends(entry)
    if "updated" in over:
        last = max(last, over["updated"])
    if status == catalog.ACTIVATED and not fleet.is_silent(index, bits):
        seen = fleet.last_record(bits, now) if "since" in over else fleet.last_seen(index, bits, now)
        last = max(last, seen)
    # The turn of the cycle sets the usage back, which is a visible change.
    return int(last) if status == catalog.INVENTORY else int(max(last, cycle_of(now)[0]))


def _cycle_usage(
    fleet: Fleet, index: int, bits: int, over: Mapping[str, Any], now: float, plan: catalog.Plan, times: Times
) -> dict[str, Any]:
    start, end = cycle_of(now)
    used = over["dataUsage"] if "dataUsage" in over else fleet.usage(index, bits, now, over, times)
    return {
        "cycleStart": format_time(start),
        "cycleEnd": format_time(end),
        "dataUsage": used,
        "dataQuota": plan.data_quota,
        "smsUsage": over["smsUse"][1] if over.get("smsUse", (0,))[0] == start else 0,
    }


def sim_wire(fleet: Fleet, index: int, over: Mapping[str, Any], now: float) -> dict[str, Any]:
    """The SIM object of the contract (assumed shape); optional fields are left out where nothing is known."""
    bits = fleet.bits(index)
    times = fleet.times(index, bits)
    status = status_of(fleet, index, over)
    account = account_of(fleet, index, over)
    plan = plan_of(fleet, index, over)
    sim: dict[str, Any] = {
        "giccid": over.get("giccid") or fleet.giccid(index),
        "imsi": over.get("imsi") or fleet.imsi(index),
        "accountName": account,
        "status": status,
        "basicServicePackage": {"code": plan.code, "name": plan.name},
        "apns": [{"apn": k, "status": v} for k, v in apns_of(fleet, index, bits, over).items()],
        "updatedTime": format_time(updated_of(fleet, index, bits, over, now, times)),
    }
    if index == 0 or "msisdn" in over or bits >> 48 & 0x1F:
        sim["msisdn"] = over.get("msisdn") or fleet.msisdn(index)
    imei = imei_of(fleet, index, bits, over)
    if imei:
        sim["imei"] = imei
    activated = over.get("activated", times.activated)
    if activated is not None:
        sim["activatedTime"] = format_time(activated)
    if status != catalog.INVENTORY:
        sim["cycleUsage"] = _cycle_usage(fleet, index, bits, over, now, plan, times)
    session = _session(fleet, index, bits, over, now, times) or {}
    session.update(over.get("session", NOTHING))
    if session:
        sim["session"] = session
    pool = over.get("pool") or catalog.POOL_OF.get((account, plan.code))
    if pool:
        sim["sharePoolCode"] = pool
    subscriptions = subscriptions_wire(fleet, index, bits, over, now)
    if subscriptions:
        sim["supplementaryServicePackages"] = subscriptions
    custom = custom_of(fleet, index, bits, over)
    if custom:
        sim["customFields"] = custom
    if over:
        sim.update(over.get("extra", NOTHING))
        for name in over.get("drop", ()):
            sim.pop(name, None)
    return sim
