"""Statements that are put together once find what new ones do, for each person and at any time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import resolve
from django.utils import timezone

from notifications.models import Notification
from tests.test_list_exports import LISTS, MINE, OTHER, shown, world

pytestmark = pytest.mark.django_db
__all__ = ["world"]


def view_of(address: str) -> Any:
    function: Any = resolve(address).func
    return function.view_class


KEPT = [address for address in LISTS if view_of(address).keeps_statements]


def walked(client: Client, address: str) -> list[Any]:
    """What the pages of a list show, from the first to the last and back: rows, count, and the ways on."""
    seen: list[Any] = []
    for way in ("next_url", "previous_url"):
        url = address
        while url:
            listing = client.get(url).context["listing"]
            rows = list(zip([row.pk for row in listing.page.rows], shown(listing), strict=True))
            seen.append((rows, listing.count, listing.next_url, listing.previous_url))
            last, url = url, getattr(listing, way)
        address = last
    return seen


@pytest.mark.parametrize("address", KEPT)
def test_kept_statements_find_what_new_ones_do(address, world, make_user, login, monkeypatch):
    """In pages of one row each and back, for somebody who sees all, one who is limited, and one who sees none."""
    view = view_of(address)
    monkeypatch.setattr(view, "page_size", 1)
    for person in (make_user("Administrator"), make_user("Administrator", [MINE]), make_user("Administrator", [])):
        client = login(person)
        kept = walked(client, address)
        with monkeypatch.context() as patch:
            patch.setattr(view, "keeps_statements", False)
            assert kept == walked(client, address)
        number = 2 if person.all_accounts else len(person.grants.accounts)
        assert sum(len(rows) for rows, *_ in kept) >= number
        assert world[OTHER].giccid not in str(kept) or person.all_accounts


def test_a_kept_statement_tells_the_time(world, agent, login):
    """A line that is snoozed is not in the list and comes back by itself."""
    now = timezone.now()
    Notification.objects.filter(account_name=MINE).update(snoozed_until=now + timedelta(hours=1))
    client = login(agent)

    def waiting() -> list[str]:
        return [row.account_name for row in client.get("/notifications/").context["listing"].page.rows]

    assert waiting() == [OTHER]
    Notification.objects.filter(account_name=MINE).update(snoozed_until=now - timedelta(seconds=1))
    assert sorted(waiting()) == [MINE, OTHER]
    with time_machine.travel(now + timedelta(minutes=30), tick=False):
        Notification.objects.filter(account_name=MINE).update(snoozed_until=now + timedelta(minutes=29))
        assert sorted(waiting()) == [MINE, OTHER]
        Notification.objects.filter(account_name=MINE).update(snoozed_until=now + timedelta(minutes=31))
        assert waiting() == [OTHER]
