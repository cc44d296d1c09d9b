"""Room for the frames of Python functions.

CPython (3.11 and newer) keeps the frames of functions in blocks of 16 kB, one behind the other. A block is asked of the
system when a call finds no place in the last one, and given back as soon as that call returns. Where a loop stands at
the edge of a block, each call in it does both. A page of 50 rows deep in its templates did so 300 times, which took a
third of its time, and a page somewhat less deep not once.
"""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import TypeVar, cast

F = TypeVar("F", bound=Callable[..., object])

_WORDS = 33_000
"""Somewhat more than half of a block of 512 kB, so that nearly half of it is left for what is called below. None of it
is memory before it is used."""


def with_room(function: F) -> F:
    """``function``, said to need so much that it gets a block of its own, with room for all calls below it."""
    code = cast("FunctionType", function)
    code.__code__ = code.__code__.replace(co_stacksize=_WORDS)
    return function
