"""Figures are read from kept tallies; each is what the list that it leads to counts, whatever the order of arrival."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.db import connection
from django.http import QueryDict

from core.badges import SIM_STATUSES
from sims import tasks
from sims.filters import SimFilterSet
from sims.filters_timeline import TimelineFilterSet
from sims.models import Sim, SimTally, TimelineEvent
from sims.selectors.events import list_events
from sims.selectors.figures import Figures, Tally, by_plan, by_pool, figures
from sims.selectors.sims import list_sims
from sims.services import mirror, tallies, timeline
from sims.services.mirror import Source
from sims.services.timeline_store import mend_accounts
from smarthub import contract
from staff.models import User

pytestmark = pytest.mark.django_db

MIDNIGHT = datetime(2026, 11, 20, tzinfo=UTC)
CASES: list[dict[str, Any]] = [
    {"status": "ACTIVATED", "plan": "P1", "pool": "S1", "used": 10, "quota": 100, "seen": timedelta(hours=-1)},
    {"status": "ACTIVATED", "plan": "P1", "used": 79, "quota": 100, "seen": timedelta(days=-7, microseconds=-1)},
    {"status": "ACTIVATED", "plan": "P2", "pool": "S1", "used": 80, "quota": 100, "seen": timedelta(days=-7)},
    {"status": "ACTIVATED", "plan": "P2", "pool": "S2", "used": 100, "quota": 100, "seen": timedelta(days=-31)},
    {"status": "ACTIVATED", "used": 10**12, "quota": 1, "account": "harbour", "seen": None},
    {"status": "DEACTIVATED", "plan": "P1", "used": 5, "seen": timedelta(days=-90)},
    {"status": "HIBERNATED", "plan": "P1", "pool": "S1", "account": "harbour", "seen": timedelta(days=-90)},
    {"status": "RETIRED", "seen": None},
]


def snapshot(number: int, case: dict[str, Any], at: datetime = MIDNIGHT) -> contract.Sim:
    """The SIM ``number`` as the carrier would tell it."""
    usage = {"dataUsage": case.get("used"), "dataQuota": case.get("quota")}
    seen = case.get("seen")
    told = {
        "giccid": f"8986019911000{number:06d}",
        "accountName": case.get("account", "example_account"),
        "status": case["status"],
        "basicServicePackage": {"code": case["plan"]} if case.get("plan") else None,
        "sharePoolCode": case.get("pool"),
        "cycleUsage": usage,
        "session": {"lastSessionTime": (at + seen).isoformat() if seen is not None else None},
    }
    return contract.Sim.model_validate(told | ({"imsi": case["imsi"]} if "imsi" in case else {}))


def apply(cases: list[dict[str, Any]], at: datetime, first: int = 0) -> None:
    snapshots = [snapshot(first + number, case) for number, case in enumerate(cases)]
    mirror.apply(snapshots, source=Source.WALK, observed_at=at)


def count(user: User, address: str) -> int:
    """What the list at this address has for ``user``."""
    path, _mark, query = address.partition("?")
    rows: tuple[Any, Any] = (SimFilterSet, list_sims) if path == "/sims/" else (TimelineFilterSet, list_events)
    return int(rows[0](data=QueryDict(query), queryset=rows[1](user)).qs.count())


def compare(user: User, found: Figures, more: str = "") -> None:
    """Each figure with the list that it leads to."""
    assert count(user, f"/sims/?{more}") == found.total
    for status, number in found.by_status.items():
        assert count(user, f"/sims/?status={status}{more}") == number
    for band, number in found.quota.items():
        assert count(user, f"/sims/?quota={band}{more}") == number
    for code, tally in found.plans.items():
        assert count(user, f"/sims/?plan={code}{more}") == tally.sims
    for code, tally in found.pools.items():
        assert count(user, f"/sims/?pool={code}{more}") == tally.sims
    for account, statuses in found.by_account.items():
        for status, number in statuses.items():
            assert count(user, f"/sims/?account={account}&status={status}") == number
    assert count(user, f"/sims/?status=ACTIVATED&seen=never{more}") == found.never_seen
    for days in (1, 7, 30, 90):
        assert count(user, f"/sims/?status=ACTIVATED&silent={days}d{more}") == found.silent(days)
    became: dict[str, int] = {}
    for statuses in found.activity.values():
        for status, number in statuses.items():
            became[status] = became.get(status, 0) + number
    for status in ("ACTIVATED", "DEACTIVATED", "RETIRED"):
        address = f"/timeline/?kind=status&to={status}&within=30d{more}"
        assert count(user, address) == became.get(status, 0)


@pytest.mark.parametrize("now", [MIDNIGHT - timedelta(seconds=1), MIDNIGHT, MIDNIGHT + timedelta(hours=12)])
def test_figures_are_what_the_lists_count(now, make_user):
    with time_machine.travel(now, tick=False):
        apply(CASES, now - timedelta(hours=3))
        # The state of one, the plan of one, the account of one; back again; and told twice.
        moved = [dict(case) for case in CASES]
        moved[0] |= {"status": "DEACTIVATED", "used": 60}
        moved[1] |= {"plan": "P2"}
        moved[2] |= {"account": "harbour", "status": "RETIRED"}
        apply(moved, now - timedelta(hours=2))
        apply(moved, now - timedelta(hours=2))
        moved[0] |= {"status": "ACTIVATED"}
        apply(moved, now - timedelta(minutes=1))
        everybody, limited = make_user("Viewer"), make_user("Viewer", ["harbour"])
        for user, total in ((everybody, 8), (limited, 3)):
            found = figures(user)
            assert found.total == total
            compare(user, found)
        assert list(figures(limited).by_account) == ["harbour"]
        compare(everybody, figures(everybody, account="harbour"), "&account=harbour")
        assert figures(limited, account="example_account").by_status == dict.fromkeys(SIM_STATUSES, 0)
        assert figures(everybody).by_status["HIBERNATED"] == 1
        assert figures(everybody).plans["P2"] == Tally(3, 79 + 80 + 100, 300)
        assert by_plan(everybody, ["P2", "P9"]) == {"P2": Tally(3, 259, 300), "P9": Tally()}
        assert by_plan(limited, ["P2"]) == {"P2": Tally(1, 80, 100)}
        pools = figures(everybody).pools
        assert by_pool(everybody, ["S1", "none"]) == {"S1": pools["S1"], "none": Tally(4, 10**12 + 84, 101)}
        assert tallies.differences() == []
        # Folded they say the same, and there is nothing more to fold.
        before = figures(everybody)
        tasks.fold_tallies()
        assert figures(everybody) == before
        assert not SimTally.objects.exclude(batch=0).exists()
        assert tallies.fold() == 0


def test_a_reading_that_changes_nothing_that_is_counted_writes_nothing(django_assert_num_queries):
    now = datetime.now(UTC)
    apply(CASES, now - timedelta(hours=2))
    tallies.fold()
    apply(CASES, now - timedelta(hours=1))
    apply([{**case, "imsi": "460019999999999"} for case in CASES], now)
    assert Sim.objects.filter(imsi="460019999999999").count() == len(CASES)
    assert not SimTally.objects.exclude(batch=0).exists()
    # Only the usage of one: the sums of its plan and its pool.
    used = [dict(CASES[0], used=11)]
    apply(used, now + timedelta(minutes=1))
    written = SimTally.objects.exclude(batch=0).order_by("dimension").values_list("dimension", "sims", "used", "quota")
    assert list(written) == [("plan", 0, 1, 0), ("pool", 0, 1, 0)]
    assert tallies.fold() == 2
    with django_assert_num_queries(3):
        # Nothing to sum up is one look, in its transaction.
        assert tallies.fold() == 0


def test_folding_that_is_broken_off_loses_nothing(viewer, monkeypatch):
    apply(CASES, datetime.now(UTC))
    monkeypatch.setattr(tallies, "_FOLDED_AT_ONCE", 5)
    done = tallies._put_in
    pieces: list[Any] = []

    def put_in(sums: Any) -> None:
        pieces.append(sums)
        if len(pieces) == 3:
            raise InterruptedError
        done(sums)

    monkeypatch.setattr(tallies, "_put_in", put_in)
    with pytest.raises(InterruptedError):
        tallies.fold()
    assert SimTally.objects.exclude(batch=0).exists()
    assert SimTally.objects.filter(batch=0).exists()
    assert tallies.differences() == []
    tallies.fold()
    assert not SimTally.objects.exclude(batch=0).exists()
    assert tallies.differences() == []
    assert figures(viewer).total == len(CASES)


def test_what_no_sum_holds_is_bounded(viewer):
    absurd = [{"status": "ACTIVATED", "plan": "P1", "used": 2**63 - 1, "quota": 2**63 - 1}] * 4
    apply(absurd, datetime.now(UTC))
    tallies.fold()
    assert figures(viewer).plans == {"P1": Tally(4, 4 * tallies.MOST_BYTES, 4 * tallies.MOST_BYTES)}
    assert tallies.differences() == []


def test_changes_of_state_are_counted_once_whoever_tells(make_sim, viewer, administrator):
    sim = make_sim(status="ACTIVATED")
    tallies.mend()
    at = datetime.now(UTC).replace(hour=0, minute=0, second=10, microsecond=0) - timedelta(days=1)

    def told(outcome: str) -> None:
        timeline.record_operation(
            sim=sim,
            kind="status",
            operation_id=1,
            at=at,
            from_value="ACTIVATED",
            to_value="DEACTIVATED",
            outcome=outcome,
            actor=administrator,
            reason="",
            ticket="",
        )

    def activity() -> dict[str, int]:
        assert tallies.differences() == []
        found = figures(viewer).activity
        assert len(found) == 30
        return {f"{day}/{status}": n for day, states in found.items() for status, n in states.items()}

    told("unclear")
    assert activity() == {}
    told("success")
    assert activity() == {f"{at.date()}/DEACTIVATED": 1}
    entry = contract.ChangeEntry.model_validate(
        {
            "giccid": sim.giccid,
            "type": "LOCAL_STATUS",
            "original": "ACTIVATED",
            "target": "DEACTIVATED",
            "createdTime": (at - timedelta(seconds=20)).isoformat(),
            "status": "SUCCESS",
        }
    )
    # The carrier's word for the time is another day.
    timeline.record_log_entries([entry])
    assert activity() == {f"{at.date() - timedelta(days=1)}/DEACTIVATED": 1}
    timeline.record_log_entries([entry.model_copy(update={"status": "FAILED"})])
    told("failed")
    assert activity() == {}
    long_ago = datetime.now(UTC) - timedelta(days=60)
    timeline.record_log_entries([entry.model_copy(update={"created_time": long_ago})])
    assert activity() == {}
    assert SimTally.objects.filter(dimension="became", value__startswith=f"{long_ago.date()}").count() == 0


def test_what_went_wrong_is_found_and_mended(make_sim, viewer, valkey):
    sim = make_sim(plan="P1", data_usage=7, last_session_at=datetime.now(UTC))
    TimelineEvent.objects.create(
        sim=sim, kind="status", at=datetime.now(UTC), to_value="ACTIVATED", account_name="elsewhere"
    )
    output = StringIO()
    with pytest.raises(SystemExit):
        call_command("check_tallies", stdout=output)
    assert "plan example_account P1: +1 SIMs, +7 and +0 bytes are missing" in output.getvalue()
    assert figures(viewer).total == 0
    call_command("check_tallies", "--mend", stdout=output)
    assert figures(viewer).plans == {"P1": Tally(1, 7, 0)}
    assert TimelineEvent.objects.get().account_name == "example_account"
    assert mend_accounts() == 0
    assert tallies.mend() == 0
    Sim.objects.filter(pk=sim.pk).update(status="RETIRED")
    SimTally.objects.create(dimension="became", account_name="example_account", value="2020-01-01/RETIRED", sims=1)
    tasks.check_tallies()
    assert figures(viewer).by_status["RETIRED"] == 1
    assert figures(viewer).silent(0) == figures(viewer).never_seen == 0
    assert not SimTally.objects.filter(value="2020-01-01/RETIRED").exists()
    call_command("check_tallies", stdout=output)


@pytest.mark.postgres
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time")
@pytest.mark.django_db(transaction=True)
def test_two_walks_and_folding_at_once(viewer):
    now = datetime.now(UTC)
    many = [CASES[number % len(CASES)] for number in range(150)]
    apply(many, now - timedelta(hours=5))

    def closing(work: Callable[[], None]) -> None:
        try:
            work()
        finally:
            connection.close()

    def walk(turn: int) -> None:
        for step in range(6):
            cases = [CASES[(number + turn + step) % len(CASES)] for number in range(150)]
            apply(cases, now - timedelta(hours=4) + timedelta(minutes=10 * step + turn))

    def fold() -> None:
        for _ in range(25):
            tallies.fold()

    def mend() -> None:
        for _ in range(5):
            assert tallies.mend() == 0

    with ThreadPoolExecutor() as pool:
        for future in [
            pool.submit(closing, work) for work in (lambda: walk(1), lambda: walk(2), fold, fold, mend, mend)
        ]:
            future.result()
    assert tallies.differences() == []
    tallies.fold()
    assert tallies.differences() == []
    assert figures(viewer).total == 150
