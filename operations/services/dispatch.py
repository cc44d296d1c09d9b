"""Finding what is due: the net under a lost broker, a killed worker and every wait."""

from __future__ import annotations

from django.utils import timezone

from core.queue import enqueue
from operations import tasks
from operations.models import Operation
from operations.services import away
from operations.services.engine import mark_lost
from operations.services.transitions import State, claim

BATCH = 100


def dispatch() -> int:
    """Hand every single operation that is due to a worker, the longest due first, at most :data:`BATCH` in one go;
    answers how many.

    While the carrier is away only those that need nothing of it; many that have to be read go to a worker together.
    Those of jobs are handed over by ``operations.services.jobs.run``: however many, they hold up nobody's click.
    Two dispatchers at once are harmless: a worker claims a row before it does anything.
    """
    due = away.may_go_on(Operation.objects.filter(next_attempt_at__lte=timezone.now(), job__isnull=True))
    rows = due.order_by("next_attempt_at", "pk").values_list("pk", "state", "carrier_code")
    found = list(rows[: away.room(BATCH)])
    together = away.hand_over({pk for pk, state, code in found if away.goes_together(state, code)})
    handed = 0
    broker_is_there = not together or enqueue(tasks.catch_up, together)
    for pk, state, _code in found:
        if state == State.SENDING:
            # Told here, too: while the broker is away, people should see that it is being looked into.
            operation = claim(pk)
            if operation is not None and operation.state == State.SENDING:
                mark_lost(operation)
        if pk not in together:
            broker_is_there = broker_is_there and enqueue(tasks.run_operation, pk)
        handed += broker_is_there
    return handed
