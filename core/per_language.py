"""What is made of words again and again, made once for each language."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any, TypeVar, TypeVarTuple

from django.conf import settings
from django.utils.translation import get_language

Ts = TypeVarTuple("Ts")
R = TypeVar("R")
MOST = 4096
"""Answers that are kept of a function, in all languages together; those that were not asked for longest go first."""


def per_language(function: Callable[[*Ts], R]) -> Callable[[*Ts], R]:
    """Keep the answers of ``function``, which depend on its arguments and the language of the person alone."""

    @lru_cache(maxsize=MOST)
    def kept(_language: str | None, *args: Any) -> R:
        return function(*args)

    @wraps(function)
    def answer(*args: *Ts) -> R:
        # Which one it is takes longer to find out than most of what is kept here.
        return kept(get_language() if len(settings.LANGUAGES) > 1 else None, *args)

    return answer
