"""The control API under ``/_simulator/``: no key, loopback only. Sets faults, and reads what really happened."""

import dataclasses
import ipaddress
import json
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, request

from simulator import catalog, patch
from simulator.api import Gate, json_response
from simulator.changes import Changes
from simulator.clock import format_time, parse_time
from simulator.faults import Faults, parse_rule
from simulator.jobs import JobFaults, Jobs
from simulator.life import Life
from simulator.messages import OUTCOMES, Messages
from simulator.pushes import Outbox, PushFaults
from simulator.state import Carrier

PREFIX = "/_simulator"
LOG_LIMIT = 1000
EXAMPLES = 10
HELP = {
    "GET /": "this list",
    "GET /ready": "200 when it serves",
    "GET /fleet": "accounts, counts by state, example SIMs, plans, pools, the clock",
    "GET /sims/<giccid>": "the SIM object as it would be answered",
    "PATCH /sims/<giccid>": "a change made by somebody else: status, imei, plan, add_plan, custom1-5, apns, "
    "accountName, imsi, msisdn, sharePoolCode, session, dataUsage, addUsage, extra, drop, log, push",
    "POST /sims": "add a SIM: giccid, accountName, status and the fields of PATCH",
    "DELETE /sims/<giccid>": "the carrier forgets a SIM",
    "GET|POST|DELETE /faults, DELETE /faults/<id>": "call, kind, probability, count, seconds, status, "
    "retry_after, location, giccid, code, before",
    "GET|POST|DELETE /outage": "seconds, mode refuse or error",
    "GET|POST|DELETE /jobs/faults": "half_fail, stall, forget (true or after), break",
    "GET|POST|DELETE /sms/faults": "outcome: DELIVERED, FAILED, UNKNOWN or PENDING",
    "GET|POST|DELETE /pushes/faults": "lost, duplicated, delayed, delay_seconds, out_of_order",
    "GET|PUT /push-target": "url, secret",
    "GET /pushes?giccid=&kind=&since=": "pushes with their outcome",
    "POST /pushes": "send any body",
    "POST /pushes/many": "bodies: a list of them",
    "POST /pushes/hurry": "what waits for its next try is tried now",
    "GET /calls?call=&giccid=&since=": "calls received, the newest last; since is an id or a time",
    "GET /changes?giccid=&what=&since=": "every real change of state; since is an id or a time",
    "GET|PUT /life": "events_per_hour, mo_sms",
    "GET /clock, POST /clock": "advance: seconds; speed: 0 stops it",
    "POST /reset": "back to the seed's state: no changes, faults or logs",
}


