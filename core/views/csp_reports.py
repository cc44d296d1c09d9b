"""What browsers say that the content security policy refused: a line in the log, a few of them a minute.

Anybody may write here, so nothing is believed, kept or quoted: of each report there is the directive, where what was
refused came from, and which view made the page. Addresses name SIMs and hold what was searched for, samples hold what
stood in the page: neither is read.
"""

from __future__ import annotations

import json
import re
import threading
import time
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import structlog
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, resolve
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

log = structlog.get_logger(__name__)

LARGEST = 16 * 1024
"""Bytes of a body; a browser's reports of one page have a few hundred each."""
MOST = 10
"""Reports of a body that are looked at, and lines a minute that each process writes."""

_DIRECTIVE = re.compile(r"[a-z-]{3,40}\Z")
_ORIGIN = re.compile(r"(https?|wss?)://[a-z0-9.-]{1,80}(:\d{1,5})?\Z")
_KEYWORD = re.compile(r"(inline|eval|wasm-eval|self|data|blob|trusted-types-policy|trusted-types-sink)\Z")


@csrf_exempt
@login_not_required
@require_POST
def take(request: HttpRequest) -> HttpResponse:
    """204, also for what is no report; 413 over :data:`LARGEST`. Asks neither session nor database."""
    body = request.read(LARGEST + 1)
    if len(body) > LARGEST:
        return HttpResponse(status=413)
    for report in _reports(body)[:MOST]:
        _budget.log(_said(report))
    return HttpResponse(status=204)


def _reports(body: bytes) -> list[dict[str, Any]]:
    """The reports in either form that browsers send: of ``report-to`` a list, of ``report-uri`` one."""
    try:
        given = json.loads(body)
    except (ValueError, RecursionError):
        return []
    found = [_part(item, "body") for item in given] if isinstance(given, list) else [_part(given, "csp-report")]
    return [report for report in found if report]


def _part(item: object, name: str) -> dict[str, Any]:
    inner = item.get(name) if isinstance(item, dict) else None
    return inner if isinstance(inner, dict) else {}


def _said(report: dict[str, Any]) -> dict[str, str]:
    """What the log is told: words of a fixed form, whatever the report holds."""

    def text(*names: str) -> str:
        return next((value for name in names if isinstance(value := report.get(name), str)), "")

    directive = text("effectiveDirective", "effective-directive", "violated-directive").partition(" ")[0]
    return {
        "directive": directive if _DIRECTIVE.match(directive) else "other",
        "blocked": _source(text("blockedURL", "blocked-uri")),
        "view": _view(text("documentURL", "document-uri")),
    }


def _source(blocked: str) -> str:
    if _KEYWORD.match(blocked):
        return blocked
    with suppress(ValueError):
        parts = urlsplit(blocked[:2000])
        origin = f"{parts.scheme}://{parts.netloc}".lower()
        return origin if _ORIGIN.match(origin) else "other"
    return "other"


def _view(document: str) -> str:
    try:
        return resolve(urlsplit(document[:2000]).path).view_name
    except (Resolver404, ValueError):
        return "none"


class _Budget:
    """So many lines a minute; how many more there were is said with the first of a later minute."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._minute, self._written, self._left_out = -1, 0, 0

    def log(self, said: dict[str, str]) -> None:
        minute = int(time.monotonic() // 60)
        with self._lock:
            if minute != self._minute:
                self._minute, self._written = minute, 0
            if self._written >= MOST:
                self._left_out += 1
                return
            self._written += 1
            left_out, self._left_out = self._left_out, 0
        log.warning("csp.refused", **said, left_out_before=left_out)


_budget = _Budget()
