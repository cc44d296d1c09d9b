"""What each call about SIMs does, with the contract's checks. Every function wants the carrier's lock held."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from simulator import catalog, sims
from simulator.changes import Changes
from simulator.clock import DAY, HISTORY_DAYS, format_time, parse_time
from simulator.errors import Refused, bad_request, illegal_status, invalid, missing
from simulator.fleet import subscription_wire
from simulator.state import Carrier, Found, Source

MAX_GICCID_FILTERS = 100
MAX_CUSTOM_FIELD = 100
DEFAULT_SIZE = 10
FEW_ROWS = 1000
ACTIVATE_FROM = (catalog.INVENTORY, catalog.TEST_READY, catalog.DEACTIVATED)
UNLOGGED = Source("call")
_WHOLE = re.compile(r"\d{1,12}", re.ASCII)


@dataclass(slots=True)
class Call:
    """A call as received: its query (each name with all its values), its body, and who it is in the log."""

    query: Mapping[str, list[str]] = field(default_factory=dict)
    body: Any = None
    source: Source = UNLOGGED

    def one(self, name: str) -> str | None:
        """The first value of a query parameter; None when it is absent or empty."""
        values = self.query.get(name)
        return values[0] if values and values[0] else None

    def object(self) -> dict[str, Any]:
        """The body, which has to be a JSON object: else 400 (documented)."""
        if not isinstance(self.body, dict):
            raise bad_request()
        return self.body

    def text(self, resource: str, name: str) -> str:
        """A mandatory text of the body: 422 ``missing_field`` without it, 400 when it is no text."""
        value = self.object().get(name)
        if value is None or value == "":
            raise invalid(resource, name, "missing_field")
        if not isinstance(value, str):
            raise bad_request(f"{name} should be a text")
        return value


def whole_number(call: Call, name: str, default: int, least: int) -> int:
    """A whole number of the query: 422 ``invalid`` when it is none or too small."""
    text = call.one(name)
    if text is None:
        return default
    if not _WHOLE.fullmatch(text) or int(text) < least:
        raise invalid("page", name)
    return int(text)


def paging(carrier: Carrier, call: Call) -> tuple[int, int]:
    """Page (from 0) and size; a size over the largest one is made smaller, which the answer reports."""
    page = whole_number(call, "page", 0, 0)
    size = whole_number(call, "size", DEFAULT_SIZE, 1)
    return page, min(size, carrier.settings.page_size_max)


def page_of(data: list[Any], page: int, size: int, total: int) -> dict[str, Any]:
    """The documented envelope of a page."""
    return {"data": data, "page": page, "size": size, "total": total}


def known(carrier: Carrier, giccid: str, field_name: str = "giccid") -> Found:
    """The SIM, else 404 ``missing``."""
    found = carrier.find(giccid)
    if found is None:
        raise missing("globalSim", field_name)
    return found


class SimCalls:
    """The calls about SIMs."""

    def __init__(self, carrier: Carrier, changes: Changes) -> None:
        self.carrier, self.changes = carrier, changes

    def get_sim(self, call: Call, giccid: str) -> dict[str, Any]:
        """One SIM."""
        return self.carrier.wire(known(self.carrier, giccid))

    def list_sims(self, call: Call) -> dict[str, Any]:
        """A page of SIMs in the order of their giccids as text."""
        carrier = self.carrier
        page, size = paging(carrier, call)
        account, status = call.one("accountName"), call.one("status")
        giccids = [giccid for giccid in call.query.get("giccid", []) if giccid]
        if len(giccids) > MAX_GICCID_FILTERS:
            raise invalid("globalSim", "giccid")
        if giccids:
            found = [sim for sim in map(carrier.find, sorted(set(giccids))) if sim]
            match = [
                sim
                for sim in found
                if account in (None, carrier.account(sim)) and status in (None, carrier.status(sim))
            ]
            chosen, total = match[page * size : (page + 1) * size], len(match)
        else:
            chosen, total = carrier.page(account, status, page * size, size)
        now = carrier.clock.now()
        data = [sims.sim_wire(carrier.fleet, sim.index, sim.over, now) for sim in chosen]
        return page_of(data, page, size, total)

    def list_change_logs(self, call: Call) -> dict[str, Any]:
        """A page of change-log entries of the last 30 days, in no promised order."""
        page, size = paging(self.carrier, call)
        start, end = self._time_range(call)
        where, values = "time >= ? AND time <= ?", [start, end]
        for name, column in (("accountName", "account"), ("giccid", "giccid"), ("type", "type")):
            text = call.one(name)
            if text is not None:
                where += f" AND {column} = ?"
                values.append(text)
        store = self.carrier.store
        total = store.one(f"SELECT count(*) FROM change_logs WHERE {where}", values)  # noqa: S608 -- fixed columns
        # Few rows are found by an index and sorted; many are read in their order until the page is full.
        plan = "change_logs" if total <= FEW_ROWS else "change_logs NOT INDEXED"
        rows = store.rows(
            f"SELECT giccid, type, original, target, time, status FROM {plan} WHERE {where}"  # noqa: S608
            " ORDER BY id LIMIT ? OFFSET ?",
            [*values, size, page * size],
        )
        names = ("giccid", "type", "original", "target", "createdTime", "status")
        data = [dict(zip(names, (*row[:4], format_time(row[4]), row[5]), strict=True)) for row in rows]
        return page_of(data, page, size, total)

    def _time_range(self, call: Call) -> tuple[Any, Any]:
        """First and last second asked for, both included. 422 ``invalid`` on ``startTime`` past 30 days."""
        now = int(self.carrier.clock.now())
        limits = {"startTime": now - HISTORY_DAYS * DAY, "endTime": now}
        for name in limits:
            text = call.one(name)
            if text is not None:
                try:
                    limits[name] = int(parse_time(text))
                except ValueError:
                    raise invalid("globalSim", name) from None
        start, end = limits["startTime"], limits["endTime"]
        if start < now - HISTORY_DAYS * DAY or end - start > HISTORY_DAYS * DAY:
            raise invalid("globalSim", "startTime")
        return start, end

    def get_custom_fields(self, call: Call, giccid: str) -> dict[str, Any]:
        """All five custom fields; an unset one is an empty text."""
        found = known(self.carrier, giccid)
        fleet = self.carrier.fleet
        present = sims.custom_of(fleet, found.index, fleet.bits(found.index), found.over)
        return {name: present.get(name, "") for name in sims.CUSTOM_FIELDS}

    def set_custom_fields(self, call: Call, giccid: str) -> dict[str, Any]:
        """Set those fields that the body has; nothing is set when one of them is bad."""
        found = known(self.carrier, giccid)
        body = call.object()
        fields = {name: body[name] for name in sims.CUSTOM_FIELDS if name in body}
        for name, text in fields.items():
            if not isinstance(text, str):
                raise bad_request(f"{name} should be a text")
        errors = [
            {"resource": "customFieldVO", "field": name, "code": "invalid"}
            for name, text in fields.items()
            if len(text) > MAX_CUSTOM_FIELD
        ]
        if errors:
            raise Refused(422, errors=errors)
        self.changes.set_custom_fields(found, fields, call.source)
        return {"giccid": giccid}

    def move(self, giccid: str, target: str, source: Source, when: float | None = None) -> None:
        """Activate, deactivate or retire where the SIM's state allows it, else ``illegal_status``."""
        found = known(self.carrier, giccid)
        allowed = {
            catalog.ACTIVATED: ACTIVATE_FROM,
            catalog.DEACTIVATED: (catalog.ACTIVATED,),
            catalog.RETIRED: (catalog.DEACTIVATED,),
        }[target]
        if self.carrier.status(found) not in allowed:
            raise illegal_status()
        self.changes.set_status(found, target, source, when=when)

    def activate(self, call: Call, giccid: str) -> dict[str, Any]:
        """From ``INVENTORY``, ``TEST_READY`` or ``DEACTIVATED``."""
        self.move(giccid, catalog.ACTIVATED, call.source)
        return {"giccid": giccid}

    def deactivate(self, call: Call, giccid: str) -> dict[str, Any]:
        """Suspend: from ``ACTIVATED``."""
        self.move(giccid, catalog.DEACTIVATED, call.source)
        return {"giccid": giccid}

    def retire(self, call: Call, giccid: str) -> dict[str, Any]:
        """Only from ``DEACTIVATED``; final."""
        self.move(giccid, catalog.RETIRED, call.source)
        return {"giccid": giccid}

    def not_retired(self, giccid: str) -> Found:
        """The SIM, unless it is retired: then ``illegal_status``."""
        found = known(self.carrier, giccid)
        if self.carrier.status(found) == catalog.RETIRED:
            raise illegal_status()
        return found

    def plan_change(self, call: Call) -> tuple[str, str]:
        """Code and effect of a change of the basic plan: 422 for an unknown one."""
        code = call.text("servicePackageVO", "servicePackageCode")
        effective = call.text("servicePackageVO", "effective")
        if code not in catalog.PLANS or catalog.PLANS[code].type != "BASIC":
            raise invalid("servicePackageVO", "servicePackageCode")
        if effective not in ("NOW", "NEXT_CYCLE"):
            raise invalid("servicePackageVO", "effective")
        return code, effective

    def apply_plan(self, giccid: str, code: str, effective: str, source: Source, when: float | None = None) -> None:
        """Set a basic plan; the one it has already is accepted and changes nothing."""
        found = self.not_retired(giccid)
        present = sims.plan_of(self.carrier.fleet, found.index, found.over).code
        planned = found.over.get("next", [None])[0]
        if effective == "NOW":
            if code != present:
                self.changes.set_plan(found, code, source, when=when)
        else:
            wanted = None if code == present else code
            if wanted != planned:
                self.changes.plan_next_cycle(found, wanted, source)

    def change_plan(self, call: Call, giccid: str) -> dict[str, Any]:
        """Change the basic rate plan, now or when the cycle turns."""
        known(self.carrier, giccid)
        code, effective = self.plan_change(call)
        self.apply_plan(giccid, code, effective, call.source)
        return {"giccid": giccid}

    def add_plan(self, call: Call, giccid: str) -> dict[str, Any]:
        """Buy a supplementary plan. Not idempotent: two calls are two purchases."""
        known(self.carrier, giccid)
        code = call.text("servicePackageVO", "servicePackageCode")
        if code not in catalog.PLANS or catalog.PLANS[code].type != "SUPPLEMENTARY":
            raise invalid("servicePackageVO", "servicePackageCode")
        found = self.not_retired(giccid)
        found, entry = self.changes.add_subscription(found, code, call.source)
        return subscription_wire(entry, 0, self.carrier.clock.now())

    def set_apn(self, call: Call, giccid: str) -> dict[str, Any]:
        """Enable or disable an APN of the SIM; the status it has already is accepted and changes nothing."""
        known(self.carrier, giccid)
        apn = call.text("apnStatusVO", "apn")
        status = call.text("apnStatusVO", "status")
        if status not in ("ENABLED", "DISABLED"):
            raise invalid("apnStatusVO", "status")
        found = self.not_retired(giccid)
        fleet = self.carrier.fleet
        apns = sims.apns_of(fleet, found.index, fleet.bits(found.index), found.over)
        if apn not in apns:
            raise invalid("apnStatusVO", "apn")
        if apns[apn] != status:
            self.changes.set_apn(found, apn, status, call.source)
        return {"giccid": giccid}
