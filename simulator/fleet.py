"""The fleet, derived from a seed: a SIM's index decides everything about it, so nothing but changes is stored.

Two kinds of source: one random byte per SIM and trait (state, account, plan, recent past), drawn once because the
lists are filtered by them, and one 64-bit mix of seed and index for the rest, drawn whenever a SIM is shown.
"""

import random
from bisect import bisect_left
from collections.abc import Mapping
from itertools import accumulate
from operator import or_
from typing import Any, NamedTuple

from simulator import catalog
from simulator.clock import DAY, cycle_of, format_time
from simulator.digits import GOLDEN, luhn_check, mix

HOUR = 3600
# Serial numbers put every derived giccid (20 digits) behind the contract's 19-digit sample, as text too.
_FIRST_SERIAL = 1_907_000_000_000
_PREFIX = 898601 * 10**13
_IMSI_SPACE, _MSISDN_SPACE = 4_000_000_000, 90_000_000

# What happened to a SIM in the 30 days before the simulator's first start.
NO_PAST, RECENT_STATUS, RECENT_PLAN, RECENT_IMEI, PAUSED_ONCE, PURCHASE, FAILED_CHANGE = range(7)
_PAST_SHARES = (230, 9, 6, 3, 4, 3, 1)

NOTHING: Mapping[str, Any] = {}

# How much of its hourly rate a device uses in each hour of four weeks: a few habits, each an hour's share in 256ths
# with a mean of one, kept as running sums so that the use between any two hours is one subtraction.
_WEEKS, _HABITS, _ONE = 4 * 7 * 24, 8, 256


