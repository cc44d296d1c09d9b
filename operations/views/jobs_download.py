"""The lines of a job as CSV and XLSX."""

from __future__ import annotations

import tempfile

from django.contrib.auth.decorators import permission_required
from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_GET, require_http_methods

from core.exports import IN_REQUEST
from core.spreadsheets import CONTENT_TYPES, CSV, XLSX, csv_lines, write_xlsx
from core.views import exports
from operations.exports import NAME, table_of
from operations.views.jobs import job_or_404


@require_GET
@permission_required("operations.view_batchjob", raise_exception=True)
def lines_csv(request: HttpRequest, pk: int) -> StreamingHttpResponse:
    """All lines, or those that the page's filters in the address leave, as they are read."""
    table = table_of(request.user, job_or_404(request, pk), request.GET)
    response = StreamingHttpResponse(csv_lines(table), content_type=CONTENT_TYPES[CSV])
    response["Content-Disposition"] = f'attachment; filename="{table.file_name}.{CSV}"'
    return response


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("operations.view_batchjob", raise_exception=True)
def lines_xlsx(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The same as a workbook: at once up to ``IN_REQUEST`` lines, else in the background when it is posted for."""
    table = table_of(request.user, job_or_404(request, pk), request.GET)
    if request.method == "POST":
        params = {"job": pk, "query": request.GET.urlencode()}
        return exports.begin(request, NAME, params, format_=XLSX)
    total = table.total()
    if total > IN_REQUEST:
        answer: HttpResponse = exports.offer(request, table, total)
        return answer
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the response closes it
    write_xlsx(table, file)
    file.seek(0)
    name = f"{table.file_name}.{XLSX}"
    return FileResponse(file, as_attachment=True, filename=name, content_type=CONTENT_TYPES[XLSX])
