"""The table of ``make bench``: each bar has its row in the small run, and what is worse than its bound fails."""

import json
from dataclasses import replace

import pytest

from benchmarks.__main__ import BARS, SMALL_BARS
from benchmarks.rows import SMALL_BOUNDS, Row, broken, print_table, with_loose_bounds

BOUNDS = json.loads(SMALL_BOUNDS.read_text())


def row_of(key: str, ratio: float) -> Row:
    name, _, reference = key.partition(" ")[2].rpartition(" / ")
    return Row(int(key.split()[0]), name, ratio, "ms", reference, 1.0, limit=0.0, at_least=is_rate(key))


def is_rate(key: str) -> bool:
    return "COPY" in key


def test_the_small_run_has_a_row_for_each_bar(capsys):
    print_table(with_loose_bounds(row_of(key, bound) for key, bound in BOUNDS.items()))
    told = {int(line.split()[0]) for line in capsys.readouterr().out.splitlines()[1:]}
    assert told == set(SMALL_BARS)
    assert set(BARS) == set(range(1, 11))


@pytest.mark.parametrize("key", BOUNDS)
def test_what_is_worse_than_its_bound_fails(key):
    worse, better = (1 / 1.01, 1.01) if is_rate(key) else (1.01, 1 / 1.01)
    rows = with_loose_bounds([row_of(key, BOUNDS[key] * worse), row_of(key, BOUNDS[key] * better)])
    assert [row.passes for row in rows] == [False, True]


def test_a_row_without_a_bound_and_a_bar_that_broke_fail():
    new = row_of("1 something new / F", 0.1)
    rows = with_loose_bounds([new, replace(new, at_least=True), broken(3, "KeyError: 'apn'")])
    assert [row.verdict for row in rows] == ["FAIL"] * 3
