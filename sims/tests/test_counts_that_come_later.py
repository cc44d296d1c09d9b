"""Of what several filters let through a page counts the first few; how many there are comes by a request of its own."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from sims.models import Sim
from staff.models import User

HTMX = {"HX-Request": "true", "HX-Target": "results"}
TWO = "/sims/?account=harbour&country=DE"
MORE = re.compile(r'<span id="list-count"[^>]*hx-get="([^"]*)" hx-trigger="load"[^>]*><b>([^<]*)</b>')


@pytest.fixture
def seven(make_sim: Callable[..., Sim]) -> None:
    """SIMs of the account in the country, and three others."""
    for number in range(10):
        make_sim(account="harbour" if number < 8 else "north", country_code="DE" if number != 7 else "FR")


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int], None]:
    def set_them(first: int, most: int) -> None:
        monkeypatch.setattr("core.large_lists.FIRST_COUNT", first)
        monkeypatch.setattr("core.large_lists.COUNT_LIMIT", most)
        monkeypatch.setattr("core.paging.capped_count.__defaults__", (most,))

    return set_them


def count_of(client: Client, url: str, **headers: str) -> str:
    [token] = re.findall(r'data-result-count="([^"]*)"', client.get(url, headers=headers).content.decode())
    return str(token)


@pytest.mark.usefixtures("seven")
@pytest.mark.parametrize(("first", "most", "token", "then"), [
    (6, 100, "6+", "7"), (7, 100, "7", "7"), (8, 100, "7", "7"),
    (3, 6, "3+", "6+"), (3, 7, "3+", "7"), (6, 6, "6+", "6+"),
])  # fmt: skip
def test_the_whole_count_comes_later(
    agent: User, login: Callable[[User], Client], limits: Any, first: int, most: int, token: str, then: str
) -> None:
    limits(first, most)
    client = login(agent)
    page = client.get(TWO, headers=HTMX).content.decode()
    if connection.vendor != "postgresql" or first == most:
        token = then
    assert f'data-result-count="{token}"' in page
    asked = MORE.findall(page)
    assert bool(asked) is (token != then)
    for url, said in asked:
        assert said == f"more than {first}"
        assert f">more than {first} SIM cards</div>" in page, "is read out once, and not again"
        assert "Select all that match" in page
        assert unescape(url) == f"{TWO}&count=1"
    assert count_of(client, f"{TWO}&count=1") == then
    # Whatever is found in another way is counted at once.
    for query in (f"{TWO}&sort=-usage", "/sims/?account=harbour", "/sims/"):
        assert not MORE.findall(client.get(query).content.decode())


@pytest.mark.usefixtures("seven")
def test_what_tells_the_count_is_that_alone(
    agent: User, make_user: Callable[..., User], login: Callable[[User], Client], limits: Any
) -> None:
    limits(2, 100)
    client = login(agent)
    answer = client.get(f"{TWO}&count=1", headers={**HTMX, "HX-Target": "list-count"})
    html = answer.content.decode()
    assert html.startswith('<span id="list-count"')
    assert html.endswith("SIM cards</span>")
    assert "hx-" not in html, "it does not ask again"
    assert not {"HX-Push-Url", "HX-Replace-Url"} & set(answer.headers), "the address stays"
    # The same filters, the same rights, and whatever stands in the address.
    assert count_of(client, f"{TWO}&count=1&sort=-giccid") == "7"
    assert count_of(client, f"{TWO}&count=&after=%00&sort=nothing") == "7"
    assert count_of(client, f"{TWO}&country=%00&count=1") == "0"
    assert count_of(client, "/sims/?q=8&count=%F0") == "10"
    assert count_of(login(make_user("Agent", ["north"])), "/sims/?country=DE&online=unknown&count=1") == "2"
    assert count_of(login(make_user("Agent", ["north"])), f"{TWO}&count=1") == "0"
    assert login(User.objects.create(username="nobody", all_accounts=True)).get(f"{TWO}&count=1").status_code == 403
    assert Client().get(f"{TWO}&count=1").status_code == 302


@pytest.mark.usefixtures("seven")
def test_a_file_of_it_is_as_large_as_it_is(agent: User, login: Callable[[User], Client], limits: Any) -> None:
    limits(2, 100)
    client = login(agent)
    page = client.get(TWO).content.decode()
    assert ("If it is large, the file is made in the background." in page) is (connection.vendor == "postgresql")
    rows = b"".join(client.get(f"{TWO}&export=csv")).splitlines()
    assert len(rows) == 1 + 7
