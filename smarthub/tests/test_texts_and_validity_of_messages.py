"""What a message can hold in each coding, and validity as the one byte that says it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smarthub import sms
from smarthub.sms import Coding

_ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
_GSM_TEXT = st.text(st.sampled_from(sorted(sms.GSM_BASIC | sms.GSM_EXTENSION)), min_size=1, max_size=90)


@given(st.integers(1, sms.minutes_of(255)))
def test_the_tpvp_is_the_smallest_that_says_at_least_the_minutes(minutes):
    tpvp = sms.tpvp_for(minutes)
    assert sms.minutes_of(tpvp) >= minutes
    assert tpvp == 0 or sms.minutes_of(tpvp - 1) < minutes


@pytest.mark.parametrize(
    ("tpvp", "minutes"),
    [
        *((0, 5), (143, 720), (144, 750), (167, 1440)),
        *((168, 2 * 1440), (196, 30 * 1440), (197, 5 * 10_080), (255, 63 * 10_080)),
    ],
)
def test_each_range_of_tpvp_is_as_documented(tpvp, minutes):
    assert sms.minutes_of(tpvp) == minutes
    assert sms.tpvp_for(minutes) == tpvp


@pytest.mark.parametrize("minutes", [0, -5, sms.minutes_of(255) + 1])
def test_no_tpvp_says_that(minutes):
    with pytest.raises(ValueError, match="weeks"):
        sms.tpvp_for(minutes)


@given(_ANY_TEXT)
def test_the_coding_proposed_carries_the_text_and_brings_it_back(text):
    coding, because = sms.propose(text)
    assert sms.misfit(text, coding) == ""
    assert bool(because) == (coding != Coding.DEFAULT)
    assert because == "" or because in text
    wire = sms.encode(text, coding)
    assert (bytes.fromhex(wire).decode("utf-16-be") if coding == Coding.BINARY else wire) == text


@given(_GSM_TEXT)
def test_characters_of_the_extension_table_count_twice(text):
    twice = sum(character in sms.GSM_EXTENSION for character in text)
    assert sms.propose(text)[0] == Coding.DEFAULT
    assert sms.size(text, Coding.DEFAULT).used == len(text) + twice


@pytest.mark.parametrize(
    ("text", "coding", "left", "because"),
    [
        ("x" * 160, Coding.DEFAULT, 0, ""),
        ("€" * 80, Coding.DEFAULT, 0, ""),
        ("a`b", Coding.ASCII, 157, "`"),
        ("zło", Coding.BINARY, 134, "ł"),
        ("\U0001f600" * 35, Coding.BINARY, 0, "\U0001f600"),
        ("漢" * 71, Coding.BINARY, -2, "漢"),
    ],
)
def test_what_is_left_is_told_in_the_unit_of_the_coding(text, coding, left, because):
    assert sms.propose(text) == (coding, because)
    assert sms.size(text, coding).left == left


def test_an_accent_beside_its_letter_is_one_character_of_the_alphabet():
    assert sms.propose(sms.normal("cafe\u0301\r\n")) == (Coding.DEFAULT, "")
    assert sms.normal("e\u0301\r\n") == "é\n"


def test_a_text_that_the_coding_can_not_carry_is_not_encoded():
    for text, coding in (("ł", Coding.DEFAULT), ("é", Coding.ASCII), ("\ud83d", Coding.BINARY)):
        with pytest.raises(ValueError, match="carry"):
            sms.encode(text, coding)


@pytest.mark.parametrize(
    ("wire", "coding", "text"),
    [
        ("battery low", 0, "battery low"),
        ("0142", None, "0142"),
        ("0142", 4, "ł"),
        ("00", 4, None),
        ("0001", 4, None),
        ("", 4, None),
        ("zz", 4, None),
        ("D83D", 4, None),
        ("01 42", 4, None),
    ],
)
def test_what_a_device_sent_is_read_where_it_is_text(wire, coding, text):
    assert sms.decode(wire, coding) == text
