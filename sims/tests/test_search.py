"""The search box: any part of three or more characters, however it was pasted, within what one may see."""

from __future__ import annotations

import random
import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core import large_lists, paging
from sims.models import Sim
from sims.selectors import search
from sims.selectors.sims import list_sims

pytestmark = pytest.mark.django_db


@pytest.fixture
def fleet(make_sim):
    make_sim(
        giccid="8986011805021000040", imsi="460011234567890", msisdn="8614500000040", imei="353270091234567",
        custom1="Zürich 100%", custom2="Lift_7",
    )  # fmt: skip
    make_sim(
        giccid="89860118050210000417", imsi="460019999999999", msisdn="8614500000041", custom1="Ärger", custom5="12-34"
    )
    make_sim(
        giccid="89490200001234567890",
        imsi="262011111111111",
        msisdn="4915112345678",
        account="other_account",
        custom1="Cafe\u0301",
    )


def found(text: str) -> set[str]:
    queryset = search.find(Sim.objects.all(), search.understand(text))
    return {sim.giccid[-4:] for sim in queryset}


@pytest.mark.parametrize(
    ("text", "last_four"),
    [
        ("8986011805021000040", {"0040"}),
        ("8986 0118 0502 1000 040", {"0040"}),
        ("8986-0118-0502-1000-040", {"0040"}),
        ("8986\u00a00118\u20070502\u20111000\u2012040", {"0040"}),
        ("８９８６０１１８０５０２１０００", {"0040", "0417"}),
        ("  8986.0118.0502.1000 ", {"0040", "0417"}),
        ("89860118", {"0040", "0417"}),
        ("0502 1000", {"0040", "0417"}),
        ("460011234567890", {"0040"}),
        ("4600 1123", {"0040"}),
        ("+86 145 0000 0041", {"0417"}),
        ("+49 (151) 123 456 78", {"7890"}),
        ("353270091234567", {"0040"}),
        ("234567", {"0040", "7890"}),
        ("zürich", {"0040"}),
        ("ZÜRICH", {"0040"}),
        ("Zu\u0308rich", {"0040"}),
        ("Caf\u00e9", {"7890"}),
        ("Cafe\u0301", {"7890"}),
        ("ärg", {"0417"}),
        ("ÄRGER", {"0417"}),
        ("00%", {"0040"}),
        ("100%", {"0040"}),
        ("100_", set()),
        ("ft_7", {"0040"}),
        ("ftX7", set()),
        ("12-34", {"0417", "0040", "7890"}),
        ("2-34", {"0417", "0040", "7890"}),
        ("no such thing", set()),
        ("a\x00b", set()),
        ("' OR 1=1 --", set()),
    ],
)
def test_any_part_is_found_however_it_was_pasted(fleet, text, last_four):
    assert found(text) == last_four


@pytest.mark.parametrize("text", ["", " ", "8", "89", "ab", "--", "\\", "0%"])
def test_less_than_three_characters_are_not_searched_for(fleet, text):
    assert search.understand(text).terms == ()
    assert len(found(text)) == 3


def test_a_part_never_reaches_over_two_fields(fleet):
    sim = Sim.objects.get(giccid="8986011805021000040")
    assert found(sim.giccid[-3:] + sim.imsi[:3]) == set()


@pytest.mark.parametrize("limit", [1, 10_000])
def test_frequent_parts_are_listed_as_rare_ones_are(login, agent, fleet, monkeypatch, limit):
    monkeypatch.setattr(large_lists, "COUNT_LIMIT", limit)
    answer = login(agent).get("/sims/?q=8986").content.decode()
    assert ("8986011805021000040" in answer, "89490200001234567890" in answer) == (True, False)
    assert "8986011805021000040" in login(agent).get("/sims/?q=Lift").content.decode()


def test_what_is_out_of_scope_is_not_found(fleet, scoped_agent):
    for text in ("89490200001234567890", "8949", "262011111111111", "4915112345678"):
        assert not search.find(list_sims(scoped_agent), search.understand(text)).exists()


def test_a_whole_identifier_takes_the_index(fleet, django_assert_num_queries):
    with django_assert_num_queries(2) as queries:
        found("89860118050210000417")
    assert "LIKE" not in "".join(query["sql"] for query in queries.captured_queries)


def test_the_count_stops_where_the_page_says_it_does(login, agent, fleet, monkeypatch):
    monkeypatch.setattr(paging.capped_count, "__defaults__", (2,))
    answer = login(agent).get("/sims/").content.decode()
    assert 'data-result-count="2+"' in answer
    answer = login(agent).get("/sims/?q=Lift").content.decode()
    assert 'data-result-count="1"' in answer


