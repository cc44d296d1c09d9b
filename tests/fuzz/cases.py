"""How many cases a run tries, and what it prints: `make fuzz CASES=…`; a few hundred in the suite."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import strategies as st

CASES = int(os.environ.get("FUZZ_CASES", "0"))
"""Of each kind of target, in a long run; 0 in the suite, which always tries the same few."""


def run(case: Callable[[Any], None], strategy: st.SearchStrategy[Any], *, few: int, share: float = 1.0) -> int:
    """Try ``case`` with ``few`` examples of ``strategy``, or with ``share`` of ``CASES``; answers how many there were.

    The suite's are the same each time. Those of a long run are new ones; one that fails is printed, made as small as
    it goes, with what repeats it.
    """
    counted = Counter[str]()
    most = max(few, int(CASES * share)) if CASES else few

    @settings(
        max_examples=most,
        derandomize=not CASES,
        deadline=None,
        database=None,
        print_blob=True,
        verbosity=Verbosity.normal,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def tried(example: Any) -> None:
        counted["cases"] += 1
        case(example)

    tried()
    return counted["cases"]


def told(kind: str, numbers: dict[str, int]) -> None:
    """Print the cases by target; seen with ``-s``, as ``make fuzz`` calls."""
    lines = [f"{kind}: {sum(numbers.values())} cases, {len(numbers)} targets"]
    lines += [f"  {number:6d} {name}" for name, number in sorted(numbers.items())]
    print("\n" + "\n".join(lines))  # noqa: T201 - what a long run is for
