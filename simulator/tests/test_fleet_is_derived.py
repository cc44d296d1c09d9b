"""The fleet comes from its seed: the same each time, plausible, consistent with its past."""

import time
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator import catalog, sims
from simulator.clock import DAY, cycle_of, format_time, month_bounds, parse_time
from simulator.digits import is_luhn
from simulator.fleet import Fleet
from simulator.history import seeded_history
from simulator.listing import GONE, Listing, merged

NOW = 1_795_000_000


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    return Fleet(1, 4000, NOW)


def wire(fleet: Fleet, index: int, now: float = NOW) -> dict:
    return sims.sim_wire(fleet, index, {}, now)


def index_of(fleet: Fleet, giccid: str) -> int:
    index = fleet.index(giccid)
    assert index is not None
    return index


def test_same_seed_same_fleet_and_another_seed_another(fleet: Fleet) -> None:
    again, other = Fleet(1, 4000, NOW), Fleet(2, 4000, NOW)
    mine = [wire(fleet, n) for n in range(300)]
    assert mine == [wire(again, n) for n in range(300)]
    assert mine != [wire(other, n) for n in range(300)]


def test_giccids_have_check_digits_and_increase_as_text(fleet: Fleet) -> None:
    giccids = [fleet.giccid(n) for n in range(fleet.size)]
    assert giccids == sorted(giccids)
    assert len(set(giccids)) == fleet.size
    assert giccids[0] == "8986011805021000040"
    assert all(len(g) == 20 and g.startswith("898601") and is_luhn(g) for g in giccids[1:])
    assert [fleet.index(g) for g in giccids] == list(range(fleet.size))


@pytest.mark.parametrize(
    "giccid", ["", "x", "89860119070000000021", "8986011805021000041", "８986011805021000040", "9" * 20]
)
def test_other_texts_are_no_sim_of_the_fleet(fleet: Fleet, giccid: str) -> None:
    assert fleet.index(giccid) is None


def test_identifiers_are_valid_and_unique(fleet: Fleet) -> None:
    found = [wire(fleet, n) for n in range(fleet.size)]
    for name, start, length in (("imsi", "46001", 15), ("msisdn", "86145", 13), ("imei", "3", 15)):
        values = [sim[name] for sim in found if name in sim]
        assert len(values) > 0.8 * fleet.size
        assert len(set(values)) == len(values)
        assert all(len(v) == length and v.isdigit() for v in values)
        assert name == "imei" or all(v.startswith(start) for v in values)
    assert all(is_luhn(sim["imei"]) for sim in found[1:] if "imei" in sim)


def test_shares_are_realistic(fleet: Fleet) -> None:
    found = [wire(fleet, n) for n in range(fleet.size)]
    states = Counter(sim["status"] for sim in found)
    assert 0.74 < states["ACTIVATED"] / fleet.size < 0.82
    assert set(states) == set(catalog.STATUSES)
    accounts = Counter(sim["accountName"] for sim in found)
    assert 0.22 < accounts["example_account"] / fleet.size < 0.28
    assert len(accounts) == 5
    active = [sim for sim in found if sim["status"] == "ACTIVATED"]
    assert any("session" not in sim for sim in active)
    assert any(not sim["session"]["online"] for sim in active if "session" in sim)
    assert any(len(sim["apns"]) == 2 for sim in found)
    assert any("customFields" not in sim for sim in found)
    assert any("supplementaryServicePackages" in sim for sim in found)
    assert any("sharePoolCode" in sim for sim in found)
    assert {"DE", "FR", "CN", "US"} <= {sim["session"]["countryCode"] for sim in found if "session" in sim}


def test_usage_grows_through_the_cycle_and_some_go_over_quota(fleet: Fleet) -> None:
    start, end = cycle_of(NOW + 40 * DAY)
    moments = [start, start + 3600, start + 10 * DAY, end - 1]
    over = 0
    for index in range(500):
        used = [fleet.usage(index, fleet.bits(index), moment) for moment in moments]
        assert used == sorted(used)
        over += used[-1] > fleet.plan(index).data_quota
        assert fleet.usage(index, fleet.bits(index), end) <= used[-1]
    assert 5 < over < 100


