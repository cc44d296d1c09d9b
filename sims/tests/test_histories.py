"""What the carrier shows only as it is now is kept; what a SIM names and nobody has read is asked for, once."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from sims import tasks
from sims.models import Account, AccountHistory, CountryMonth, CountryUsage, PoolHistory, RatePlan, SharePool, SyncRun
from sims.services import statistics, sync, sync_runs, unknown
from sims.services.sync import End

pytestmark = pytest.mark.django_db


def run(kind: str) -> SyncRun:
    ended = sync.run(kind, trigger="test")
    assert ended.end == End.DONE
    assert ended.run is not None
    return ended.run


def test_accounts_and_pools_are_kept_by_day(simulator):
    run(SyncRun.Kind.REFERENCE)
    accounts, pools = AccountHistory.objects.count(), PoolHistory.objects.count()
    assert (accounts, pools) == (Account.objects.count(), SharePool.objects.count())
    first = AccountHistory.objects.get(account="example_account")
    assert first.balance == Account.objects.get(name="example_account").balance
    assert sum(first.status_counts.values()) == first.sim_count
    assert PoolHistory.objects.filter(data_usage__gt=0, data_quota__gt=0, cycle_start__isnull=False).exists()
    # Read again on the same day: the later reading stands; on the next day: another row.
    simulator.patch(simulator.pick(), status="DEACTIVATED", log=False, push=False)
    run(SyncRun.Kind.REFERENCE)
    assert (AccountHistory.objects.count(), PoolHistory.objects.count()) == (accounts, pools)
    again = AccountHistory.objects.get(account="example_account")
    assert again.status_counts["ACTIVATED"] == first.status_counts["ACTIVATED"] - 1
    with time_machine.travel(timezone.now() + timedelta(days=1), tick=True):
        run(SyncRun.Kind.REFERENCE)
    assert (AccountHistory.objects.count(), PoolHistory.objects.count()) == (2 * accounts, 2 * pools)


def test_usage_by_country_is_read_as_far_back_as_the_carrier_tells_and_then_what_can_change(simulator, monkeypatch):
    Account.objects.create(name="example_account")
    Account.objects.create(name="cut~name")
    monkeypatch.setattr(statistics, "MOST_MONTHS", 5)
    tasks.read_statistics()
    assert not SyncRun.objects.exists()
    SyncRun.objects.create(kind=SyncRun.Kind.REFERENCE, state="done", trigger="schedule")
    tasks.read_statistics()
    done = SyncRun.objects.get(kind=SyncRun.Kind.STATISTICS)
    assert (done.state, done.read, done.changed, done.errors) == ("done", 1, 5, 0)
    month = timezone.now().date().replace(day=1)
    assert CountryMonth.objects.count() == 5
    assert CountryUsage.objects.filter(month=month, data_usage__gt=0, sim_count__gt=0).exists()
    # A second time the running month, and the one before until it has settled; a country that is gone goes.
    CountryUsage.objects.create(account_id="example_account", month=month, country_code="XX", read_at=timezone.now())
    assert 1 <= run(SyncRun.Kind.STATISTICS).changed <= 2
    assert not CountryUsage.objects.filter(country_code="XX").exists()
    # Half a month later the month that ran is over: it is read once more, and then it is settled.
    later = (month + timedelta(days=31)).replace(day=1) + timedelta(days=8)
    simulator.control("POST", "clock", {"advance": (later - timezone.now().date()).days * 86400})
    with time_machine.travel(timezone.now() + (later - timezone.now().date()), tick=True):
        assert run(SyncRun.Kind.STATISTICS).changed == 2
        assert run(SyncRun.Kind.STATISTICS).changed == 1


def test_two_empty_months_are_the_end_of_what_the_carrier_has(simulator):
    Account.objects.create(name="nobody")
    assert run(SyncRun.Kind.STATISTICS).changed == statistics.EMPTY_MONTHS
    assert not CountryUsage.objects.exists()


def test_a_refusal_costs_one_account_and_an_absent_carrier_leaves_the_run_open(simulator, monkeypatch):
    monkeypatch.setattr(statistics, "MOST_MONTHS", 1)
    monkeypatch.setattr(sync_runs, "BACKOFF", 0.01)
    for name in ("example_account", "north_logistics"):
        Account.objects.create(name=name)
    simulator.fault(call="country_statistics", kind="error", status=404, count=1)
    refused = run(SyncRun.Kind.STATISTICS)
    assert (refused.read, refused.errors, refused.changed) == (2, 1, 1)
    simulator.fault(call="country_statistics", kind="error", status=503)
    assert sync.run(SyncRun.Kind.STATISTICS, trigger="test").end == End.INTERRUPTED
    simulator.clear_faults()
    assert run(SyncRun.Kind.STATISTICS).read == 2


def test_statistics_become_due_by_themselves_once_an_account_is_known(db):
    SyncRun.objects.create(kind=SyncRun.Kind.FULL, state="done", trigger="schedule")
    assert sync.resume() == 0
    Account.objects.create(name="example_account")
    sync.resume()
    assert SyncRun.objects.filter(kind=SyncRun.Kind.STATISTICS, state="running").count() == 1


def test_unknown_plans_accounts_and_pools_are_asked_for_soon(simulator, mirrored):
    sim = mirrored(simulator.pick())
    assert Account.objects.get(name=sim.account_id).fetched_at is None
    tasks.fetch_stubs()
    assert Account.objects.get(name=sim.account_id).balance is not None
    assert RatePlan.objects.get(code=sim.plan_id).price is not None
    if sim.pool_id:
        assert SharePool.objects.get(code=sim.pool_id).data_quota is not None
    calls = len(simulator.calls("list_plans"))
    assert unknown.fetch() == 0
    assert len(simulator.calls("list_plans")) == calls


def test_what_the_carrier_does_not_know_is_asked_for_once(simulator, make_sim):
    make_sim(account="example_account", plan="NO-SUCH-PLAN", pool="NO-SUCH-POOL")
    make_sim(account="no_such_account")
    # A carrier that is away is asked again.
    simulator.fault(call="list_pools", kind="error", status=503)
    unknown.fetch()
    assert list(SharePool.objects.filter(asked_at=None).values_list("code", flat=True)) == ["NO-SUCH-POOL"]
    simulator.clear_faults()
    unknown.fetch()
    counted = [len(simulator.calls(call)) for call in ("get_account", "list_plans", "list_pools")]
    assert unknown.fetch() == 0
    assert [len(simulator.calls(call)) for call in ("get_account", "list_plans", "list_pools")] == counted
    stubs = Account.objects.get(name="no_such_account"), RatePlan.objects.get(code="NO-SUCH-PLAN")
    assert [(stub.fetched_at, stub.asked_at is None) for stub in stubs] == [(None, False)] * 2
