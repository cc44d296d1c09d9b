"""How many cases a run tries, and what it prints: `make fuzz CASES=… ONLY=…`; a few hundred in the suite."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import strategies as st

CASES = int(os.environ.get("FUZZ_CASES", "0"))
"""Of each kind of target, in a long run; 0 in the suite, which always tries the same few."""
ONLY = re.compile(os.environ.get("FUZZ_ONLY", ""))
"""The addresses of a run whose beginnings it matches: all of them, if it is not set."""


def run(
    case: Callable[[Any], None],
    strategy: st.SearchStrategy[Any],
    *,
    few: int,
    share: float = 1.0,
    first: Sequence[Any] = (),
) -> int:
    """Try ``case`` with ``few`` examples of ``strategy``, or with ``share`` of ``CASES``; answers how many there were.

    Those of ``first`` come first, and count; the suite tries one of them. The suite's cases are the same each time.
    Those of a long run are new ones; one that fails is printed, made as small as it goes, with what repeats it.
    """
    counted, failed = 0, 0
    most = max(few, int(CASES * share)) if CASES else few
    first = first if CASES else first[:1]

    def counting(example: Any) -> None:
        nonlocal counted, failed
        counted += 1
        try:
            case(example)
        except BaseException:
            failed = failed or counted
            raise

    how = settings(
        max_examples=max(1, most - len(first)),
        derandomize=not CASES,
        deadline=None,
        database=None,
        print_blob=True,
        verbosity=Verbosity.normal,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    example: Any = None
    try:
        for example in first:
            counting(example)
        how(given(strategy)(counting))()
    except Exception as error:
        error.add_note(f"Case {failed} failed first." + (f" {example!r}"[:500] if failed <= len(first) else ""))
        raise
    return counted


def told(kind: str, numbers: dict[str, int]) -> None:
    """Print the cases by target; seen with ``-s``, as ``make fuzz`` calls."""
    lines = [f"{kind}: {sum(numbers.values())} cases, {len(numbers)} targets"]
    lines += [f"  {number:6d} {name}" for name, number in sorted(numbers.items())]
    print("\n" + "\n".join(lines))  # noqa: T201 - what a long run is for
