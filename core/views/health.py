"""Is the process up, is the portal ready, what has it counted: for machines, without sign-in."""

from __future__ import annotations

import hmac
import ipaddress

import structlog
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST

from core import storage
from core.broker import queues
from core.heartbeat import queues_without_worker
from core.metrics import exposition
from core.patience import within

log = structlog.get_logger(__name__)


@require_safe
@login_not_required
def healthz(request: HttpRequest) -> HttpResponse:
    """200 as long as the process answers; asks nothing of anybody else."""
    return HttpResponse("ok\n", content_type="text/plain")


PATIENCE = 2.0
"""Seconds within which database and broker answer, or do not count as there."""


def _database() -> str:
    try:
        return within(PATIENCE, storage.database_state)
    except Exception as error:  # noqa: BLE001 - as below
        log.warning("readyz.database", error=type(error).__name__)
        return "unreachable"


def _broker_and_workers() -> tuple[str, str]:
    try:
        missing = within(PATIENCE, lambda: queues_without_worker(queues()))
    except Exception as error:  # noqa: BLE001 - whatever the driver raises, the answer is that it is not ready
        log.warning("readyz.broker", error=type(error).__name__)
        return "unreachable", "unknown"
    return "ok", f"no worker for {', '.join(missing)}" if missing else "ok"


@require_safe
@login_not_required
def readyz(request: HttpRequest) -> JsonResponse:
    """200 when database, disk, broker and a worker for each queue are there and take what is stored, else 503; the body
    says which does not.

    Answers within twice :data:`PATIENCE`, also where database or broker neither answers nor refuses.
    """
    broker, workers = _broker_and_workers()
    parts = {"database": _database(), "disk": storage.disk_state(), "broker": broker, "workers": workers}
    ready = all(state == "ok" for state in parts.values())
    return JsonResponse({"ready": ready, **parts}, status=200 if ready else 503)


def _may_read_metrics(request: HttpRequest) -> bool:
    token = settings.CONFIG["METRICS_TOKEN"]
    if token:
        return hmac.compare_digest(request.headers.get("Authorization", "").encode(), f"Bearer {token}".encode())
    # Behind a proxy on the same machine everybody comes from loopback, so loopback says nothing then.
    if settings.CONFIG["BEHIND_PROXY"] or "X-Forwarded-For" in request.headers or "Forwarded" in request.headers:
        return False
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False


@require_safe
@login_not_required
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus' text format, for the bearer of ``METRICS_TOKEN``; without such a token for loopback only."""
    if not _may_read_metrics(request):
        return HttpResponse("forbidden\n", status=403, content_type="text/plain")
    return HttpResponse(exposition(), content_type=CONTENT_TYPE_LATEST)
