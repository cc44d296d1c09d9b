"""Error pages: plain words, the request id to quote, and the right status."""

from __future__ import annotations

import structlog
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.translation import gettext as _

from core.request_context import current_request

log = structlog.get_logger(__name__)


def _page(request: HttpRequest, status: int, template: str = "") -> HttpResponse:
    context = {"status": status, "request_id": current_request().request_id}
    return render(request, template or f"errors/{status}.html", context, status=status)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400. As bare as a 500: a malformed request may have no session to look at."""
    return _bare(400)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403: signed in, but the role does not reach."""
    return _page(request, 403)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403: the form's token is missing or old, mostly a page left open over a sign-out."""
    return _page(request, 403, "errors/csrf.html")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404: not there, or not for this user."""
    return _page(request, 404)


def server_error(request: HttpRequest) -> HttpResponse:
    """500. Asks neither session nor database: one of them may be what has failed."""
    return _bare(500)


def _bare(status: int) -> HttpResponse:
    request_id = current_request().request_id
    try:
        body = render_to_string(f"errors/{status}.html", {"request_id": request_id})
    except Exception as error:  # the last page of all must come, in whatever form
        log.exception("error_page.failed", error=type(error).__name__)
        body = format_html(
            "<!DOCTYPE html><title>{0}</title><h1>{0}</h1><p>{1}</p>", _("Something went wrong"), request_id
        )
    return HttpResponse(body, status=status)
