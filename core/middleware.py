"""What happens around every request."""

from __future__ import annotations

import re
import uuid
import zoneinfo
from collections.abc import Callable

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import resolve_url
from django.utils import timezone
from django.utils.cache import patch_cache_control, patch_vary_headers

from core.request_context import RequestContext, set_request

GetResponse = Callable[[HttpRequest], HttpResponse]

_REQUEST_ID = re.compile(r"[A-Za-z0-9-]{8,36}\Z")


class RequestIdMiddleware:
    """Gives the request an id: a proxy's well-formed ``X-Request-ID`` or a new one. It is answered and logged."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-ID", "")
        request_id = given if _REQUEST_ID.match(given) else str(uuid.uuid4())
        set_request(RequestContext(request_id=request_id, address=request.META.get("REMOTE_ADDR") or None))
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        response = self.get_response(request)
        response["X-Request-ID"] = request_id
        return response


class PrivateCacheMiddleware:
    """Keeps pages of signed-in people out of shared caches, and out of the browser's after they signed out."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if not response.has_header("Cache-Control"):
            patch_cache_control(response, private=True, no_store=True)
        return response


class HtmxMiddleware:
    """Fits answers to htmx: fragments are cached apart from pages, and an ended sign-in moves the whole page."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        patch_vary_headers(response, ["HX-Request"])
        if request.htmx and response.status_code == 302:  # type: ignore[attr-defined]  # set by django-htmx
            target = response.headers.get("Location", "")
            if target.split("?")[0] == resolve_url(settings.LOGIN_URL):
                redirect = HttpResponse(status=204)
                redirect["HX-Redirect"] = target
                patch_vary_headers(redirect, ["HX-Request"])
                return redirect
        return response


class TimeZoneMiddleware:
    """Shows times in the signed-in user's zone, the portal's own for everybody else."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        name = getattr(request.user, "time_zone", "")
        if name in zoneinfo.available_timezones():
            timezone.activate(zoneinfo.ZoneInfo(name))
        else:
            timezone.deactivate()
        return self.get_response(request)
