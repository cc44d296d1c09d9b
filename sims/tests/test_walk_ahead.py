"""The walk fetches pages while it writes those before: nothing is lost, doubled or left running, however it ends."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any

import pytest
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

from sims.models import CarrierLink, Sim, SimReading, SimTally, SyncRun, TimelineEvent
from sims.services import link, mirror, sync, sync_ahead, sync_runs, sync_walk, tallies
from sims.services.mirror import Source
from sims.services.newcomers import newcomer
from sims.services.reading import Received
from sims.services.sync import End
from sims.services.sync_ahead import Ahead
from sims.services.sync_pages import ListBroken, Pages, apply_pages
from smarthub.contract import Page
from smarthub.errors import RateLimited, Transient

FULL = SyncRun.Kind.FULL
MOMENT = datetime(2026, 11, 20, 12, tzinfo=UTC)
SIZE = 3
THREAD = "pages-ahead"


def wire(number: int, **fields: Any) -> dict[str, Any]:
    return {"giccid": f"8986019{number:013d}", "accountName": "example_account", "status": "ACTIVATED", **fields}


class Carrier:
    """A client with a list of SIMs in pages of 3. ``trouble`` is what happens when a page is asked for, in turn."""

    page_size = SIZE

    def __init__(self, sims: int) -> None:
        self.sims = [wire(number) for number in range(sims)]
        self.trouble: dict[int, list[Callable[[], None]]] = {}
        self.asked: list[int] = []

    def list_sims_unread(self, *, page: int, size: int) -> Page[dict[str, Any]]:
        self.asked.append(page)
        if troubles := self.trouble.get(page):
            troubles.pop(0)()
        data = self.sims[page * SIZE :][:SIZE]
        return Page(data=data, unreadable=[], page=page, size=SIZE, total=len(self.sims))


@pytest.fixture
def carrier(monkeypatch) -> Iterator[Carrier]:
    """A walk over it is nothing but its list."""
    carrier = Carrier(30 * SIZE)
    monkeypatch.setattr(sync_runs, "BACKOFF", 0.01)
    monkeypatch.setattr(sync_walk, "get_client", lambda _lane: carrier)
    monkeypatch.setattr(sync_walk, "read_all_reference", lambda _client, _held: SyncRun())
    switches = sys.getswitchinterval()
    yield carrier
    assert sys.getswitchinterval() == switches
    assert THREAD not in {thread.name for thread in threading.enumerate()}, "the thread ends with the walk"


def fails(error: BaseException) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


def walk(**given: Any) -> sync.Ended:
    return sync.run(FULL, trigger="test", **given)


@pytest.mark.django_db
def test_each_sim_keeps_the_time_at_which_its_page_was_read():
    first, second = MOMENT, MOMENT + timedelta(seconds=7)
    apply_pages([[Received(wire(n), first) for n in (1, 2)], [Received(wire(3), second)]], source=Source.WALK)
    assert list(Sim.objects.order_by("giccid").values_list("observed_at", flat=True)) == [first, first, second]

    later = [first + timedelta(hours=1), second + timedelta(hours=1)]
    suspended = wire(3, status="DEACTIVATED")
    apply_pages(
        [[Received(wire(1), later[0])], [Received(wire(2), later[1]), Received(suspended, later[1])]],
        source=Source.WALK,
    )
    times = list(Sim.objects.order_by("giccid").values_list("observed_at", flat=True))
    assert times == [later[0], later[1], later[1]]
    event = TimelineEvent.objects.get(kind="status")
    assert (event.observed_after, event.observed_at) == (second, later[1])
    assert Sim.objects.get(status="DEACTIVATED").status_changed_at == later[1]


@pytest.mark.django_db
def test_a_sim_on_two_pages_was_read_twice_and_an_older_page_changes_nothing():
    def at(seconds: int, status: str) -> list[Received]:
        return [Received(wire(1, status=status), MOMENT + timedelta(seconds=seconds)), Received(wire(2), MOMENT)]

    apply_pages([at(0, "INVENTORY")], source=Source.WALK)
    result, _ = apply_pages([at(60, "ACTIVATED"), at(120, "DEACTIVATED"), at(90, "RETIRED")], source=Source.WALK)
    assert (result.changed, result.stale) == (2, 1)
    events = TimelineEvent.objects.filter(kind="status").order_by("at").values_list("from_value", "to_value")
    assert list(events) == [("INVENTORY", "ACTIVATED"), ("ACTIVATED", "DEACTIVATED")]


@pytest.mark.django_db
def test_a_sim_that_can_not_be_read_or_stored_costs_that_sim_only(monkeypatch):
    applied = mirror.apply_chunk

    def refuse(chunk: list[Received], *, source: Source) -> mirror.ApplyResult:
        if any(received.giccid == wire(5)["giccid"] for received in chunk):
            raise ValueError("no database takes it")
        return applied(chunk, source=source)

    monkeypatch.setattr(mirror, "apply_chunk", refuse)
    rows = [wire(n) for n in range(20)]
    del rows[8]["status"]
    result, refused = apply_pages([[Received(raw, MOMENT) for raw in rows]], source=Source.WALK)
    assert (result.new, result.problems, refused) == (18, 1, 1)
    assert Sim.objects.count() == 18


@pytest.mark.django_db
def test_what_is_as_it_was_is_not_read_at_all(monkeypatch):
    page = [Received(wire(n), MOMENT) for n in range(5)]
    apply_pages([page], source=Source.WALK)
    later = [Received(wire(n), MOMENT + timedelta(hours=1)) for n in range(5)]
    monkeypatch.setattr(Received, "snapshot", property(lambda _: pytest.fail("read")))
    result, _ = apply_pages([later], source=Source.WALK)
    assert result.unchanged == 5


@pytest.mark.django_db
def test_a_sim_made_ahead_that_came_another_way_meanwhile_is_compared_with_what_is_there():
    stranger, known = (Received(wire(n, imei="1", status="DEACTIVATED"), MOMENT) for n in (1, 2))
    for received in (stranger, known):
        newcomer(received, str(Source.WALK))
    apply_pages([[Received(wire(2), MOMENT - timedelta(hours=1))]], source=Source.PUSH)
    result, _ = apply_pages([[stranger, known]], source=Source.WALK)
    assert (result.new, result.changed) == (1, 1)
    assert set(Sim.objects.values_list("status", "imei", "observed_by")) == {("DEACTIVATED", "1", "walk")}
    assert [reading.raw for reading in SimReading.objects.order_by("sim__giccid")] == [stranger.raw, known.raw]
    assert TimelineEvent.objects.filter(kind="status").count() == 1
    assert not tallies.differences()


@pytest.mark.django_db
@pytest.mark.parametrize("after", [1, 3])
def test_a_walk_killed_between_two_chunks_loses_and_doubles_nothing(after, carrier, monkeypatch):
    """Killed when a chunk is written and the cursor not yet behind it, which is the worst moment."""
    before = [Received(wire(number, status="INVENTORY"), MOMENT) for number in range(0, len(carrier.sims), 2)]
    apply_pages([before], source=Source.WALK)
    written = iter(range(after))
    real = sync_walk.apply_pages

    def kill(pages: Any, **given: Any) -> Any:
        result = real(pages, **given)
        if next(written, None) is None:
            raise KeyboardInterrupt
        return result

    monkeypatch.setattr(sync_ahead, "MOST_PAGES", 4)
    monkeypatch.setattr(sync_walk, "apply_pages", kill)
    with pytest.raises(KeyboardInterrupt):
        walk()
    left = SyncRun.objects.get()
    assert left.read == left.cursor["offset"] < Sim.objects.filter(status="ACTIVATED").count()
    monkeypatch.setattr(sync_walk, "apply_pages", real)
    asked = len(carrier.asked)
    done = walk()
    assert (done.end, done.run and done.run.pk) == (End.DONE, left.pk)
    assert carrier.asked[asked] == left.read // SIZE
    assert Sim.objects.filter(status="ACTIVATED").count() == Sim.objects.count() == len(carrier.sims)
    assert TimelineEvent.objects.filter(kind="status").count() == len(carrier.sims) // 2
    assert not tallies.differences()
    assert SimTally.objects.exists()


ENDS: dict[str, tuple[dict[int, list[Callable[[], None]]], End]] = {
    "the end of the list": ({}, End.DONE),
    "troubles that pass": ({4: [fails(Transient("reset")), fails(RateLimited("rate_limited"))]}, End.DONE),
    "a carrier that stays away": ({4: [fails(Transient("timeout"))] * 9}, End.INTERRUPTED),
    "a broken list": ({4: [fails(ListBroken())]}, End.FAILED),
}


@pytest.mark.django_db
@pytest.mark.parametrize("how", ENDS)
def test_the_thread_ends_however_the_walk_does(how, carrier):
    troubles, end = ENDS[how]
    carrier.trouble = {page: list(those) for page, those in troubles.items()}
    assert walk().end == end
    run = SyncRun.objects.get()
    # What came before the trouble is written, and nothing is asked for twice but what failed.
    assert run.read == (len(carrier.sims) if end == End.DONE else 4 * SIZE) == Sim.objects.count()
    assert carrier.asked == sorted(carrier.asked)
    assert carrier.asked.count(4) == {"troubles that pass": 3, "a carrier that stays away": sync_runs.TRIES}.get(how, 1)


@pytest.mark.django_db
def test_the_thread_ends_with_a_lost_lease_and_with_the_process(carrier, monkeypatch):
    def rob(run: SyncRun) -> None:
        if run.read:
            SyncRun.objects.filter(pk=run.pk).update(lease_token="of another", lease_until=timezone.now())

    def stop(run: SyncRun) -> None:
        if run.read:
            sync_runs.stop_all()

    assert walk(on_progress=rob).end == End.INTERRUPTED
    monkeypatch.setattr(sync_runs, "_stopping", threading.Event())
    assert walk(on_progress=stop).end == End.INTERRUPTED
    monkeypatch.setattr(sync_runs, "_stopping", threading.Event())
    left = SyncRun.objects.get().read
    carrier.trouble = {page: [fails(ZeroDivisionError())] for page in range(left // SIZE, 30)}
    with pytest.raises(ZeroDivisionError):
        walk()
    carrier.trouble = {}
    assert walk().end == End.DONE
    assert Sim.objects.count() == len(carrier.sims)


@pytest.mark.django_db
def test_a_silent_carrier_is_waited_for_with_signs_of_life(carrier, with_carrier):
    speaks = threading.Event()
    lives: list[datetime | None] = []

    def keep_silent() -> None:
        assert speaks.wait(10)

    def look(run: SyncRun) -> None:
        lives.append(run.lease_until)
        if len(lives) > 8:
            speaks.set()

    carrier.trouble = {0: [keep_silent]}
    with with_carrier(SYNC_LEASE=0.1):
        assert walk(on_progress=look).end == End.DONE
    assert len(set(lives)) == len(lives) > 8


def test_no_more_is_fetched_than_may_be_ahead(carrier):
    # One more may be under way.
    enough, too_many = threading.Event(), threading.Event()
    with Ahead(carrier, Pages({}, SIZE)) as ahead:
        carrier.trouble = {0: [lambda: setattr(ahead, "makes", attrgetter("reading"))]}
        [*took] = ahead.take(meanwhile=pytest.fail, every=10)
        carrier.trouble = {
            len(took) + sync_ahead.MOST_PAGES - 1: [enough.set],
            len(took) + sync_ahead.MOST_PAGES: [too_many.set],
        }
        assert enough.wait(10)
        assert not too_many.wait(0.1)
        took += ahead.take(meanwhile=pytest.fail, every=10)
    assert [each.page.page for each in took] == list(range(len(took)))
    assert took[-1].cursor["offset"] == len(took) * SIZE


@pytest.mark.django_db(transaction=True)
def test_the_thread_leaves_the_database_alone_and_the_walk_keeps_what_it_learned(simulator, with_carrier, monkeypatch):
    connected: list[str] = []
    connect = BaseDatabaseWrapper.connect

    def watch(self: BaseDatabaseWrapper) -> None:
        connected.append(threading.current_thread().name)
        connect(self)

    monkeypatch.setattr(BaseDatabaseWrapper, "connect", watch)
    told: list[str] = []
    note = link.note

    def hear(problem: str, *, slowed: bool = False) -> None:
        told.append(threading.current_thread().name)
        note(problem, slowed=slowed)

    monkeypatch.setattr(link, "note", hear)
    link.forget()
    simulator.fault(call="list_sims", kind="error", status=503, count=1)
    with with_carrier(SMARTHUB_RATE=0):
        assert walk().end == End.DONE
    assert CarrierLink.objects.get().answered_at
    assert THREAD not in connected
    # Each call of the thread comes back to the walk, that of the fault, too.
    assert told.count(THREAD) == len(simulator.calls("list_sims"))
    assert told.count("MainThread") >= told.count(THREAD) * 2
