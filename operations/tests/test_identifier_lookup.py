"""What lines mean to a user: found, repaired, ambiguous, a duplicate, or not found with the reason."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from operations.identifiers import Resolved, TooMany, read_text, resolve
from operations.identifiers.lines import luhn_fits


def giccid(n: int) -> str:
    """A giccid of 20 digits with its check digit, as the carrier's are."""
    payload = f"8986011907{n:09d}"
    return next(payload + str(digit) for digit in range(10) if luhn_fits(payload + str(digit)))


@pytest.fixture
def fleet(make_sim: Any) -> list[Any]:
    """Thirty SIMs one after the other, of ``example_account``."""
    return [
        make_sim(
            giccid=giccid(n),
            imsi=f"46001123450{n:04d}",
            msisdn=f"861450000{n:04d}",
            imei=f"3532700912{n:04d}0",
        )
        for n in range(1, 31)
    ]


def look(text: str, user: Any) -> list[Resolved]:
    return resolve(read_text(text), user)


def one(text: str, user: Any) -> Resolved:
    (resolved,) = look(text, user)
    return resolved


def test_each_identifier_finds_its_sim(fleet, agent):
    sim = fleet[7]
    for number in (fleet[0].giccid, fleet[1].imsi, fleet[2].msisdn, fleet[3].imei):
        assert one(number, agent).outcome == "found"
    found = one(sim.giccid, agent)
    assert (found.sim_id, found.giccid, found.note, found.candidates) == (sim.pk, sim.giccid, "", [])


@pytest.mark.parametrize(
    ("damage", "word"),
    [
        (lambda s: s.giccid[:-1], "missing check digit"),
        (lambda s: s.giccid[:-1] + str((int(s.giccid[-1]) + 3) % 10), "check digit was wrong"),
        (lambda s: s.giccid + "7", "too many at the end"),
        (lambda s: "1" + s.giccid, "too many at the start"),
        (lambda s: s.giccid[:12] + "3" + s.giccid[12:], "taken out"),
        (lambda s: s.giccid + ".0", "“.0”"),
        (lambda s: s.giccid + "F", "filler"),
        (lambda s: "00" + s.msisdn, "Leading zeros were taken off"),
        (lambda s: s.imei[:14], "missing check digit"),
        (lambda s: s.imei[:14] + "93", "IMEI"),
    ],
)
def test_a_damaged_number_finds_its_only_sim(fleet, agent, damage, word):
    sim = fleet[11]
    found = one(damage(sim), agent)
    assert (found.outcome, found.sim_id, found.giccid) == ("repaired", sim.pk, sim.giccid)
    assert word in found.note


def test_lost_leading_zeros_are_put_back(make_sim, agent):
    sim = make_sim(imei="013270091234567", msisdn="0145999000111")
    assert one("13270091234567", agent).sim_id == sim.pk
    assert one("145999000111", agent).sim_id == sim.pk
    assert "zeros were put back" in one("13270091234567", agent).note


def test_a_cut_off_number_with_one_sim_is_repaired(make_sim, agent):
    sim = make_sim(giccid="8986011805021000040")
    found = one("8.98601E+18", agent)
    assert (found.outcome, found.sim_id) == ("repaired", sim.pk)
    assert "spreadsheet" in found.note


@pytest.mark.parametrize("text", ["8.98601190700000E+19", "89860119070000000000", "89860119070000000000.0"])
def test_a_cut_off_number_with_few_sims_is_for_a_person_to_choose(fleet, agent, text):
    for sim in fleet[15:]:
        sim.delete()
    found = one(text, agent)
    assert (found.outcome, found.sim_id) == ("ambiguous", None)
    assert found.candidates == [sim.giccid for sim in fleet[:15]]


def test_a_cut_off_number_with_many_sims_says_how_many(fleet, agent):
    found = one("8.98601E+19", agent)
    assert (found.outcome, found.candidates) == ("not_found", [])
    assert "30 SIMs begin so" in found.note


def test_a_column_kept_as_numbers_is_not_taken_for_the_sim_that_all_its_rows_now_name(make_sim, agent):
    last, *others = [make_sim(giccid=f"898601190700000{n:05d}") for n in (0, 17, 25)]
    assert one(last.giccid, agent).sim_id == last.pk
    lines = look("\n".join([last.giccid] * 3), agent)
    assert {line.outcome for line in lines} == {"ambiguous"}
    assert lines[0].candidates == [last.giccid, *(sim.giccid for sim in others)]


def test_a_float_on_the_other_side_of_a_boundary_still_offers_the_right_sim(make_sim, agent):
    boundary = next(n for n in range(898601190700000, 898601190700900) if int(float(n * 10**5 + 5)) < n * 10**5)
    right = make_sim(giccid=str(boundary * 10**5 + 5))
    make_sim(giccid=str(boundary * 10**5 - 10))
    assert right.giccid in one(str(int(float(right.giccid))), agent).candidates


