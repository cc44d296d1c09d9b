"""Background work on operations."""

from __future__ import annotations

from celery import shared_task

from core.request_context import RequestContext, set_request
from operations.models import Operation


@shared_task
def run_operation(operation_id: int) -> None:
    """Take one operation as far as it goes now; one that is not due is left alone."""
    from operations.services import engine  # the services enqueue this task

    request_id = Operation.objects.filter(pk=operation_id).values_list("request_id", flat=True).first()
    # The trail of the click goes on in the worker.
    set_request(RequestContext(request_id=request_id or ""))
    try:
        engine.advance(operation_id)
    finally:
        set_request(RequestContext())


@shared_task
def catch_up(operation_ids: list[int]) -> None:
    """Go on with operations that waited for the carrier, reading their SIMs together."""
    from operations.services import away  # the services enqueue this task

    away.catch_up(operation_ids)


@shared_task
def dispatch_operations() -> int:
    """Hand over what is due; answers how many."""
    from operations.services.dispatch import dispatch  # the services enqueue these tasks

    return dispatch()