class Control:
    """Handlers of the control API."""

    def __init__(
        self,
        carrier: Carrier,
        changes: Changes,
        faults: Faults,
        outbox: Outbox,
        jobs: Jobs,
        messages: Messages,
        life: Life,
    ) -> None:
        self.carrier, self.changes, self.faults, self.outbox = carrier, changes, faults, outbox
        self.jobs, self.messages, self.life = jobs, messages, life

    def fleet(self) -> Response:
        """What there is to test with."""
        carrier = self.carrier
        with carrier.lock:
            accounts = []
            for name in carrier.accounts:
                counts = {status: carrier.count(name, status) for status in catalog.STATUSES}
                examples = {
                    status: [sim.giccid for sim in carrier.page(name, status, 0, EXAMPLES)[0]]
                    for status in catalog.STATUSES
                }
                total = sum(counts.values())
                accounts.append({"name": name, "total": total, "statuses": counts, "examples": examples})
            body = {
                "seed": carrier.settings.seed,
                "fleet": carrier.settings.fleet,
                "total": carrier.count(),
                "statuses": {status: carrier.count(None, status) for status in catalog.STATUSES},
                "accounts": accounts,
                "plans": [plan.wire() for plan in catalog.PLANS.values()],
                "pools": [dataclasses.asdict(pool) for pool in catalog.POOLS],
                "sample": catalog.SAMPLE_GICCID,
                "time": format_time(carrier.clock.now()),
            }
        return json_response(body)

    def get_sim(self, giccid: str) -> Response:
        """The true SIM object."""
        with self.carrier.lock:
            self.carrier.settle()
            found = self.carrier.find(giccid)
            return json_response(self.carrier.wire(found)) if found else _unknown(giccid)

    def patch_sim(self, giccid: str) -> Response:
        """Somebody else changes a SIM."""
        body = _object()
        patch.check(body)
        with self.carrier.lock:
            self.carrier.settle()
            found = self.carrier.find(giccid)
            if not found:
                return _unknown(giccid)
            found = patch.apply(self.carrier, self.changes, found, body)
            self.carrier.commit()
            return json_response(self.carrier.wire(found))

    def add_sim(self) -> Response:
        """A new SIM at the carrier."""
        body = _object()
        patch.check(body)
        giccid = str(body.get("giccid", ""))
        if not patch.GICCID.fullmatch(giccid):
            raise ValueError("giccid must be 19 or 20 digits")
        with self.carrier.lock:
            if self.carrier.find(giccid):
                return json_response({"error": f"{giccid} is there already"}, 409)
            account = body.get("accountName", catalog.ACCOUNTS[0])
            found = self.carrier.add(giccid, account, catalog.INVENTORY)
            found = patch.apply(self.carrier, self.changes, found, {"log": False, "push": False} | body)
            self.carrier.commit()
            return json_response(self.carrier.wire(found), 201)

    def delete_sim(self, giccid: str) -> Response:
        """The carrier forgets a SIM."""
        with self.carrier.lock:
            found = self.carrier.find(giccid)
            if not found:
                return _unknown(giccid)
            self.carrier.change(found, {"deleted": True})
            self.carrier.commit()
        return json_response({"deleted": giccid})

    def list_faults(self) -> Response:
        """All rules with their hits."""
        return json_response({"data": self.faults.rules()})

    def add_fault(self) -> Response:
        """Put a fault in force."""
        return json_response(dataclasses.asdict(self.faults.add(parse_rule(_object()))), 201)

    def clear_faults(self) -> Response:
        """Take all rules out of force."""
        for rule in self.faults.rules():
            self.faults.remove(rule["id"])
        return json_response({"data": []})

    def remove_fault(self, number: int) -> Response:
        """Take one rule out of force."""
        return json_response({"removed": number}) if self.faults.remove(number) else _unknown(str(number))

    def outage(self) -> Response:
        """Read, start or end an outage."""
        if request.method == "POST":
            body = _object()
            mode, seconds = body.get("mode", "refuse"), _number(body, "seconds", 10)
            if mode not in ("refuse", "error"):
                raise ValueError("mode must be refuse or error")
            self.faults.start_outage(seconds, mode)
        elif request.method == "DELETE":
            self.faults.end_outage()
        return json_response({"mode": self.faults.outage()})

    def job_faults(self) -> Response:
        """Read, set or clear what goes wrong with jobs submitted from now on."""
        with self.carrier.lock:
            if request.method == "DELETE":
                self.jobs.faults = JobFaults()
            elif request.method == "POST":
                body = _object()
                forget = body.get("forget", False)
                if forget not in (True, False, "after"):
                    raise ValueError("forget must be true, false or after")
                self.jobs.faults = JobFaults(
                    half_fail=_number(body, "half_fail", 0, 1),
                    stall=bool(body.get("stall")),
                    forget=forget,
                    break_=bool(body.get("break")),
                )
            return json_response(self.jobs.faults.wire())

    def sms_faults(self) -> Response:
        """Read, set or clear the outcome of all messages that are on their way."""
        with self.carrier.lock:
            if request.method == "DELETE":
                self.messages.outcome = None
            elif request.method == "POST":
                outcome = _object().get("outcome")
                if outcome not in (None, *OUTCOMES):
                    raise ValueError(f"outcome must be one of {', '.join(OUTCOMES)}")
                self.messages.outcome = outcome
            return json_response({"outcome": self.messages.outcome})

    def push_faults(self) -> Response:
        """Read, set or clear what happens to pushes queued from now on."""
        with self.carrier.lock:
            if request.method == "DELETE":
                self.outbox.faults = PushFaults()
            elif request.method == "POST":
                body = _object()
                shares = {n: _number(body, n, 0, 1) for n in ("lost", "duplicated", "delayed", "out_of_order")}
                delay = _number(body, "delay_seconds", 5)
                self.outbox.faults = PushFaults(**shares, delay_seconds=delay)
            return json_response(self.outbox.describe_faults())

    def push_target(self) -> Response:
        """Read or set where pushes go. The secret is never shown."""
        with self.carrier.lock:
            if request.method == "PUT":
                body = _object()
                self.outbox.set_target(body.get("url"), body.get("secret"))
                self.carrier.commit()
            url, secret = self.outbox.target()
        return json_response({"url": url, "has_secret": bool(secret)})

    def send_push(self) -> Response:
        """Send any body as a push."""
        try:
            body = json.loads(request.get_data())
        except ValueError:
            body = {"raw": request.get_data(as_text=True)}
        kind = str(body.get("eventType") or "") if isinstance(body, dict) else ""
        with self.carrier.lock:
            number = self.outbox.queue_body(body, kind)
            self.carrier.commit()
        return json_response({"id": number}, 201)

    def send_many_pushes(self) -> Response:
        """Send each of many bodies as a push."""
        bodies = _object().get("bodies")
        if not isinstance(bodies, list):
            raise ValueError("bodies must be a list")
        with self.carrier.lock:
            for body in bodies:
                self.outbox.queue_body(body)
            self.carrier.commit()
        return json_response({"queued": len(bodies)}, 201)

    def hurry_pushes(self) -> Response:
        """Nothing waits for its next try any longer."""
        with self.carrier.lock:
            count = self.outbox.hurry()
            self.carrier.commit()
        return json_response({"pending": count})

    def pushes(self) -> Response:
        """The log of pushes."""
        names = ("id", "time", "kind", "giccid", "body", "state", "attempts", "answer")
        return self._log("pushes", names, ("giccid", "kind", "state"))

    def calls(self) -> Response:
        """The log of calls, the last 100,000."""
        names = ("id", "time", "call", "method", "path", "giccid", "status", "fault")
        return self._log("calls", names, ("call", "giccid", "status"))

    def changes_log(self) -> Response:
        """Every real change of state."""
        names = ("id", "time", "giccid", "what", "original", "target", "source", "call_id")
        return self._log("changes", names, ("giccid", "what", "source"))

    def _log(self, table: str, columns: tuple[str, ...], filters: tuple[str, ...]) -> Response:
        where: list[str] = ["1"]
        values: list[str | float] = []
        for name in filters:
            if request.args.get(name):
                where.append(f"{name} = ?")
                values.append(request.args[name])
        since = request.args.get("since")
        if since:
            where.append("id > ?" if since.isdigit() else "time >= ?")
            values.append(int(since) if since.isdigit() else parse_time(since))
        limit = min(int(request.args.get("limit", LOG_LIMIT)), 100_000)
        clause = " AND ".join(where)
        with self.carrier.lock:
            self.carrier.settle()
            total = self.carrier.store.one(f"SELECT count(*) FROM {table} WHERE {clause}", values)  # noqa: S608
            rows = self.carrier.store.rows(
                f"SELECT {', '.join(columns)} FROM {table} WHERE {clause} ORDER BY id DESC LIMIT ?",  # noqa: S608
                [*values, limit],
            )
        data = [_log_row(dict(zip(columns, row, strict=True))) for row in reversed(rows)]
        return json_response({"total": total, "data": data})

    def life_rate(self) -> Response:
        """Read or set how much happens by itself."""
        with self.carrier.lock:
            if request.method == "PUT":
                body = _object()
                rate = _number(body, "events_per_hour", 0) if "events_per_hour" in body else None
                self.life.set_rate(rate, bool(body["mo_sms"]) if "mo_sms" in body else None)
            return json_response({"events_per_hour": self.life.events_per_hour, "mo_sms": self.life.mo_sms})

    def clock(self) -> Response:
        """Read the simulated time, jump forward, or have it go at another speed."""
        with self.carrier.lock:
            if request.method == "POST":
                body = _object()
                self.carrier.clock.advance(_number(body, "advance", 0))
                if "speed" in body:
                    self.carrier.clock.run_at(_number(body, "speed", 1))
                self.carrier.settle()
                self.carrier.commit()
            now = self.carrier.clock.now()
        return json_response({"time": format_time(now), "unix": now, "speed": self.carrier.clock.speed})

    def reset(self) -> Response:
        """Back to the seed's state."""
        self.faults.clear()
        with self.carrier.lock:
            self.carrier.reset()
        return json_response({"reset": True})