def test_a_rounded_up_number_counts_as_cut_off(make_sim, agent):
    sim = make_sim(giccid="89860077000000000011")
    assert one("8.98601E+19", agent).sim_id == sim.pk


def test_a_number_of_two_sims_is_ambiguous(make_sim, agent):
    first, second = make_sim(imsi="460019999999999"), make_sim(imei="460019999999999")
    found = one("460019999999999", agent)
    assert (found.outcome, found.sim_id) == ("ambiguous", None)
    assert found.candidates == sorted([first.giccid, second.giccid])


def test_a_lost_digit_that_fits_several_is_ambiguous(make_sim, agent):
    made = [make_sim(giccid=f"8986011907000000002{n}") for n in (1, 4, 8)]
    found = one("8986011907000000002", agent)
    assert (found.outcome, found.candidates) == ("ambiguous", [sim.giccid for sim in made])


def test_a_last_digit_that_is_no_check_digit_is_not_repaired_but_offered(make_sim, agent):
    sim = make_sim(giccid="89860119070000000021")
    found = one("89860119070000000029", agent)
    assert (found.outcome, found.candidates) == ("ambiguous", [sim.giccid])


def test_a_sound_number_that_nobody_has_is_not_repaired(fleet, agent):
    found = one(giccid(77), agent)
    assert (found.outcome, found.note) == ("not_found", "No SIM has this number.")


def test_the_same_sim_by_another_number_is_a_duplicate_of_the_first_line(fleet, agent):
    sim = fleet[0]
    lines = look(f"{fleet[1].giccid}\n{sim.giccid}\n{sim.imsi}\n{sim.giccid[:-1]}\n{sim.giccid}", agent)
    assert [line.outcome for line in lines] == ["found", "found", "duplicate", "duplicate", "duplicate"]
    assert {line.note for line in lines[2:]} == {"The same SIM as line 2."}
    assert {line.sim_id for line in lines[2:]} == {None}


def test_a_range_is_every_known_giccid_between_its_ends(make_sim, agent):
    made = [make_sim(giccid=f"8986011907000000{n:03d}") for n in (39, 40, 41, 55, 60, 61)]
    make_sim(giccid="89860119070000000415")
    lines = look("8986011907000000040-060", agent)
    assert [(line.outcome, line.giccid) for line in lines] == [("found", sim.giccid) for sim in made[1:5]]
    assert [line.number for line in lines] == [1, 2, 3, 4]
    assert {line.text for line in lines} == {"8986011907000000040-060"}


def test_a_range_without_check_digits(fleet, agent):
    lines = look(f"{fleet[2].giccid[:-1]} to {fleet[6].giccid[:-1]}", agent)
    assert [(line.outcome, line.giccid) for line in lines] == [("repaired", sim.giccid) for sim in fleet[2:7]]


def test_ranges_that_overlap_name_each_sim_once(fleet, agent):
    text = f"{fleet[0].giccid}..{fleet[3].giccid}\n{fleet[2].giccid}..{fleet[4].giccid}"
    outcomes = [line.outcome for line in look(text, agent)]
    assert outcomes == ["found"] * 4 + ["duplicate"] * 2 + ["found"]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("8986011907000000060-040", "ends before it begins"),
        ("8986011907000000900-950", "no SIM in this range"),
        ("8986010000000000000 to 8986019999999999999", "wider than 1,000,000"),
    ],
)
def test_a_range_that_means_nothing_says_why(fleet, agent, text, word):
    found = one(text, agent)
    assert found.outcome == "not_found"
    assert word in found.note


def test_a_check_digit_after_a_dash(fleet, agent):
    sim = fleet[4]
    assert one(f"{sim.giccid[:-1]}-{sim.giccid[-1]}", agent).sim_id == sim.pk


def test_ranges_of_more_sims_than_a_job_takes_are_refused(fleet, agent, settings):
    text = f"{fleet[0].giccid}..{fleet[-1].giccid}"
    settings.CONFIG = {**settings.CONFIG, "BATCH_MAX_LINES": 30}
    assert len(look(text, agent)) == 30
    with pytest.raises(TooMany):
        look(f"{text}\n{fleet[0].giccid}", agent)


def test_what_is_out_of_scope_is_unknown(make_sim, scoped_agent):
    hidden = make_sim(giccid=giccid(1), imsi="460017777777777", account="harbour")
    for text in (hidden.giccid, hidden.imsi, hidden.giccid[:-1], hidden.giccid + "1", "8.98601190700000E+19"):
        found = one(text, scoped_agent)
        assert (found.outcome, found.note, found.candidates) == ("not_found", "No SIM has this number.", [])
    assert one(f"{giccid(0)}..{giccid(5)}", scoped_agent).note == "There is no SIM in this range."


