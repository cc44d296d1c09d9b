"""Change-log entries of the 30 days before the epoch, derived so that they agree with each SIM's present state."""

from collections.abc import Iterator

from simulator import catalog
from simulator import fleet as past
from simulator.clock import DAY, HISTORY_DAYS
from simulator.fleet import HOUR, Fleet
from simulator.sims import imei_of

LOCAL_STATUS, SERVICE_PACKAGE, IMEI_CHANGE = "LOCAL_STATUS", "SERVICE_PACKAGE", "IMEI_CHANGE"

# giccid, account, type, original, target, Unix time, result
Entry = tuple[str, str, str, str, str, int, str]


def _steps(fleet: Fleet, index: int) -> list[tuple[int, str, str, str, str]]:
    """Time, type, original, target and result of each event in the SIM's recent past."""
    bits, status, kind = fleet.bits(index), fleet.status(index), fleet.kind_of_past(index)
    recent = fleet.recent(bits)
    active = status == catalog.ACTIVATED
    if kind == past.RECENT_STATUS and status != catalog.INVENTORY:
        before = {
            catalog.TEST_READY: catalog.INVENTORY,
            catalog.ACTIVATED: catalog.STATUSES[bits & 1],
            catalog.DEACTIVATED: catalog.ACTIVATED,
            catalog.RETIRED: catalog.DEACTIVATED,
        }[status]
        steps = [(recent, LOCAL_STATUS, before, status, "SUCCESS")]
        if status == catalog.RETIRED:
            steps.append((recent - DAY, LOCAL_STATUS, catalog.ACTIVATED, catalog.DEACTIVATED, "SUCCESS"))
        return steps
    if kind == past.RECENT_PLAN and status in (catalog.TEST_READY, catalog.ACTIVATED, catalog.DEACTIVATED):
        now = catalog.BASIC_PLANS.index(fleet.plan(index))
        before = catalog.BASIC_PLANS[(now + 1 + (bits & 7)) % len(catalog.BASIC_PLANS)].code
        return [(recent, SERVICE_PACKAGE, before, fleet.plan(index).code, "SUCCESS")]
    if kind == past.RECENT_IMEI and active:
        imei = imei_of(fleet, index, bits, past.NOTHING)
        return [(recent, IMEI_CHANGE, fleet.imei(index, bits, 1), imei, "SUCCESS")] if imei else []
    if kind == past.PAUSED_ONCE and active:
        return [
            (recent - 6 * HOUR, LOCAL_STATUS, catalog.ACTIVATED, catalog.DEACTIVATED, "SUCCESS"),
            (recent, LOCAL_STATUS, catalog.DEACTIVATED, catalog.ACTIVATED, "SUCCESS"),
        ]
    if kind == past.FAILED_CHANGE and active:
        return [(recent, LOCAL_STATUS, catalog.ACTIVATED, catalog.DEACTIVATED, "FAILED")]
    if kind == past.PURCHASE:
        return [
            (entry["activated"], SERVICE_PACKAGE, "", entry["code"], "SUCCESS")
            for entry in fleet.subscriptions(index, bits)
        ]
    return []


def seeded_history(fleet: Fleet) -> Iterator[Entry]:
    """All derived entries, in the order of the fleet (not of time: the contract promises no order)."""
    oldest = fleet.epoch - HISTORY_DAYS * DAY
    for index, kind in enumerate(fleet.past):
        if kind == past.NO_PAST:
            continue
        for when, type_, original, target, status in _steps(fleet, index):
            if when >= oldest:
                account = fleet.account(index)
                yield fleet.giccid(index), account, type_, original, target, when, status
