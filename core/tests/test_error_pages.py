"""Error pages: right status, plain words, a request id; the 500 stands without the database."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import include, path

from staff.models import User


@login_not_required
def broken(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("a secret of the inside")


@login_not_required
def guarded(request: HttpRequest) -> HttpResponse:
    return HttpResponse("taken")


urlpatterns = [
    path("broken/", broken),
    path("guarded/", guarded),
    path("", include("smarthub_portal.urls")),
]
handler400 = "core.views.errors.bad_request"
handler500 = "core.views.errors.server_error"


def test_server_error_needs_no_database_and_tells_no_inside(settings: Any) -> None:
    # Without the fixture of the database each query is refused, as if it were away.
    settings.ROOT_URLCONF = __name__
    client = Client(raise_request_exception=False)
    response = client.get("/broken/", HTTP_X_REQUEST_ID="abcdef-12345")
    assert response.status_code == 500
    assert response["X-Request-ID"] == "abcdef-12345"
    page = response.content.decode()
    assert "abcdef-12345" in page
    assert "secret of the inside" not in page


def test_strange_host_is_a_400() -> None:
    response = Client(raise_request_exception=False).get("/healthz", HTTP_HOST="a b.example")
    assert response.status_code in {200, 400}
    response = Client(raise_request_exception=False).get("/login/", HTTP_HOST="evil.example")
    assert response.status_code == 400
    assert b"not understood" in response.content


@pytest.mark.django_db
def test_unknown_page_tells_a_stranger_nothing_of_the_inside(client: Client) -> None:
    response = client.get("/no-such-page/")
    assert response.status_code == 404
    page = response.content.decode()
    assert "Not found" in page
    assert "Operations" not in page


@pytest.mark.django_db
def test_unknown_page_keeps_the_frame_for_who_is_signed_in(viewer: User, login: Callable[[User], Client]) -> None:
    response = login(viewer).get("/no-such-page/")
    assert response.status_code == 404
    assert "Sign out" in response.content.decode()


@pytest.mark.django_db
def test_missing_form_token_is_a_403_that_says_what_to_do(settings: Any) -> None:
    settings.ROOT_URLCONF = __name__
    response = Client(enforce_csrf_checks=True).post("/guarded/")
    assert response.status_code == 403
    assert "open the page again" in response.content.decode()
