"""What the buttons of a batch job do. Each answers 303 to the job; 403, 404, 409 or 422 with its page otherwise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from core.htmx import render_fragment
from operations import selectors_jobs
from operations.errors import Conflict, Invalid, NotAllowed
from operations.models import BatchJob, BatchLine
from operations.services import approval
from operations.services.jobs import confirm as taking
from operations.services.jobs import followup, rules
from operations.services.jobs.forms import ConfirmForm, ReasonForm
from operations.services.jobs.plan import choose_candidate
from operations.views.jobs import JobPage, job_or_404
from operations.views.jobs_page import CONFIRM_IDS, REFUSE_IDS
from sims.models import Sim
from staff import sudo
from staff.scopes import scoped


def see_job(job: BatchJob) -> HttpResponse:
    """303 to the page of the job."""
    response = redirect("operations:job", job.pk)
    response.status_code = 303
    return response


def page_again(request: HttpRequest, pk: int, status: int, *, problem: str = "", **forms: Any) -> HttpResponse:
    """The job's page, as it is now, with what is wrong."""
    view = JobPage()
    view.setup(request, pk=pk)
    view.problem = problem
    return view.again(request, status, **forms)


def attempt(request: HttpRequest, pk: int, act: Callable[[], BatchJob], **forms: Any) -> HttpResponse:
    """Call a service and put its refusals into answers; on success 303 to the job that it answers."""
    try:
        job = act()
    except NotAllowed as error:
        raise PermissionDenied(str(error)) from error
    except Invalid as error:
        for form in forms.values():
            for field, texts in error.errors.items():
                form.add_error(field if field in form.fields else None, texts)
        return page_again(request, pk, 422, problem="" if forms else str(error), **forms)
    except Conflict as error:
        return page_again(request, pk, 409, problem=str(error))
    return see_job(job)


def _guarded(request: HttpRequest, pk: int) -> BatchJob:
    if not request.user.has_perm("operations.view_batchjob"):
        raise PermissionDenied
    return job_or_404(request, pk)


@require_POST
def confirm(request: HttpRequest, pk: int) -> HttpResponse:
    """Take the plan: ``reason``, ``ticket``, ``confirm`` (the number of SIMs, for a retire), ``scheduled_for``."""
    job = _guarded(request, pk)
    user: Any = request.user
    if job.state == BatchJob.State.PLANNED and not user.has_perm("operations.run_batch_job"):
        raise PermissionDenied
    # What is too large, or too final, for one person's word is confirmed by somebody who is there.
    asked = sudo.ask(request) if not rules.why_not_confirm(job, user) and rules.approval_needed(job) else None
    if asked is not None:
        return asked
    form = ConfirmForm(request.POST, job=job, auto_id=CONFIRM_IDS)
    if not form.is_valid():
        if job.state != BatchJob.State.PLANNED:
            return page_again(request, pk, 409, problem=_("This plan was taken or discarded already."))
        return page_again(request, pk, 422, confirm_form=form)
    data = form.cleaned_data
    return attempt(
        request,
        pk,
        lambda: taking.confirm(
            job,
            user,
            data["reason"],
            data["ticket"],
            confirm_count=data.get("confirm"),
            scheduled_for=data["scheduled_for"],
        ),
        confirm_form=form,
    )


@require_POST
def approve(request: HttpRequest, pk: int) -> HttpResponse:
    """Let somebody else's job go on."""
    job = _guarded(request, pk)
    asked = None if rules.why_not_decide(job, _person(request)) else sudo.ask(request)
    if asked is not None:
        return asked
    return attempt(request, pk, lambda: _decided(approval.approve(job, _person(request))))


