"""Every column of the lines of a job as CSV and XLSX, whatever its page shows."""

from __future__ import annotations

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_http_methods, require_safe

from core.paging import Count
from core.spreadsheets import CSV, XLSX
from core.views import exports
from operations.exports import NAME, table_of
from operations.views.jobs import job_or_404


@require_safe
@permission_required("operations.view_batchjob", raise_exception=True)
def lines_csv(request: HttpRequest, pk: int) -> HttpResponseBase:
    """All lines, or those that the page's filters in the address leave, as they are read; however many."""
    table = table_of(request.user, job_or_404(request, pk), request.GET)
    return exports.give(request, table, None, format_=CSV)


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("operations.view_batchjob", raise_exception=True)
def lines_xlsx(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The same as a workbook: at once up to 10,000 lines, else in the background when it is posted for."""
    table = table_of(request.user, job_or_404(request, pk), request.GET)
    if request.method == "POST":
        params = {"job": pk, "query": request.GET.urlencode()}
        return exports.begin(request, NAME, params, format_=XLSX)
    return exports.give(request, table, Count(table.total()), format_=XLSX)
