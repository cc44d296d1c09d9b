"""What waits for this user's decision."""

from __future__ import annotations

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from operations import selectors_jobs
from operations.kinds import KINDS

MOST = 100
"""Of each sort on the page; decided ones make room for the next."""


@require_safe
@permission_required("operations.approve_operation", raise_exception=True)
def approvals(request: HttpRequest) -> HttpResponse:
    """Jobs and single operations that wait, oldest first."""
    queue = selectors_jobs.approval_queue(request.user)
    operations = list(queue.operations[: MOST + 1])
    jobs = list(queue.jobs[: MOST + 1])
    context = {
        "jobs": jobs[:MOST],
        "operations": [(operation, *KINDS[operation.kind].change(operation)) for operation in operations[:MOST]],
        "more": len(jobs) > MOST or len(operations) > MOST,
        "most": MOST,
    }
    return render(request, "operations/approvals.html", context)