@require_POST
def refuse(request: HttpRequest, pk: int) -> HttpResponse:
    """End somebody else's job before it starts, with ``reason``."""
    job = _guarded(request, pk)
    form = ReasonForm(request.POST, auto_id=REFUSE_IDS)
    if not form.is_valid():
        if not request.user.has_perm("operations.approve_operation") or job.actor_id == request.user.pk:
            raise PermissionDenied
        if job.state != BatchJob.State.AWAITING_APPROVAL:
            return page_again(request, pk, 409, problem=_("This job does not wait for an approval any more."))
        return page_again(request, pk, 422, refuse_form=form)
    reason = form.cleaned_data["reason"]
    return attempt(request, pk, lambda: _decided(approval.refuse(job, _person(request), reason)), refuse_form=form)


@require_POST
def cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """Send nothing more of it; ``reason`` is optional."""
    job = _guarded(request, pk)
    reason = request.POST.get("reason", "").replace("\x00", "")[:1000]
    return attempt(request, pk, lambda: taking.cancel(job, _person(request), reason))


@require_POST
def pause(request: HttpRequest, pk: int) -> HttpResponse:
    """Send nothing more for now."""
    job = _guarded(request, pk)
    return attempt(request, pk, lambda: taking.pause(job, _person(request)))


@require_POST
def resume(request: HttpRequest, pk: int) -> HttpResponse:
    """Go on sending."""
    job = _guarded(request, pk)
    return attempt(request, pk, lambda: taking.resume(job, _person(request)))


@require_POST
def retry(request: HttpRequest, pk: int) -> HttpResponse:
    """A new plan of those that failed: 303 to it."""
    job = _guarded(request, pk)
    return attempt(request, pk, lambda: _new_plan(request, followup.retry_failed(job, _person(request))))


@require_POST
def undo(request: HttpRequest, pk: int) -> HttpResponse:
    """A new plan that takes this job back: 303 to it."""
    job = _guarded(request, pk)
    return attempt(request, pk, lambda: _new_plan(request, followup.undo(job, _person(request))))


def _person(request: HttpRequest) -> Any:
    return request.user


def _decided(wish: Any) -> BatchJob:
    assert isinstance(wish, BatchJob)  # tells the type checker
    return wish


def _new_plan(request: HttpRequest, job: BatchJob) -> BatchJob:
    messages.info(request, _("A new plan was made. Nothing is sent until it is confirmed."))
    return job


@require_http_methods(["GET", "HEAD", "POST"])
def choose(request: HttpRequest, pk: int) -> HttpResponse:
    """Which SIM an ambiguous line means: GET ``?line=`` asks, POST ``line`` and ``giccid`` tells (303)."""
    return _chosen(request, pk) if request.method == "POST" else _ask(request, pk)


def _chosen(request: HttpRequest, pk: int) -> HttpResponse:
    job = _guarded(request, pk)
    line = _line(request, job, request.POST.get("line", ""))
    giccid = request.POST.get("giccid", "")
    if giccid not in line.candidates:
        return _ask(request, pk, line=line, problem=_("Choose one of the SIMs listed."))
    return attempt(request, pk, lambda: choose_candidate(job, line.number, giccid, _person(request)))


def _ask(request: HttpRequest, pk: int, *, line: BatchLine | None = None, problem: str = "") -> HttpResponse:
    job = _guarded(request, pk)
    line = line or _line(request, job, request.GET.get("line", ""))
    candidates = scoped(Sim.objects.filter(giccid__in=line.candidates), request.user).order_by("giccid")
    context = {
        "job": job,
        "line": line,
        "candidates": candidates.defer("search"),
        "problem": problem,
        "why_not": rules.why_not_confirm(job, _person(request)),
    }
    template, status = "operations/job_choose.html", 422 if problem else 200
    return render_fragment(request, template, "dialog", context, status=status)


def _line(request: HttpRequest, job: BatchJob, number: str) -> BatchLine:
    """The ambiguous line with this number."""
    if not (number.isascii() and number.isdigit() and len(number) < 10):
        raise Http404
    line = selectors_jobs.lines_of(request.user, job).filter(number=number, outcome=BatchLine.Outcome.AMBIGUOUS).first()
    if line is None:
        raise Http404
    return line
