"""Three limits on guessing, that they end, and who can end them before their time."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
import time_machine
from axes.models import AccessAttempt
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from core.models import AuditEntry
from staff.models import User
from tests.fixtures import PASSWORD

pytestmark = pytest.mark.django_db
HERE, THERE = "198.51.100.7", "203.0.113.9"


@pytest.fixture(autouse=True)
def _low_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(settings.CONFIG, "LOGIN_FAILURES_USER", 8)
    monkeypatch.setitem(settings.CONFIG, "LOGIN_FAILURES_ADDRESS", 10)


def attempt(username: str, password: str = "wrong", address: str = HERE) -> int:
    data = {"username": username, "password": password}
    return Client(REMOTE_ADDR=address).post("/login/", data).status_code


def test_failures_of_one_user_from_many_addresses_lock_the_user(viewer: User, agent: User) -> None:
    assert [attempt("viewer", address=f"192.0.2.{n}") for n in range(8)] == [200] * 7 + [429]
    assert attempt("viewer", PASSWORD, THERE) == 429, "from anywhere, also with the right password"
    assert attempt("agent", PASSWORD, THERE) == 302, "nobody else"
    entries = AuditEntry.objects.filter(action="user.locked_out")
    assert [entry.object_id for entry in entries] == [str(viewer.pk)], "told once, not with each attempt"


def test_an_address_that_the_user_signs_in_from_stays_open_to_the_user(viewer: User) -> None:
    assert attempt("viewer", PASSWORD, HERE) == 302
    for n in range(9):
        attempt("viewer", address=f"192.0.2.{n}")
    assert attempt("viewer", PASSWORD, THERE) == 429
    assert attempt("viewer", PASSWORD, HERE) == 302


def test_one_address_that_tries_many_users_is_locked(viewer: User, agent: User) -> None:
    assert [attempt(f"guess{n}") for n in range(10)] == [200] * 9 + [429]
    assert attempt("agent", PASSWORD) == 429
    assert attempt("agent", PASSWORD, THERE) == 302


def test_an_ipv6_network_is_one_address(viewer: User, agent: User) -> None:
    assert [attempt(f"guess{n}", address=f"2001:db8::{n}") for n in range(10)] == [200] * 9 + [429]
    assert attempt("agent", PASSWORD, "2001:db8::ffff") == 429
    assert attempt("agent", PASSWORD, "2001:db8:0:1::1") == 302, "the network beside it"
    assert attempt("agent", PASSWORD, "::ffff:198.51.100.7") == 302, "written so, but IPv4"
    call_command("release_sign_in", "--address", "2001:db8::7", stdout=io.StringIO())
    assert attempt("agent", PASSWORD, "2001:db8::ffff") == 302


def test_a_lockout_ends_by_itself_however_often_one_tries_on(administrator: User) -> None:
    start = timezone.now()
    minutes = settings.CONFIG["LOGIN_LOCKOUT_MINUTES"]
    for _ in range(settings.AXES_FAILURE_LIMIT):
        attempt("administrator")
    with time_machine.travel(start + timedelta(minutes=minutes - 1)):
        assert attempt("administrator", PASSWORD) == 429
    with time_machine.travel(start + timedelta(minutes=minutes, seconds=30)):
        assert attempt("administrator", PASSWORD) == 302


def test_a_lockout_is_released_by_command(viewer: User) -> None:
    for _ in range(settings.AXES_FAILURE_LIMIT):
        attempt("viewer")
    with pytest.raises(CommandError):
        call_command("release_sign_in")
    call_command("release_sign_in", "viewer", "--address", THERE, stdout=io.StringIO())
    assert attempt("viewer", PASSWORD) == 429
    call_command("release_sign_in", "viewer", stdout=io.StringIO())
    assert attempt("viewer", PASSWORD) == 302
    assert AuditEntry.objects.get(action="user.lockout_released").object_id == str(viewer.pk)


def test_the_address_behind_a_proxy_is_the_one_that_counts(viewer: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(settings.CONFIG, "BEHIND_PROXY", True)
    data = {"username": "viewer", "password": "wrong"}
    for _ in range(settings.AXES_FAILURE_LIMIT):
        Client(REMOTE_ADDR="127.0.0.1").post("/login/", data, headers={"X-Forwarded-For": f"1.2.3.4, {HERE}"})
    assert AccessAttempt.objects.get().ip_address == HERE
    right = {**data, "password": PASSWORD}
    other = Client(REMOTE_ADDR="127.0.0.1").post("/login/", right, headers={"X-Forwarded-For": THERE})
    assert other.status_code == 302


def test_the_old_password_is_guessed_no_more_often_than_the_sign_in(viewer: User) -> None:
    client = Client(REMOTE_ADDR=HERE)
    client.force_login(viewer)
    form = {"old_password": "wrong", "new_password1": "a-long-pass-phrase-9", "new_password2": "a-long-pass-phrase-9"}
    codes = [client.post("/profile/password/", form).status_code for _ in range(settings.AXES_FAILURE_LIMIT)]
    assert codes == [422] * (len(codes) - 1) + [429]
    assert client.post("/profile/password/", {**form, "old_password": PASSWORD}).status_code == 429
    viewer.refresh_from_db()
    assert viewer.check_password(PASSWORD)
    attempts = AccessAttempt.objects.all()
    assert not any("a-long-pass-phrase-9" in attempt.post_data for attempt in attempts), "no secret is kept"
