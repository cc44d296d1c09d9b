"""Sign-ins while they last: idle and absolute end, the list, ending them from elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from core.models import AuditEntry
from staff.models import User, UserSession
from staff.services import describe
from staff.tasks import tidy_sign_ins
from staff.tests.test_user_administration import edit
from tests.fixtures import PASSWORD

pytestmark = pytest.mark.django_db
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile/15E148 Safari/604.1"


def enter(username: str = "viewer", agent: str = FIREFOX) -> Client:
    client = Client(headers={"User-Agent": agent})
    assert client.post("/login/", {"username": username, "password": PASSWORD}).status_code == 302
    return client


def is_in(client: Client) -> bool:
    return client.get("/profile/").status_code == 200


def test_a_sign_in_that_is_not_used_ends_and_polls_are_no_use(viewer: User) -> None:
    start = timezone.now()
    with time_machine.travel(start):
        used, polled = enter(), enter()
    for minutes in (30, 59, 85):
        with time_machine.travel(start + timedelta(minutes=minutes)):
            used.get("/profile/")
            answer = polled.get("/live/", headers={"HX-Request": "true", "X-Poll": "true"})
            if minutes < 60:
                assert "HX-Redirect" not in answer
    with time_machine.travel(start + timedelta(minutes=86)):
        assert is_in(used)
        gone = polled.get("/live/", headers={"HX-Request": "true", "X-Poll": "true"})
        assert gone["HX-Redirect"].startswith("/login/")
        assert not is_in(polled)
    assert AuditEntry.objects.get(action="user.session_expired").after == {"why": "idle"}


def test_a_sign_in_ends_after_its_age_however_much_it_is_used(viewer: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(settings.CONFIG, "SESSION_AGE", 7200)
    start = timezone.now()
    with time_machine.travel(start):
        client = enter()
    for minutes in (59, 118):
        with time_machine.travel(start + timedelta(minutes=minutes)):
            assert is_in(client)
    with time_machine.travel(start + timedelta(hours=2, seconds=1)):
        assert not is_in(client)


def test_use_is_written_once_a_minute_at_most(viewer: User) -> None:
    start = timezone.now()
    with time_machine.travel(start, tick=False):
        client = enter()

    def writes() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert client.get("/live/").status_code in {200, 204}
        return sum(query["sql"].startswith(("UPDATE", "INSERT")) for query in queries)

    with time_machine.travel(start + timedelta(seconds=59), tick=False):
        assert writes() == 0
    with time_machine.travel(start + timedelta(seconds=61), tick=False):
        assert writes() == 2
        assert writes() == 0
    assert UserSession.objects.get().last_seen_at == start + timedelta(seconds=61)


def test_ones_sessions_are_listed_and_ended_one_by_one(viewer: User) -> None:
    here, phone, third = enter(), enter(agent=IPHONE), enter()
    page = here.get("/profile/").content.decode()
    assert page.count("data-session=") == 3
    assert "Firefox on Linux" in page
    assert "Safari on iPhone" in page
    assert "127.0.0.1" in page
    assert page.count("This one") == 1
    row = UserSession.objects.get(agent=IPHONE)
    assert here.post("/profile/sessions/end/", {"session": row.pk}).status_code == 302
    assert not is_in(phone)
    assert is_in(third)
    assert AuditEntry.objects.get(action="user.sessions_ended").after == {"why": "own wish", "number": 1}


def test_sign_out_elsewhere_leaves_this_one(viewer: User, agent: User) -> None:
    here, there, other = enter(), enter(), enter("agent")
    here.post("/profile/sessions/end/")
    assert (is_in(here), is_in(there), is_in(other)) == (True, False, True)


@pytest.mark.parametrize("what", ["another's", "this one", "x", "9" * 30])
def test_what_is_not_ones_own_is_not_there(viewer: User, agent: User, what: str) -> None:
    here, other = enter(), enter("agent")
    pk = {
        "another's": UserSession.objects.get(user=agent).pk,
        "this one": UserSession.objects.get(user=viewer).pk,
    }.get(what, what)
    assert here.post("/profile/sessions/end/", {"session": pk}).status_code == 404
    assert is_in(other)
    assert is_in(here)
    assert Client().post("/profile/sessions/end/").status_code == 302
    assert UserSession.objects.count() == 2


def test_sessions_end_with_the_password_and_this_one_is_still_listed(viewer: User) -> None:
    here, there = enter(), enter()
    new = {"new_password1": "a-long-pass-phrase-9", "new_password2": "a-long-pass-phrase-9"}
    here.post("/profile/password/", {"old_password": PASSWORD, **new})
    assert (is_in(here), is_in(there)) == (True, False)
    assert here.get("/profile/").content.decode().count("data-session=") == 1
    assert Session.objects.count() == 1


def test_sessions_end_when_an_administrator_says_so_or_deactivates(
    administrator: User, viewer: User, agent: User, login: Callable[[User], Client]
) -> None:
    boss, first, second = login(administrator), enter(), enter("agent")
    boss.post("/admin/staff/user/", {"action": "end_sessions", "_selected_action": [viewer.pk]})
    assert (is_in(first), is_in(second)) == (False, True)
    assert edit(boss, agent, is_active="off", all_accounts="on").status_code == 302
    assert not describe(agent)["active"]
    assert not UserSession.objects.filter(user=agent).exists()
    assert not is_in(second)
    actors = AuditEntry.objects.filter(action="user.sessions_ended").values_list("actor", flat=True)
    assert list(actors) == [administrator.pk] * 2


def test_signing_out_and_time_leave_no_row(viewer: User) -> None:
    enter().post("/logout/")
    assert not UserSession.objects.exists()
    enter()
    with time_machine.travel(timezone.now() + timedelta(hours=13)):
        assert tidy_sign_ins() == 1
    assert not UserSession.objects.exists()
    assert not Session.objects.exists()


def test_a_session_from_before_is_taken_in(viewer: User) -> None:
    client = enter()
    UserSession.objects.all().delete()
    session = client.session
    for name in ("signed_in_at", "seen_at", "sudo_at", "second_factor", "sign_in_row"):
        del session[name]
    session.save()
    assert is_in(client)
    assert UserSession.objects.get().user == viewer
    assert client.get("/profile/second-factor/set-up/")["Location"].startswith("/profile/confirm/"), "no confirmation"
