"""The changes themselves: each lays fields over a SIM, is logged once as real, and tells the portal where it should.

Whoever asks for it (a call, a job, the clock, the control API) has checked before that it may happen.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simulator import catalog, sims
from simulator.clock import cycle_of, format_time
from simulator.history import IMEI_CHANGE, LOCAL_STATUS, SERVICE_PACKAGE
from simulator.pushes import Outbox
from simulator.state import Carrier, Found, Source


@dataclass(frozen=True, slots=True)
class Trace:
    """What a change leaves besides itself: an entry in the carrier's change log, a push."""

    log: bool = True
    push: bool = True


FULL = Trace()


class Changes:
    """Makes changes; every method wants the carrier's lock held and returns the SIM as it is afterwards."""

    def __init__(self, carrier: Carrier, outbox: Outbox) -> None:
        self.carrier, self.outbox = carrier, outbox

    def _freeze(self, found: Found, now: float, runs_on: bool) -> dict[str, Any]:
        """Keep the usage so far; it grows on from now, or stands still."""
        fleet = self.carrier.fleet
        used = fleet.usage(found.index, fleet.bits(found.index), now, found.over)
        kept: dict[str, Any] = {"use": [used, cycle_of(now)[0], int(now) if runs_on else None]}
        return kept | {"spike": [0, 0]} if "spike" in found.over else kept

    def set_status(
        self, found: Found, target: str, source: Source, trace: Trace = FULL, when: float | None = None
    ) -> Found:
        """Move a SIM to another state."""
        carrier = self.carrier
        original = carrier.status(found)
        moment = carrier.clock.now() if when is None else when
        fields = {"status": target} | self._freeze(found, moment, target == catalog.ACTIVATED)
        if target == catalog.ACTIVATED:
            fields["since"] = int(moment)
            times = carrier.fleet.times(found.index, carrier.fleet.bits(found.index))
            if times.activated is None and "activated" not in found.over:
                fields["activated"] = int(moment)
        elif original == catalog.ACTIVATED:
            fields["stopped"] = int(moment)
        found = carrier.change(found, fields)
        carrier.log_change(found, "status", original, target, source, moment)
        if trace.log:
            carrier.log_entry(found, LOCAL_STATUS, original, target, moment)
        if trace.push:
            own = {"originalStatus": original, "targetStatus": target}
            self.outbox.queue("SIM_STATUS_CHANGE", found, own, when=moment)
        return found

    def set_plan(
        self, found: Found, code: str, source: Source, trace: Trace = FULL, when: float | None = None
    ) -> Found:
        """Give a SIM another basic plan now; a change planned for the next cycle is void."""
        carrier = self.carrier
        original = sims.plan_of(carrier.fleet, found.index, found.over).code
        over = {name: value for name, value in found.over.items() if name != "next"}
        found = carrier.change(Found(found.index, found.giccid, over), {"plan": code})
        carrier.log_change(found, "plan", original, code, source, when)
        if trace.log:
            carrier.log_entry(found, SERVICE_PACKAGE, original, code, when)
        return found

    def plan_next_cycle(self, found: Found, code: str | None, source: Source) -> Found:
        """Plan (or with None cancel) a change of the basic plan for the turn of the cycle; not visible till then."""
        carrier = self.carrier
        original = found.over.get("next", [None])[0]
        over = dict(found.over)
        if code is None:
            over.pop("next", None)
        else:
            over["next"] = [code, cycle_of(carrier.clock.now())[1]]
        # The SIM object does not show it, so its updatedTime stays.
        found = carrier.keep(Found(found.index, found.giccid, over))
        carrier.log_change(found, "next_plan", original, code, source)
        return found

    def turn_cycle(self, now: float) -> None:
        """Apply the plan changes whose cycle has turned."""
        carrier = self.carrier
        for giccid in carrier.waiting_plans(now):
            found = carrier.find(giccid)
            if not found or "next" not in found.over:
                continue
            code, when = found.over["next"]
            original = sims.plan_of(carrier.fleet, found.index, found.over).code
            if carrier.status(found) == catalog.RETIRED or code == original:
                over = {name: value for name, value in found.over.items() if name != "next"}
                carrier.keep(Found(found.index, giccid, over))
            else:
                self.set_plan(found, code, Source("clock"), when=when)

    def add_subscription(
        self, found: Found, code: str, source: Source, trace: Trace = FULL
    ) -> tuple[Found, dict[str, Any]]:
        """Buy a supplementary plan; gives the SIM and the subscription."""
        carrier = self.carrier
        number = carrier.store.get("next_subscription", 1)
        carrier.store.put("next_subscription", number + 1)
        entry = {
            "id": f"sub-{found.index}-{number}",
            "code": code,
            "activated": int(carrier.clock.now()),
        }
        found = carrier.change(found, {"subs": [*found.over.get("subs", ()), entry]})
        carrier.log_change(found, "subscription", None, code, source)
        if trace.log:
            carrier.log_entry(found, SERVICE_PACKAGE, "", code)
        return found, entry

    def set_apn(self, found: Found, apn: str, status: str, source: Source, trace: Trace = FULL) -> Found:
        """Enable or disable an APN (or add one): there is no change-log type for it, only the push."""
        carrier = self.carrier
        fleet = carrier.fleet
        apns = sims.apns_of(fleet, found.index, fleet.bits(found.index), found.over)
        original = apns.get(apn)
        found = carrier.change(found, {"apns": {**apns, apn: status}})
        carrier.log_change(found, "apn", {apn: original}, {apn: status}, source)
        if trace.push:
            own = {"apn": apn, "originalStatus": original, "targetStatus": status}
            self.outbox.queue("SIM_APN_STATUS_CHANGE", found, own)
        return found

    def set_custom_fields(self, found: Found, fields: Mapping[str, str], source: Source) -> Found:
        """Set the given custom fields; the others keep their values."""
        carrier = self.carrier
        fleet = carrier.fleet
        present = sims.custom_of(fleet, found.index, fleet.bits(found.index), found.over)
        differing = {name: text for name, text in fields.items() if present.get(name, "") != text}
        if not differing:
            return found
        found = carrier.change(found, {"custom": {**found.over.get("custom", {}), **differing}})
        before = {name: present.get(name, "") for name in differing}
        carrier.log_change(found, "custom_fields", before, differing, source)
        return found

    def set_imei(self, found: Found, imei: str, source: Source, trace: Trace = FULL) -> Found:
        """The SIM was put into another device."""
        carrier = self.carrier
        fleet = carrier.fleet
        original = sims.imei_of(fleet, found.index, fleet.bits(found.index), found.over) or ""
        found = carrier.change(found, {"imei": imei})
        carrier.log_change(found, "imei", original, imei, source)
        if trace.log:
            carrier.log_entry(found, IMEI_CHANGE, original, imei)
        if trace.push:
            own = {"originalImei": original, "targetImei": imei}
            self.outbox.queue("IMEI_CHANGE", found, own)
        return found

    def count_sms(self, found: Found) -> Found:
        """One more message in the SIM's billing cycle."""
        start = cycle_of(self.carrier.clock.now())[0]
        base, used = found.over.get("smsUse", (start, 0))
        return self.carrier.change(found, {"smsUse": [start, used + 1 if base == start else 1]})


def when_text(moment: float | None) -> str | None:
    """A carrier time or None."""
    return None if moment is None else format_time(moment)
