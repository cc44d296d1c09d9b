"""Sign-in, sign-out, lockout."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.conf import settings
from django.test import Client

from core.models import AuditEntry
from staff.models import User
from tests.fixtures import PASSWORD

pytestmark = pytest.mark.django_db


def sign_in(client: Client, username: str, password: str, **extra: str):
    return client.post("/login/", {"username": username, "password": password, **extra})


def test_right_password_leads_in_and_is_noted(client: Client, viewer: User) -> None:
    response = sign_in(client, "viewer", PASSWORD)
    assert response.status_code == 302
    assert response["Location"] == "/"
    entry = AuditEntry.objects.get(action="user.signed_in")
    assert entry.actor == viewer
    assert entry.address == "127.0.0.1"
    assert entry.request_id == response["X-Request-ID"]


def test_wrong_password_unknown_and_inactive_user_read_the_same(
    client: Client, viewer: User, make_user: Callable[..., User]
) -> None:
    make_user("Agent", username="gone", is_active=False)
    pages = {
        sign_in(client, name, password).content.decode().split('<div class="card">')[1].split("<form")[0]
        for name, password in [("viewer", "wrong"), ("nobody", PASSWORD), ("gone", PASSWORD)]
    }
    assert len(pages) == 1
    assert "do not match" in pages.pop()


@pytest.mark.parametrize(
    ("target", "place"),
    [
        ("/profile/?x=1", "/profile/?x=1"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("", "/"),
    ],
)
def test_next_leads_to_this_portal_only(client: Client, viewer: User, target: str, place: str) -> None:
    assert sign_in(client, "viewer", PASSWORD, next=target)["Location"] == place


def test_lockout_says_how_long_and_holds_for_the_right_password(client: Client, viewer: User) -> None:
    for _ in range(settings.AXES_FAILURE_LIMIT):
        response = sign_in(client, "viewer", "wrong")
    assert response.status_code == 429
    assert f"{settings.CONFIG['LOGIN_LOCKOUT_MINUTES']} minutes" in response.content.decode()
    assert sign_in(client, "viewer", PASSWORD).status_code == 429
    entry = AuditEntry.objects.filter(action="user.locked_out").earliest("id")
    assert entry.object_id == str(viewer.pk)
    assert entry.actor is None


def test_lockout_of_one_user_leaves_the_others_in(client: Client, viewer: User, agent: User) -> None:
    for _ in range(settings.AXES_FAILURE_LIMIT):
        sign_in(client, "viewer", "wrong")
    assert sign_in(client, "agent", PASSWORD).status_code == 302


def test_sign_out_is_a_post_and_is_noted(viewer: User, login: Callable[[User], Client]) -> None:
    client = login(viewer)
    assert client.get("/logout/").status_code == 405
    assert client.get("/profile/").status_code == 200
    assert client.post("/logout/")["Location"] == "/login/"
    assert client.get("/profile/").status_code == 302
    assert AuditEntry.objects.get(action="user.signed_out").actor == viewer


def test_who_is_signed_in_needs_no_sign_in(viewer: User, login: Callable[[User], Client]) -> None:
    assert login(viewer).get("/login/")["Location"] == "/"


def test_password_is_in_no_entry_of_the_audit_trail(client: Client, viewer: User) -> None:
    sign_in(client, "viewer", PASSWORD)
    sign_in(client, "viewer", "wrong-password-typed")
    for entry in AuditEntry.objects.all():
        told = f"{entry.before}{entry.after}{entry.reason}"
        assert PASSWORD not in told
        assert "wrong-password-typed" not in told


@pytest.mark.parametrize("address", ["/profile/", "/profile/password/", "/admin/", "/", "/audit/"])
def test_strangers_are_led_to_the_sign_in(client: Client, address: str) -> None:
    response = client.get(address, follow=True)
    assert response.redirect_chain[-1][0].startswith("/login/?next=")
    assert response.status_code == 200
