"""Telling that something happened which may be worth a notification.

Whoever knows of it calls :func:`emit`; what becomes of it is the business of the listener that the notifications
app registers in ``AppConfig.ready()``, so that the apps below it need not know it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Happening:
    """One thing that happened. ``kind`` is a key of ``notifications.kinds.KINDS``."""

    kind: str
    key: str
    """The same for every telling of the same happening: it counts once. At most 120 characters."""
    at: datetime
    sim_id: int | None = None
    account_name: str = ""
    """The carrier account whose users may hear of it; empty for the portal's own affairs."""
    value: float | None = None
    """What a rule's threshold is compared with, in the kind's unit."""
    detail: dict[str, Any] = field(default_factory=dict)
    """Facts for people, JSON, without secrets and without texts of messages."""
    push_id: int | None = None


Listener = Callable[[Sequence[Happening]], None]

_listeners: list[Listener] = []


def listen(listener: Listener) -> None:
    """Have ``listener`` called for everything told, in the caller's transaction; it must be idempotent and quick.

    It gets what is told together, and takes a number of queries that does not depend on how much that is.
    """
    _listeners.append(listener)


def emit(happening: Happening) -> None:
    """Tell it. Part of the caller's transaction: rolled back with it, kept with it."""
    emit_many([happening])


def emit_many(happenings: Sequence[Happening]) -> None:
    """Tell many things at once, as :func:`emit` does."""
    if not happenings:
        return
    for listener in _listeners:
        listener(happenings)