def test_the_number_of_a_hidden_sim_is_never_repaired_into_a_visible_one(make_sim, scoped_agent):
    make_sim(giccid="8986011907000000002", account="harbour")
    make_sim(giccid="89860119070000000028")
    assert one("8986011907000000002", scoped_agent).outcome == "not_found"


def test_a_repair_that_also_fits_a_hidden_sim_is_for_a_person_to_choose(make_sim, scoped_agent):
    visible = make_sim(giccid="89860119070000000021")
    make_sim(giccid="89860119070000000028", account="harbour")
    for text in ("8986011907000000002", "8.98601190700000E+19"):
        found = one(text, scoped_agent)
        assert (found.outcome, found.candidates) == ("ambiguous", [visible.giccid])


def test_the_number_of_queries_does_not_grow_with_the_lines(fleet, agent):
    def queries(count: int) -> int:
        numbers = [giccid(n)[:-1] + "5" for n in range(500, 500 + count // 2)]
        numbers += [f"8.98{n:03d}E+18" for n in range(count // 4)] + [f"86777{n:08d}" for n in range(count // 4)]
        with CaptureQueriesContext(connection) as captured:
            assert len(look("\n".join(numbers), agent)) == len(numbers)
        return sum("FROM" in query["sql"] for query in captured)

    few = queries(40)
    assert queries(1000) <= few + 4
    assert few < 30


_MANGLINGS = st.sampled_from(
    [
        lambda g, x: g,
        lambda g, x: g[:-1],
        lambda g, x: g[:-1] + str(x % 10),
        lambda g, x: g + str(x % 10),
        lambda g, x: str(x % 10) + g,
        lambda g, x: g[: x % 20] + str(x % 10) + g[x % 20 :],
        lambda g, x: g + ".0",
        lambda g, x: g + "f",
        lambda g, x: "00" + g,
        lambda g, x: "'" + g,
        lambda g, x: " ".join(g[n : n + 4] for n in range(0, 20, 4)),
        lambda g, x: "-".join(g[n : n + 4] for n in range(0, 20, 4)),
        lambda g, x: f"{int(g):,}",
        lambda g, x: f"{int(g):,}".replace(",", "."),
        lambda g, x: f"{int(g):,}".replace(",", "\u202f"),
        lambda g, x: g.translate({48 + n: 0xFF10 + n for n in range(10)}),
        lambda g, x: f"{float(g):.{4 + x % 12}E}",
        lambda g, x: f"{float(g):.{4 + x % 12}e}".replace(".", ","),
        lambda g, x: str(int(float(g))),
        lambda g, x: g[:15] + "00000",
        lambda g, x: f"{float(g)!r}",
    ]
)


@pytest.mark.django_db
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
@given(which=st.integers(0, 29), mangle=_MANGLINGS, number=st.integers(0, 199))
def test_no_damage_ever_leads_to_another_sim(fleet, agent, which, mangle, number):
    right = fleet[which].giccid
    (found,) = look(mangle(right, number), agent)
    if found.outcome in ("found", "repaired"):
        assert found.giccid == right
    elif found.outcome == "ambiguous":
        assert right in found.candidates
    else:
        # More SIMs begin so than anybody could choose from.
        assert "30 SIMs begin so" in found.note


def test_a_range_with_a_shortened_first_number(fleet, agent, make_sim):
    """The last three digits are those of the giccid itself, its check digit among them."""
    low, high = fleet[3].giccid[-3:], fleet[8].giccid[-3:]
    found = look(f"898…{low}-{high}", agent)
    assert [line.giccid for line in found] == [sim.giccid for sim in fleet[3:9]]
    assert {line.outcome for line in found} == {"found"}
    assert len(look(f"898…{low}-{high[1:]}", agent)) == 6, "the second end may have fewer digits"
    make_sim(giccid=f"8986015555000000{fleet[5].giccid[-4:]}", account="other_account")
    (several,) = look(f"898…{low}-{high}", agent)
    assert (several.outcome, several.candidates) == ("not_found", [])
    assert "several" in several.note
    assert [line.giccid for line in look(f"8986011…{low}-{high}", agent)] == [sim.giccid for sim in fleet[3:9]]
    assert "begins and ends so" in one(f"8931…{low}-{high}", agent).note
    assert "before it begins" in one(f"8986011…{high}-{low}", agent).note


def test_only_a_few_shortened_numbers_are_looked_for(fleet, agent):
    wishes = ", ".join(f"898…{n:03d}-{n + 5:03d}" for n in range(100, 900, 10))
    with CaptureQueriesContext(connection) as queries:
        found = look(wishes, agent)
    assert "in full" in found[-1].note
    assert len(queries) < 15
