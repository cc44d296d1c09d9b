"""What a user sees and sets about himself."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from core.models import AuditEntry
from staff.models import User
from tests.fixtures import PASSWORD

FORM = {"first_name": "", "last_name": "", "email": "", "time_zone": "", "theme": "system"}
NEW = "a-long-new-pass-phrase-7"


def test_role_and_accounts_are_shown(scoped_agent: User, viewer: User, login: Callable[[User], Client]) -> None:
    page = login(scoped_agent).get("/profile/").content.decode()
    assert "Agent" in page
    assert "example_account" in page
    assert "example_account" not in login(viewer).get("/profile/").content.decode()


def test_profile_is_saved_and_noted(viewer: User, login: Callable[[User], Client]) -> None:
    response = login(viewer).post("/profile/", {**FORM, "time_zone": "europe/berlin", "first_name": "Vera"})
    assert response.status_code == 302
    viewer.refresh_from_db()
    assert (viewer.time_zone, viewer.first_name) == ("Europe/Berlin", "Vera")
    entry = AuditEntry.objects.get(action="user.profile")
    assert entry.before == {"first_name": "", "time_zone": ""}
    assert entry.after == {"first_name": "Vera", "time_zone": "Europe/Berlin"}


@pytest.mark.parametrize(
    "bad", [{"time_zone": "Moon/Base"}, {"email": "no mail"}, {"theme": "pink"}, {"time_zone": "x" * 200}]
)
def test_wrong_profile_is_422_and_stores_nothing(
    viewer: User, login: Callable[[User], Client], bad: dict[str, str]
) -> None:
    response = login(viewer).post("/profile/", {**FORM, "first_name": "Vera", **bad})
    assert response.status_code == 422
    assert 'class="error"' in response.content.decode()
    viewer.refresh_from_db()
    assert viewer.first_name == ""
    assert not AuditEntry.objects.filter(action="user.profile").exists()


def test_profile_gives_no_power(viewer: User, login: Callable[[User], Client]) -> None:
    login(viewer).post(
        "/profile/", {**FORM, "is_superuser": "on", "all_accounts": "on", "groups": "4", "is_staff": "on"}
    )
    viewer.refresh_from_db()
    assert not viewer.is_superuser
    assert not viewer.is_staff
    assert viewer.role == "Viewer"


def test_times_are_in_the_users_zone(viewer: User, login: Callable[[User], Client]) -> None:
    client = login(viewer)
    client.post("/profile/", {**FORM, "time_zone": "Asia/Tokyo"})
    assert " JST" in client.get("/profile/").content.decode()


def test_theme_goes_back_to_the_page(viewer: User, login: Callable[[User], Client]) -> None:
    response = login(viewer).post("/profile/theme/", {"theme": "dark", "next": "/sims/?q=1"})
    assert response["Location"] == "/sims/?q=1"
    viewer.refresh_from_db()
    assert viewer.theme == "dark"


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", ""])
def test_theme_never_leads_away(viewer: User, login: Callable[[User], Client], target: str) -> None:
    response = login(viewer).post("/profile/theme/", {"theme": "nonsense", "next": target})
    assert response["Location"] == "/profile/"
    viewer.refresh_from_db()
    assert viewer.theme == "system"


def test_theme_by_get_changes_nothing(viewer: User, login: Callable[[User], Client]) -> None:
    assert login(viewer).get("/profile/theme/?theme=dark").status_code == 405


def test_new_password_counts_and_is_noted(viewer: User, login: Callable[[User], Client]) -> None:
    client = login(viewer)
    data = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}
    assert client.post("/profile/password/", data)["Location"] == "/profile/"
    viewer.refresh_from_db()
    assert viewer.check_password(NEW)
    assert client.get("/profile/").status_code == 200
    entry = AuditEntry.objects.get(action="user.password")
    assert NEW not in f"{entry.before}{entry.after}"


@pytest.mark.parametrize(
    "change",
    [{"old_password": "wrong"}, {"new_password2": "other"}, {"new_password1": "short", "new_password2": "short"}],
)
def test_wrong_password_change_is_422(viewer: User, login: Callable[[User], Client], change: dict[str, str]) -> None:
    data = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW, **change}
    assert login(viewer).post("/profile/password/", data).status_code == 422
    viewer.refresh_from_db()
    assert viewer.check_password(PASSWORD)


def test_other_sessions_end_with_the_password(viewer: User, login: Callable[[User], Client]) -> None:
    here, elsewhere = login(viewer), login(viewer)
    here.post("/profile/password/", {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW})
    assert elsewhere.get("/profile/").status_code == 302
