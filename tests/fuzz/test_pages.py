"""Every address with hostile queries, forms and places in its path: refused or answered, never an error."""

from __future__ import annotations

import re
import time
from collections import Counter
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import quote_from_bytes, urlsplit

import pytest
from django.apps import apps
from django.db import connection, transaction
from django.test import Client
from hypothesis import strategies as st

from tests.fuzz import cases, inputs
from tests.fuzz.records import path_of, records
from tests.fuzz.targets import Target, in_page, targets

pytestmark = pytest.mark.django_db

SECONDS = 5.0
"""Of computing that an answer may take, however large what was sent is."""
FORM = "application/x-www-form-urlencoded"
NOT_HERE = re.compile(r"^/webhooks/|\^|/admin/(?!sims|staff|operations|sms|login)|^/login/sso|^/profile/confirm/sso")
"""Pushes have their own test; the rest is Django's own or leads to a sign-in that is not set up."""
TOLD = {"/profile/password/", "/profile/confirm/"}
"""A wrong password is refused, and stands in the audit trail."""
MAY_STAY = {"sessions.session", "axes.accessattempt", "axes.accesslog", "axes.accessfailurelog"}


class Portal:
    """The portal as an administrator's browser meets it, who means no good."""

    def __init__(self, user: Any, keys: dict[str, list[Any]]) -> None:
        self.user, self.keys = user, keys
        self.client = Client(raise_request_exception=False)
        self.stranger = Client(raise_request_exception=False)
        self.tried = Counter[str]()
        tables = [m for m in apps.get_models() if m._meta.label_lower not in MAY_STAY and m._meta.managed]
        names = [connection.ops.quote_name(model._meta.db_table) for model in tables]
        self._count = " UNION ALL ".join(f"SELECT {n}, count(*) FROM {name}" for n, name in enumerate(names))
        self.known: dict[str, tuple[list[str], list[str]]] = {}

    def sign_in(self) -> None:
        self.client.force_login(self.user)
        self.cookies = {name: morsel.value for name, morsel in self.client.cookies.items()}

    def path(self, target: Target) -> str:
        begins = max((begin for begin in self.keys if target.route.startswith(begin)), key=len)
        return path_of(target.route, self.keys[begins])

    def learn(self, target: Target) -> tuple[list[str], list[str]]:
        """What parameters and values a target knows: from its code, and from its page."""
        if target.route not in self.known:
            answer = self.client.get(self.path(target))
            html = "" if answer.streaming else answer.content.decode("utf-8", "replace")
            names, values = in_page(html) if answer["Content-Type"].startswith("text/html") else ([], [])
            names = list(dict.fromkeys([*target.names, *names])) or ["q"]
            self.known[target.route] = (names, [str(key) for keys in self.keys.values() for key in keys] + values)
        return self.known[target.route]

    def rows(self) -> list[Any]:
        with connection.cursor() as cursor:
            cursor.execute(self._count)
            return sorted(cursor.fetchall())

    def send(
        self,
        method: str,
        path: str,
        *,
        query: str = "",
        body: bytes = b"",
        kind: str = FORM,
        headers: dict[str, str] | None = None,
    ) -> None:
        """One request, judged; nothing of it stays."""
        client = self.stranger if path.startswith("/login/") else self.client
        client.cookies = SimpleCookie({} if client is self.stranger else self.cookies)
        self.tried[f"{method} {path}"] += 1
        with transaction.atomic():
            before = self.rows()
            began = time.process_time()
            answer: Any = client.generic(method, path, body, content_type=kind, QUERY_STRING=query, headers=headers)
            content = b"".join(answer.streaming_content) if answer.streaming else answer.content
            spent = time.process_time() - began
            judge(answer, content)
            assert spent < SECONDS, f"{spent:.1f} s"
            if answer.status_code >= 400 and path not in TOLD:
                assert self.rows() == before, "refused, and yet something was written"
            transaction.set_rollback(True)


def judge(answer: Any, content: bytes) -> None:
    """What holds of every answer."""
    if answer.exc_info:
        raise answer.exc_info[1]
    assert answer.status_code < 500 or answer.request["PATH_INFO"] == "/readyz", answer.status_code
    assert b"Traceback (most recent call last)" not in content
    if answer.headers.get("Content-Type", "text/html").startswith("text/html"):
        assert inputs.MARKER.encode() not in content, "markup came back as it was sent"
    for header in ("Location", "HX-Redirect", "HX-Location"):
        leads = answer.headers.get(header, "")
        assert urlsplit(leads).netloc in ("", "testserver"), leads
        assert not leads.startswith(("//", "/\\")), leads


