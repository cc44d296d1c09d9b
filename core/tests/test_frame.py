"""The frame of every page: nothing inline, navigation by role, the look by the user's choice."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

from staff.models import User

PAGES = ["/profile/", "/profile/password/", "/no-such-page/"]


def inline_parts(page: str) -> list[str]:
    return re.findall(r"""<style|\sstyle=|\son[a-z]+=|hx-on|<script(?![^>]*\bsrc=)(?![^>]*application/json)""", page)


@pytest.mark.parametrize("address", PAGES)
def test_pages_hold_nothing_inline(administrator: User, login: Callable[[User], Client], address: str) -> None:
    response = login(administrator).get(address)
    assert inline_parts(response.content.decode()) == []
    policy = response["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_sign_in_holds_nothing_inline(client: Client, db: None) -> None:
    response = client.get("/login/")
    assert inline_parts(response.content.decode()) == []
    assert "Content-Security-Policy" in response


def test_templates_hold_nothing_inline() -> None:
    found = {
        str(file): parts
        for file in Path(settings.BASE_DIR, "templates").rglob("*.html")
        if (parts := inline_parts(file.read_text()))
    }
    assert found == {}


def test_navigation_shows_what_the_role_may_open(
    viewer: User, administrator: User, login: Callable[[User], Client]
) -> None:
    assert 'href="/admin/"' not in login(viewer).get("/profile/").content.decode()
    assert 'href="/admin/"' in login(administrator).get("/profile/").content.decode()


@pytest.mark.parametrize(("theme", "expected"), [("dark", 'data-theme="dark"'), ("light", 'data-theme="light"')])
def test_chosen_theme_is_in_the_first_byte_of_html(
    viewer: User, login: Callable[[User], Client], theme: str, expected: str
) -> None:
    viewer.theme = theme
    viewer.save()
    assert expected in login(viewer).get("/profile/").content.decode()


def test_theme_of_the_system_is_left_to_the_system(viewer: User, login: Callable[[User], Client]) -> None:
    assert "data-theme" not in login(viewer).get("/profile/").content.decode()


@pytest.mark.parametrize(
    ("address", "current"), [("/", "/"), ("/sims/", "/sims/"), ("/timeline/", "/timeline/"), ("/jobs/new/", "/jobs/")]
)
def test_navigation_says_where_one_is(
    administrator: User, login: Callable[[User], Client], address: str, current: str
) -> None:
    html = login(administrator).get(address).content.decode()
    assert re.findall(r'<a class="nav-link" href="([^"]*)"[^>]* aria-current="page"', html) == [current]


def test_pages_of_signed_in_people_are_not_cached(viewer: User, login: Callable[[User], Client]) -> None:
    assert "no-store" in login(viewer).get("/profile/")["Cache-Control"]


def test_the_search_box_holds_what_was_searched_among_the_sims_only(
    viewer: User, login: Callable[[User], Client]
) -> None:
    client = login(viewer)
    box = re.compile(r'<input[^>]*id="search"[^>]*>')
    for address, text in (("/sims/", "T-4711"), ("/operations/", "")):
        found = box.search(client.get(address, {"q": "T-4711"}).content.decode())
        assert found is not None
        assert f'value="{text}"' in found[0]
