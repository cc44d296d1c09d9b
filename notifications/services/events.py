"""Events: stored where they are told, brought before the rules soon after.

``core.events.emit`` ends in :func:`record`, inside the teller's transaction. The message to the queue is a hint only:
what is due stands in the rows, so a lost message or a killed worker is a delay.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import redis
import structlog
from django.core.cache import cache
from django.db import transaction

from core.events import Happening
from core.queue import enqueue
from notifications.models import Event
from notifications.services import firing
from sims.models import Sim

log = structlog.get_logger(__name__)

AT_ONCE = 500
"""Events of one statement."""
_HINT = "notifications.events-due"
_HINT_SECONDS = 5
"""How long one message stands for every event that is recorded meanwhile, should it be lost."""


def record(happenings: Sequence[Happening]) -> None:
    """Store what happened, each once however often it is told, and have the rules applied after the commit.

    Account and rate plan of an event about a SIM are the mirror's, whatever the teller claims. One query for the SIMs
    and one for each :data:`AT_ONCE` events.
    """
    sims = {happening.sim_id for happening in happenings if happening.sim_id is not None}
    rows = Sim.objects.filter(pk__in=sims).values_list("pk", "account_id", "plan_id") if sims else []
    known = {pk: (account, plan or "") for pk, account, plan in rows}
    Event.objects.bulk_create(
        [_event(happening, known) for happening in happenings], ignore_conflicts=True, batch_size=AT_ONCE
    )
    transaction.on_commit(_hint)


def _event(happening: Happening, known: dict[int, tuple[str, str]]) -> Event:
    account, plan = known.get(happening.sim_id or 0, (happening.account_name, ""))
    return Event(
        kind=happening.kind,
        key=happening.key[:120],
        at=happening.at,
        sim_id=happening.sim_id,
        account_name=account,
        plan_code=plan,
        value=happening.value,
        detail=happening.detail,
        push_id=happening.push_id,
    )


def apply_due() -> int:
    """Bring what is due before the rules; answers how many events that were.

    The hint is taken away before anything is read: what is committed from then on sends a message of its own.
    """
    with suppress(redis.RedisError, OSError):
        cache.delete(_HINT)
    return firing.apply_due()


def _hint() -> None:
    """Have due events looked for; one message for however many come until a worker takes it."""
    from notifications.tasks import apply_events  # the tasks import the services

    try:
        is_first = cache.add(_HINT, 1, timeout=_HINT_SECONDS)
    except (redis.RedisError, OSError):
        log.warning("events.hint_lost")
        return
    if is_first:
        enqueue(apply_events)