@pytest.fixture
def portal(make_sim, administrator, agent, monkeypatch, tmp_path) -> Portal:
    from django.conf import settings

    monkeypatch.setitem(settings.CONFIG, "DATA_DIR", tmp_path)
    monkeypatch.setattr("notifications.services.addresses.socket.getaddrinfo", _nothing_is_known)
    found = Portal(administrator, records(make_sim, administrator, agent))
    found.sign_in()
    return found


def _nothing_is_known(*_args: Any, **_more: Any) -> Any:
    raise OSError("no such name")


def pairs(names: list[str], values: list[str]) -> st.SearchStrategy[list[tuple[str, str]]]:
    """A form or a query string: known names with hostile and with good values, some again and again."""
    value = inputs.texts | st.integers(0, len(values) - 1).map(values.__getitem__)
    one = st.tuples(st.integers(0, len(names) - 1).map(names.__getitem__), value)
    return st.lists(one, min_size=2, max_size=14) | st.builds(
        lambda found, times: found * times, st.lists(one, min_size=1, max_size=2), st.sampled_from([3, 120, 1100])
    )


here = [target for target in targets() if not NOT_HERE.search(target.route)]


def test_no_address_fails_at_what_it_is_asked_and_sent(portal: Portal) -> None:
    """Forms and query strings of every address, as a page and for htmx."""
    failed: list[str] = []
    tried = here if cases.CASES else here[::4]  # each costs a tenth of a second
    for target in tried:
        names, values = portal.learn(target)
        path = portal.path(target)

        def case(given: tuple[list[tuple[str, str]], str, dict[str, str]], path: str = path) -> None:
            sent, method, headers = given
            text = inputs.urlencoded(sent)
            if method == "GET":
                portal.send("GET", path, query=text, headers=headers)
            else:
                portal.send("POST", path, body=text.encode("ascii"), headers=headers)

        headers = st.sampled_from([{}, {"HX-Request": "true", "HX-Target": "results"}])
        strategy = st.tuples(pairs(names, values), st.sampled_from(["GET", "POST"]), headers)
        portal.sign_in()
        try:
            cases.run(case, strategy, few=2, share=1 / len(here))
        except Exception as error:  # noqa: BLE001 - the others are tried, too
            failed.append(f"{target.route}: {error!r}\n" + "\n".join(getattr(error, "__notes__", []))[:2000])
    cases.told("Forms and query strings", portal.tried)
    assert not failed, "\n\n".join(failed)


def test_no_address_fails_at_what_stands_in_its_path(portal: Portal) -> None:
    """Identifiers of records that are none."""
    with_places = [target for target in here if target.parameters]

    def case(given: tuple[Target, list[str]]) -> None:
        target, keys = given
        quoted = [quote_from_bytes(key.encode("utf-8", "surrogatepass"), safe="/") for key in keys]
        portal.send("GET", "/" + path_of(target.route, quoted).lstrip("/"))

    strategy = st.tuples(st.sampled_from(with_places), st.lists(inputs.texts, min_size=3, max_size=3))
    cases.run(case, strategy, few=20, share=0.2)
    cases.told("Paths", Counter({"all": sum(portal.tried.values())}))


def test_a_refused_job_page_is_whole_whatever_htmx_says_it_is_for(portal: Portal) -> None:
    """A header can name any part of the page."""
    path = f"{portal.path(next(t for t in here if t.route == '/jobs/<int:pk>/pause/'))}"
    portal.send("POST", path, headers={"HX-Request": "true", "HX-Target": "results"})


KINDS = [
    FORM,
    "multipart/form-data; boundary=b",
    "application/json",
    "text/plain; charset=nonsense",
    "x",
    "",
    "text/xml",
]


def test_no_address_fails_at_a_body_of_another_kind(portal: Portal) -> None:
    """Bytes that are no form, and content types that they do not have."""

    def case(given: tuple[Target, str, bytes]) -> None:
        target, kind, body = given
        portal.send("POST", portal.path(target), body=body, kind=kind)

    disposed = st.sampled_from(["file", "a", "\x00", 'x"; filename="../../a']).map(
        lambda name: f'--b\r\nContent-Disposition: form-data; name="{name}"; filename="a"\r\n\r\n<x onq=1>'.encode()
    )
    bodies = (
        st.binary(max_size=200) | disposed | st.sampled_from(inputs.HOSTILE).map(lambda t: t.encode("utf-8", "replace"))
    )
    cases.run(case, st.tuples(st.sampled_from(here), st.sampled_from(KINDS), bodies), few=15, share=0.1)
    cases.told("Bodies", Counter({"all": sum(portal.tried.values())}))