@pytest.mark.postgres
def test_postgresql_finds_the_matching_ids_first(fleet):
    if connection.vendor != "postgresql":
        pytest.skip("only PostgreSQL has the trigram index")
    queryset = search.find(Sim.objects.all(), search.understand("ürich"))
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    with CaptureQueriesContext(connection) as queries:
        order = paging.Order("giccid", ("giccid",))
        page = large_lists.LargePages(queryset, order, size=5, read=lambda rows, keys: list(rows)).page()
    assert len(page.rows) == 1
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {queries[0]['sql']}")
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "CTE found" in plan
    assert "sim_search" in plan


def groups_of(texts) -> tuple[frozenset[str], ...]:
    return tuple(search._groups(f"\n{text}\n") for text in texts)


@pytest.mark.parametrize(
    ("term", "part"),
    [
        ("customer-996", "-996"),
        ("tomer-996", "-996"),
        ("lift 996 customer", "lift 996 "),
        ("customer", "customer"),  # all of it is common
        ("customer-4600", "customer-4600"),  # for the index: every SIM has a word that begins with 4600
        ("zug 996", "zug 996"),  # nothing of it is
        ("customer-" + "9" * 60, "customer-" + "9" * 60),
    ],
)
def test_the_index_is_asked_for_what_few_have(term, part):
    sample = groups_of(f"{460010000000000 + n}\ncustomer-{n}" for n in range(100))
    assert search.telling_part(term, sample) == part
    assert search.telling_part(term, sample[:40]) == term


def test_a_part_by_which_more_are_found_is_not_asked_for():
    """Half of the SIMs say alpha and half gamma; every kiosk is a gamma."""
    sample = groups_of(("alpha", "gamma kiosk", "alpha", "gamma", "gamma")[n % 5] for n in range(100))
    assert search.telling_part("gamma kiosk", sample) == " kiosk"
    assert search.telling_part("alpha kiosk", sample) == "alpha kiosk"


@pytest.mark.postgres
def test_postgresql_finds_what_a_plain_look_finds(make_sim):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite looks through all texts as it is")
    choice = random.Random(7)
    letters = "abü0099 -_%\\'\"/"
    for number in range(60):
        text = "".join(choice.choices(letters, k=choice.randrange(4, 12)))
        make_sim(custom1=f"customer-{number}", custom2=f"Lift_{text} {text[::-1]}"[:40])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE sims_sim")
        cursor.execute("SET LOCAL enable_seqscan = off")
    search._sample.cache_clear()
    texts = dict(Sim.objects.values_list("pk", "search"))
    shortened = 0
    for _ in range(150):
        text = choice.choice([*texts.values(), "customer-" + "".join(choice.choices(letters, k=4))])
        start = choice.randrange(max(1, len(text) - 3))
        term = text[start : start + choice.randrange(3, 16)]
        if len(term) < search.SHORTEST:
            continue
        sims = search.find(Sim.objects.all(), search.Query((term,)))
        assert {sim.pk for sim in sims} == {pk for pk, text in texts.items() if term in text}, term
        shortened += "STRPOS" in str(sims.query)
    assert shortened > 15
    assert "sim_search" in search.find(Sim.objects.all(), search.Query(("customer-59",))).explain()
    search._sample.cache_clear()


@pytest.mark.postgres
def test_postgresql_finds_numbers_by_groups_of_five(make_sim):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite looks through all texts as it is")
    choice = random.Random(9)
    for number in range(60):
        counted = f"{number % 7:06d}{number:05d}"
        make_sim(
            giccid=f"898601{counted:0>13}5",
            imsi=f"46001{number:010d}",
            msisdn=f"86{choice.randrange(10**9):011d}",
            custom1=f"order {choice.randrange(10**7)}",
            custom2=f"{choice.randrange(10**4)}-{choice.randrange(10**4)}",
        )
    texts = dict(Sim.objects.values_list("pk", "search"))
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    found = 0
    for _ in range(120):
        digits = choice.choice(
            [*re.findall("[0-9]{5,}", choice.choice([*texts.values()])), f"{choice.randrange(10**8)}"]
        )
        start = choice.randrange(max(1, len(digits) - 5))
        term = digits[start : start + choice.randrange(5, 21)]
        sims = search.find(Sim.objects.all(), search.Query((term,)))
        assert {sim.pk for sim in sims} == {pk for pk, text in texts.items() if term in text}, term
        found += bool(sims)
    assert 60 < found < 120
    assert "sim_digits" in search.find(Sim.objects.all(), search.Query(("00012",))).explain()
    assert "sim_digits" not in search.find(Sim.objects.all(), search.Query(("0012",))).explain()


@pytest.mark.postgres
def test_a_number_that_many_have_is_found_by_reading_along(make_sim):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite looks through all texts as it is")
    for number in range(60):
        make_sim(imsi=f"46001{number:010d}")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE sims_sim")
    search._sample.cache_clear()
    many, few = (search.find(Sim.objects.all(), search.Query((term,))) for term in ("4600100000", "4600100000000042"))
    search._sample.cache_clear()
    assert (many.count(), "sims_digit_groups" in str(many.query)) == (60, False)
    assert "sims_digit_groups" in str(few.query)
