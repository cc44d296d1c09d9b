"""``manage.py create_user`` makes users that can sign in, and refuses what would be unsafe."""

import io

import pytest
from django.core.management import CommandError, call_command

from core.models import AuditEntry
from staff.models import User
from staff.scopes import visible_accounts

pytestmark = pytest.mark.django_db
GOOD = "a-long-enough-passphrase"


@pytest.fixture
def typed(monkeypatch):
    def feed(text):
        monkeypatch.setattr("sys.stdin", io.StringIO(text + "\n"))

    return feed


def test_the_first_administrator_can_sign_in(typed, client):
    typed(GOOD)
    call_command("create_user", "first", "--all-accounts", stdout=io.StringIO())
    user = User.objects.get(username="first")
    assert user.has_perm("staff.add_user")
    assert visible_accounts(user) is None
    assert client.post("/login/", {"username": "first", "password": GOOD}).status_code == 302
    assert AuditEntry.objects.filter(object_type="staff.user", object_id=str(user.pk)).exists()


def test_somebody_may_be_limited_to_accounts(typed):
    typed(GOOD)
    call_command("create_user", "second", "--role", "Agent", "--account", "north", stdout=io.StringIO())
    assert visible_accounts(User.objects.get(username="second")) == {"north"}


@pytest.mark.parametrize(
    ("arguments", "password", "says"),
    [
        (["--all-accounts"], "short", "too short"),
        ([], GOOD, "Say what they may see"),
        (["--all-accounts", "--account", "north"], GOOD, "Say what they may see"),
    ],
)
def test_what_is_unsafe_is_refused(typed, arguments, password, says):
    typed(password)
    with pytest.raises(CommandError, match=says):
        call_command("create_user", "third", *arguments)
    assert not User.objects.filter(username="third").exists()


def test_a_user_who_is_there_stays_as_he_is(typed, agent):
    typed(GOOD)
    with pytest.raises(CommandError, match="already"):
        call_command("create_user", agent.username, "--all-accounts")
    assert not User.objects.get(pk=agent.pk).check_password(GOOD)