def _habit(number: int) -> tuple[int, ...]:
    rng = random.Random(f"habit {number}")
    night, weekend = rng.uniform(0.2, 1.0), rng.uniform(0.3, 1.1)
    shares = []
    for day in range(_WEEKS // 24):
        # The first of January 1970 was a Thursday.
        mood = rng.uniform(0.5, 1.6) * (weekend if day % 7 in (2, 3) else 1.0)
        shares += [mood * (1.0 if 6 <= hour < 20 else night) * rng.uniform(0.6, 1.4) for hour in range(24)]
    scale = _ONE * _WEEKS / sum(shares)
    sums = [0, *(int(part * scale) for part in accumulate(shares))]
    sums[-1] = _ONE * _WEEKS
    return tuple(sums)


_HABIT_SUMS = tuple(_habit(number) for number in range(_HABITS))


class Times(NamedTuple):
    """Unix times of a derived SIM: when it was activated, when it stopped, when anything last changed."""

    activated: int | None
    stopped: int | None
    changed: int


def _codes(rng: random.Random, size: int, shares: tuple[int, ...]) -> bytes:
    return rng.randbytes(size).translate(catalog.share_table(shares))


class Fleet:
    """Derives SIMs by index; ``epoch`` is the simulated Unix time that the derived past leads up to."""

    def __init__(self, seed: int, size: int, epoch: float) -> None:
        self.seed, self.size, self.epoch = seed, size, int(epoch)
        rng = random.Random(seed)
        statuses = _codes(rng, size, catalog.STATUS_SHARES)
        accounts = _codes(rng, size, catalog.ACCOUNT_SHARES)
        # A key holds account * 8 + status: one byte answers both filters of the list.
        self.keys = bytearray(map(or_, statuses, accounts.translate(bytes(n << 3 & 0xFF for n in range(256)))))
        self.plans = bytearray(_codes(rng, size, catalog.BASIC_SHARES))
        self.past = bytearray(_codes(rng, size, _PAST_SHARES))
        self.keys[0] = catalog.STATUSES.index(catalog.ACTIVATED)
        self.plans[0] = self.past[0] = 0
        self._networks = catalog.share_table(tuple(share for _, _, share in catalog.NETWORKS))
        self._salt = mix(seed * GOLDEN + 1)

    def bits(self, index: int) -> int:
        """The 64 bits that the traits of a SIM are cut from."""
        return mix(self._salt + index * GOLDEN)

    def giccid(self, index: int) -> str:
        """The giccid of an index; increasing with it, as a number and as text."""
        if index == 0:
            return catalog.SAMPLE_GICCID
        payload = _PREFIX + _FIRST_SERIAL + index
        return f"{payload}{luhn_check(payload)}"

    def index(self, giccid: str) -> int | None:
        """The index of a giccid, or None when it is not one of the fleet's."""
        if giccid == catalog.SAMPLE_GICCID:
            return 0
        if len(giccid) != 20 or not (giccid.isascii() and giccid.isdigit()):
            return None
        index = int(giccid[:-1]) - _PREFIX - _FIRST_SERIAL
        return index if 0 < index < self.size and self.giccid(index) == giccid else None

    def place(self, giccid: str) -> int:
        """How many of the fleet's own giccids stand before a text."""
        return bisect_left(range(self.size), giccid, key=self.giccid)

    def status(self, index: int) -> str:
        """The state of a SIM as the seed has it (before any change)."""
        return catalog.STATUSES[self.keys[index] & 7] if index < self.size else catalog.INVENTORY

    def account(self, index: int) -> str:
        """The carrier account of a SIM as the seed has it."""
        return catalog.ACCOUNTS[self.keys[index] >> 3] if index < self.size else catalog.ACCOUNTS[0]

    def plan(self, index: int) -> catalog.Plan:
        """The basic plan of a SIM as the seed has it."""
        return catalog.BASIC_PLANS[self.plans[index] if index < self.size else 0]

    def kind_of_past(self, index: int) -> int:
        """What the seed let happen to the SIM in the 30 days before the epoch."""
        return self.past[index] if index < self.size else NO_PAST

    def recent(self, bits: int) -> int:
        """The moment of the SIM's event of the last 30 days."""
        return self.epoch - 600 - (bits >> 52) * 620

    def times(self, index: int, bits: int) -> Times:
        """When the derived SIM was activated and stopped; both older than 30 days unless its past says so."""
        status, past = self.status(index), self.kind_of_past(index)
        recent = self.recent(bits)
        old = self.epoch - 31 * DAY - (bits >> 52) * 18_000
        if index == 0:
            return Times(catalog.SAMPLE_ACTIVATED, None, catalog.SAMPLE_ACTIVATED)
        if status == catalog.ACTIVATED:
            activated = recent if past == RECENT_STATUS else old
            return Times(activated, None, old if past == NO_PAST else recent)
        if status in (catalog.DEACTIVATED, catalog.RETIRED):
            stopped = recent if past == RECENT_STATUS else self.epoch - 31 * DAY - (bits >> 52 & 31) * DAY
            changed = recent if past == RECENT_PLAN and status == catalog.DEACTIVATED else stopped
            return Times(old - 100 * DAY, stopped, max(stopped, changed))
        moved = status == catalog.TEST_READY and past in (RECENT_STATUS, RECENT_PLAN)
        return Times(None, None, recent if moved else old)

    def is_silent(self, index: int, bits: int) -> bool:
        """Whether the device has not been seen for a long time, though its SIM may be active (about 4 %)."""
        return index > 0 and bits & 0xFF < 10

    def rate(self, index: int, bits: int) -> int:
        """Bytes used per hour while active: about 8 % go over their quota by the end of a cycle."""
        share = bits & 0xFF
        if self.is_silent(index, bits):
            return 0
        factor = max(0, share - 9) / 240 if share < 236 else 1.0 + (share - 235) / 25
        return int(self.plan(index).data_quota * factor / 720)

    @staticmethod
    def hours(bits: int, start: float, end: float) -> int:
        """Usage records cut between two moments: one an hour, at a minute and second of the SIM's own."""
        offset = (bits >> 40 & 0xFFF) * HOUR >> 12
        return max(0, int((end - offset) // HOUR) - int((start - offset) // HOUR))

    @staticmethod
    def busy(bits: int, start: float, end: float) -> int:
        """:meth:`hours`, each with the share of the rate that the device's habits give it, in 256ths."""
        offset = (bits >> 40 & 0xFFF) * HOUR >> 12
        sums = _HABIT_SUMS[bits >> 60 & _HABITS - 1]
        weeks, hour = divmod(int((end - offset) // HOUR), _WEEKS)
        weeks_before, hour_before = divmod(int((start - offset) // HOUR), _WEEKS)
        return max(0, (weeks - weeks_before) * sums[-1] + sums[hour] - sums[hour_before])

    def last_record(self, bits: int, now: float) -> int:
        """The moment of the latest usage record."""
        offset = (bits >> 40 & 0xFFF) * HOUR >> 12
        return int((now - offset) // HOUR) * HOUR + offset

    def is_offline(self, index: int, bits: int) -> bool:
        """Whether the device of an active SIM went quiet some hours before the epoch (about 6 %)."""
        return index > 0 and bits >> 32 & 0xF == 0

    def last_seen(self, index: int, bits: int, now: float) -> int:
        """The latest session of a derived active device that is not silent."""
        if self.is_offline(index, bits):
            return self.last_record(bits, self.epoch - (1 + (bits >> 36 & 0xF)) * 7 * HOUR)
        return self.last_record(bits, now)

    def usage(
        self,
        index: int,
        bits: int,
        now: float,
        over: Mapping[str, Any] = NOTHING,
        times: Times | None = None,
    ) -> int:
        """Bytes used in the billing cycle that holds ``now``: a pure function of time and the SIM's changes."""
        start, _ = cycle_of(now)
        rate = self.rate(index, bits)
        spike_cycle, spike = over.get("spike", (0, 0))
        extra = spike if spike_cycle == start else 0
        if "use" in over:
            base, base_cycle, since = over["use"]
            used = extra + (base if base_cycle == start else 0)
            return used if since is None else used + (rate * self.busy(bits, max(since, start), now) >> 8)
        times = times or self.times(index, bits)
        if times.activated is None:
            return extra
        until = times.stopped if times.stopped is not None else now
        if times.stopped is None and self.is_offline(index, bits):
            until = self.last_seen(index, bits, now)
        return extra + (rate * self.busy(bits, max(times.activated, start), min(until, now)) >> 8)

    def imsi(self, index: int) -> str:
        """Fifteen digits: 460 01 and a number that no other SIM has."""
        if index == 0:
            return "460011234567890"
        return f"46001{5_000_000_000 + (index * 2_654_435_769 + self._salt) % _IMSI_SPACE}"

    def msisdn(self, index: int) -> str:
        """Thirteen digits: 86145 and a number that no other SIM has."""
        if index == 0:
            return "8614500000040"
        return f"86145{10_000_000 + (index * 40_503_001 + self._salt) % _MSISDN_SPACE}"

    def imei(self, index: int, bits: int, generation: int = 0) -> str:
        """A valid IMEI; another ``generation`` is another device for the same SIM."""
        if index == 0 and generation == 0:
            return "353270091234567"
        tac = catalog.TACS[(bits >> 8 & 7) - generation & 7]
        payload = tac * 1_000_000 + (index * 7919 + self._salt + generation * 104_729) % 1_000_000
        return f"{payload}{luhn_check(payload)}"

    def network(self, index: int, bits: int) -> tuple[str, str, str]:
        """Country code, network code and radio type of the SIM's sessions."""
        if index == 0:
            return "DE", "26201", "LTE"
        country, network, _ = catalog.NETWORKS[self._networks[bits >> 16 & 0xFF]]
        return country, network, catalog.RATS[bits >> 24 & 7]

    def custom_fields(self, index: int, bits: int) -> dict[str, str]:
        """Customer reference, site and device kind on about two thirds of the fleet."""
        if index == 0:
            return {"custom1": "CR-100040", "custom2": "Hamburg 1"}
        flavour = bits >> 27 & 0x1F
        if flavour < 10:
            return {}
        fields = {"custom1": f"CR-{100_000 + bits % 899_981}"}
        if flavour > 13:
            fields["custom2"] = f"{catalog.SITES[bits >> 33 & 7]} {1 + (bits >> 20 & 31)}"
        if flavour > 22:
            fields["custom3"] = catalog.DEVICES[bits >> 11 & 7]
        if flavour > 28:
            fields["custom4"] = f"contract {2019 + (bits >> 14 & 7)}"
        return fields

    def apns(self, index: int, bits: int) -> dict[str, str]:
        """APN to status; two APNs on about 8 % of the SIMs, some disabled."""
        apns = {catalog.APN: "DISABLED" if index and bits >> 34 & 0x1F == 0 else "ENABLED"}
        if index and bits >> 5 & 0xF == 0:
            apns[catalog.SECOND_APN] = "ENABLED" if bits >> 9 & 1 else "DISABLED"
        return apns

    def subscriptions(self, index: int, bits: int) -> list[dict[str, Any]]:
        """Supplementary plans that the seed has bought: recent purchases and a few yearly ones."""
        past = self.kind_of_past(index)
        if index == 0 or (past != PURCHASE and bits >> 44 & 0x3F):
            return []
        if self.status(index) not in (catalog.ACTIVATED, catalog.DEACTIVATED):
            return []
        if past == PURCHASE:
            return [self._subscription(index, catalog.EXTRA_PLANS[bits >> 13 & 1], self.recent(bits))]
        if past == NO_PAST:
            return [self._subscription(index, catalog.EXTRA_PLANS[3], self.times(index, bits).changed)]
        return []

    @staticmethod
    def _subscription(index: int, plan: catalog.Plan, activated: int) -> dict[str, Any]:
        return {"id": f"sub-{index}-0", "code": plan.code, "activated": activated}


def subscription_ends(entry: Mapping[str, Any]) -> int:
    """When a supplementary subscription expires."""
    return int(entry["activated"]) + (catalog.PLANS[entry["code"]].validity_days or 30) * DAY


def subscription_wire(entry: Mapping[str, Any], used: int, now: float) -> dict[str, Any]:
    """The JSON object of a supplementary subscription of which ``used`` bytes were asked for."""
    plan = catalog.PLANS[entry["code"]]
    ends = subscription_ends(entry)
    return {
        "subscriptionId": entry["id"],
        "code": plan.code,
        "name": plan.name,
        "status": "ACTIVE" if now < ends else "EXPIRED",
        "activatedTime": format_time(entry["activated"]),
        "expiredTime": format_time(ends),
        "dataUsage": min(plan.data_quota, used),
        "dataQuota": plan.data_quota,
    }