def _log_row(row: dict[str, Any]) -> dict[str, Any]:
    """A log row as JSON: times as the carrier writes them, status codes as numbers."""
    row["unix"] = row["time"]
    row["time"] = format_time(row["time"])
    for name in ("original", "target", "body"):
        if name in row:
            row[name] = json.loads(row[name])
    for wire, name in (("from", "original"), ("to", "target"), ("by", "source")):
        if name in row:
            row[wire] = row.pop(name)
    if row.get("status") and str(row["status"]).isdigit():
        row["status"] = int(row["status"])
    return row


def _object() -> dict[str, Any]:
    body = request.get_json(force=True, silent=True)
    if not isinstance(body, dict):
        raise ValueError("the body must be a JSON object")
    return body


def _number(body: dict[str, Any], name: str, default: float, most: float = 1e10) -> float:
    value = body.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise ValueError(f"{name} must be a number from 0 to {most:g}")
    return value


def _unknown(what: str) -> Response:
    return json_response({"error": f"unknown: {what}"}, 404)


def _loopback_only() -> Response | None:
    if not ipaddress.ip_address(request.remote_addr or "0.0.0.0").is_loopback:  # noqa: S104 -- stands for "unknown"
        return json_response({"error": "the control API answers on loopback only"}, 403)
    return None


