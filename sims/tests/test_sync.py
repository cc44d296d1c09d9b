"""The walk, the follow-up and the reference data, over a carrier that fails, moves and lies."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from sims import tasks
from sims.models import Account, RatePlan, SharePool, Sim, SyncRun, TimelineEvent
from sims.services import sync, sync_ahead, sync_runs
from sims.services.sync import End
from sims.services.sync_pages import ListBroken, Pages
from smarthub.contract import Page

pytestmark = pytest.mark.django_db

FULL, CHANGES, REFERENCE = SyncRun.Kind.FULL, SyncRun.Kind.CHANGES, SyncRun.Kind.REFERENCE


@pytest.fixture(autouse=True)
def _quick(monkeypatch, with_carrier):
    """No limit of calls, no long waits."""
    monkeypatch.setattr(sync_runs, "BACKOFF", 0.01)
    with with_carrier(SMARTHUB_RATE=0):
        yield


def run(kind: str = FULL, **given: Any) -> SyncRun:
    """A run to its end."""
    ended = sync.run(kind, trigger="test", **given)
    assert ended.end == End.DONE, ended
    assert ended.run is not None
    ended.run.refresh_from_db()
    return ended.run


def fleet(simulator) -> int:
    return simulator.control("GET", "fleet")["total"]


def test_a_walk_mirrors_every_sim_with_its_plans_and_pools(simulator):
    found = run()
    size = fleet(simulator)
    assert (found.read, found.new, found.changed, found.missing, found.errors) == (size, size, 0, 0, 0)
    assert Sim.objects.count() == size
    assert not Sim.objects.filter(missing_since__isnull=False).exists()
    assert not RatePlan.objects.filter(fetched_at=None).exists()
    assert not Account.objects.filter(fetched_at=None).exists()
    assert SharePool.objects.exists()
    assert Account.objects.get(name="example_account").plans.filter(kind="SUPPLEMENTARY").exists()
    sim = Sim.objects.get(giccid=simulator.pick())
    assert sim.reading.raw["imsi"] == simulator.sim(sim.giccid)["imsi"] == sim.imsi


def test_a_second_walk_writes_only_what_differs(simulator):
    run()
    giccid = simulator.pick()
    simulator.patch(giccid, status="DEACTIVATED", log=False, push=False)
    found = run()
    assert found.new == 0
    assert found.changed >= 1
    assert Sim.objects.get(giccid=giccid).status == "DEACTIVATED"
    assert TimelineEvent.objects.get(sim__giccid=giccid, kind="status").to_value == "DEACTIVATED"


def test_a_sim_that_the_carrier_forgot_is_marked_and_its_history_kept(simulator):
    run()
    giccid = simulator.pick()
    simulator.control("DELETE", f"sims/{giccid}")
    found = run()
    assert found.missing == 1
    sim = Sim.objects.get(giccid=giccid)
    assert sim.missing_since is not None
    assert sim.events.get(kind="notification").to_value == "missing"
    assert run().missing == 0


def test_a_sim_that_no_page_held_is_asked_for_before_it_counts_as_missing(simulator, make_sim):
    run()
    ghost = make_sim(observed_at=timezone.now() - timedelta(days=1))
    overlooked = Sim.objects.get(giccid=simulator.pick())
    found = SyncRun.objects.create(
        kind=FULL, trigger="test", cursor={"phase": "verify"}, started_at=timezone.now() - timedelta(hours=1)
    )
    Sim.objects.filter(pk=overlooked.pk).update(observed_at=timezone.now() - timedelta(days=1))
    assert run().pk == found.pk
    overlooked.refresh_from_db()
    ghost.refresh_from_db()
    assert (overlooked.missing_since, ghost.missing_since is None) == (None, False)


def test_a_carrier_that_answers_small_pages_is_walked_all_the_same(simulator, with_carrier):
    with with_carrier(SMARTHUB_PAGE_SIZE=1000, SMARTHUB_RATE=0):
        found = run()
    assert found.read == fleet(simulator) == Sim.objects.count()


def test_an_interrupted_walk_goes_on_from_its_page(simulator, with_carrier, monkeypatch):
    monkeypatch.setattr(sync_ahead, "MOST_PAGES", 2)
    with with_carrier(SMARTHUB_PAGE_SIZE=50, SMARTHUB_RATE=0):

        def kill(run: SyncRun) -> None:
            if run.read >= 150:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            sync.run(FULL, trigger="test", on_progress=kill)
        left = SyncRun.objects.get()
        assert left.state == "running"
        # What is written is a number of whole pages, and the cursor is behind them.
        assert left.read == left.cursor["offset"] == Sim.objects.count()
        simulator.control("GET", "ready")
        before = len(simulator.calls("list_sims"))
        done = run()
    assert done.pk == left.pk
    assert done.resumed == 1
    assert done.read == fleet(simulator)
    assert len(simulator.calls("list_sims")) - before == (fleet(simulator) - left.read + 49) // 50


def test_a_killed_walk_is_taken_over_when_its_lease_has_passed(simulator):
    run_ = SyncRun.objects.create(
        kind=FULL, trigger="test", lease_token="of the dead", lease_until=timezone.now() + timedelta(seconds=30)
    )
    assert sync.run(FULL, trigger="test").end == End.BUSY
    with time_machine.travel(timezone.now() + timedelta(seconds=31), tick=True):
        done = run()
    assert (done.pk, done.resumed) == (run_.pk, 1)


def test_a_run_that_was_taken_over_writes_nothing_more(simulator):
    def rob(run: SyncRun) -> None:
        SyncRun.objects.filter(pk=run.pk).update(lease_token="of another", read=-1)

    assert sync.run(FULL, trigger="test", on_progress=rob).end == End.INTERRUPTED
    assert SyncRun.objects.get().read == -1


def test_a_run_interrupted_too_long_ago_is_failed_and_a_new_one_begun(simulator):
    old = SyncRun.objects.create(
        kind=FULL, trigger="test", lease_token="x", started_at=timezone.now() - timedelta(days=2)
    )
    done = run()
    old.refresh_from_db()
    assert (old.state, done.pk == old.pk) == ("failed", False)
    assert old.message


def test_short_troubles_of_the_carrier_do_not_end_a_walk(simulator):
    simulator.fault(call="list_sims", kind="error", status=503, count=2)
    simulator.fault(call="list_sims", kind="cut_body", count=1)
    simulator.fault(call="list_sims", kind="html", count=1)
    simulator.fault(call="list_sims", kind="rate_limit", retry_after=0, count=2)
    assert run().read == fleet(simulator)


def test_a_carrier_that_stays_away_leaves_the_run_open_for_later(simulator):
    simulator.fault(call="list_sims", kind="error", status=503)
    ended = sync.run(FULL, trigger="test")
    assert ended.end == End.INTERRUPTED
    left = SyncRun.objects.get()
    assert left.state == "running"
    assert not sync_runs.is_alive(left)
    assert "server_error" in left.message
    simulator.clear_faults()
    assert run().pk == left.pk


def test_a_refused_key_fails_the_run_in_plain_words(simulator):
    simulator.fault(call="*", kind="error", status=401)
    ended = sync.run(FULL, trigger="test")
    assert ended.end == End.FAILED
    failed = SyncRun.objects.get()
    assert "key" in failed.message
    assert "test-key" not in failed.message


def test_reference_data_that_is_refused_does_not_stop_the_walk(simulator):
    simulator.fault(call="get_enterprise", kind="error", status=404)
    simulator.fault(call="list_pools", kind="error", status=404)
    assert Sim.objects.count() == 0
    assert run().new == fleet(simulator)


def test_an_unreadable_sim_costs_that_sim_only(simulator):
    giccid = simulator.pick()
    simulator.patch(giccid, drop=["status"], log=False, push=False)
    found = run()
    assert found.errors >= 1
    assert Sim.objects.count() == fleet(simulator) - 1


def test_unknown_states_and_fields_are_mirrored_as_they_are(simulator):
    giccid = simulator.pick()
    simulator.patch(giccid, extra={"status": "FROZEN", "novel": {"a": 1}}, log=False, push=False)
    run()
    sim = Sim.objects.get(giccid=giccid)
    assert (sim.status, sim.reading.raw["novel"]) == ("FROZEN", {"a": 1})


def test_the_follow_up_tells_the_last_30_days_and_reads_sims_it_does_not_know(simulator):
    found = run(CHANGES)
    assert found.read > 0
    assert found.watermark is not None
    assert TimelineEvent.objects.filter(log_time__isnull=False).count() == found.read
    assert set(Sim.objects.values_list("id")) == set(TimelineEvent.objects.values_list("sim_id"))


def test_the_follow_up_reads_what_changed_and_joins_reading_and_log(simulator):
    run()
    run(CHANGES)
    giccid = simulator.pick()
    simulator.patch(giccid, status="DEACTIVATED", push=False)
    found = run(CHANGES)
    assert found.changed == 1
    sim = Sim.objects.get(giccid=giccid)
    assert sim.status == "DEACTIVATED"
    event = sim.events.filter(kind="status").latest("at")
    assert (event.log_time is None, event.observed_at is None) == (False, False)
    assert sim.status_changed_at == event.log_time
    # The overlap reads the entry again, which is no news to anybody.
    again = run(CHANGES)
    assert again.changed == 0
    assert len(simulator.calls("list_sims")) > 0
    assert sim.events.filter(kind="status", to_value="DEACTIVATED", at=event.at).count() == 1


def test_the_watermark_moves_only_when_all_was_read(simulator):
    run(CHANGES)
    before = SyncRun.objects.latest("id").watermark
    simulator.fault(call="list_change_logs", kind="error", status=503)
    assert sync.run(CHANGES, trigger="test").end == End.INTERRUPTED
    from sims.services.sync_changes import last_watermark

    assert last_watermark() == before


def test_a_gap_longer_than_the_carrier_remembers_is_told(simulator):
    SyncRun.objects.create(kind=CHANGES, trigger="test", state="done", watermark=timezone.now() - timedelta(days=45))
    assert "30 days" in run(CHANGES).message


def test_of_scheduled_runs_without_news_only_the_latest_is_kept(simulator):
    run()
    for _ in range(3):
        tasks.follow_changes()
    first, last = SyncRun.objects.filter(kind=CHANGES).order_by("id")
    assert (first.cursor["told"] > 0, last.cursor["told"]) == (True, 0)
    from sims.services.sync_changes import last_watermark

    assert last_watermark() == last.watermark


def test_the_reference_run_fills_stubs(simulator):
    RatePlan.objects.create(code="EU-500M-M")
    found = run(REFERENCE)
    assert found.read > 0
    assert RatePlan.objects.get(code="EU-500M-M").price is not None


def test_the_tasks_run_syncs_and_a_task_for_a_finished_run_does_nothing(simulator):
    tasks.full_walk()
    tasks.follow_changes()
    tasks.read_reference()
    done = list(SyncRun.objects.values_list("kind", "state"))
    assert sorted(done) == [("changes", "done"), ("full", "done"), ("reference", "done")]
    tasks.run_sync(SyncRun.objects.get(kind=FULL).pk)
    tasks.run_sync(999_999)
    assert SyncRun.objects.count() == 3


def test_a_first_walk_is_begun_by_itself_and_once(simulator):
    tasks.resume_syncs()
    tasks.resume_syncs()
    assert sorted(SyncRun.objects.values_list("kind", "state")) == [("full", "running")]
    run()
    tasks.resume_syncs()
    assert SyncRun.objects.filter(kind=FULL).count() == 1


def test_refreshing_reads_one_sim_and_marks_one_that_is_gone(simulator, mirrored):
    sim = mirrored(simulator.pick())
    simulator.patch(sim.giccid, status="DEACTIVATED", log=False, push=False)
    tasks.refresh_sim(sim.giccid)
    sim.refresh_from_db()
    assert (sim.status, sim.observed_by) == ("DEACTIVATED", "page")
    simulator.control("DELETE", f"sims/{sim.giccid}")
    tasks.refresh_sim(sim.giccid)
    sim.refresh_from_db()
    assert sim.missing_since is not None


def test_a_page_opened_again_and_again_asks_for_one_refresh(mirrored, simulator):
    from sims.services.refresh import request_refresh

    sim = mirrored(simulator.pick())
    assert [request_refresh(sim), request_refresh(sim)] == [True, False]


def page(number: int, size: int, total: int | None, received: int) -> Page[int]:
    return Page(data=[0] * received, unreadable=[], page=number, size=size, total=total)


def test_pages_that_get_smaller_go_on_in_the_new_numbers():
    pages = Pages({}, 100)
    assert not pages.took(page(0, 100, 250, 100))
    assert not pages.took(page(1, 50, 250, 50))
    assert (pages.page, pages.size) == (2, 50)
    assert not pages.took(page(2, 50, 250, 50))
    assert not pages.took(page(3, 50, 250, 50))
    assert pages.took(page(4, 50, 250, 50))


def test_pages_that_get_larger_leave_no_gap():
    pages = Pages({"offset": 150, "size": 50, "total": 400}, 50)
    assert not pages.took(page(3, 100, 400, 100))
    assert (pages.page, pages.offset) == (1, 150)


def test_a_list_that_gets_shorter_is_read_with_an_overlap():
    pages = Pages({}, 100)
    pages.took(page(0, 100, 300, 100))
    pages.took(page(1, 100, 297, 100))
    assert pages.offset == 197


def test_a_list_that_gives_nothing_more_ends_before_its_total():
    pages = Pages({}, 100)
    pages.took(page(0, 100, 300, 100))
    assert [pages.took(page(1, 100, 300, 0)) for _ in range(6)] == [False] * 5 + [True]
    assert pages.ended_early


def test_a_list_without_an_end_is_given_up():
    pages = Pages({}, 100)
    for number in range(6):
        pages.took(page(number, 100, 10_000, 100))
    with pytest.raises(ListBroken):
        pages.took(page(6, 100, 10_000, 100))
