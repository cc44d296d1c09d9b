"""Answers for htmx: fragments, toasts, the end of polling, the end of a session."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import include, path

from core import htmx
from staff.models import User


def noting(request: HttpRequest) -> HttpResponse:
    messages.success(request, "Stored <b>it</b>")
    kind = request.GET.get("kind", "fragment")
    if kind == "redirect":
        answer = HttpResponse(status=204)
        answer["HX-Redirect"] = "/profile/"
        return answer
    if kind == "poll":
        return htmx.stop_polling(HttpResponse("<p>done</p>"))
    return HttpResponse("<p>fragment</p>", status=int(request.GET.get("status", 200)))


urlpatterns = [path("noting/", noting), path("", include("smarthub_portal.urls"))]


@pytest.fixture
def client(settings: Any, viewer: User, login: Callable[[User], Client]) -> Client:
    settings.ROOT_URLCONF = __name__
    return login(viewer)


HTMX: Any = {"HX-Request": "true"}


@pytest.mark.parametrize("status", [200, 422, 409])
def test_messages_go_along_with_a_fragment_once(client: Client, status: int) -> None:
    page = client.get(f"/noting/?status={status}", headers=HTMX).content.decode()
    assert 'hx-swap-oob="beforeend:#toasts"' in page
    assert "Stored &lt;b&gt;it&lt;/b&gt;" in page
    assert "Stored" not in client.get("/profile/").content.decode()


@pytest.mark.parametrize("query", ["kind=redirect", "status=500"])
def test_messages_wait_for_the_next_page_where_nothing_is_swapped(client: Client, query: str) -> None:
    assert "Stored" not in client.get(f"/noting/?{query}", headers=HTMX).content.decode()
    assert "Stored &lt;b&gt;it&lt;/b&gt;" in client.get("/profile/").content.decode()


def test_end_of_polling_is_286(client: Client) -> None:
    assert client.get("/noting/?kind=poll", headers=HTMX).status_code == 286


def test_answers_differ_by_who_asks(client: Client) -> None:
    assert "HX-Request" in client.get("/noting/")["Vary"]


def test_ended_session_moves_the_page_and_comes_back_to_it(db: None) -> None:
    response = Client().get("/profile/", HTTP_HX_REQUEST="true", HTTP_HX_CURRENT_URL="http://testserver/sims/?q=123")
    assert response.status_code == 204
    assert response["HX-Redirect"] == "/login/?next=%2Fsims%2F%3Fq%3D123"


def test_close_dialog_is_an_event() -> None:
    assert "dialog:close" in htmx.close_dialog(HttpResponse())["HX-Trigger"]
