"""Where the carrier pushes to. No sign-in, no session, no CSRF: the token in the address is the credential."""

from __future__ import annotations

import structlog
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import Error as DatabaseProblem
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from notifications.services import inbox, sources
from notifications.services.reading import NotAPush

log = structlog.get_logger(__name__)


@login_not_required
@csrf_exempt
@require_POST
def receive(request: HttpRequest, token: str, kind: str = "") -> HttpResponse:
    """Store one push and answer 200 ``{"received": true}``.

    404 wrong token or a source that is off, 413 over ``PUSH_MAX_BYTES``, 400 not a JSON object, 411 a length that
    can't be known, 503 the database is away (nothing was stored: the carrier is to send again).
    """
    try:
        source_id = sources.find_active(token)
        if source_id is None:
            return _problem(404, "Not Found")
        raw = _body(request)
        if isinstance(raw, HttpResponse):
            return raw
        inbox.receive(source_id=source_id, path_kind=kind, raw=raw)
    except NotAPush as problem:
        return _problem(400, str(problem))
    except DatabaseProblem as error:
        log.error("push.not_stored", error=type(error).__name__)
        response = _problem(503, "Service Unavailable")
        response["Retry-After"] = "10"
        return response
    return JsonResponse({"received": True})


def _body(request: HttpRequest) -> bytes | HttpResponse:
    """The raw body, or the answer that refuses it; never more than the limit is read.

    Read from the stream: ``request.body`` has a limit of its own, which answers 400 where 413 is meant.
    """
    limit: int = settings.CONFIG["PUSH_MAX_BYTES"]
    try:
        length = request.META.get("CONTENT_LENGTH")
        if length:
            raw = request.read(limit + 1) if int(length) <= limit else None
        elif request.META.get("wsgi.input_terminated"):
            # A chunked body: Django reads nothing without a length, the server knows where it ends.
            raw = request.META["wsgi.input"].read(limit + 1)
        elif request.META.get("HTTP_TRANSFER_ENCODING"):
            return _problem(411, "Length Required")
        else:
            raw = b""
    except (OSError, ValueError):
        return _problem(400, "The body could not be read.")
    if raw is None or len(raw) > limit:
        return _problem(413, "Content Too Large")
    return bytes(raw)


def _problem(status: int, title: str) -> HttpResponse:
    """A short JSON error; machines read it."""
    return JsonResponse({"title": title, "status": status}, status=status)
