"""What happens in the networks by itself: devices change, usage passes thresholds, prepaid plans end."""

import random
import uuid
from typing import Any

from simulator import catalog, sims
from simulator.changes import Changes
from simulator.clock import format_time
from simulator.fleet import HOUR
from simulator.pushes import Outbox
from simulator.state import Carrier, Found, Source

KINDS = ("IMEI_CHANGE", "CYCLE_USAGE_TRACKING", "NO_SESSION_CONNECTION", "PREPAID", "MO_SMS")
_TRIES = 60
_AT_ONCE = 20
_TEXTS = ("battery low", "door open", "temperature 41", "position 53.55,9.99", "restart done")
THRESHOLD_PERCENT = 80


class Life:
    """Makes some events an hour of simulated time. Every method wants the carrier's lock held."""

    def __init__(self, carrier: Carrier, changes: Changes, outbox: Outbox) -> None:
        self.carrier, self.changes, self.outbox = carrier, changes, outbox
        self._random = random.Random(carrier.settings.seed + 4)
        self._next = 0.0
        self._reset()
        carrier.on_settle.append(self.progress)
        carrier.on_reset.append(self._reset)

    def _reset(self) -> None:
        self.events_per_hour = self.carrier.settings.events_per_hour
        self.mo_sms = self.carrier.settings.mo_sms
        self._plan(self.carrier.clock.now())

    def set_rate(self, events_per_hour: float | None, mo_sms: bool | None) -> None:
        """Make more or fewer events from now on (None: as it is)."""
        self.events_per_hour = self.events_per_hour if events_per_hour is None else events_per_hour
        self.mo_sms = self.mo_sms if mo_sms is None else mo_sms
        self._plan(self.carrier.clock.now())

    def _plan(self, after: float) -> None:
        rate = self.events_per_hour
        self._next = after + HOUR / rate * self._random.uniform(0.5, 1.5) if rate > 0 else float("inf")

    def progress(self, now: float) -> None:
        """Make the events that are due; after a jump of the clock only the first few."""
        made = 0
        while self._next <= now:
            if made == _AT_ONCE:
                self._plan(now)
                return
            self._event()
            made += 1
            self._plan(self._next)

    def _event(self) -> None:
        kinds = [kind for kind in KINDS if kind != "MO_SMS" or self.mo_sms]
        getattr(self, f"_{self._random.choice(kinds).lower()}")()

    def _candidates(self) -> list[Found]:
        """Some active SIMs."""
        carrier = self.carrier
        total = carrier.count(None, catalog.ACTIVATED)
        if not total:
            return []
        offset = self._random.randrange(max(1, total - _TRIES))
        found = carrier.page(None, catalog.ACTIVATED, offset, _TRIES)[0]
        # The contract's own sample SIM stays as the tests expect it.
        found = [sim for sim in found if sim.index != 0]
        self._random.shuffle(found)
        return found

    def _imei_change(self) -> None:
        fleet = self.carrier.fleet
        for found in self._candidates():
            bits = fleet.bits(found.index)
            if sims.imei_of(fleet, found.index, bits, found.over):
                imei = fleet.imei(found.index, bits, 2 + self._random.randrange(1000))
                self.changes.set_imei(found, imei, Source("network"))
                return

    def _cycle_usage_tracking(self) -> None:
        for found in self._candidates():
            usage = self.carrier.wire(found).get("cycleUsage")
            if not isinstance(usage, dict) or not usage.get("dataQuota"):
                continue
            threshold = usage["dataQuota"] * THRESHOLD_PERCENT // 100
            if usage["dataUsage"] >= threshold:
                own = {"dataUsage": usage["dataUsage"], "threshold": threshold}
                self._push("CYCLE_USAGE_TRACKING", found, own | {"thresholdPercent": THRESHOLD_PERCENT})
                return

    def _no_session_connection(self) -> None:
        carrier = self.carrier
        for found in self._candidates():
            bits = carrier.fleet.bits(found.index)
            if carrier.fleet.is_silent(found.index, bits):
                session: Any = carrier.wire(found).get("session") or {}
                hours = 24 * (40 + (bits >> 41 & 0x3F))
                own: dict[str, Any] = {"noSessionHours": hours}
                if session.get("lastSessionTime"):
                    own["lastSessionTime"] = session["lastSessionTime"]
                self._push("NO_SESSION_CONNECTION", found, own)
                return

    def _prepaid(self) -> None:
        carrier = self.carrier
        fleet = carrier.fleet
        for found in self._candidates():
            bits = fleet.bits(found.index)
            if not sims.subscriptions_of(fleet, found.index, bits, found.over):
                continue
            bought = sims.subscriptions_wire(fleet, found.index, bits, found.over, carrier.clock.now())[-1]
            own = {"servicePackageCode": bought["code"]}
            threshold = bought["dataQuota"] * THRESHOLD_PERCENT // 100
            if bought["dataUsage"] >= threshold:
                own |= {"dataUsage": bought["dataUsage"], "threshold": threshold}
                self._push("PREPAID_SERVICE_PACKAGE_TRAFFIC_TRACKING", found, own)
            else:
                own["expiredTime"] = bought["expiredTime"]
                self._push("PREPAID_SERVICE_PACKAGE_EXPIRED", found, own)
            return

    def _mo_sms(self) -> None:
        for found in self._candidates()[:1]:
            number = f"mo-{uuid.uuid4().hex}"
            own: dict[str, Any] = {
                "smsMsgId": number,
                "fromGiccid": found.giccid,
                "messageText": self._random.choice(_TEXTS),
            }
            own |= {"dataCoding": 0, "receivedTime": format_time(self.carrier.clock.now())}
            self._push("MO_SMS", found, own)

    def _push(self, kind: str, found: Found, own: dict[str, Any]) -> None:
        self.outbox.queue(kind, found, own)
