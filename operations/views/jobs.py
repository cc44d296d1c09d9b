"""The list of batch jobs, and the page of one: its plan, its progress, its SIMs."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.contrib.auth.decorators import permission_required
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe
from django_htmx.http import trigger_client_event

from core.exports import FORMATS
from core.filters import address
from core.htmx import stop_polling
from core.listing import TEMPLATE, Listing, ListView
from operations import selectors_jobs
from operations.filters_jobs import JobFilter, LineFilter
from operations.models import BatchJob, BatchLine
from operations.tables_jobs import JobTable, LineTable, dress, live_job_badge
from operations.views.jobs_page import chunks_context, job_context, version_of

PAGE = "operations/job.html"
REFRESH = "list-refresh"
"""Id of the element that brings the rows up to date while the job runs."""


def job_or_404(request: HttpRequest, pk: int) -> BatchJob:
    """The job, for a user who may see all of its accounts."""
    try:
        return selectors_jobs.get_job(request.user, pk)
    except (BatchJob.DoesNotExist, OverflowError):
        raise Http404 from None


class JobList(ListView):
    """All jobs that the user may see, newest first."""

    name = "jobs"
    template_name = "operations/jobs.html"
    permission_required = "operations.view_batchjob"
    table_class = JobTable
    filterset_class = JobFilter
    orders = {"created": "pk"}
    default_sort = "-created"
    noun = _("batch job")
    noun_plural = _("batch jobs")

    def get_queryset(self) -> QuerySet[Any]:
        """With their actors."""
        return selectors_jobs.list_jobs(self.request.user)

    def extra_context(self, listing: Listing) -> dict[str, Any]:
        """The way to a new one, and what an empty list says."""
        may_make = self.request.user.has_perm("operations.run_batch_job")
        return {
            "may_make": may_make,
            "empty_title": _("No batch jobs yet"),
            "empty_text": _("A batch job makes one change to many SIMs: plan it, look at it, confirm it."),
            "empty_url": reverse("operations:job_new") if may_make else "",
            "empty_action": _("New batch job"),
        }


class JobPage(ListView):
    """One job, with the lines of what was chosen as its list."""

    name = "job"
    template_name = PAGE
    permission_required = "operations.view_batchjob"
    table_class = LineTable
    filterset_class = LineFilter
    orders = {"line": "number"}
    unique_key = "number"
    default_sort = "line"
    noun = _("line")
    noun_plural = _("lines")
    forms: dict[str, Any] = {}
    """Bound forms that were refused, by their name in the template."""
    problem = ""
    """Why what was asked for is not possible now."""

    @cached_property
    def job(self) -> BatchJob:
        """The job of the address."""
        return job_or_404(self.request, self.kwargs["pk"])

    def get_queryset(self) -> QuerySet[BatchLine]:
        """Its lines, with their SIMs and operations."""
        return selectors_jobs.lines_of(self.request.user, self.job)

    def decorate(self, rows: list[Any]) -> None:
        """The outcomes of the page's lines."""
        job = self.job
        choosable = job.state == BatchJob.State.PLANNED and job.actor_id == self.request.user.pk
        dress(rows, job, reverse("operations:job_choose", args=[job.pk]) if choosable else "")

    def build(self, request: HttpRequest) -> Listing:
        """The list leads to the job's page, also where a post is answered."""
        listing = super().build(request)
        listing.path = reverse("operations:job", args=[self.job.pk])
        return listing

    def file_title(self) -> str:
        """The job's number."""
        return _now("Job %(id)s") % {"id": self.job.pk}

    def file_name(self) -> str:
        """The same for the file."""
        return f"job-{self.job.pk}"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """The page or a fragment of its list; the rows alone when they are brought up to date."""
        htmx: Any = request.htmx  # type: ignore[attr-defined]  # set by django-htmx
        if htmx and htmx.trigger == REFRESH:
            return self._rows(request)
        return super().get(request)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """The choice of columns, or a file of the lines; 404 for a job that the user may not see."""
        job_or_404(request, self.kwargs["pk"])
        return super().post(request)

    def _rows(self, request: HttpRequest) -> HttpResponse:
        listing = self.build(request)
        response = render(request, f"{TEMPLATE}#results", {"listing": listing, **self._list_context(listing)})
        if not listing.page.rows:
            # No table to take rows from: the page says that there are none.
            response["HX-Retarget"] = response["HX-Reselect"] = "#results"
        return response

    def extra_context(self, listing: Listing) -> dict[str, Any]:
        """All of the page beside the list; fragments of the list need none of it."""
        htmx: Any = self.request.htmx  # type: ignore[attr-defined]  # set by django-htmx
        context = self._list_context(listing)
        if htmx and htmx.target in ("list", "results") and not htmx.history_restore_request:
            return context
        return {**context, **self._page_context()}

    def _page_context(self) -> dict[str, Any]:
        page = {**job_context(self.request, self.job, **self.forms), **chunks_context(self.job)}
        return {**page, "problem": self.problem}

    def _list_context(self, listing: Listing) -> dict[str, Any]:
        live = self.job.state not in BatchJob.FINAL_STATES
        making = self.job.planned_at is None
        full = [(name, reverse(f"operations:job_{name}", args=[self.job.pk])) for name in FORMATS]
        return {
            "list_files": "operations/job_files.html",
            "full_files": [(name, address(path, listing.state)) for name, path in full],
            "list_refresh": self._place(self.request, listing) if live else "",
            "list_refresh_all": not listing.page.rows,
            "empty_title": _now("The plan is being made") if making else _now("No lines"),
            "empty_text": _now("The lines appear here in a moment.") if making else _now("Nothing was chosen."),
        }

    def again(self, request: HttpRequest, status: int, **forms: Any) -> HttpResponse:
        """The whole page as the answer to a post that was refused."""
        self.forms = forms
        listing = self.build(request)
        # The whole page, whatever part of it htmx says that the answer is for.
        context = {"listing": listing, **self._list_context(listing), **self._page_context()}
        return render(request, PAGE, context, status=status)


@require_safe
@permission_required("operations.view_batchjob", raise_exception=True)
def live(request: HttpRequest, pk: int) -> HttpResponse:
    """The upper part of the page: 204 while ``?version=`` is still the newest, 286 once the job has ended."""
    job = job_or_404(request, pk)
    ended = job.state in BatchJob.FINAL_STATES
    if request.GET.get("version") == version_of(job) and not ended:
        return HttpResponse(status=204)
    response = render(request, f"{PAGE}#live", job_context(request, job))
    trigger_client_event(response, "list-changed", after="settle")
    return stop_polling(response) if ended else response


@require_safe
@permission_required("operations.view_batchjob", raise_exception=True)
def chunks(request: HttpRequest, pk: int) -> HttpResponse:
    """The table of the batch jobs at the carrier, for the page to bring it up to date."""
    return render(request, f"{PAGE}#chunks", chunks_context(job_or_404(request, pk)))


@require_safe
@permission_required("operations.view_batchjob", raise_exception=True)
def badge(request: HttpRequest, pk: int) -> HttpResponse:
    """The state's badge for a row of the list."""
    job = job_or_404(request, pk)
    response = HttpResponse(live_job_badge(job))
    return stop_polling(response) if job.state in BatchJob.FINAL_STATES else response
