"""What a user may do and see comes in one query, and is what Django's own backend would say."""

from __future__ import annotations

import pytest
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext

from staff.models import User
from staff.scopes import visible_accounts
from staff.services import set_role

pytestmark = pytest.mark.django_db


def fresh(user: User) -> User:
    """As the next request reads it."""
    return User.objects.get(pk=user.pk)


def test_role_permissions_and_accounts_in_one_query(make_user):
    made = make_user("Agent", ["north", "south"])
    made.user_permissions.add(Permission.objects.get(codename="retire_sim"))
    user, same = fresh(made), fresh(made)
    with CaptureQueriesContext(connection) as queries:
        assert user.role == "Agent"
        assert visible_accounts(user) == {"north", "south"}
        assert user.has_perm("operations.retire_sim")
        assert user.has_perm("sims.view_sim")
        assert not user.has_perm("operations.approve_operation")
        assert not user.has_perm("sims.view_sim", object())
        found = user.get_all_permissions()
    assert len(queries) == 1
    assert found == ModelBackend().get_all_permissions(same)


def test_nobody_and_everybody(make_user):
    inactive, superuser = make_user("Administrator", is_active=False), make_user("Viewer", is_superuser=True)
    assert fresh(inactive).get_all_permissions() == set()
    assert fresh(superuser).has_perm("operations.approve_operation")
    assert "operations.approve_operation" in fresh(superuser).get_all_permissions()


def test_a_new_role_is_known_at_once(make_user):
    user = make_user("Viewer")
    assert user.role == "Viewer"
    set_role(user, "Supervisor")
    assert user.role == "Supervisor"
