"""Where the carrier pushes to. No sign-in, no session, no CSRF: the token in the address is the credential."""

from __future__ import annotations

import json

import structlog
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import Error as DatabaseProblem
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from core.addresses import client_address
from notifications.services import inbox, limits, sources
from notifications.services.reading import NotAPush
from notifications.services.sources import Known

log = structlog.get_logger(__name__)

RECEIVED = b'{"received": true}'
_LATER = 10


@login_not_required
@csrf_exempt
@require_POST
def receive(request: HttpRequest, token: str, kind: str = "") -> HttpResponse:
    """Store one push and answer 200 ``{"received": true}``.

    404 wrong token, a source that is off, or an address outside of its networks; 401 no valid signature where one is
    asked for; 413 over ``PUSH_MAX_BYTES``; 400 not a JSON object; 411 a length that can't be known; 429 more than the
    source may push; 503 the database is away. After 429 and 503 nothing was stored: the carrier is to send again.
    """
    try:
        source = sources.find_active(token)
        # Not 403: whoever has got hold of a token learns elsewhere no more than that this address is none.
        if source is None or (source.networks and not source.allows(client_address(request))):
            return _problem(404, "Not Found")
        raw = _body(request)
        if isinstance(raw, HttpResponse):
            return raw
        refusal = _refusal(request, source, raw)
        if refusal is not None:
            return refusal
        inbox.receive(source_id=source.source_id, path_kind=kind, raw=raw)
    except NotAPush as problem:
        return _problem(400, str(problem))
    except DatabaseProblem as error:
        log.error("push.not_stored", error=type(error).__name__)
        return _later(503, "Service Unavailable", _LATER)
    return _json(RECEIVED)


def _refusal(request: HttpRequest, source: Known, raw: bytes) -> HttpResponse | None:
    """The answer to a push that is not signed as it must be, or that is one too many."""
    if source.key_is_lost:
        # Nobody can say whether it is genuine; the carrier sends again until an administrator has set a new key.
        return _later(503, "Service Unavailable", _LATER)
    if not source.is_signed(raw, request.META.get("HTTP_X_SMARTHUB_SIGNATURE", "")):
        return _problem(401, "Unauthorized")
    wait = limits.wait_before(source.source_id, len(raw))
    return _later(429, "Too Many Requests", wait) if wait else None


def _body(request: HttpRequest) -> bytes | HttpResponse:
    """The raw body, or the answer that refuses it; never more than the limit is read.

    Read from the stream: ``request.body`` has a limit of its own, which answers 400 where 413 is meant.
    """
    limit: int = settings.CONFIG["PUSH_MAX_BYTES"]
    try:
        length = str(request.META.get("CONTENT_LENGTH") or "")
        if length and not (length.isascii() and length.isdigit()):
            # A negative one would make Django read without an end.
            return _problem(400, "The body could not be read.")
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
    return _json(json.dumps({"title": title, "status": status}).encode(), status)


def _json(body: bytes, status: int = 200) -> HttpResponse:
    # With its length the answer is one packet instead of chunks; no middleware sets it on this path.
    headers = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    return HttpResponse(body, status=status, headers=headers)


def _later(status: int, title: str, seconds: int) -> HttpResponse:
    response = _problem(status, title)
    response["Retry-After"] = str(seconds)
    return response