def build_control(control: Control, gate: Gate) -> Blueprint:
    """The blueprint with all control paths."""
    blueprint = Blueprint("control", __name__, url_prefix=PREFIX)
    blueprint.before_request(_loopback_only)
    blueprint.register_error_handler(ValueError, lambda error: json_response({"error": str(error)}, 422))
    routes: list[tuple[str, str, Callable[..., Response]]] = [
        ("GET", "/", lambda: json_response(HELP)),
        ("GET", "/ready", lambda: json_response({"ready": True, "calls": gate.last_call})),
        ("GET", "/fleet", control.fleet),
        ("GET", "/sims/<giccid>", control.get_sim),
        ("PATCH", "/sims/<giccid>", control.patch_sim),
        ("DELETE", "/sims/<giccid>", control.delete_sim),
        ("POST", "/sims", control.add_sim),
        ("GET", "/faults", control.list_faults),
        ("POST", "/faults", control.add_fault),
        ("DELETE", "/faults", control.clear_faults),
        ("DELETE", "/faults/<int:number>", control.remove_fault),
        ("GET POST DELETE", "/outage", control.outage),
        ("GET POST DELETE", "/jobs/faults", control.job_faults),
        ("GET POST DELETE", "/sms/faults", control.sms_faults),
        ("GET POST DELETE", "/pushes/faults", control.push_faults),
        ("GET PUT", "/push-target", control.push_target),
        ("GET", "/pushes", control.pushes),
        ("POST", "/pushes", control.send_push),
        ("POST", "/pushes/many", control.send_many_pushes),
        ("POST", "/pushes/hurry", control.hurry_pushes),
        ("GET", "/calls", control.calls),
        ("GET", "/changes", control.changes_log),
        ("GET PUT", "/life", control.life_rate),
        ("GET POST", "/clock", control.clock),
        ("POST", "/reset", control.reset),
    ]
    for n, (methods, path, view) in enumerate(routes):
        blueprint.add_url_rule(path, f"control_{n}", view, methods=methods.split())
    return blueprint
