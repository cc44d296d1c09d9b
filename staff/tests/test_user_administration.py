"""Users and roles in the admin site: administrators only, no power beyond the roles, every change noted."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from core.models import AuditEntry
from staff import roles
from staff.automation import automation_user
from staff.models import User
from staff.services import create_user
from tests.fixtures import PASSWORD

SCOPES = {
    "account_scopes-TOTAL_FORMS": "0",
    "account_scopes-INITIAL_FORMS": "0",
    "account_scopes-MIN_NUM_FORMS": "0",
    "account_scopes-MAX_NUM_FORMS": "1000",
}


def edit(client: Client, user: User, **fields: str):
    data = {"username": user.username, "is_active": "on", "role": user.role, **SCOPES, **fields}
    return client.post(f"/admin/staff/user/{user.pk}/change/", {k: v for k, v in data.items() if v != "off"})


@pytest.mark.parametrize("role", [roles.VIEWER, roles.AGENT, roles.SUPERVISOR])
@pytest.mark.parametrize("address", ["/admin/", "/admin/staff/user/", "/admin/login/"])
def test_admin_site_is_for_administrators(
    make_user: Callable[..., User], login: Callable[[User], Client], role: str, address: str
) -> None:
    assert login(make_user(role)).get(address).status_code == 403


def test_flag_is_staff_opens_nothing(make_user: Callable[..., User], login: Callable[[User], Client]) -> None:
    assert login(make_user(roles.AGENT, is_staff=True)).get("/admin/").status_code == 403


@pytest.mark.parametrize(
    "address",
    ["/admin/", "/admin/staff/user/", "/admin/staff/user/add/", "/admin/password_change/"],
)
def test_administrator_gets_in(administrator: User, login: Callable[[User], Client], address: str) -> None:
    response = login(administrator).get(address, follow=True)
    assert response.status_code == 200
    assert "Content-Security-Policy" in response


def test_roles_are_not_to_be_edited(administrator: User, login: Callable[[User], Client]) -> None:
    assert login(administrator).get("/admin/auth/group/").status_code == 404


def test_new_user_with_role_and_scope(administrator: User, login: Callable[[User], Client]) -> None:
    client = login(administrator)
    data = {
        "username": "new.agent",
        "password1": "a-long-pass-phrase-9",
        "password2": "a-long-pass-phrase-9",
        "role": "Agent",
        **SCOPES,
        "account_scopes-TOTAL_FORMS": "1",
        "account_scopes-0-account_name": "example_account",
    }
    response = client.post("/admin/staff/user/add/", data)
    assert response.status_code == 302, response.content.decode()
    user = User.objects.get(username="new.agent")
    assert user.role == "Agent"
    assert not user.all_accounts
    entry = AuditEntry.objects.get(action="user.created", object_id=str(user.pk))
    assert entry.actor == administrator
    assert entry.after["accounts"] == ["example_account"]
    assert entry.after["role"] == "Agent"


def test_role_change_is_noted_with_before_and_after(
    administrator: User, agent: User, login: Callable[[User], Client]
) -> None:
    response = edit(login(administrator), agent, role="Supervisor", all_accounts="on")
    assert response.status_code == 302
    assert User.objects.get(pk=agent.pk).role == "Supervisor"
    entry = AuditEntry.objects.get(action="user.changed")
    assert (entry.before["role"], entry.after["role"]) == ("Agent", "Supervisor")


def test_form_makes_nobody_a_superuser(administrator: User, login: Callable[[User], Client]) -> None:
    edit(login(administrator), administrator, is_superuser="on", user_permissions="1", is_staff="on", all_accounts="on")
    administrator.refresh_from_db()
    assert not administrator.is_superuser
    assert not administrator.user_permissions.exists()


@pytest.mark.parametrize("change", [{"role": "Viewer"}, {"is_active": "off"}])
def test_administrator_can_not_lock_himself_out(
    administrator: User, login: Callable[[User], Client], change: dict[str, str]
) -> None:
    response = edit(login(administrator), administrator, **change)
    assert response.status_code == 200
    assert "yourself" in response.content.decode()
    fresh = User.objects.get(pk=administrator.pk)
    assert fresh.is_active
    assert fresh.role == "Administrator"


def test_superuser_is_out_of_an_administrators_reach(
    administrator: User, login: Callable[[User], Client], make_user: Callable[..., User]
) -> None:
    root = make_user("Administrator", username="root", is_superuser=True)
    client = login(administrator)
    new = {"password1": "a-long-pass-phrase-9", "password2": "a-long-pass-phrase-9"}
    assert client.post(f"/admin/staff/user/{root.pk}/password/", new).status_code == 403
    assert edit(client, root, role="Viewer").status_code == 403
    root.refresh_from_db()
    assert root.check_password(PASSWORD)


def test_password_set_by_an_administrator_is_noted(
    administrator: User, agent: User, login: Callable[[User], Client]
) -> None:
    new = {"password1": "a-long-pass-phrase-9", "password2": "a-long-pass-phrase-9", "usable_password": "true"}
    assert login(administrator).post(f"/admin/staff/user/{agent.pk}/password/", new).status_code == 302
    agent.refresh_from_db()
    assert agent.check_password("a-long-pass-phrase-9")
    assert AuditEntry.objects.get(action="user.password_set").object_id == str(agent.pk)


def test_the_portals_own_user_can_be_deactivated_and_not_become_a_persons(
    administrator: User, login: Callable[[User], Client]
) -> None:
    client, own = login(administrator), automation_user()
    assert edit(client, own, role=roles.ADMINISTRATOR).status_code == 200, "the form again"
    assert edit(client, own, role="", username="me").status_code == 200
    assert edit(client, own, role="", all_accounts="on", is_active="off").status_code == 302
    own.refresh_from_db()
    assert (own.username, own.role, own.is_active, own.is_staff) == ("automation", "", False, False)
    assert own.user_permissions.count() == 2


def test_users_are_not_deleted(administrator: User, agent: User, login: Callable[[User], Client]) -> None:
    assert login(administrator).post(f"/admin/staff/user/{agent.pk}/delete/", {"post": "yes"}).status_code == 403
    assert User.objects.filter(pk=agent.pk).exists()


@pytest.mark.django_db
def test_create_user_again_brings_the_user_to_the_state_asked_for() -> None:
    first = create_user("demo-agent", roles.AGENT, "demo", ["example_account", "other_account"])
    again = create_user("demo-agent", roles.SUPERVISOR, "demo", ["example_account"])
    assert again.pk == first.pk
    assert again.role == roles.SUPERVISOR
    assert list(again.account_scopes.values_list("account_name", flat=True)) == ["example_account"]
    create_user("demo-agent", roles.SUPERVISOR, "demo", ["example_account"])
    actions = AuditEntry.objects.filter(object_id=str(first.pk)).order_by("id").values_list("action", flat=True)
    assert list(actions) == ["user.created", "user.changed"]


@pytest.mark.django_db
def test_unknown_role_is_refused() -> None:
    with pytest.raises(ValueError, match="No such role"):
        create_user("demo-agent", "King", "demo")
    assert not User.objects.filter(username="demo-agent").exists()


@pytest.mark.parametrize("key", ["//evil.example/", "9" * 25, "-1", "²"])
def test_an_action_for_what_is_no_user_is_refused(client, administrator, key):
    client.force_login(administrator)
    answer = client.post("/admin/staff/user/", {"action": "end_sessions", "_selected_action": key})
    assert answer.status_code == 400


@pytest.mark.parametrize("page", ["change", "history"])
def test_no_page_of_the_admin_is_about_nul(client, administrator, page):
    client.force_login(administrator)
    assert client.get(f"/admin/sims/account/%00/{page}/").status_code == 404
