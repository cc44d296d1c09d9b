"""What is dangerous asks again who is there; afterwards it goes on, with all that was typed."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from core.encryption import encrypt
from core.models import AuditEntry
from notifications.models import Forward, PushSource
from operations.models import BatchJob, Operation
from operations.services.requests import request_operation
from operations.tests.plan_helpers import planned
from staff import second_factor
from staff.models import User
from staff.tests.test_second_factor import code_of
from tests.fixtures import PASSWORD

pytestmark = pytest.mark.django_db
CONFIRM = "/profile/confirm/"


def age(client: Client, seconds: int = 3600) -> Client:
    """As so long after the sign-in."""
    session = client.session
    session["sudo_at"] -= seconds
    session.save()
    return client


def fields_of(page: str) -> dict[str, str]:
    """What the form that goes on holds."""
    found = re.findall(r'<textarea name="([^"]*)" hidden>\n(.*?)</textarea>', page, re.DOTALL)
    return {html.unescape(name): html.unescape(value) for name, value in found}


def go_on(client: Client, asked: Any, password: str = PASSWORD) -> Any:
    """Type the password and send on what waited; answers the answer to that."""
    location = asked["Location"] if "Location" in asked else asked["HX-Redirect"]
    assert location.startswith(f"{CONFIRM}?next=")
    page = client.get(location).content.decode()
    [target] = re.findall(r'name="next" value="([^"]*)"', page)
    right = client.post(CONFIRM, {"password": password, "next": html.unescape(target)})
    assert right.status_code == 302
    page = client.get(right["Location"]).content.decode()
    [to] = re.findall(r'action="([^"]*)" data-go-on', page)
    return client.post(html.unescape(to), fields_of(page))


def retire_form(giccid: str) -> dict[str, str]:
    return {"kind": "retire", "reason": "Gone <b>\nfor good & all", "ticket": "T-1", "confirm": giccid[-4:]}


@pytest.mark.parametrize("htmx", [False, True])
def test_a_retire_goes_on_after_the_password_as_it_was(
    supervisor: User, make_sim: Callable[..., Any], login: Callable[[User], Client], htmx: bool
) -> None:
    giccid = make_sim(status="DEACTIVATED").giccid
    client = age(login(supervisor))
    headers = {"HX-Request": "true"} if htmx else {}
    asked = client.post(f"/sims/{giccid}/operations/", retire_form(giccid), headers=headers)
    assert asked.status_code == (204 if htmx else 303)
    assert not Operation.objects.exists()
    done = go_on(client, asked)
    operation = Operation.objects.get()
    assert done["Location"] == f"/operations/{operation.pk}/"
    assert (operation.reason, operation.ticket) == ("Gone <b>\nfor good & all", "T-1")
    assert AuditEntry.objects.get(action="user.confirmed").after == {"how": "password"}
    assert client.get(f"/sims/{giccid}/operations/retire/").status_code in {200, 409}, "and holds for a while"


def test_other_changes_of_one_sim_ask_for_nothing(
    agent: User, make_sim: Callable[..., Any], login: Callable[[User], Client]
) -> None:
    giccid = make_sim(status="ACTIVATED").giccid
    form = {"kind": "suspend", "reason": "Unpaid", "ticket": ""}
    assert age(login(agent)).post(f"/sims/{giccid}/operations/", form)["Location"].startswith("/operations/")


@pytest.mark.parametrize(
    ("method", "address", "data"),
    [
        ("get", "/sims/{giccid}/operations/retire/", {}),
        ("post", "/operations/{waiting}/approve/", {}),
        ("post", "/jobs/{job}/confirm/", {"reason": "All of them", "ticket": "", "confirm": "3"}),
        ("get", "/notifications/forwards/new/", {}),
        ("post", "/notifications/forwards/{forward}/key/", {}),
        ("get", "/pushes/sources/new/", {}),
        ("post", "/pushes/sources/new/", {"name": "Second"}),
        ("post", "/pushes/sources/{source}/rotate/", {"overlap_hours": "1"}),
        ("post", "/pushes/sources/{source}/key/", {"key": "k" * 40}),
        ("get", "/admin/staff/user/add/", {}),
        ("get", "/admin/staff/user/{user}/change/", {}),
        ("post", "/admin/staff/user/{user}/change/", {"username": "taken-over"}),
        ("post", "/admin/staff/user/{user}/password/", {"password1": "x"}),
        ("post", "/admin/staff/user/", {"action": "end_sessions", "_selected_action": "{user}"}),
    ],
)
def test_what_is_dangerous_asks_again(
    administrator: User,
    agent: User,
    make_sim: Callable[..., Any],
    login: Callable[[User], Client],
    method: str,
    address: str,
    data: dict[str, str],
) -> None:
    known = _records(administrator, agent, make_sim)
    client, address = login(administrator), address.format(**known)
    data = {name: value.format(**known) for name, value in data.items()}
    answer = getattr(age(client), method)(address, data)
    assert answer.status_code == 303, answer.content.decode()[:500]
    assert answer["Location"].startswith(f"{CONFIRM}?next=")
    assert not BatchJob.objects.exclude(state="planned").exists()
    assert AuditEntry.objects.latest("id").action == "user.signed_in", "nothing was done since"
    age(client, -3600)
    assert getattr(client, method)(address, data).get("Location", "").startswith(CONFIRM) is False


def _records(administrator: User, agent: User, make_sim: Callable[..., Any]) -> dict[str, Any]:
    """One of each that the addresses name."""
    sim, others = make_sim(status="DEACTIVATED"), [make_sim(status="DEACTIVATED") for _ in range(4)]
    waiting = request_operation(
        sim=others[0], kind="retire", params={"confirm": others[0].giccid[-4:]}, actor=agent, reason="Asked", ticket=""
    )
    made = planned(administrator, others[1:], "retire")
    return {
        "giccid": sim.giccid,
        "waiting": waiting.pk,
        "job": made.pk,
        "forward": Forward.objects.create(name="One", url="https://example.com/", secret=encrypt("key")).pk,
        "source": PushSource.objects.create(name="One", token_digest="d" * 64).pk,
        "user": agent.pk,
    }


def test_the_password_is_guessed_no_more_often_than_the_sign_in(viewer: User, login: Callable[[User], Client]) -> None:
    client = age(login(viewer))
    answers = [client.post(CONFIRM, {"password": "wrong"}).status_code for _ in range(settings.AXES_FAILURE_LIMIT)]
    assert answers == [422] * (len(answers) - 1) + [429]
    assert client.post(CONFIRM, {"password": PASSWORD}).status_code == 429
    assert client.get("/profile/second-factor/set-up/").status_code == 303
    assert AuditEntry.objects.filter(action="user.sign_in_failed", object_id=str(viewer.pk)).count() == len(answers)


def test_a_form_waits_for_its_own_session_and_once(
    supervisor: User, make_sim: Callable[..., Any], login: Callable[[User], Client]
) -> None:
    giccid = make_sim(status="DEACTIVATED").giccid
    client, other = age(login(supervisor)), login(supervisor)
    client.post(f"/sims/{giccid}/operations/", retire_form(giccid))
    session = client.session
    assert "for good" not in str(dict(session.items())), "kept encrypted"
    location = client.post(f"/sims/{giccid}/operations/", retire_form(giccid))["Location"]
    [word] = re.findall(r"confirm%2F([\w-]+)%2F", location)
    waiting = f"{CONFIRM}{word}/"
    assert other.get(waiting)["Location"] == "/", "another session"
    assert client.get(waiting)["Location"] == CONFIRM, "not before the password"
    assert client.get(f"{CONFIRM}guessed/")["Location"] == CONFIRM
    client.post(CONFIRM, {"password": PASSWORD})
    assert client.get(f"{CONFIRM}guessed/")["Location"] == "/"
    assert "data-go-on" in client.get(waiting).content.decode()
    assert client.get(waiting)["Location"] == "/", "once"


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "javascript:alert(1)"])
def test_the_way_on_stays_in_the_portal(viewer: User, login: Callable[[User], Client], target: str) -> None:
    assert login(viewer).post(CONFIRM, {"password": PASSWORD, "next": target})["Location"] == "/"


def test_who_has_no_password_confirms_with_a_code(
    viewer: User, login: Callable[[User], Client], rf: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = login(viewer)
    request = rf.get("/")
    request.session = client.session
    secret = second_factor.new_secret(request)
    assert second_factor.set_up(request, viewer, code_of(secret, -1)) is not None
    request.session.save()
    viewer.set_unusable_password()
    viewer.save()
    client = age(login(viewer))
    page = client.get(CONFIRM).content.decode()
    assert 'name="password"' not in page
    assert client.post(CONFIRM, {"password": PASSWORD}).status_code == 422
    assert client.post(CONFIRM, {"code": code_of(secret, -1)}).status_code == 422, "used"
    assert client.post(CONFIRM, {"code": code_of(secret)}).status_code == 302
    assert client.get("/profile/password/").status_code == 404
    assert AuditEntry.objects.get(action="user.confirmed").after == {"how": "code"}


def test_strangers_are_led_to_the_sign_in(client: Client) -> None:
    for address in (CONFIRM, f"{CONFIRM}word/", f"{CONFIRM}sso/"):
        assert client.get(address)["Location"].startswith("/login/?next=")
