"""Lists whose sizes and totals are missing or wrong, and records that only some calls can't be asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.utils import timezone

from sims.models import Account, RatePlan, Sim, SyncRun
from sims.services import sync, sync_runs
from sims.services.sync import End
from smarthub.tests.scripted_server import Connection, ScriptedServer, Step, problem, reply

pytestmark = pytest.mark.django_db

FULL = SyncRun.Kind.FULL
CAP = 7
ACCOUNTS = ["example_account"]

Shape = Callable[[dict[str, Any]], dict[str, Any]]


class OddCarrier:
    """Serves ``fleet`` in pages of 7, each of them bent by ``shape``."""

    def __init__(self, server: ScriptedServer) -> None:
        self.server = server
        self.fleet = {f"8986099900000000{i:04d}": "example_account" for i in range(30)}
        self.shape: Shape = lambda page: page
        self.special: dict[str, Step] = {}
        server.script(self._answer)

    def asked(self, path: str) -> int:
        """How often this path was asked for."""
        return sum(seen.target.partition("?")[0] == path for seen in self.server.seen)

    def _answer(self, connection: Connection) -> bool:
        parts = urlsplit(connection.request.target)
        return self._step(parts.path, parse_qs(parts.query))(connection)

    def _step(self, path: str, query: dict[str, list[str]]) -> Step:
        if path in self.special:
            return self.special[path]
        if path == "/enterprise":
            return reply(200, {"name": "Example", "accounts": [{"name": name} for name in ACCOUNTS]})
        if path.startswith("/account/"):
            return reply(200, {"name": path.rpartition("/")[2], "status": "OPEN"})
        if path == "/global-sims":
            wanted = query.get("giccid", self.fleet)
            rows = [self._sim(giccid) for giccid in self.fleet if giccid in wanted]
            return reply(200, self.shape(self._page(rows, query)))
        giccid = path.removeprefix("/global-sims/")
        if giccid in self.fleet:
            return reply(200, self._sim(giccid))
        if path.endswith(("/servicePackages", "/share-pools")):
            return reply(200, {"data": [], "page": 0, "size": 10, "total": 0})
        return problem(404, "missing")

    def _sim(self, giccid: str) -> dict[str, Any]:
        return {"giccid": giccid, "accountName": self.fleet[giccid], "status": "ACTIVATED"}

    @staticmethod
    def _page(rows: list[dict[str, Any]], query: dict[str, list[str]]) -> dict[str, Any]:
        page, size = int(query["page"][0]), min(CAP, int(query["size"][0]))
        return {"data": rows[page * size :][:size], "page": page, "size": size, "total": len(rows)}


@pytest.fixture
def odd(monkeypatch, with_carrier) -> Iterator[OddCarrier]:
    monkeypatch.setattr(sync_runs, "BACKOFF", 0.01)
    server = ScriptedServer()
    with with_carrier(SMARTHUB_BASE_URL=server.url, SMARTHUB_API_KEY="key", SMARTHUB_RATE=0):
        yield OddCarrier(server)
    server.stop()


def walk() -> SyncRun:
    ended = sync.run(FULL, trigger="test")
    assert ended.end == End.DONE, ended
    assert ended.run is not None
    ended.run.refresh_from_db()
    return ended.run


def without(*names: str) -> Shape:
    return lambda page: {name: value for name, value in page.items() if name not in names}


SHAPES: dict[str, Shape] = {
    "no size": without("size"),
    "no size, no total": without("size", "total"),
    "no total": without("total"),
    "nothing but data": without("size", "total", "page"),
    "numbers as texts": lambda page: {k: v if k == "data" else str(v) for k, v in page.items()},
    "a total of nothing": lambda page: {**page, "total": 0},
    "too small a total": lambda page: {**page, "total": 16},
    "too large a total": lambda page: {**page, "total": 1_000_000},
    "a total that grows": lambda page: {**page, "total": (page["page"] + 2) * page["size"]},
    "nulls": lambda page: {**page, "size": None, "total": None},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_sim_is_read_and_none_taken_for_missing(shape, odd):
    odd.shape = SHAPES[shape]
    walk()
    assert set(Sim.objects.values_list("giccid", flat=True)) == set(odd.fleet)

    # Known ones that the list of the next walk skips are asked for by name, in pages as odd.
    gone = next(iter(odd.fleet))
    del odd.fleet[gone]
    SyncRun.objects.create(
        kind=FULL, trigger="test", cursor={"phase": "verify"}, started_at=timezone.now() + timedelta(hours=1)
    )
    walk()
    assert set(Sim.objects.exclude(missing_since=None).values_list("giccid", flat=True)) == {gone}


def test_pages_that_are_all_the_same_end_the_walk(odd):
    whole: dict[str, Any] = {}

    def first_again(page: dict[str, Any]) -> dict[str, Any]:
        whole.setdefault("data", page["data"])
        return {**page, "data": whole["data"], "total": 1_000_000}

    odd.shape = first_again
    ended = sync.run(FULL, trigger="test")
    assert ended.end == End.FAILED
    assert odd.asked("/global-sims") < 20


def test_an_account_whose_name_no_path_can_hold_costs_nothing_but_its_plans(odd):
    odd.fleet |= {"89860999000000009999": "", "89860999000000009998": ".."}
    walk()
    found = walk()
    assert (found.errors, found.state) == (2, "done")
    assert Sim.objects.count() == len(odd.fleet)


def test_pools_that_can_not_be_read_hold_up_nothing(odd):
    odd.special["/share-pools"] = reply(500, text=b"error")
    found = walk()
    assert (found.errors, Sim.objects.count()) == (1, len(odd.fleet))


@pytest.mark.parametrize("answer", [problem(404, "missing"), reply(500, text=b"error")])
def test_plans_that_can_not_be_read_stay_the_account_s(answer, odd):
    account = Account.objects.create(name="example_account")
    plan = RatePlan.objects.create(code="KEPT", fetched_at=timezone.now())
    account.plans.add(plan)
    odd.special["/example_account/servicePackages"] = answer
    assert walk().errors == 1
    assert list(account.plans.all()) == [plan]


def test_a_carrier_that_answers_nothing_leaves_the_walk_open(odd):
    odd.special |= {path: reply(503, text=b"away") for path in ("/enterprise", "/share-pools", "/global-sims")}
    assert sync.run(FULL, trigger="test").end == End.INTERRUPTED
    odd.special.clear()
    walk()
    assert Sim.objects.count() == len(odd.fleet)
