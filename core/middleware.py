"""What happens around every request."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable

import structlog
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse
from django.shortcuts import resolve_url
from django.urls import Resolver404, resolve
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.utils.http import urlencode

from core.addresses import client_address
from core.frames import with_room
from core.htmx import toast
from core.metrics import observe_request
from core.request_context import RequestContext, set_request
from core.zones import zone_of

GetResponse = Callable[[HttpRequest], HttpResponse]

log = structlog.get_logger(__name__)

_ASKED_BY_MACHINES = frozenset({"healthz", "readyz", "metrics", "csp_reports"})
"""Views that are asked every few seconds or as often as anybody likes, and that nobody looks for in a log."""
_REQUEST_ID = re.compile(r"[A-Za-z0-9-]{8,36}\Z")


class RequestIdMiddleware:
    """Gives the request an id: a proxy's well-formed ``X-Request-ID`` or a new one. It is answered and logged.

    The first that a browser's request comes to, so that the room for what it calls is made here.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    @with_room
    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-ID", "")
        request_id = given if _REQUEST_ID.match(given) else str(uuid.uuid4())
        structlog.contextvars.clear_contextvars()
        set_request(RequestContext(request_id=request_id, address=client_address(request) or None))
        response = self.get_response(request)
        response["X-Request-ID"] = request_id
        return response


class MetricsMiddleware:
    """Counts, times and logs every answer by the name of its view."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        start = time.perf_counter()
        response = self.get_response(request)
        match = request.resolver_match
        method = str(request.method if request.method in {"GET", "HEAD", "POST", "OPTIONS"} else "other")
        view = (match.view_name if match else "") or "none"
        seconds = time.perf_counter() - start
        observe_request(view=view, method=method, status=response.status_code, seconds=seconds)
        if view not in _ASKED_BY_MACHINES:
            # The view, never the path: that names SIMs, and what is searched for.
            log.info(
                "request.answered", view=view, method=method, status=response.status_code, seconds=round(seconds, 4)
            )
        return response


class ProbeMiddleware:
    """Answers those who watch over the processes, whatever name they call them by and without TLS.

    An orchestrator or Prometheus asks a process at its address, which is none of ``ALLOWED_HOSTS``; nothing that these
    views answer is made of the name. Nor do browsers' reports need what follows: session, user, form.
    """

    PATHS = frozenset({"/healthz", "/readyz", "/metrics", settings.CSP_REPORTS})

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info not in self.PATHS:
            return self.get_response(request)
        request.resolver_match = match = resolve(request.path_info)
        response: HttpResponse = match.func(request)
        return response


class WebhookMiddleware:
    """Answers machines without what only browsers need, and therefore stands first.

    A push of the carrier has no session, user, language, form or page: what follows in ``MIDDLEWARE`` costs more than
    storing the push does. The view checks the token in the address. What is refused for its host or for coming in
    plain text goes the longer way and is refused there; so is what no view is for.
    """

    PATH = "/webhooks/smarthub/"

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path_info.startswith(self.PATH) or self._is_refused(request):
            return self.get_response(request)
        try:
            match = resolve(request.path_info, settings.WEBHOOK_URLCONF)
        except Resolver404:
            return self.get_response(request)
        start = time.perf_counter()
        structlog.contextvars.clear_contextvars()
        set_request(RequestContext(address=client_address(request) or None))
        request.resolver_match = match
        response: HttpResponse = match.func(request, *match.args, **match.kwargs)
        observe_request(
            view=match.view_name,
            method="POST" if request.method == "POST" else "other",
            status=response.status_code,
            seconds=time.perf_counter() - start,
        )
        return response

    def _is_refused(self, request: HttpRequest) -> bool:
        if settings.SECURE_SSL_REDIRECT and not request.is_secure():
            return True
        try:
            request.get_host()
        except DisallowedHost:
            return True
        return False


class HtmxMiddleware:
    """Fits answers to htmx.

    Fragments are cached apart from pages, an ended sign-in moves the whole page, and messages to the user go along
    with the fragment as toasts.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        patch_vary_headers(response, ["HX-Request"])
        if not request.htmx:  # type: ignore[attr-defined]  # set by django-htmx
            return response
        if response.status_code == 302:
            target = response.headers.get("Location", "")
            if target.split("?")[0] == resolve_url(settings.LOGIN_URL):
                return _sign_in_again(request)
        if _takes_toasts(response):
            for message in messages.get_messages(request):
                toast(response, message, level=message.level_tag)
        return response


def _sign_in_again(request: HttpRequest) -> HttpResponse:
    # After the sign-in the page that is open comes again, not the fragment that was asked for.
    page = request.htmx.current_url_abs_path or request.get_full_path()  # type: ignore[attr-defined]  # set by django-htmx
    answer = HttpResponse(status=204)
    answer["HX-Redirect"] = f"{resolve_url(settings.LOGIN_URL)}?{urlencode({'next': page})}"
    patch_vary_headers(answer, ["HX-Request"])
    return answer


def _takes_toasts(response: HttpResponse) -> bool:
    moves_on = any(header in response.headers for header in ("HX-Redirect", "HX-Refresh", "HX-Location"))
    is_html = response.headers.get("Content-Type", "").startswith("text/html")
    swapped = response.status_code in {200, 201, 286, 409, 422}
    # A whole page for htmx (a boosted link) shows its messages itself.
    return swapped and is_html and not moves_on and not response.streaming and b"<html" not in response.content[:400]


class TimeZoneMiddleware:
    """Shows times in the signed-in user's zone, the portal's own for everybody else."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        timezone.activate(zone_of(request.user))
        return self.get_response(request)
