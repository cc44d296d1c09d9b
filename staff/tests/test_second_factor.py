"""The second factor: set up, asked for, taken once, lost, and required by role."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth as totp
from axes.models import AccessAttempt
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from core.models import AuditEntry
from staff.models import User, UserSession
from tests.fixtures import PASSWORD

pytestmark = pytest.mark.django_db
SET_UP = "/profile/second-factor/set-up/"
Clock = time_machine.Traveller


@pytest.fixture
def clock() -> Iterator[Clock]:
    """A clock that stands, at the beginning of a step of 30 seconds."""
    start = datetime.fromtimestamp(timezone.now().timestamp() // 30 * 30, tz=timezone.get_default_timezone())
    with time_machine.travel(start, tick=False) as traveller:
        yield traveller


def code_of(secret: str, steps: int = 0) -> str:
    """What the app shows, so many steps from now."""
    step = int(timezone.now().timestamp()) // 30 + steps
    return totp.format_hotp_value(totp.hotp_value(secret, step))


def new_secret(client: Client) -> str:
    """What the page shows for the app."""
    page = client.get(SET_UP).content.decode()
    [shown] = re.findall(r"data-factor-secret>([^<]*)<", page)
    return str(shown.replace(" ", ""))


def set_up(client: Client) -> tuple[str, list[str]]:
    """The secret of the app and the recovery codes."""
    secret = new_secret(client)
    answer = client.post(SET_UP, {"code": code_of(secret)})
    assert answer.status_code == 200
    codes = re.findall(r"<li>(\d{4} \d{4})</li>", answer.content.decode())
    assert len(codes) == 10
    return secret, codes


def enter(username: str = "viewer", target: str = "") -> Client:
    """With the password alone."""
    client = Client()
    answer = client.post("/login/", {"username": username, "password": PASSWORD, "next": target})
    assert answer["Location"] == "/login/code/"
    return client


def is_in(client: Client) -> bool:
    return client.get("/profile/").status_code == 200


def test_it_is_set_up_and_then_asked_for(clock: Clock, viewer: User, login: Callable[[User], Client]) -> None:
    here, elsewhere = login(viewer), login(viewer)
    page = html.unescape(here.get(SET_UP).content.decode())
    assert "<svg" in page
    assert here.post(SET_UP, {"code": "000000"}).status_code == 422
    secret, _codes = set_up(here)
    assert is_in(here)
    assert not is_in(elsewhere), "signed in without it"
    kept = Authenticator.objects.get(user=viewer, type="totp")
    assert secret not in str(kept.data), "kept encrypted"
    clock.shift(timedelta(seconds=30))
    client = enter(target="/sims/?q=1")
    assert not is_in(client), "the password alone opens nothing"
    assert client.post("/login/code/", {"code": "12"}).status_code == 422
    typed = f" {code_of(secret)[:3]} {code_of(secret)[3:]} "
    assert client.post("/login/code/", {"code": typed})["Location"] == "/sims/?q=1"
    assert is_in(client)
    assert AuditEntry.objects.filter(action="user.signed_in").latest("id").after == {"how": "password+code"}
    told = "".join(f"{entry.before}{entry.after}" for entry in AuditEntry.objects.all())
    assert secret not in told


def test_a_code_is_taken_once_and_in_its_time(
    clock: Clock, viewer: User, valkey: object, login: Callable[[User], Client]
) -> None:
    secret, _codes = set_up(login(viewer))
    assert enter().post("/login/code/", {"code": code_of(secret)}).status_code == 422, "the one of the set-up"
    assert enter().post("/login/code/", {"code": code_of(secret, 2)}).status_code == 422, "too early"
    assert enter().post("/login/code/", {"code": code_of(secret, 1)}).status_code == 302, "a clock a little off"
    valkey.flushdb()  # type: ignore[attr-defined]  # a client of Valkey
    assert enter().post("/login/code/", {"code": code_of(secret, 1)}).status_code == 422, "again"
    clock.shift(timedelta(seconds=90))
    assert enter().post("/login/code/", {"code": code_of(secret, -2)}).status_code == 422, "too late"
    assert enter().post("/login/code/", {"code": code_of(secret)}).status_code == 302


def test_recovery_codes_let_in_once_each(clock: Clock, viewer: User, login: Callable[[User], Client]) -> None:
    here = login(viewer)
    _secret, codes = set_up(here)
    assert enter().post("/login/code/", {"code": codes[3]}).status_code == 302
    assert enter().post("/login/code/", {"code": codes[3]}).status_code == 422
    assert AuditEntry.objects.get(action="user.recovery_code_used").after == {"left": 9}
    assert "9 left" in here.get("/profile/second-factor/").content.decode()
    fresh = here.post("/profile/second-factor/codes/").content.decode()
    assert enter().post("/login/code/", {"code": codes[4]}).status_code == 422, "void"
    [new, *_rest] = re.findall(r"<li>(\d{4} \d{4})</li>", fresh)
    assert enter().post("/login/code/", {"code": new}).status_code == 302


def test_wrong_codes_lock_as_wrong_passwords_do(clock: Clock, viewer: User, login: Callable[[User], Client]) -> None:
    secret, _codes = set_up(login(viewer))
    clock.shift(timedelta(seconds=30))
    answers = []
    for _ in range(settings.AXES_FAILURE_LIMIT):
        client = enter()  # the right password again does not begin the count anew
        answers.append(client.post("/login/code/", {"code": "000000"}).status_code)
    assert answers == [422] * (len(answers) - 1) + [429]
    assert client.post("/login/code/", {"code": code_of(secret)}).status_code == 429
    assert not is_in(client)
    assert not any("000000" in attempt.post_data for attempt in AccessAttempt.objects.all())
    clock.shift(timedelta(minutes=settings.CONFIG["LOGIN_LOCKOUT_MINUTES"], seconds=30))
    assert enter().post("/login/code/", {"code": code_of(secret)}).status_code == 302


def test_the_second_step_waits_ten_minutes_and_for_the_same_password(
    clock: Clock, viewer: User, login: Callable[[User], Client]
) -> None:
    secret, _codes = set_up(login(viewer))
    late, changed = enter(), enter()
    viewer.set_password("another-long-password")
    viewer.save()
    clock.shift(timedelta(seconds=30))
    assert changed.post("/login/code/", {"code": code_of(secret)})["Location"] == "/login/"
    clock.shift(timedelta(minutes=10))
    assert late.post("/login/code/", {"code": code_of(secret)})["Location"] == "/login/"
    assert Client().get("/login/code/")["Location"] == "/login/"


def test_who_needs_one_is_led_to_it_before_anything_else(
    clock: Clock, administrator: User, viewer: User, monkeypatch: pytest.MonkeyPatch, login: Callable[[User], Client]
) -> None:
    monkeypatch.setitem(settings.CONFIG, "MFA_REQUIRED_ROLES", ["Administrator"])
    client = login(administrator)
    for address in ("/", "/sims/", "/profile/", "/profile/password/", "/admin/", "/exports/"):
        assert client.get(address)["Location"] == SET_UP
    assert client.post("/sims/1/operations/", {"kind": "suspend"})["Location"] == SET_UP
    assert client.get("/live/", headers={"HX-Request": "true"})["HX-Redirect"] == SET_UP
    assert client.get("/healthz").status_code == 200
    page = client.get(SET_UP).content.decode()
    assert "Your role asks" in page
    assert "hx-get" not in page, "nothing on it is led to it again"
    assert is_in(login(viewer)), "not asked of others"
    set_up(client)
    assert client.get("/sims/").status_code == 200
    assert client.post("/profile/second-factor/remove/").status_code == 302
    assert client.get("/sims/")["Location"] == SET_UP
    assert login(administrator).post("/logout/")["Location"] == "/login/"


def test_a_superuser_needs_what_administrators_need(
    viewer: User, monkeypatch: pytest.MonkeyPatch, login: Callable[[User], Client]
) -> None:
    monkeypatch.setitem(settings.CONFIG, "MFA_REQUIRED_ROLES", ["Administrator"])
    User.objects.filter(pk=viewer.pk).update(is_superuser=True)
    assert login(viewer).get("/sims/")["Location"] == SET_UP


def test_a_role_given_later_asks_for_it_at_once(
    viewer: User, monkeypatch: pytest.MonkeyPatch, login: Callable[[User], Client]
) -> None:
    from staff.services import set_role

    monkeypatch.setitem(settings.CONFIG, "MFA_REQUIRED_ROLES", ["Supervisor"])
    client = login(viewer)
    assert is_in(client)
    set_role(viewer, "Supervisor")
    assert client.get("/profile/")["Location"] == SET_UP


@pytest.mark.parametrize("by", ["administrator", "command"])
def test_a_lost_phone(
    clock: Clock, by: str, administrator: User, viewer: User, login: Callable[[User], Client]
) -> None:
    set_up(login(viewer))
    if by == "command":
        call_command("remove_second_factor", "viewer", stdout=io.StringIO())
        with pytest.raises(CommandError, match="no second factor"):
            call_command("remove_second_factor", "viewer")
        with pytest.raises(CommandError, match="no user"):
            call_command("remove_second_factor", "nobody")
    else:
        data = {"action": "remove_second_factor", "_selected_action": [viewer.pk]}
        login(administrator).post("/admin/staff/user/", data)
    assert not Authenticator.objects.exists()
    assert not UserSession.objects.filter(user=viewer).exists()
    entry = AuditEntry.objects.get(action="user.second_factor_removed")
    assert entry.object_id == str(viewer.pk)
    assert entry.actor == (administrator if by == "administrator" else None)
    assert Client().post("/login/", {"username": "viewer", "password": PASSWORD})["Location"] == "/"


@pytest.mark.parametrize("address", [SET_UP, "/profile/second-factor/codes/", "/profile/second-factor/remove/"])
def test_strangers_and_old_sign_ins_change_nothing(viewer: User, address: str, login: Callable[[User], Client]) -> None:
    assert Client().post(address)["Location"].startswith("/login/?next=")
    client = login(viewer)
    session = client.session
    session["sudo_at"] -= 3600
    session.save()
    assert client.post(address)["Location"].startswith("/profile/confirm/?next=")


def test_the_tables_of_the_library_are_not_in_the_admin_site(
    login: Callable[[User], Client], make_user: Callable[..., User]
) -> None:
    client = login(make_user("Administrator", is_superuser=True))
    for name in ("mfa/authenticator", "socialaccount/socialapp", "socialaccount/socialtoken", "account/emailaddress"):
        assert client.get(f"/admin/{name}/").status_code == 404
