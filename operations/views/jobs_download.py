"""The lines of a job as CSV and XLSX."""

from __future__ import annotations

from django.contrib.auth.decorators import permission_required
from django.http import FileResponse, HttpRequest, StreamingHttpResponse
from django.views.decorators.http import require_GET

from operations.exports import csv_lines, xlsx_file
from operations.filters_jobs import LineFilter
from operations.views.jobs import job_or_404
from operations.views.jobs_page import lines_of

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@require_GET
@permission_required("operations.view_batchjob", raise_exception=True)
def lines(request: HttpRequest, pk: int, form: str) -> FileResponse | StreamingHttpResponse:
    """All lines, or those that the page's filters in the address leave. ``form`` is ``csv`` or ``xlsx``."""
    job = job_or_404(request, pk)
    chosen = LineFilter(data=request.GET, queryset=lines_of(request.user, job), request=request).qs
    name = f"job-{job.pk}-lines.{form}"
    if form == "xlsx":
        return FileResponse(xlsx_file(chosen, job), as_attachment=True, filename=name, content_type=XLSX)
    response = StreamingHttpResponse(csv_lines(chosen, job), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
