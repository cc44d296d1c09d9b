"""Readings of SIMs become rows: whole, in any order, as often as they come, and however odd they are."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.db import connection, transaction

from sims.models import Account, RatePlan, Sim, Subscription, TimelineEvent
from sims.services import mirror
from sims.services.mirror import ApplyResult, Source
from smarthub import contract
from tests.servers import wait_until

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
GICCID = "89860123456789012345"
OBJECT: dict[str, Any] = {
    "giccid": GICCID,
    "imsi": "460011234567890",
    "msisdn": "8614500000040",
    "imei": "353270091234567",
    "accountName": "example_account",
    "status": "ACTIVATED",
    "activatedTime": "2024-03-01T02:10:00+0000",
    "basicServicePackage": {"code": "EU-100M-M", "name": "Europe 100 MB monthly"},
    "supplementaryServicePackages": [{"subscriptionId": "s1", "code": "TOPUP-50M", "status": "ACTIVE"}],
    "apns": [{"apn": "iot.example", "status": "ENABLED"}],
    "cycleUsage": {"dataUsage": 50, "dataQuota": 100, "smsUsage": 4},
    "session": {"online": True, "countryCode": "DE", "network": "26201"},
    "sharePoolCode": "EU-POOL-1",
    "customFields": {"custom1": "Meter 7"},
}


def snapshot(without: tuple[str, ...] = (), **fields: Any) -> contract.Sim:
    """The SIM object above, as the client reads it, with other ``fields`` and ``without`` some."""
    body = {name: value for name, value in {**OBJECT, **fields}.items() if name not in without}
    return contract.Sim.model_validate(body)


def read(*snapshots: contract.Sim, after: float = 0, source: Source = Source.WALK) -> ApplyResult:
    """Apply readings made ``after`` seconds from NOW."""
    return mirror.apply(snapshots, source=source, observed_at=NOW + timedelta(seconds=after))


def stored() -> Sim:
    return Sim.objects.get(giccid=GICCID)


def test_a_new_sim_is_stored_whole_with_stubs_and_without_events():
    assert read(snapshot()) == ApplyResult(new=1)
    sim = stored()
    assert (sim.status, sim.account_id, sim.plan_id, sim.pool_id) == (
        "ACTIVATED",
        "example_account",
        "EU-100M-M",
        "EU-POOL-1",
    )
    assert (sim.data_usage, sim.quota_percent, sim.country_code, sim.apn_state) == (50, 50, "DE", "ENABLED")
    assert sim.search == f"{GICCID}\n460011234567890\n8614500000040\n353270091234567\nmeter 7"
    assert RatePlan.objects.get(code="EU-100M-M").fetched_at is None
    assert Subscription.objects.get().plan_id == "TOPUP-50M"
    assert not TimelineEvent.objects.exists()


def test_the_same_reading_again_changes_nothing_but_its_age():
    read(snapshot())
    changed_at = stored().changed_at
    assert read(snapshot(), after=60, source=Source.PAGE) == ApplyResult(unchanged=1)
    sim = stored()
    assert (sim.observed_at, sim.observed_by) == (NOW + timedelta(seconds=60), "page")
    assert sim.changed_at == changed_at


def test_an_older_reading_that_comes_late_changes_nothing():
    read(snapshot(status="DEACTIVATED"), after=60)
    assert read(snapshot(status="ACTIVATED"), after=30) == ApplyResult(stale=1)
    assert stored().status == "DEACTIVATED"
    assert stored().observed_at == NOW + timedelta(seconds=60)


def test_an_answer_from_before_that_was_asked_for_later_changes_nothing():
    read(snapshot(status="DEACTIVATED", updatedTime="2026-11-20T12:00:05+0000"), after=0)
    late = snapshot(status="ACTIVATED", updatedTime="2026-11-20T11:00:00+0000")
    assert read(late, after=1) == ApplyResult(stale=1)
    # Long after, the reading counts, whatever the carrier's own time says.
    assert read(late, after=600) == ApplyResult(changed=1)


def test_each_difference_is_an_event():
    read(snapshot())
    result = read(
        snapshot(
            status="DEACTIVATED",
            imei="353270091234999",
            basicServicePackage={"code": "EU-1G-M"},
            apns=[{"apn": "iot.example", "status": "DISABLED"}],
            customFields={"custom2": "North"},
            supplementaryServicePackages=[
                {"subscriptionId": "s1", "code": "TOPUP-50M"},
                {"subscriptionId": "s2", "code": "TOPUP-50M"},
            ],
        ),
        after=60,
    )
    assert result == ApplyResult(changed=1)
    events = {event.kind: event for event in TimelineEvent.objects.all()}
    told = {kind: (event.from_value, event.to_value, event.subject) for kind, event in events.items()}
    assert told == {
        "status": ("ACTIVATED", "DEACTIVATED", ""),
        "imei": ("353270091234567", "353270091234999", ""),
        "plan": ("EU-100M-M", "EU-1G-M", ""),
        "apn": ("ENABLED", "DISABLED", "iot.example"),
        "custom_fields": ("", "", ""),
        "subscription": ("", "TOPUP-50M", "s2"),
    }
    assert events["custom_fields"].detail["changes"] == {"custom1": ["Meter 7", ""], "custom2": ["", "North"]}
    assert events["status"].observed_after == NOW
    assert stored().status_changed_at == NOW + timedelta(seconds=60)


def test_what_the_carrier_does_not_tell_stays_as_it_is():
    read(snapshot())
    optional = tuple(name for name in OBJECT if name not in ("giccid", "accountName", "status"))
    read(snapshot(without=optional), after=60)
    sim = stored()
    assert (sim.imei, sim.plan_id, sim.pool_id, sim.custom1, sim.country_code, sim.data_usage) == (
        "353270091234567",
        "EU-100M-M",
        "EU-POOL-1",
        "Meter 7",
        "DE",
        50,
    )
    assert sim.apns == OBJECT["apns"]
    assert Subscription.objects.get().gone_since is None
    assert not TimelineEvent.objects.exists()


@pytest.mark.parametrize(
    "fields", [{"basicServicePackage": {"code": "EU-1G-M"}}, {"accountName": "north_logistics"}, {}]
)
def test_with_another_plan_or_account_a_pool_that_is_not_named_is_left(fields: dict[str, Any]):
    read(snapshot())
    read(snapshot(without=("sharePoolCode",), updatedTime="2026-11-20T12:00:30+0000", **fields), after=60)
    assert stored().pool_id == (None if fields else "EU-POOL-1")


def test_an_explicit_null_empties():
    read(snapshot())
    read(snapshot(imei=None, basicServicePackage=None, sharePoolCode=None, apns=None, session=None), after=60)
    sim = stored()
    assert (sim.imei, sim.plan_id, sim.pool_id, sim.apns, sim.country_code, sim.online) == (
        "",
        None,
        None,
        [],
        "",
        None,
    )


def test_an_unreadable_value_leaves_the_mirror_as_it_is():
    read(snapshot())
    result = read(
        snapshot(cycleUsage={"dataUsage": "a lot", "dataQuota": 200}, apns=[{"status": "DISABLED"}]), after=60
    )
    sim = stored()
    assert (sim.data_usage, sim.data_quota, sim.quota_percent) == (50, 200, 25)
    assert sim.apns == OBJECT["apns"]
    assert result.problems == 1


def test_an_unknown_state_is_kept_as_it_is():
    read(snapshot(status="FROZEN"))
    assert stored().status == "FROZEN"


@pytest.mark.parametrize(
    "fields",
    [
        {"imei": "3" * 30},
        {"status": "S" * 300},
        {"accountName": "a" * 300},
        {"basicServicePackage": {"code": "P" * 400, "name": "N" * 400}},
        {"sharePoolCode": "P" * 400},
        {"customFields": {"custom1": "c" * 5000}},
        {"customFields": {"custom1": "nul \x00 and \ud800 half"}},
        {"note": {"deep": ["\x00", "\ud800"]}},
        {"cycleUsage": {"dataUsage": 10**30, "dataQuota": -1, "smsUsage": 2**40}},
        {"cycleUsage": {"dataUsage": 2**63 - 1, "dataQuota": 1}},
        {"session": {"online": "maybe", "ipAddress": "x" * 100, "countryCode": ["DE"]}},
        {
            "supplementaryServicePackages": [
                {"code": "T" * 400, "subscriptionId": "s" * 400, "dataUsage": 10**40},
                {},
                7,
            ]
        },
        {"supplementaryServicePackages": [{"code": "T"}, {"code": "T"}]},
        {"apns": [{"apn": "a" * 900, "status": "X" * 900}, None]},
        {"activatedTime": "yesterday", "imsi": {"a": 1}},
    ],
)
def test_no_value_of_the_carrier_is_a_crash(fields):
    read(snapshot())
    read(snapshot(**fields), after=60)
    other = "89860123456789012399"
    read(snapshot(giccid=other, **fields), after=60)
    assert Sim.objects.count() == 2
    assert stored().observed_at == NOW + timedelta(seconds=60)


def test_two_long_account_names_with_the_same_beginning_stay_two_accounts():
    read(snapshot(accountName="a" * 300))
    read(snapshot(giccid="89860123456789012399", accountName="a" * 299 + "b"))
    assert Account.objects.count() == 2


def test_a_sim_that_stands_twice_in_one_page_is_one_sim():
    first = snapshot(status="ACTIVATED", updatedTime="2026-11-20T12:00:00+0000")
    second = snapshot(status="DEACTIVATED", updatedTime="2026-11-20T11:00:00+0000")
    assert read(first, second) == ApplyResult(new=1)
    assert stored().status == "ACTIVATED"


def test_a_supplementary_plan_no_longer_listed_is_marked_and_comes_back():
    read(snapshot())
    read(snapshot(supplementaryServicePackages=[]), after=60)
    assert Subscription.objects.get().gone_since == NOW + timedelta(seconds=60)
    read(snapshot(), after=120)
    assert Subscription.objects.get().gone_since is None


def test_a_missing_sim_is_marked_and_unmarked_when_seen_again():
    read(snapshot())
    assert mirror.mark_missing([GICCID], asked_at=NOW + timedelta(seconds=60)) == 1
    assert mirror.mark_missing([GICCID], asked_at=NOW + timedelta(seconds=61)) == 0
    assert stored().missing_since is not None
    assert read(snapshot(), after=120) == ApplyResult(changed=1)
    assert stored().missing_since is None
    said = TimelineEvent.objects.order_by("at").values_list("kind", "to_value")
    assert list(said) == [("notification", "missing"), ("notification", "seen_again")]


def test_a_sim_read_since_it_was_asked_for_is_not_missing():
    read(snapshot(), after=60)
    assert mirror.mark_missing([GICCID], asked_at=NOW) == 0


@pytest.mark.parametrize("what", ["new", "changed", "unchanged"])
def test_the_number_of_queries_does_not_depend_on_the_number_of_sims(what, django_assert_max_num_queries):
    def page(count: int, status: str) -> list[contract.Sim]:
        return [snapshot(giccid=f"8986019{n:013d}", status=status) for n in range(count)]

    used = []
    read(snapshot())
    for count in (5, 15):
        Sim.objects.all().delete()
        if what != "new":
            read(*page(count, "ACTIVATED"))
        with django_assert_max_num_queries(30) as captured:
            read(*page(count, "DEACTIVATED" if what == "changed" else "ACTIVATED"), after=60)
        used.append(len(captured))
    assert used[0] == used[1]


@pytest.mark.django_db(transaction=True)
def test_readings_of_the_same_sims_at_the_same_time_end_with_the_newest():
    giccids = [f"8986019{n:013d}" for n in range(20)]
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for step in range(4):
                moment = number + step * 4
                order = giccids if number % 2 else giccids[::-1]
                read(*(snapshot(giccid=g, customFields={"custom1": str(moment)}) for g in order), after=moment)
        except BaseException as error:  # noqa: BLE001 - told by the assertion below
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert set(Sim.objects.values_list("custom1", flat=True)) == {"15"}
    assert Sim.objects.count() == 20
    # Every event leads from one value to the next one: none is lost or told twice.
    for sim in Sim.objects.all():
        events = TimelineEvent.objects.filter(sim=sim).order_by("at")
        values = [change["changes"]["custom1"] for change in events.values_list("detail", flat=True)]
        assert all(before[1] == after[0] for before, after in pairwise(values))


@pytest.mark.django_db(transaction=True)
def test_what_changes_while_a_reading_waits_for_it_is_not_taken_for_what_it_was():
    """The reading that waits says what the row held when it began to wait."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer: the other one begins after it")
    read(snapshot())
    results: list[ApplyResult] = []

    def walk() -> None:
        try:
            results.append(read(snapshot(), after=60))
        finally:
            connection.close()

    def waits() -> bool:
        with connection.cursor() as cursor:
            ours = "pg_backend_pid() = ANY(pg_blocking_pids(pid))"
            cursor.execute(f"SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND {ours})")
            return bool(cursor.fetchone()[0])

    waiting = threading.Thread(target=walk)
    with transaction.atomic():
        read(snapshot(status="DEACTIVATED"), after=120, source=Source.PUSH)
        waiting.start()
        wait_until(waits, seconds=60, what="the walk to wait for the row")
    waiting.join()
    assert results == [ApplyResult(stale=1)]
    sim = stored()
    assert (sim.status, sim.observed_at, sim.observed_by) == ("DEACTIVATED", NOW + timedelta(seconds=120), "push")
