"""Who acts on which push: a registry that apps fill in ``AppConfig.ready()``.

So the inbox, which is above all of them or beside them, imports none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
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
    received_at: datetime | None = None
    """When it was stored, by the portal's clock."""
    prepared: bool = False
    """Whether a preparation has seen to this push; see :func:`register_preparation`."""
    trouble: Exception | None = None
    """What the preparation met with. A handler does what it can without it, and raises it then."""


class PushProblem(Exception):
    """The push can't be acted on as it is (unknown SIM, missing field): kept and shown, worth a replay after a fix."""


PushHandler = Callable[[PushEvent], str]
"""Acts on a push, idempotently; answers what it did in a few words for the inbox. Raises :class:`PushProblem`
for a push that can't be used, any other error to be tried again."""

Preparation = Callable[[Sequence[PushEvent]], Mapping[int, Exception | None]]
"""Does for many pushes at once what their handlers need; answers by ``push_id`` what went wrong, or ``None`` where all
is well. A push it leaves out is left to its handler."""

_handlers: dict[str, list[PushHandler]] = {}
_last_handlers: dict[str, list[PushHandler]] = {}
_preparations: dict[Preparation, frozenset[str]] = {}
_personal: dict[str, tuple[str, str]] = {}


def register(kind: str, handler: PushHandler, *, last: bool = False) -> None:
    """Have ``handler`` called for pushes of ``kind``, in the order of registration.

    ``last`` ones come after all others, whichever app is ready first: they find what the others have made of it.
    """
    (_last_handlers if last else _handlers).setdefault(kind, []).append(handler)


def handlers_for(kind: str) -> tuple[PushHandler, ...]:
    """The handlers of ``kind``; none for a kind nobody acts on."""
    return (*_handlers.get(kind, ()), *_last_handlers.get(kind, ()))


def register_preparation(kinds: Iterable[str], preparation: Preparation) -> None:
    """Have ``preparation`` called with the pushes of ``kinds`` in a batch, before the handlers of each.

    So a hundred pushes about a hundred SIMs are one call to the carrier, and a carrier that is away is asked once.
    """
    _preparations[preparation] = frozenset(kinds)


def prepare(events: Sequence[PushEvent]) -> dict[int, Exception | None]:
    """Call the preparations; what one of them raises is the trouble of all pushes it was given."""
    outcome: dict[int, Exception | None] = {}
    for preparation, kinds in _preparations.items():
        concerned = [event for event in events if event.kind in kinds]
        if not concerned:
            continue
        try:
            outcome.update(preparation(concerned))
        except Exception as error:  # noqa: BLE001 - each push is given the trouble, and tried again for it
            outcome.update((event.push_id, error) for event in concerned)
    return outcome


def register_personal(kind: str, field: str, setting: str) -> None:
    """Say that ``field`` of the bodies of ``kind`` holds personal data, to be removed after so many days as the option
    ``setting`` says (0: never), however long the push itself is kept."""
    _personal[kind] = (field, setting)


def personal() -> dict[str, tuple[str, str]]:
    """Field and option by kind, as registered."""
    return dict(_personal)
