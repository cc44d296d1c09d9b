"""The contract's paths over HTTP: key, log, faults, and under the carrier's lock what the call does.

Every path is served with and without ``/v1``, because a base URL is taken literally.
"""

import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from flask import Flask, Response, request

from simulator import server
from simulator.errors import Refused, bad_request, error_body
from simulator.faults import WRITES, Faults, Rule
from simulator.jobs import Jobs
from simulator.messages import Messages
from simulator.reports import Reports
from simulator.rules import Call, SimCalls
from simulator.state import Carrier, Source

Action = Callable[..., dict[str, Any]]
HTML = "<!DOCTYPE html><html><head><title>Gateway</title></head><body><h1>Please try again later</h1></body></html>"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One call of the contract."""

    name: str
    method: str
    path: str
    action: Action


def json_response(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON answer without blanks: pages are large."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return Response(text, status, headers, content_type="application/json")


def endpoints(sims: SimCalls, jobs: Jobs, messages: Messages, reports: Reports) -> list[Endpoint]:
    """All calls of the contract."""
    sim, batch = "/global-sims/<giccid>", "/batchJobs/global-sims"
    table: list[tuple[str, str, str, Action]] = [
        ("get_root", "GET", "/", reports.get_root),
        ("get_sim", "GET", sim, sims.get_sim),
        ("list_sims", "GET", "/global-sims", sims.list_sims),
        ("list_change_logs", "GET", "/global-sims/changeLogs", sims.list_change_logs),
        ("get_custom_fields", "GET", f"{sim}/custom-field", sims.get_custom_fields),
        ("set_custom_fields", "PUT", f"{sim}/custom-field", sims.set_custom_fields),
        ("activate", "POST", f"{sim}/activate", sims.activate),
        ("deactivate", "POST", f"{sim}/deactivate", sims.deactivate),
        ("retire", "POST", f"{sim}/retire", sims.retire),
        ("change_plan", "PUT", f"{sim}/servicePackage", sims.change_plan),
        ("add_plan", "POST", f"{sim}/servicePackages", sims.add_plan),
        ("set_apn", "PUT", f"{sim}/apnStatus", sims.set_apn),
        ("submit_batch_activate", "POST", f"{batch}/activate", partial(jobs.submit, type_="ACTIVATE")),
        ("submit_batch_deactivate", "POST", f"{batch}/deactivate", partial(jobs.submit, type_="DEACTIVATE")),
        ("submit_batch_retire", "POST", f"{batch}/retire", partial(jobs.submit, type_="RETIRE")),
        (
            "submit_batch_change_plan",
            "POST",
            f"{batch}/servicePackage",
            partial(jobs.submit, type_="SERVICE_PACKAGE"),
        ),
        ("get_batch_job", "GET", "/batchJobs/<number>", jobs.get),
        ("send_sms", "POST", "/mt-sms", messages.send),
        ("get_sms", "GET", "/mt-sms/<number>", messages.get),
        ("get_enterprise", "GET", "/enterprise", reports.get_enterprise),
        ("get_account", "GET", "/account/<name>", reports.get_account),
        ("list_plans", "GET", "/<name>/servicePackages", reports.list_plans),
        ("list_pools", "GET", "/share-pools", reports.list_pools),
        ("country_statistics", "GET", "/global-sims/statistics/countries", reports.country_statistics),
    ]
    return [Endpoint(name, method, path, action) for name, method, path, action in table]


class Gate:
    """What every call passes through."""

    def __init__(self, carrier: Carrier, faults: Faults) -> None:
        self.carrier, self.faults = carrier, faults
        self._key = carrier.settings.api_key.encode()
        self.last_call = carrier.store.one("SELECT max(id) FROM calls") or 0
        # Calls up to this one came before the last reset: they are not logged any more.
        self.forgotten = 0
        carrier.on_reset.append(self._reset)

    def _reset(self) -> None:
        self.forgotten = self.last_call

    def handle(self, endpoint: Endpoint, **path: str) -> Response:
        """Answer one call, with what the faults make of it, and log it."""
        body, readable = self._body()
        giccids = self._giccids(path, body)
        number = self._open_log(endpoint, giccids)
        outage = self.faults.outage()
        hit: list[Rule] = []
        if outage == "refuse":
            response = self._on_wire(server.RESET)
        elif outage:
            response = json_response(error_body(503), 503)
        elif not hmac.compare_digest(request.headers.get("X-API-Key", "").encode(), self._key):
            response = json_response(error_body(401), 401)
        else:
            hit = self.faults.draw(endpoint.name, giccids)
            call = Call(request.args.to_dict(flat=False), body, Source("call", number))
            response = self._with_faults(hit, lambda: self._act(endpoint, call, readable, path))
        self._close_log(number, endpoint, giccids, response, [rule.kind for rule in hit], outage)
        return response

    def _body(self) -> tuple[Any, bool]:
        """The JSON body, and whether it could be read; no body at all is readable and None."""
        raw = request.get_data()
        if not raw.strip():
            return None, True
        try:
            body = json.loads(raw)
            # Half a surrogate pair is valid JSON by its letter, but no text that could be stored or answered.
            json.dumps(body, ensure_ascii=False).encode()
        except (ValueError, RecursionError):
            return None, False
        return body, True

    def _giccids(self, path: dict[str, str], body: Any) -> list[str]:
        """The SIMs that a call is about."""
        if "giccid" in path:
            return [path["giccid"]]
        if request.args.getlist("giccid"):
            return request.args.getlist("giccid")
        if isinstance(body, dict):
            many = body.get("giccids")
            one = body.get("toGiccid")
            return many if isinstance(many, list) else [one] if isinstance(one, str) else []
        return []

    def _act(self, endpoint: Endpoint, call: Call, readable: bool, path: dict[str, str]) -> Response:
        """Do what the call asks for. The lock makes its check and its change one step."""
        try:
            if not readable:
                raise bad_request()
            with self.carrier.lock:
                if self.carrier.closed:
                    raise Refused(503)
                self.carrier.settle()
                body = endpoint.action(call, **path)
                if self.carrier.changed or endpoint.name in WRITES:
                    self.carrier.commit()
        except Refused as refusal:
            return json_response(refusal.body, refusal.status)
        return json_response(body)

    def _with_faults(self, hit: list[Rule], act: Callable[[], Response]) -> Response:
        for rule in hit:
            if rule.kind == "latency":
                self.faults.wait(rule.seconds)
        spoiler = next((rule for rule in hit if rule.kind != "latency"), None)
        if spoiler is None:
            return act()
        response = Response() if spoiler.before else act()
        return self._spoiled(spoiler, response)

    def _spoiled(self, rule: Rule, response: Response) -> Response:
        """The answer as the fault leaves it."""
        if rule.kind == "hang":
            self.faults.wait(rule.seconds)
            return self._on_wire(server.CLOSE)
        if rule.kind in ("reset", "lost_answer"):
            return self._on_wire(server.RESET if rule.kind == "reset" else server.CLOSE)
        if rule.kind == "cut_body":
            request.environ["simulator.wire"] = server.CUT
            return response if response.get_data() else json_response({"giccid": "cut in the middle"})
        if rule.kind == "bad_json":
            return Response('{"giccid": "8986', response.status_code, content_type="application/json")
        if rule.kind == "wrong_type":
            return json_response(["unexpected", 42])
        if rule.kind == "html":
            return Response(HTML, rule.status, content_type="text/html; charset=utf-8")
        if rule.kind == "redirect":
            return Response(status=rule.status, headers={"Location": rule.location or self._other_path()})
        headers = {} if rule.retry_after is None else {"Retry-After": f"{rule.retry_after:g}"}
        errors = [{"resource": "globalSim", "field": "giccid", "code": rule.code}] if rule.code else None
        return json_response(error_body(rule.status, errors=errors), rule.status, headers)

    def _other_path(self) -> str:
        """The same call under the other prefix."""
        path = request.full_path.rstrip("?")
        return path[3:] if path.startswith("/v1/") else f"/v1{path}"

    def _on_wire(self, what: str) -> Response:
        request.environ["simulator.wire"] = what
        return Response()

    def _open_log(self, endpoint: Endpoint, giccids: list[str]) -> int:
        """Number a call; one that writes is logged before anything happens, so that no change lacks its call."""
        with self.carrier.lock:
            self.last_call += 1
            if endpoint.name in WRITES:
                self._log(self.last_call, endpoint, giccids, None, None)
            if self.last_call % 5000 == 0 and not self.carrier.closed:
                self.carrier.store.trim()
            return self.last_call

    def _log(self, number: int, endpoint: Endpoint, giccids: list[str], status: str | None, fault: str | None) -> None:
        if self.carrier.closed or number <= self.forgotten:
            return
        path = request.path[3:] if request.path.startswith("/v1/") else request.path
        giccid = giccids[0] if len(giccids) == 1 and isinstance(giccids[0], str) else None
        row = (number, self.carrier.clock.now(), endpoint.name, endpoint.method, path, giccid, status, fault)
        self.carrier.store.write("INSERT OR REPLACE INTO calls VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)

    def _close_log(
        self,
        number: int,
        endpoint: Endpoint,
        giccids: list[str],
        response: Response,
        kinds: list[str],
        outage: str | None,
    ) -> None:
        fault = "outage" if outage else ",".join(kinds) or None
        status = str(response.status_code)
        if request.environ.get("simulator.wire") in (server.RESET, server.CLOSE):
            status = "lost"
        with self.carrier.lock:
            self._log(number, endpoint, giccids, status, fault)


def build_api(gate: Gate, calls: list[Endpoint]) -> Flask:
    """The Flask application with the contract's paths."""
    app = Flask("simulator", static_folder=None)
    app.url_map.strict_slashes = False
    for endpoint in calls:
        for prefix in ("", "/v1"):
            path = prefix + endpoint.path
            name = f"{prefix}{endpoint.name}".lstrip("/").replace("/", "_")
            view = partial(gate.handle, endpoint)
            app.add_url_rule(path, name, view, methods=[endpoint.method], provide_automatic_options=False)
    app.register_error_handler(404, lambda error: json_response(error_body(404), 404))
    app.register_error_handler(405, lambda error: json_response(error_body(405), 405))
    app.register_error_handler(500, lambda error: json_response(error_body(500), 500))
    return app
