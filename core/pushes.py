"""Who acts on which push: a registry that apps fill in ``AppConfig.ready()``.

So the inbox, which is above all of them or beside them, imports none of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class PushEvent:
    """One push, parsed as far as the contract's common fields go. ``body`` is the whole JSON object."""

    push_id: int
    kind: str
    """The carrier's event type, such as ``SIM_STATUS_CHANGE``."""
    giccid: str
    account_name: str
    event_time: datetime
    """The carrier's time of the event, or the time of receipt when it gave none."""
    key: str
    """The same for every copy of the same push: the event id, or a digest of the body."""
    body: dict[str, Any] = field(default_factory=dict)


class PushProblem(Exception):
    """The push can't be acted on as it is (unknown SIM, missing field): kept and shown, worth a replay after a fix."""


PushHandler = Callable[[PushEvent], str]
"""Acts on a push, idempotently; answers what it did in a few words for the inbox. Raises :class:`PushProblem`
for a push that can't be used, any other error to be tried again."""

_handlers: dict[str, list[PushHandler]] = {}


def register(kind: str, handler: PushHandler) -> None:
    """Have ``handler`` called for pushes of ``kind``, in the order of registration."""
    _handlers.setdefault(kind, []).append(handler)


def handlers_for(kind: str) -> tuple[PushHandler, ...]:
    """The handlers of ``kind``; none for a kind nobody acts on."""
    return tuple(_handlers.get(kind, ()))
