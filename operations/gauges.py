"""How things stand with the changes that are sent, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Count, Min
from django.utils import timezone

from core.gauges import Gauge
from operations.models import BatchJob, Operation

State = Operation.State


def operations() -> Iterable[Gauge]:
    """Open operations by state, and how long the oldest that nothing but a worker is missing for has waited."""
    now = timezone.now()
    counted = (*Operation.OPEN_STATES, State.NEEDS_ATTENTION)
    rows = Operation.objects.filter(state__in=counted).values_list("state").annotate(Count("id")).order_by()
    numbers = dict.fromkeys((str(state) for state in counted), 0) | dict(rows)
    yield Gauge(
        "portal_operations",
        "Operations that have not ended, by state.",
        ["state"],
        [([state], number) for state, number in numbers.items()],
    )
    # Those of jobs wait for their turn by design; what is due of them counts like a click.
    due = Operation.objects.filter(state=State.QUEUED, next_attempt_at__isnull=False, next_attempt_at__lte=now)
    oldest = due.aggregate(oldest=Min("next_attempt_at"))["oldest"]
    yield Gauge(
        "portal_operation_oldest_unsent_seconds",
        "How long the oldest operation that is due has not been sent; 0 where none is due.",
        [],
        [([], (now - oldest).total_seconds() if oldest else 0.0)],
    )
    running = BatchJob.objects.filter(state=BatchJob.State.RUNNING).count()
    yield Gauge("portal_jobs_running", "Batch jobs under way.", [], [([], running)])
