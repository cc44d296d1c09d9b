"""The comparison after a storm says what is wrong: a change lost, made twice, denied, or of nobody."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from chaos.carrier import Change
from chaos.checks import changes
from chaos.checks.matching import Matched, Wish
from chaos.plan import Sizes, schedule

GICCID = "8986011805021000040"


def wish(number: int, kind: str, state: str, sent: float, ended: float | None, **more: Any) -> Wish:
    def moment(unix: float | None) -> datetime | None:
        return None if unix is None else datetime.fromtimestamp(unix, UTC)

    row: dict[str, Any] = {
        "params": {},
        "result": {},
        "job_id": None,
        "message": "",
        "carrier_code": "",
        "sends": 1,
        "sim_id": 1,
    }
    times = {"first_sent_at": moment(sent), "finished_at": moment(ended)}
    return Wish({**row, "id": number, "kind": kind, "state": state, "sim__giccid": GICCID, **times, **more})


def matched(wishes: list[Wish], *made: tuple[float, str, Any, Any]) -> Matched:
    seeded = {GICCID: {"status": "ACTIVATED", "basicServicePackage": {"code": "P1"}}}
    log = [
        Change(number, unix, GICCID, what, before, after, "call")
        for number, (unix, what, before, after) in enumerate(made)
    ]
    return Matched.join(SimpleNamespace(changes=log, seeded=seeded), wishes)  # type: ignore[arg-type]  # what it needs


def offenders(found: Matched) -> dict[str, int]:
    return {
        check.__name__: sum(finding.is_offender for finding in check(found))
        for check in (changes.lost, changes.doubled, changes.denied)
    }


SUSPENDED = ("status", "ACTIVATED", "DEACTIVATED")
BOUGHT = ("subscription", None, "TOPUP-50M")
TOPUP = {"params": {"plan": "TOPUP-50M"}}
CASES: dict[str, tuple[list[Wish], list[tuple[float, str, Any, Any]], dict[str, int]]] = {
    "all is well": ([wish(1, "suspend", "done", 100, 110)], [(105, *SUSPENDED)], {}),
    "lost": ([wish(1, "suspend", "done", 100, 110)], [], {"lost": 1}),
    "so already": ([wish(1, "activate", "done", 100, 110)], [], {}),
    "bought twice": (
        [wish(1, "add_plan", "done", 100, 110, **TOPUP)],
        [(101, *BOUGHT), (108, *BOUGHT)],
        {"doubled": 1},
    ),
    "two of two": (
        [wish(1, "add_plan", "done", 100, 110, **TOPUP), wish(2, "add_plan", "done", 120, 130, **TOPUP)],
        [(101, *BOUGHT), (121, *BOUGHT)],
        {},
    ),
    "denied": ([wish(1, "suspend", "failed", 100, 110)], [(105, *SUSPENDED)], {"denied": 1}),
    "landed after its end": ([wish(1, "suspend", "failed", 100, 110)], [(115, *SUSPENDED)], {"doubled": 1}),
    "nobody could tell, and it landed": ([wish(1, "suspend", "needs_attention", 100, None)], [(190, *SUSPENDED)], {}),
    "never sent": (
        [wish(1, "suspend", "cancelled", 100, 110, first_sent_at=None)],
        [(105, *SUSPENDED)],
        {"doubled": 1},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_kind_of_offender_is_found(case: str) -> None:
    wishes, made, wrong = CASES[case]
    fresh = [Wish(dict(each.row)) for each in wishes]
    assert offenders(matched(fresh, *made)) == {"lost": 0, "doubled": 0, "denied": 0} | wrong


def test_the_same_seed_breaks_the_same_things() -> None:
    sizes = Sizes.scaled(0.02)
    assert schedule(3, sizes) == schedule(3, sizes) != schedule(4, sizes)
    assert {fault.kind for fault in schedule(3, sizes)} == {fault.kind for fault in schedule(4, sizes)}
