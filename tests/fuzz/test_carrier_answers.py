"""Answers of the carrier with fields lost, of other types, huge or cut: read as far as they go, shown as they are."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction
from hypothesis import strategies as st

from operations.models import BatchJob, Operation
from operations.tests.helpers import make_due
from operations.tests.job_helpers import make_all_due, running_job, turn
from sims import tasks as sim_tasks
from sims.models import Sim, SyncRun
from sims.services import sync
from smarthub.exchange import Answer, ExchangeFailed, Exchanger
from tests.fuzz import cases, inputs

pytestmark = pytest.mark.django_db

FINAL = ("done", "failed", "needs_attention", "queued", "accepted", "unknown", "expired")
FIELDS = 50
"""At most, of one thing in an answer: each is tried lost and with other types."""
VALUES: list[Any] = [
    *inputs.HOSTILE,
    None,
    True,
    [],
    {},
    10**30,
    -1,
    1.5,
    [[[]]],
    {"a": "b"},
    "2026-11-01T00:00:00+0000",
    0,
]


def _spots(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something stands in a JSON value."""
    yield path
    for key, inner in (
        value.items() if isinstance(value, dict) else enumerate(value[:3] if isinstance(value, list) else [])
    ):
        yield from _spots(inner, (*path, key))


class Mangled:
    """Stands between the portal and the carrier, whose answers come out as ``plan`` says."""

    def __init__(self, send: Any) -> None:
        self.send, self.at = send, 0
        self.kept: dict[Any, Answer] = {}
        self.plan: list[Any] = []

    def __call__(self, exchanger: Any, method: str, url: str, **more: Any) -> Answer:
        key = (method, url.partition("?")[0], url if "page=" in url else "")
        if key not in self.kept:
            self.kept[key] = self.send(exchanger, method, url, **more)
        answer = self.kept[key]
        if not self.plan:
            return answer
        where, what, how = self.plan[self.at % len(self.plan)]
        self.at += 1
        return _mangled(answer, where, what, how)


def _mangled(answer: Answer, where: int, what: Any, how: str) -> Answer:
    if how in ("reset", "timeout", "cut_body", "too_large"):
        raise ExchangeFailed(how, sent=True, status=200 if how == "cut_body" else None)
    if how == "bytes":
        return Answer(answer.status, {"Content-Type": "text/html"}, b"\xff" + answer.body[: where % 200])
    if how == "status":
        return Answer(
            [200, 204, 206, 302, 400, 404, 418, 422, 429, 500, 599][where % 11],
            {"Location": "//x/", "Retry-After": "9" * 400},
            answer.body,
        )
    try:
        value = json.loads(answer.body)
    except ValueError:  # the simulator's to an address that the spoilt answer before led to
        return answer
    spots = list(_spots(value))
    spot = spots[where % len(spots)]
    if not spot:
        value = what
    else:
        holder = value
        for key in spot[:-1]:
            holder = holder[key]
        if how == "lost":
            del holder[spot[-1]]
        else:
            holder[spot[-1]] = [what] * 50 if how == "many" else what
    return Answer(answer.status, answer.headers, json.dumps(value).encode())


@pytest.fixture
def mangled(monkeypatch: Any) -> Mangled:
    found = Mangled(Exchanger.send)
    monkeypatch.setattr(Exchanger, "send", lambda *args, **more: found(*args, **more))
    return found


def test_the_mirror_and_its_pages_take_whatever_the_carrier_says(
    simulator, mirrored, plans, ask, login, administrator, mangled
):
    sims = [mirrored(simulator.pick(status="ACTIVATED", account="example_account", n=n)) for n in range(3)]
    plans("example_account")
    reader, told = login(administrator), Counter[str]()
    giccid = sims[0].giccid

    def look() -> None:
        for path in (f"/sims/{giccid}/", "/sims/", "/sync/", "/plans/", "/pools/", "/accounts/"):
            answer = reader.get(path)
            assert answer.status_code == 200, path
            assert inputs.MARKER.encode() not in answer.content, path

    def operate(kind: str) -> None:
        operation = ask(sims[1], kind)
        for _ in range(3):
            make_due(operation)
            from operations import tasks

            tasks.run_operation(operation.pk)
        operation.refresh_from_db()
        assert operation.state in FINAL, operation.state
        assert reader.get(f"/operations/{operation.pk}/").status_code in (200, 286)

    def job() -> None:
        made: BatchJob = running_job(kind="suspend", sims=sims[1:], actor=administrator, params={})
        for _ in range(4):
            make_all_due(made)
            turn(made)
        page = reader.get(f"/jobs/{made.pk}/")
        assert page.status_code == 200
        assert inputs.MARKER.encode() not in page.content
        assert Operation.objects.filter(job=made).exclude(state__in=(*FINAL, "sending")).count() == 0

    acts = {
        "SIM": lambda: sim_tasks.refresh_sim(giccid),
        "walk": lambda: sync.run(SyncRun.Kind.FULL, trigger="schedule"),
        "changes": lambda: sync.run(SyncRun.Kind.CHANGES, trigger="schedule"),
        "reference": lambda: sync.run(SyncRun.Kind.REFERENCE, trigger="schedule"),
        "statistics": lambda: sim_tasks.read_statistics(),
        "suspend": lambda: operate("suspend"),
        "add_plan": lambda: operate("add_plan"),
        "set_custom_fields": lambda: operate("set_custom_fields"),
        "job": job,
    }

    def case(given: tuple[str, list[tuple[int, Any, str]]]) -> None:
        act, plan = given
        told[act] += 1
        with transaction.atomic():
            mangled.plan, mangled.at = plan, 0
            acts[act]()
            mangled.plan = []
            look()
            assert Sim.objects.filter(giccid=giccid).exists()
            transaction.set_rollback(True)

    hows = ["put"] * 6 + ["lost", "many", "bytes", "status", "reset", "timeout", "cut_body", "too_large"]
    change = st.tuples(st.integers(0, 400), st.sampled_from(VALUES) | inputs.anything, st.sampled_from(hows))
    others: tuple[Any, ...] = (None, 0, {}, inputs.MARKER)
    each_field = [
        (act, [(where, what, "lost" if what is inputs.MARKER else "put")])
        for act in ("SIM", "changes", "reference")
        for where in range(1, FIELDS)
        for what in others
    ]
    strategy = st.tuples(st.sampled_from(sorted(acts)), st.lists(change, min_size=1, max_size=3))
    cases.run(case, strategy, few=8, share=0.2, first=each_field)
    cases.told("Answers of the carrier", told)
