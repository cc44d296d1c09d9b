"""Every address × method × role, as a page and for htmx, against the table in ``tests/matrix.py``."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction
from django.template.backends.django import Template
from django.test import Client

from staff.models import User
from tests.addresses import address_of, addresses
from tests.matrix import ACTORS, ADMINISTRATOR, OF_ACCOUNT, TABLE, Right
from tests.records import records

__all__ = ["records"]

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(os.environ.get("TEST_DATABASE") == "postgres", reason="the same on either; it costs seconds"),
]
HTMX = {"HX-Request": "true", "HX-Target": "results"}
MOST_TOLD = 400
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS")
BODY = {"reason": "as the table says", "ticket": "T-1"}


def test_every_address_has_its_row() -> None:
    names = {address.name for address in addresses()}
    missing, gone = sorted(names - set(TABLE)), sorted(set(TABLE) - names)
    assert not missing, f"Say in tests/matrix.py who may open these: {missing}"
    assert not gone, f"Rows of tests/matrix.py whose address is gone: {gone}"


@pytest.fixture
def _unwritten(monkeypatch: Any) -> Iterator[None]:
    """Nothing is rendered and nothing logged: the tests of the apps look at pages, here they would cost minutes."""
    monkeypatch.setattr(Template, "render", lambda *args, **kwargs: "")
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def clients(make_user: Any, agent: User, administrator: User, make_sim: Any) -> dict[str, Client]:
    """Somebody of each sort, signed in a moment ago."""
    make_sim(account="north_logistics")
    people = {
        "nobody": User.objects.create(username="nobody", all_accounts=True),
        "viewer": make_user("Viewer"),
        "agent": agent,
        "supervisor": make_user("Supervisor"),
        "administrator": administrator,
        "limited": make_user("Administrator", ["example_account"]),
        "outsider": make_user("Administrator", ["north_logistics"]),
    }
    assert ["anonymous", *people] == list(ACTORS)
    clients = {name: Client(raise_request_exception=False) for name in ACTORS}
    for name, person in people.items():
        clients[name].force_login(person)
    return clients


def expected(right: Right, actor: str, *, htmx: bool) -> int:
    """What the table says."""
    if actor == "anonymous":
        return right.public or (204 if htmx else 302)
    other = right.but.get(f"{actor} htmx" if htmx else actor) or right.but.get(actor)
    if other:
        return other
    limited = actor in ("limited", "outsider")
    if ACTORS[actor] < right.least or (limited and right.beyond):
        return 403
    if actor == "outsider" and right.of in OF_ACCOUNT:
        return 404
    return (right.htmx if htmx else 0) or right.status


def answer(client: Client, method: str, path: str, body: dict[str, Any], headers: dict[str, str] | None) -> int:
    """The status; what the request changed is taken back, in the browser, too."""
    cookies = dict(client.cookies)
    with transaction.atomic():
        if method == "POST":
            status: int = client.post(path, body, headers=headers).status_code
        else:
            status = client.generic(method, path, headers=headers).status_code
        transaction.set_rollback(True)
    client.cookies.clear()
    client.cookies.update(cookies)
    return status


@pytest.mark.usefixtures("_unwritten")
@pytest.mark.parametrize("actor", ACTORS)
def test_each_is_answered_as_the_table_says(actor: str, records: dict[str, Any], clients: dict[str, Client]) -> None:
    body = {"ids": records["line"], "giccid": "", **BODY}
    wrong = []
    for name, rights in TABLE.items():
        path = address_of(name, records)
        for method, right in rights.items():
            for headers in (None, HTMX) if not name.startswith("admin:") else (None,):  # no htmx there
                said = answer(clients[actor], method, path, body, headers)
                wanted = expected(right, actor, htmx=headers is not None)
                if said != wanted:
                    wrong.append(f"{name} {method} {'htmx ' if headers else ''}as {actor}: {said}, not {wanted}")
    assert not wrong, f"{len(wrong)} answers differ:\n" + "\n".join(wrong[:MOST_TOLD])


@pytest.mark.usefixtures("_unwritten")
def test_a_method_without_a_row_is_none(records: dict[str, Any], clients: dict[str, Client]) -> None:
    """A 405 also for who may most; a HEAD is answered as a GET."""
    wrong = []
    for name, rights in TABLE.items():
        path = address_of(name, records)
        for method in METHODS:
            right = rights.get("GET" if method == "HEAD" else method)
            if right is None or method == "HEAD":
                said = answer(clients["administrator"], method, path, {}, None)
                refused = right is None and right_of_any(rights).least > ADMINISTRATOR
                wanted = 405 if right is None else expected(right, "administrator", htmx=False)
                # Who is in already is led on, whatever the method.
                led_on = name in ("staff:login", "admin:login") and said == 302
                if said != wanted and not led_on and not (refused and said == 403):
                    wrong.append(f"{name} {method}: {said}, not {wanted}")
    assert not wrong, f"{len(wrong)} answers differ:\n" + "\n".join(wrong[:MOST_TOLD])


def right_of_any(rights: dict[str, Right]) -> Right:
    """That of one of the methods that there are."""
    return next(iter(rights.values()))
