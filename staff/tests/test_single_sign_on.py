"""Single sign-on against a provider that speaks HTTP: who gets in, as what, and which answers do not count."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from django.utils import timezone

from core.models import AuditEntry
from smarthub_portal import config as configuration
from smarthub_portal.settings_checks import check_sign_in
from staff import oidc, second_factor
from staff.models import User, UserSession
from staff.roles import AGENT, SUPERVISOR
from staff.scopes import visible_accounts
from tests.fixtures import PASSWORD
from tests.oidc_provider import CLIENT_ID, CLIENT_SECRET, Provider

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def _provider() -> Iterator[Provider]:
    running = Provider()
    yield running
    running.stop()


@pytest.fixture
def provider(_provider: Provider, monkeypatch: pytest.MonkeyPatch) -> Provider:
    """A provider that the portal knows; sam is in the group of agents."""
    _provider.reset()
    _provider.claims["groups"] = ["everybody", "sim-agents"]
    for name, value in {
        "OIDC_ISSUER": _provider.issuer,
        "OIDC_CLIENT_ID": CLIENT_ID,
        "OIDC_CLIENT_SECRET": CLIENT_SECRET,
        "OIDC_GROUP_ROLES": {"sim-agents": AGENT, "sim-leads": SUPERVISOR},
    }.items():
        monkeypatch.setitem(settings.CONFIG, name, value)
    return _provider


def arrive(client: Client, start: str = "/login/sso/?next=/profile/") -> str:
    """To the provider; answers the address that it sends the browser back to."""
    away = client.get(start)
    assert away.status_code == 302, away.content
    back = requests.get(away["Location"], allow_redirects=False, timeout=5).headers["Location"]
    return back.removeprefix("http://testserver")


def sign_in(client: Client) -> Any:
    return client.get(arrive(client))


def test_a_new_person_gets_a_user_with_the_role_of_the_groups(client: Client, provider: Provider) -> None:
    provider.claims |= {"given_name": "Sam", "email": "sam@example.org"}
    assert sign_in(client)["Location"] == "/profile/"
    user = User.objects.get(username="sam")
    assert (user.role, user.first_name, user.email, user.has_usable_password()) == (
        AGENT,
        "Sam",
        "sam@example.org",
        False,
    )
    assert visible_accounts(user) == frozenset()
    assert "Agent" in client.get("/profile/").content.decode()
    entry = AuditEntry.objects.get(action="user.signed_in")
    assert (entry.actor, entry.after) == (user, {"how": "sso"})
    assert AuditEntry.objects.get(action="user.created").after["role"] == AGENT
    assert "nonce" in provider.asked[0]
    assert provider.asked[0]["code_challenge_method"] == "S256"


def test_the_role_follows_the_groups_at_each_sign_in(provider: Provider) -> None:
    first = Client()
    sign_in(first)
    provider.claims["groups"] = ["sim-leads", "sim-agents"]
    sign_in(Client())
    user = User.objects.get(username="sam")
    assert user.role == SUPERVISOR, "the highest counts"
    provider.claims["groups"] = ["everybody"]
    refused = sign_in(Client())
    assert refused.status_code == 403
    assert "None of your groups" in refused.content.decode()
    user = User.objects.get(username="sam")
    assert user.role == ""
    assert not UserSession.objects.filter(user=user).exists()
    assert first.get("/profile/").status_code == 302
    assert AuditEntry.objects.filter(action="user.changed").latest("id").after["role"] == ""


@pytest.mark.parametrize("groups", [None, [], ["everybody"], "everybody", {"sim-agents": 1}, [["sim-agents"]]])
def test_nobody_gets_in_without_a_mapped_group(client: Client, provider: Provider, groups: Any) -> None:
    provider.claims["groups"] = groups
    assert sign_in(client).status_code == 403
    assert not User.objects.filter(username="sam").exists()
    assert client.get("/profile/").status_code == 302
    assert AuditEntry.objects.get(action="user.sso_refused").after["reason"] == "no group"


def test_groups_that_are_not_in_the_token_are_asked_of_userinfo(client: Client, provider: Provider) -> None:
    del provider.claims["groups"]
    provider.userinfo = {"sub": "sub-1", "groups": "sim-leads"}
    assert sign_in(client).status_code == 302
    assert User.objects.get(username="sam").role == SUPERVISOR
    provider.userinfo["sub"] = "somebody-else"
    assert sign_in(Client()).status_code == 403


@pytest.mark.parametrize(
    "wrong",
    [
        {"signing_key": "other"},
        {"algorithm": "HS256"},
        {"algorithm": "none"},
        {"aud": "another-client"},
        {"aud": [CLIENT_ID, "another-client"], "azp": "another-client"},
        {"iss": "https://another.example"},
        {"nonce": "of-another-sign-in"},
        {"exp": 1},
        {"exp": None},
    ],
    ids=str,
)
def test_a_token_that_does_not_count_lets_nobody_in(client: Client, provider: Provider, wrong: dict[str, Any]) -> None:
    if wrong.pop("signing_key", None):
        provider.signing_key = provider.other_key
    provider.algorithm = wrong.pop("algorithm", provider.algorithm)
    provider.claims |= wrong
    response = sign_in(client)
    assert response.status_code == 403
    assert client.get("/profile/").status_code == 302
    assert not User.objects.filter(username="sam").exists()
    assert AuditEntry.objects.get(action="user.sso_refused").after["reason"].startswith("token")


def test_a_state_counts_once_and_in_its_own_browser_only(client: Client, provider: Provider) -> None:
    back = arrive(client)
    assert Client().get(back).status_code == 403, "another browser"
    assert client.get(back).status_code == 302
    client.post("/logout/")
    assert client.get(back).status_code == 403, "again"
    assert client.get("/profile/").status_code == 302
    assert client.get("/login/sso/callback/").status_code == 403
    assert client.get("/login/sso/callback/?error=access_denied&state=x").status_code == 403
    assert not AuditEntry.objects.filter(action="user.sso_refused").exists(), "anybody could fill the trail"


def test_a_local_user_is_not_taken_over_unless_allowed_and_verified(
    provider: Provider, make_user: Callable[..., User], login: Callable[[User], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    local = make_user("Viewer", username="sam.local", email="Sam@example.org")
    of_before = login(local)
    Authenticator.objects.create(user=local, type="totp", data={"secret": "x"})
    provider.claims |= {"email": "sam@example.org", "email_verified": True}
    sign_in(Client())
    assert User.objects.filter(username="sam").exists(), "a user of its own"
    monkeypatch.setitem(settings.CONFIG, "OIDC_LINK_BY_EMAIL", True)
    User.objects.filter(username="sam").update(email="")
    for sub, verified in [("sub-2", "true"), ("sub-3", False)]:
        provider.claims |= {"sub": sub, "email_verified": verified, "preferred_username": sub}
        sign_in(Client())
        assert not SocialAccount.objects.filter(user=local).exists()
        User.objects.filter(username=sub).update(email="")
    provider.claims |= {"sub": "sub-4", "email_verified": True, "preferred_username": "anything"}
    assert sign_in(Client()).status_code == 302
    local.refresh_from_db()
    assert SocialAccount.objects.get(user=local).uid == "sub-4"
    assert User.objects.get(pk=local.pk).role == AGENT
    assert not local.has_usable_password(), "whoever had typed that address knows no password any more"
    assert not second_factor.is_set_up(local)
    assert of_before.get("/profile/").status_code == 302
    assert AuditEntry.objects.get(action="user.linked").object_id == str(local.pk)


def test_an_address_that_begins_too_many_is_told_to_wait(
    provider: Provider, viewer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(settings.CONFIG, "LOGIN_FAILURES_ADDRESS", 2)
    for _ in range(3):
        assert sign_in(Client())["Location"] == "/profile/", "who gets in does not count"
    assert [Client().get("/login/sso/").status_code for _ in range(4)] == [302, 302, 429, 429]
    assert Client(REMOTE_ADDR="203.0.113.9").get("/login/sso/").status_code == 302
    password = {"username": "viewer", "password": PASSWORD}
    assert Client().post("/login/", password).status_code == 302, "nobody's password is locked by it"


def test_a_name_that_is_taken_is_refused(client: Client, provider: Provider, make_user: Callable[..., User]) -> None:
    make_user("Administrator", username="Sam")
    assert sign_in(client).status_code == 403
    assert not SocialAccount.objects.exists()


def test_a_deactivated_user_stays_out(provider: Provider) -> None:
    sign_in(Client())
    User.objects.filter(username="sam").update(is_active=False)
    refused = sign_in(Client())
    assert refused.status_code == 403
    assert "deactivated" in refused.content.decode()


def test_who_has_no_password_confirms_at_the_provider(client: Client, provider: Provider) -> None:
    sign_in(client)
    _age_confirmation(client)
    page = client.get("/profile/second-factor/set-up/")
    assert page["Location"].startswith("/profile/confirm/?next=")
    assert "/profile/confirm/sso/" in client.get(page["Location"]).content.decode()
    back = arrive(client, "/profile/confirm/sso/?next=/profile/second-factor/set-up/")
    assert (provider.asked[-1]["prompt"], provider.asked[-1]["max_age"]) == ("login", "0")
    provider.claims["auth_time"] = 1
    assert client.get(back).status_code == 403, "it did not ask anew"
    del provider.claims["auth_time"]
    provider.claims["sub"] = "sub-of-another"
    assert client.get(arrive(client, "/profile/confirm/sso/")).status_code == 403, "somebody else"
    provider.claims["sub"] = "sub-1"
    assert client.get(arrive(client, "/profile/confirm/sso/?next=/sims/"))["Location"] == "/sims/"
    assert client.get("/profile/second-factor/set-up/").status_code == 200


def test_password_sign_in_can_be_left_to_administrators(
    client: Client, provider: Provider, viewer: User, administrator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.fixtures import PASSWORD

    monkeypatch.setitem(settings.CONFIG, "LOCAL_SIGN_IN", "administrators")
    page = client.post("/login/", {"username": "viewer", "password": PASSWORD})
    assert page.status_code == 200
    assert "Administrators only" in page.content.decode()
    assert client.post("/login/", {"username": "administrator", "password": PASSWORD}).status_code == 302


def test_without_a_provider_nothing_of_it_is_there(
    client: Client, viewer: User, login: Callable[[User], Client]
) -> None:
    assert client.get("/login/sso/").status_code == 404
    assert client.get("/login/sso/callback/?state=x&code=y").status_code == 404
    assert login(viewer).get("/profile/confirm/sso/").status_code == 404
    assert "sso" not in client.get("/login/").content.decode()


def test_a_provider_that_is_away_is_said_to_be(
    client: Client, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(settings.CONFIG, "OIDC_ISSUER", "http://127.0.0.1:9")
    assert client.get("/login/sso/").status_code == 503


@pytest.mark.parametrize("address", ["/accounts/login/", "/accounts/signup/", "/accounts/email/", "/accounts/2fa/"])
def test_no_page_of_the_library_has_an_address(viewer: User, login: Callable[[User], Client], address: str) -> None:
    assert login(viewer).get(address).status_code == 404


def test_the_target_stays_in_the_portal(client: Client, provider: Provider) -> None:
    assert client.get(arrive(client, "/login/sso/?next=https://evil.example/"))["Location"] == "/"
    assert oidc.is_offered()


def test_a_sign_in_without_being_asked_is_no_confirmation(client: Client, provider: Provider) -> None:
    """The provider's session is from the morning: signing out here and in again shows nobody's presence."""
    provider.claims["auth_time"] = int(timezone.now().timestamp()) - 3600
    sign_in(client)
    assert client.get("/profile/").status_code == 200
    assert client.get("/profile/second-factor/set-up/")["Location"].startswith("/profile/confirm/?next=")
    provider.claims["auth_time"] += 3600 - 60
    sign_in(again := Client())
    assert again.get("/profile/second-factor/set-up/").status_code == 200


def _age_confirmation(client: Client) -> None:
    session = client.session
    session["sudo_at"] -= 3600
    session.save()


def test_a_second_factor_follows_unless_the_providers_counts(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(settings.CONFIG, "MFA_REQUIRED_ROLES", [AGENT])
    client = Client()
    sign_in(client)
    assert client.get("/profile/")["Location"] == "/profile/second-factor/set-up/"
    Authenticator.objects.create(user=User.objects.get(username="sam"), type="totp", data={"secret": "x"})
    client = Client()
    assert sign_in(client)["Location"] == "/login/code/"
    assert client.get("/profile/")["Location"].startswith("/login/")
    monkeypatch.setitem(settings.CONFIG, "OIDC_MFA_TRUSTED", True)
    client = Client()
    assert sign_in(client)["Location"] == "/profile/"
    assert client.get("/profile/").status_code == 200


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"MFA_REQUIRED_ROLES": ["King"]}, "no such role: King"),
        ({"OIDC_GROUP_ROLES": {"a": "Admin"}}, "no such role: Admin"),
        ({"OIDC_CLIENT_SECRET": ""}, "set OIDC_CLIENT_SECRET"),
        ({"OIDC_GROUP_ROLES": {}}, "set OIDC_GROUP_ROLES"),
        ({"OIDC_ISSUER": "http://login.example"}, "https"),
        ({"OIDC_ISSUER": "", "LOCAL_SIGN_IN": "administrators"}, "set OIDC_ISSUER"),
        ({"SESSION_IDLE": 0}, "above 0"),
    ],
)
def test_settings_that_would_be_unsafe_are_refused(changes: dict[str, Any], says: str) -> None:
    config = configuration.Configuration(settings.CONFIG)
    config.mode = "production"
    config.update(
        OIDC_ISSUER="https://login.example",
        OIDC_CLIENT_ID="portal",
        OIDC_CLIENT_SECRET="s",
        OIDC_GROUP_ROLES={"a": "Agent"},
        LOCAL_SIGN_IN="administrators",
    )
    check_sign_in(config)
    config.update(changes)
    with pytest.raises(ImproperlyConfigured, match=says):
        check_sign_in(config)