def test_updated_time_moves_when_the_object_changes(fleet: Fleet) -> None:
    for index in range(200):
        before, after = wire(fleet, index), wire(fleet, index, NOW + 7200)
        differs = {k: v for k, v in before.items() if k != "updatedTime"} != {
            k: v for k, v in after.items() if k != "updatedTime"
        }
        assert not differs or after["updatedTime"] > before["updatedTime"]


def test_past_agrees_with_the_present(fleet: Fleet) -> None:
    entries = list(seeded_history(fleet))
    assert {entry[2] for entry in entries} == {"LOCAL_STATUS", "SERVICE_PACKAGE", "IMEI_CHANGE"}
    assert {entry[6] for entry in entries} == {"SUCCESS", "FAILED"}
    last: dict[tuple[str, str], tuple[int, str]] = {}
    for giccid, account, kind, original, target, when, status in entries:
        assert NOW - 30 * DAY <= when <= NOW
        assert original != target
        assert fleet.account(index_of(fleet, giccid)) == account
        if status == "SUCCESS" and original and when >= last.get((giccid, kind), (0,))[0]:
            last[giccid, kind] = (when, target)
    for (giccid, kind), (_, target) in last.items():
        sim = wire(fleet, index_of(fleet, giccid))
        present = {
            "LOCAL_STATUS": sim["status"],
            "SERVICE_PACKAGE": sim["basicServicePackage"]["code"],
            "IMEI_CHANGE": sim.get("imei"),
        }[kind]
        assert present == target


@settings(deadline=None, max_examples=60)
@given(st.binary(min_size=1, max_size=9000), st.data())
def test_listing_selects_what_a_walk_would_find(seed: bytes, data: st.DataObject) -> None:
    keys = bytearray(byte % 7 for byte in seed) * 3
    listing = Listing(bytearray(keys))
    for _ in range(data.draw(st.integers(0, 5))):
        index, key = data.draw(st.integers(0, len(keys) - 1)), data.draw(st.sampled_from([0, 3, GONE]))
        listing.count((0, 3))
        listing.move(index, key)
        keys[index] = key
    filters = tuple(data.draw(st.sets(st.integers(0, 6))))
    expected = [n for n, key in enumerate(keys) if key in filters]
    offset, limit = data.draw(st.integers(0, len(keys) + 5)), data.draw(st.integers(0, 300))
    assert listing.count(filters) == len(expected)
    assert listing.select(filters, offset, limit) == expected[offset : offset + limit]
    at = data.draw(st.integers(0, len(keys)))
    assert listing.rank(filters, at) == sum(1 for n in expected if n < at)


@given(st.lists(st.integers(0, 30)).map(sorted), st.integers(0, 40), st.integers(1, 12))
def test_added_sims_fall_into_their_place(ranks: list[int], offset: int, limit: int) -> None:
    base = list(range(30))
    ranks = [min(rank, 30) for rank in ranks]
    whole: list = []
    for n in range(31):
        whole += [f"added {m}" for m, rank in enumerate(ranks) if rank == n]
        whole += base[n : n + 1]
    start, count, inserted = merged(ranks, offset, limit)
    page: list = base[start : start + count]
    for place in sorted(inserted):
        page.insert(place, f"added {inserted[place]}")
    assert page[:limit] == whole[offset : offset + limit]


@given(st.integers(0, 4_000_000_000))
def test_times_are_read_as_they_are_written(moment: int) -> None:
    assert parse_time(format_time(moment)) == moment


def test_time_forms_and_months() -> None:
    assert format_time(1539167570) == "2018-10-10T10:32:50+0000"
    assert parse_time("2018-10-10T10:32:50Z") == parse_time("2018-10-10T18:32:50+08:00") == 1539167570
    for text in ("2018-10-10", "2018-10-10T10:32:50", "2018-13-10T10:32:50Z", "2018-10-10T10:32:50 0000"):
        with pytest.raises(ValueError):
            parse_time(text)
    assert [format_time(t)[:10] for t in month_bounds("2024-12")] == ["2024-12-01", "2025-01-01"]
    with pytest.raises(ValueError):
        month_bounds("2024-1")


def test_a_million_sims_derive_quickly() -> None:
    started = time.process_time()
    fleet = Fleet(1, 1_000_000, NOW)
    listing = Listing(bytearray(fleet.keys))
    assert listing.count(tuple(range(64))) == 1_000_000
    assert time.process_time() - started < 5
