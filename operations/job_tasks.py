"""Background work on batch jobs. All of it in the bulk queue, where nobody's click waits."""

from __future__ import annotations

from celery import shared_task

from core.request_context import RequestContext, set_request


@shared_task
def plan_job(job_id: int) -> None:
    """Make, or make again, the plan of a job that is too large for the request."""
    from operations.services.jobs.plan import make_plan  # the services enqueue this task

    make_plan(job_id)


@shared_task
def run_job(job_id: int) -> None:
    """Take a job as far as it goes now; one that is not due is left alone."""
    from operations.models import BatchJob
    from operations.services.jobs import run  # the services enqueue this task

    request_id = BatchJob.objects.filter(pk=job_id).values_list("request_id", flat=True).first()
    set_request(RequestContext(request_id=request_id or ""))
    try:
        run.run_job(job_id)
    finally:
        set_request(RequestContext())


@shared_task
def step_chunk(chunk_id: int) -> None:
    """Take a chunk one step further: submit it, ask for the carrier's job, read its SIMs."""
    from operations.models import BatchChunk
    from operations.services.jobs import run  # the services enqueue this task

    request_id = BatchChunk.objects.filter(pk=chunk_id).values_list("job__request_id", flat=True).first()
    set_request(RequestContext(request_id=request_id or ""))
    try:
        run.step_chunk(chunk_id)
    finally:
        set_request(RequestContext())


@shared_task
def run_bulk_operation(operation_id: int) -> None:
    """Take one operation of a job, of a kind that is sent one by one, as far as it goes now."""
    from operations.models import Operation
    from operations.services.jobs import feed  # the services enqueue this task

    request_id = Operation.objects.filter(pk=operation_id).values_list("request_id", flat=True).first()
    set_request(RequestContext(request_id=request_id or ""))
    try:
        feed.run(operation_id)
    finally:
        set_request(RequestContext())


@shared_task
def dispatch_jobs() -> int:
    """Hand over what is due of jobs; answers how many."""
    from operations.services.jobs.run import dispatch  # the services enqueue these tasks

    return dispatch()
