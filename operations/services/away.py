"""What waits while the carrier is away, and how it goes on when it answers again: in the order of age, read together.

While the breaker is open (:mod:`smarthub.breaker`) the dispatchers hand over nothing that needs the carrier. Afterwards
changes that waited, or whose outcome is in doubt, are many at a time: their SIMs are read a hundred a call, so that a
change is checked against its SIM as it is now, and one in doubt is settled, without a call each.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta

import structlog
from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils import timezone

from core.queue import enqueue
from operations import tasks
from operations.models import Operation
from operations.services.jobs.readback_many import look_at_what_can_be_read
from operations.services.readback import take_reading
from operations.services.transitions import State, claim, is_fresh
from sims.services.carrier import is_away
from sims.services.mirror import Source
from sims.services.refresh import read_sims
from smarthub import Lane, errors

log = structlog.get_logger(__name__)

TOGETHER_FROM = 5
"""So many that are due at a time are looked at together; fewer cost less one by one."""

GIVEN_FOR = timedelta(seconds=30)
"""How long those are left to the worker that they were given to."""

_IN_DOUBT = (State.ACCEPTED, State.UNKNOWN)


def may_go_on(rows: QuerySet[Operation]) -> QuerySet[Operation]:
    """Those of ``rows``, which are due, that a worker can do something for: not what a worker was just given to look at
    together with others, and while the carrier is away only what needs nothing of it."""
    now = timezone.now()
    rows = rows.exclude(state__in=(State.QUEUED, *_IN_DOUBT), lease_until__gt=now)
    if not is_away():
        return rows
    expired = Q(state=State.QUEUED, expires_at__lte=now)
    return rows.filter(expired | Q(state__in=(State.SENDING, State.AWAITING_APPROVAL)))


def room(most: int) -> int:
    """How many to hand over in one go: what the call budget can take until the next look, so that a click that comes
    meanwhile does not stand behind an hour of others; ``most`` at most, and a few in any case."""
    rate = settings.CONFIG["SMARTHUB_RATE"]
    return max(10, min(most, int(rate * settings.CONFIG["OPERATION_DISPATCH_EVERY"]))) if rate else most


def goes_together(state: str, code: str) -> bool:
    """Whether a due operation is one of those that are looked at together."""
    return state in _IN_DOUBT or (state == State.QUEUED and code in Operation.AWAY_CODES)


def hand_over(pks: Collection[int]) -> list[int]:
    """Those of ``pks`` that are to be looked at together, noted as given to a worker; none where they are too few.

    The note is a lease on a row that is due still, which whoever works on it claims anew. Should the worker be lost,
    they are given to another when it is over.
    """
    if len(pks) < TOGETHER_FROM:
        return []
    rows = Operation.objects.filter(pk__in=pks, next_attempt_at__lte=timezone.now())
    rows.exclude(state=State.SENDING).update(lease_until=timezone.now() + GIVEN_FOR)
    return sorted(pks)


def catch_up(pks: Sequence[int]) -> None:
    """Go on with single operations that waited, the oldest first. Harmless for those that are not due, and again.

    Where the carrier can't be read, nothing happened: they are due still.
    """
    rows = Operation.objects.filter(pk__in=pks, next_attempt_at__lte=timezone.now(), job__isnull=True)
    operations = list(rows.select_related("sim").order_by("created_at", "pk"))
    queued = [operation for operation in operations if operation.state == State.QUEUED]
    try:
        _settle([operation for operation in operations if operation.state in _IN_DOUBT])
        stale = [operation.sim.giccid for operation in queued if not is_fresh(operation.sim)]
        read_sims(stale, lane=Lane.AGENT, source=Source.READ_BACK)
    except errors.CarrierAway:
        return
    except errors.SmartHubError as error:
        # Each is read by itself then; one SIM that spoils the list holds up no other.
        log.info("away.not_read_together", code=error.code)
    _hand_over(queued)


def _settle(operations: Sequence[Operation]) -> None:
    seen = look_at_what_can_be_read(operations, go_on=lambda: True, lane=Lane.AGENT) if operations else {}
    for operation in operations:
        found = seen.get(operation.pk)
        if found is None or found.absent:
            # The list lacks it or could not be read: the SIM is asked for by itself.
            _hand_over([operation])
            continue
        claimed = claim(operation.pk)
        if claimed is not None and claimed.state in _IN_DOUBT:
            # What the reading has told of it beside that it is there, such as the subscription that was bought.
            claimed.result = operation.result
            take_reading(claimed, found.verdict)


def _hand_over(operations: Sequence[Operation]) -> None:
    for operation in operations:
        if not enqueue(tasks.run_operation, operation.pk):
            return
