"""The mirror, SIM by SIM and column by column, and what is counted of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from chaos.carrier import Truth
from chaos.checks.findings import Finding

_PLAIN = {"imsi": "imsi", "msisdn": "msisdn", "imei": "imei", "sharePoolCode": "pool_id"}
_SESSION = {"countryCode": "country_code", "network": "network", "ratType": "rat_type", "ipAddress": "ip_address"}
_USAGE = {"dataUsage": "data_usage", "dataQuota": "data_quota", "smsUsage": "sms_usage"}
_CUSTOM = ("custom1", "custom2", "custom3", "custom4", "custom5")


def rows(truth: Truth) -> Iterator[Finding]:
    """Every column of every SIM, and its supplementary plans, as the carrier tells them at this moment."""
    from sims.models import Sim

    stored = {sim.giccid: sim for sim in Sim.objects.prefetch_related("subscriptions")}
    told = {sim["giccid"]: sim for sim in truth.simulator.listed()}
    for giccid in stored.keys() ^ told.keys():
        yield Finding.offender(f"{giccid} is only {'in the mirror' if giccid in stored else 'at the carrier'}")
    yield Finding.checked("SIMs compared", len(told))
    for giccid in stored.keys() & told.keys():
        mirrored, true = _of_row(stored[giccid]), _of_wire(told[giccid])
        wrong = {name: (mirrored[name], true[name]) for name in true if mirrored[name] != true[name]}
        yield Finding.checked("columns compared", len(true))
        if wrong:
            yield Finding.offender(f"{giccid}, mirror and carrier: {wrong}, read {stored[giccid].observed_at}")


def _of_wire(sim: dict[str, Any]) -> dict[str, Any]:
    usage, session, custom = sim.get("cycleUsage") or {}, sim.get("session") or {}, sim.get("customFields") or {}
    return {
        "account": sim["accountName"],
        "status": sim["status"],
        "missing": False,
        "plan": sim["basicServicePackage"]["code"],
        "activated": _time(sim.get("activatedTime")),
        "updated": _time(sim.get("updatedTime")),
        "apns": {apn["apn"]: apn["status"] for apn in sim.get("apns", ())},
        "subscriptions": {one["subscriptionId"]: one["code"] for one in sim.get("supplementaryServicePackages", ())},
        **{name: sim.get(name) or "" for name in _PLAIN},
        **{name: custom.get(name) or "" for name in _CUSTOM},
        **({name: usage.get(name) for name in _USAGE} if usage else {}),
        **({name: session.get(name) or "" for name in _SESSION} if session else {}),
        **({"online": session.get("online"), "lastSession": _time(session.get("lastSessionTime"))} if session else {}),
    }


def _of_row(sim: Any) -> dict[str, Any]:
    return {
        "account": sim.account_id,
        "status": sim.status,
        "missing": sim.missing_since is not None,
        "plan": sim.plan_id,
        "activated": sim.activated_at,
        "updated": sim.carrier_updated_at,
        "apns": {apn["apn"]: apn["status"] for apn in sim.apns},
        "subscriptions": {one.carrier_id: one.plan_id for one in sim.subscriptions.all() if one.gone_since is None},
        **{name: getattr(sim, column) or "" for name, column in _PLAIN.items()},
        **{name: getattr(sim, name) for name in _CUSTOM},
        **{name: getattr(sim, column) for name, column in _USAGE.items()},
        **{name: getattr(sim, column) for name, column in _SESSION.items()},
        "online": sim.online,
        "lastSession": sim.last_session_at,
    }


def _time(text: str | None) -> datetime | None:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z") if text else None


def counts() -> Iterator[Finding]:
    """Kept sums are what is counted: of the fleet, and of each job."""
    from operations.models import BatchJob, Operation
    from sims.models import SimTally
    from sims.services import tallies

    yield Finding.checked("tallies", SimTally.objects.count())
    for difference in tallies.differences():
        yield Finding.offender(str(difference))
    groups: dict[str, list[str]] = {
        "succeeded": ["done"],
        "failed": ["failed", "expired", "cancelled"],
        "unknown": ["needs_attention"],
        "pending": [str(state) for state in Operation.OPEN_STATES],
    }
    for job in BatchJob.objects.filter(confirmed_at__isnull=False):
        for name, states in groups.items():
            counted = Operation.objects.filter(job=job, state__in=states).count()
            yield Finding.checked("counts of jobs", 1)
            if counted != getattr(job, name):
                yield Finding.offender(
                    f"job {job.pk} ({job.state}) says {name} {getattr(job, name)}, counted {counted}"
                )
