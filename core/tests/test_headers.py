"""Every answer has the headers, whoever makes it; scripts run by nonce alone; reports cost a bounded line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.decorators import login_not_required
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import include, path
from structlog.testing import capture_logs

from core.views import csp_reports
from staff.models import User

REPORTS = "/csp-reports/"
PUSHES = "/webhooks/smarthub/no-such-token-of-any-source/"


@login_not_required
def broken(request: HttpRequest) -> HttpResponse:
    raise RuntimeError


@login_not_required
def without_database(request: HttpRequest) -> HttpResponse:
    raise OperationalError


urlpatterns = [
    path("broken/", broken),
    path("without-database/", without_database),
    path("", include("smarthub_portal.urls")),
]
handler400 = "core.views.errors.bad_request"
handler403 = "core.views.errors.permission_denied"
handler404 = "core.views.errors.not_found"
handler500 = "core.views.errors.server_error"

EXPECTED = {
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains; preload",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Reporting-Endpoints": f'csp="{REPORTS}"',
}
WALK: list[tuple[str, str, str, int, dict[str, Any]]] = [
    ("viewer", "get", "/profile/", 200, {}),
    ("viewer", "get", "/sims/?export=csv", 200, {}),
    ("administrator", "get", "/admin/", 200, {}),
    ("", "get", "/login/", 200, {}),
    ("", "get", "/static/css/base.css", 200, {}),
    ("", "get", "/healthz", 200, {}),
    ("", "get", "/metrics", 200, {}),
    ("", "post", REPORTS, 204, {"data": "no report", "content_type": "application/csp-report"}),
    ("", "get", "/", 302, {}),
    ("", "get", "/live/", 204, {"headers": {"HX-Request": "true"}}),
    ("", "get", "/login/", 301, {"secure": False}),
    ("", "get", "/login/", 400, {"headers": {"host": "evil.example"}}),
    ("viewer", "get", "/admin/", 403, {}),
    ("viewer", "post", "/logout/", 403, {}),
    ("", "get", "/no-such-page/", 404, {}),
    ("", "post", PUSHES, 404, {"data": "{}", "content_type": "application/json"}),
    ("", "post", "/healthz", 405, {}),
    ("viewer", "get", "/logout/", 405, {}),
    ("", "post", REPORTS, 413, {"data": "x" * 20_000, "content_type": "application/csp-report"}),
    ("", "get", "/broken/", 500, {}),
    ("", "get", "/without-database/", 503, {}),
    ("", "get", "/readyz", 503, {}),
]


CSP = "Content-Security-Policy"


def directives(response: Any) -> dict[str, str]:
    return {name: value for name, _, value in (part.partition(" ") for part in response[CSP].split("; "))}


@pytest.fixture
def with_tls(settings: Any) -> None:
    """As in production, as far as one process is concerned."""
    settings.ROOT_URLCONF = __name__
    settings.SECURE_SSL_REDIRECT = settings.SECURE_HSTS_PRELOAD = settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    settings.SECURE_HSTS_SECONDS = 31536000


@pytest.mark.django_db
@pytest.mark.parametrize(("who", "method", "address", "status", "more"), WALK, ids=lambda part: str(part)[:40])
def test_every_answer_has_the_headers(
    with_tls: None,
    make_user: Callable[..., User],
    who: str,
    method: str,
    address: str,
    status: int,
    more: dict[str, Any],
) -> None:
    client = Client(raise_request_exception=False, enforce_csrf_checks=True)
    if who:
        client.force_login(make_user(who.capitalize()))
    options = {"secure": True, **more}
    response = getattr(client, method)(address, **options)
    assert response.status_code == status
    wanted = dict(EXPECTED)
    if not options["secure"]:
        del wanted["Strict-Transport-Security"]  # counts for nothing there (RFC 6797)
    assert {name: response.get(name) for name in wanted} == wanted
    assert "camera=()" in response["Permissions-Policy"]
    policy = directives(response)
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in response[CSP]
    if not address.startswith("/static/"):
        assert "no-store" in response["Cache-Control"]
        assert "public" not in response["Cache-Control"]


@pytest.mark.django_db
def test_scripts_run_by_the_nonce_of_their_page_alone(
    viewer: User, administrator: User, login: Callable[[User], Client]
) -> None:
    client = login(viewer)
    nonces = set()
    for address in ("/", "/sims/", "/no-such-page/"):
        response = client.get(address)
        page = response.content.decode()
        scripts = re.findall(r"<script(?![^>]*application/json)[^>]*>", page)
        (nonce,) = {found for script in scripts for found in re.findall(r'nonce="([^"]+)"', script) or [""]}
        assert directives(response)["script-src"] == f"'nonce-{nonce}'"
        assert len(nonce) >= 22
        nonces.add(nonce)
    assert len(nonces) == 3
    # Django's own pages know no nonce; their scripts are files of ours. What has no script may have none.
    assert directives(login(administrator).get("/admin/"))["script-src"] == "'self'"
    assert directives(client.get("/sims/?export=csv"))["script-src"] == ""


def violation(**fields: str) -> dict[str, str]:
    return {
        "documentURL": "https://portal.example/sims/8986012345678901234/?q=canary",
        "blockedURL": "https://user:canary@evil.example/canary?canary",
        "effectiveDirective": "script-src-elem",
        "sample": "canary",
        **fields,
    }


def send(reports: Any, **extra: Any) -> Any:
    body = reports if isinstance(reports, str) else json.dumps(reports)
    return Client().post(REPORTS, body, content_type="application/reports+json", **extra)


@pytest.fixture
def budget(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(csp_reports, "_budget", csp_reports._Budget())
    monkeypatch.setattr(csp_reports, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def test_a_report_is_a_line_without_what_it_quotes(budget: SimpleNamespace) -> None:
    # No fixture of the database: that a report asks nothing of it, whatever cookie comes along, is part of the test.
    old = {"document-uri": "/sims/", "blocked-uri": "inline", "violated-directive": "style-src 'self'"}
    cookie = {"HTTP_COOKIE": "sessionid=" + "s" * 32}
    with capture_logs() as lines:
        send(
            [{"type": "csp-violation", "body": violation(blockedURL="https://evil.example:8443/canary?canary")}],
            **cookie,
        )
        send({"csp-report": old})
        send([{"body": violation()}])
        send([{"body": violation(effectiveDirective="x\ncanary", blockedURL="canary", documentURL="https://[canary")}])
        for senseless in (
            "[",
            "[1, {}]",
            "7",
            '{"csp-report": 3}',
            '[{"body": {"blockedURL": 7}}]',
            "[" * 9000,
            "\udcff",
        ):
            assert send(senseless.encode("utf-8", "surrogatepass").decode("latin-1")).status_code == 204
    assert "canary" not in repr(lines)
    assert "8986" not in repr(lines)
    told = [(line["directive"], line["blocked"], line["view"]) for line in lines if line["event"] == "csp.refused"]
    assert told[:4] == [
        ("script-src-elem", "https://evil.example:8443", "sims:detail"),
        ("style-src", "inline", "sims:list"),
        ("script-src-elem", "other", "sims:detail"),
        ("other", "other", "none"),
    ]
    assert {line["event"] for line in lines} == {"csp.refused"}


def test_a_flood_of_reports_is_some_lines_a_minute(budget: SimpleNamespace) -> None:
    many = [{"body": violation()}] * 40
    with capture_logs() as lines:
        for _ in range(5):
            assert send(many).status_code == 204
        assert len(lines) == csp_reports.MOST
        budget.now = 61.0
        send(many[:1])
    assert len(lines) == csp_reports.MOST + 1
    assert lines[-1]["left_out_before"] == 4 * csp_reports.MOST


def test_reports_are_sent_by_nobody_but_browsers_with_post() -> None:
    assert Client().get(REPORTS).status_code == 405
