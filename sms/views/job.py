"""What became of the messages of a batch job: a card on the job's page, which brings itself up to date."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from core.badges import MESSAGE_STATES
from core.htmx import stop_polling
from operations.models import BatchJob, Operation
from operations.views.jobs import job_or_404
from sms import selectors
from sms.views.conversation import MAY_READ
from sms.views.pages import state_badge

TEMPLATE = "sms/job_card.html"
MOVING = ("queued", "sending", "pending")
"""States that another one follows by itself."""
MANY = 10_000
"""Messages from which on counting them takes its time, so that the page asks less often."""


def job_card(request: HttpRequest, *, job: BatchJob) -> SafeString | str:
    """The card; for a job that sends messages, and who may read them."""
    if job.kind != Operation.Kind.SEND_SMS or not request.user.has_perm("sms.view_message"):
        return ""
    return render_to_string(TEMPLATE, _context(job), request=request)


@require_safe
@MAY_READ
@permission_required("operations.view_batchjob", raise_exception=True)
def live(request: HttpRequest, pk: int) -> HttpResponse:
    """The card for an open page: 204 while ``?version=`` is what it shows, 286 when nothing more comes by itself."""
    context = _context(job_or_404(request, pk))
    if request.GET.get("version") == context["version"] and context["is_live"]:
        return HttpResponse(status=204)
    response = render(request, TEMPLATE, context)
    return response if context["is_live"] else stop_polling(response)


def _context(job: BatchJob) -> dict[str, Any]:
    found = selectors.states_of_job(job)
    counts = [(state, state_badge(state), found[state]) for state in MESSAGE_STATES if found.get(state)]
    moving = sum(found.get(state, 0) for state in MOVING)
    return {
        "job": job,
        "counts": counts,
        "total": sum(found.values()),
        "delivered": found.get("delivered", 0),
        "version": "-".join(f"{state}.{number}" for state, _badge, number in counts),
        "is_live": bool(moving) or job.state not in BatchJob.FINAL_STATES,
        "every": "5s" if job.eligible <= MANY else "30s",
    }
