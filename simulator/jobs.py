"""Batch jobs: the call only stores a job, its items are carried out as the simulated clock goes on."""

import json
import random
import uuid
from dataclasses import asdict, dataclass
from typing import Any

from simulator import catalog
from simulator.clock import format_time
from simulator.errors import Refused, bad_request, invalid, missing
from simulator.rules import Call, SimCalls, page_of, paging
from simulator.state import Carrier, Source

TARGETS = {
    "ACTIVATE": catalog.ACTIVATED,
    "DEACTIVATE": catalog.DEACTIVATED,
    "RETIRE": catalog.RETIRED,
}
PENDING_SECONDS = 1.0
ITEM_SECONDS = 0.05
RUN_SECONDS_MOST = 4.0
MESSAGES = {
    "missing": "The SIM does not exist",
    "illegal_status": "The SIM's status does not allow this",
    "internal_error": "The item could not be processed",
}


@dataclass
class JobFaults:
    """What goes wrong with jobs: ``forget`` is False, True (nothing is done) or "after" (all is done)."""

    half_fail: float = 0.0
    stall: bool = False
    forget: bool | str = False
    break_: bool = False

    def wire(self) -> dict[str, Any]:
        """As the control API writes it."""
        return {name.rstrip("_"): value for name, value in asdict(self).items()}


class Jobs:
    """The batch calls and the progress of their jobs. Every method wants the carrier's lock held."""

    def __init__(self, carrier: Carrier, calls: SimCalls) -> None:
        self.carrier, self.calls = carrier, calls
        self.faults = JobFaults()
        self._random = random.Random(carrier.settings.seed + 1)
        self._open: dict[str, dict[str, Any]] = {}
        self._load()
        carrier.on_settle.append(self.progress)
        carrier.on_reset.append(self._reset)

    def _load(self) -> None:
        rows = self.carrier.store.rows("SELECT id, body FROM jobs WHERE finished IS NULL ORDER BY rowid")
        self._open = {number: json.loads(body) for number, body in rows}

    def _reset(self) -> None:
        self.faults = JobFaults()
        self._load()

    def submit(self, call: Call, type_: str) -> dict[str, Any]:
        """Store a job; the SIMs change later (documented)."""
        giccids = call.object().get("giccids")
        if giccids is None:
            raise invalid("batchJobVO", "giccids", "missing_field")
        if not isinstance(giccids, list) or not all(isinstance(giccid, str) for giccid in giccids):
            raise bad_request("giccids should be a list of texts")
        if not 0 < len(giccids) <= self.carrier.settings.batch_max:
            raise invalid("batchJobVO", "giccids")
        job: dict[str, Any] = {"type": type_, "created": self.carrier.clock.now(), "total": len(giccids)}
        if type_ == "SERVICE_PACKAGE":
            job["plan"], job["effective"] = self.calls.plan_change(call)
        job |= {"done": 0, "succeeded": 0, "failed": 0, "call": call.source.call_id}
        job |= {"half_fail": self.faults.half_fail, "break": self.faults.break_, "forget": self.faults.forget}
        # Not by the seed: a simulator that was started again must not give an id twice.
        number = str(uuid.uuid4())
        if self.faults.forget is not True:
            self._open[number] = job
            self._save(number, job)
            self.carrier.store.write_many(
                "INSERT INTO job_items VALUES (?, ?, ?, 'PENDING', NULL)",
                ((number, n, giccid) for n, giccid in enumerate(giccids)),
            )
        return {"jobId": number}

    def _save(self, number: str, job: dict[str, Any]) -> None:
        sql = (
            "INSERT INTO jobs VALUES (?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET body = excluded.body, finished = excluded.finished"
        )
        self.carrier.store.write(sql, (number, json.dumps(job), job.get("finished")))

    def progress(self, now: float) -> None:
        """Carry out the items that are due."""
        if self.faults.stall:
            return
        for number, job in list(self._open.items()):
            step = min(ITEM_SECONDS, RUN_SECONDS_MOST / job["total"])
            start = job["created"] + PENDING_SECONDS
            due = min(job["total"], int((now - start) / step)) if now >= start else 0
            last = job["total"] // 2 if job["break"] else job["total"]
            if job["done"] < min(due, last):
                self._run(number, job, min(due, last), start, step)
            if job["done"] >= last and due >= last:
                job["finished"] = start + step * last
                self._save(number, job)
                del self._open[number]

    def _run(self, number: str, job: dict[str, Any], until: int, start: float, step: float) -> None:
        store = self.carrier.store
        items = store.rows(
            "SELECT n, giccid FROM job_items WHERE job_id = ? AND n >= ? AND n < ? ORDER BY n",
            (number, job["done"], until),
        )
        for n, giccid in items:
            code = self._item(job, giccid, start + step * (n + 1))
            status = "FAILED" if code else "SUCCESS"
            job["failed" if code else "succeeded"] += 1
            store.write(
                "UPDATE job_items SET status = ?, code = ? WHERE job_id = ? AND n = ?",
                (status, code, number, n),
            )
        job["done"] = until
        self._save(number, job)

    def _item(self, job: dict[str, Any], giccid: str, when: float) -> str | None:
        """Change one SIM; gives the code of what was in the way."""
        if self._random.random() < job["half_fail"]:
            return "internal_error"
        source = Source("job", job["call"])
        try:
            if job["type"] == "SERVICE_PACKAGE":
                self.calls.apply_plan(giccid, job["plan"], job["effective"], source, when)
            else:
                self.calls.move(giccid, TARGETS[job["type"]], source, when)
        except Refused as refusal:
            return refusal.code
        return None

    def get(self, call: Call, number: str) -> dict[str, Any]:
        """The job with a page of its items, in the order they were given."""
        page, size = paging(self.carrier, call)
        body = self.carrier.store.one("SELECT body FROM jobs WHERE id = ?", (number,))
        job = json.loads(body) if body else None
        if job is None or job["forget"]:
            raise missing("batchJob", "jobId")
        items = self.carrier.store.rows(
            "SELECT giccid, status, code FROM job_items WHERE job_id = ? ORDER BY n LIMIT ? OFFSET ?",
            (number, size, page * size),
        )
        data = []
        for giccid, status, code in items:
            item = {"giccid": giccid, "status": status}
            if code:
                item |= {"errorCode": code, "errorMessage": MESSAGES.get(code, code)}
            data.append(item)
        answer = {"jobId": number, "type": job["type"], "status": self._status(job)}
        answer |= {name: job[name] for name in ("total", "succeeded", "failed")}
        answer["createdTime"] = format_time(job["created"])
        if "finished" in job:
            answer["finishedTime"] = format_time(job["finished"])
        return answer | page_of(data, page, size, job["total"])

    def _status(self, job: dict[str, Any]) -> str:
        if "finished" in job:
            return "FAILED" if job["break"] else "COMPLETED"
        started = job["done"] or (
            not self.faults.stall and self.carrier.clock.now() >= job["created"] + PENDING_SECONDS
        )
        return "RUNNING" if started else "PENDING"
