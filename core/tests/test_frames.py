"""A loop costs the same at any depth of calls: no call in it asks the system for memory for its frame."""

from __future__ import annotations

import resource
from collections.abc import Callable

from core.frames import with_room
from core.middleware import RequestIdMiddleware

CALLS = 300


def _leaf() -> None:
    pass


def _loop() -> None:
    for _ in range(CALLS):
        _leaf()


def _deep(depth: int, function: Callable[[], None]) -> None:
    if depth:
        _deep(depth - 1, function)
    else:
        function()


def _worst() -> int:
    """Pages of memory that the system gave for the loop, at the depth where it gave most."""
    given = []
    for depth in range(400):
        before = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt
        _deep(depth, _loop)
        given.append(resource.getrusage(resource.RUSAGE_THREAD).ru_minflt - before)
    return max(given)


def test_a_loop_below_a_function_with_room_is_given_no_memory_for_its_calls() -> None:
    assert with_room(_worst)() < CALLS / 10


def test_requests_have_room() -> None:
    assert RequestIdMiddleware.__call__.__code__.co_stacksize > 10_000
