"""Every address with hostile queries, forms and places in its path: refused or answered, never an error."""

from __future__ import annotations

import re
import time
from collections import Counter
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import quote_from_bytes, urlencode, urlsplit

import pytest
from django.apps import apps
from django.db import connection, transaction
from django.test import Client
from hypothesis import strategies as st

from tests.addresses import Address, address_of, addresses
from tests.fixtures import PASSWORD
from tests.fuzz import cases, inputs
from tests.fuzz.targets import Fields, forms_of, names_of, values_of
from tests.records import records

__all__ = ["records"]

pytestmark = pytest.mark.django_db

SECONDS = 5.0
"""Of computing that an answer may take, however large what was sent is."""
FORM = "application/x-www-form-urlencoded"
NOT_HERE = re.compile(r"^/webhooks/|\^|/admin/(?!sims|staff|operations|sms|login)|^/login/sso|^/profile/confirm/sso")
"""Pushes have their own test; the rest is Django's own or leads to a sign-in that is not set up."""
TOLD = {"/profile/password/", "/profile/confirm/"}
"""A wrong password is refused, and stands in the audit trail."""
MAY_STAY = {"sessions.session", "axes.accessattempt", "axes.accesslog", "axes.accessfailurelog"}


WRITES = re.compile(r"(?:INSERT INTO|UPDATE|DELETE FROM) [\"`]?(\w+)")
TABLES = {m._meta.db_table: m for m in apps.get_models() if m._meta.label_lower not in MAY_STAY and m._meta.managed}


def _rows(model: Any) -> list[Any]:
    return sorted(map(repr, model._base_manager.values_list()))


class Portal:
    """The portal as an administrator's browser meets it, who means no good."""

    def __init__(self, user: Any, records: dict[str, Any]) -> None:
        self.user, self.records = user, records
        self.secrets = {"username": user.username, "password": PASSWORD, "old_password": PASSWORD}
        self.client = Client(raise_request_exception=False)
        self.stranger = Client(raise_request_exception=False)
        self.tried = Counter[str]()
        self.forms: dict[str, Fields] = {}
        self.values: dict[str, list[str]] = {}

    def sign_in(self) -> None:
        self.client.force_login(self.user)
        self.cookies = {name: morsel.value for name, morsel in self.client.cookies.items()}
        self.before = {model: _rows(model) for model in TABLES.values()}

    def path(self, address: Address) -> str:
        return address_of(address.name, self.records).partition("?")[0]

    def learn(self, tried: list[Address]) -> None:
        """What the pages offer: the forms, by where they go, and values of fields."""
        for address in tried:
            path = self.path(address)
            answer = (self.stranger if path == "/login/" else self.client).get(path)
            if not answer.streaming and answer.headers.get("Content-Type", "").startswith("text/html"):
                html = answer.content.decode("utf-8", "replace")
                self.values[path] = values_of(html)
                for where, fields in forms_of(path, html, self.secrets).items():
                    self.forms[where] = {**self.forms.get(where, {}), **fields}

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
        client = self.stranger if path.startswith("/login/") and method == "POST" else self.client
        client.cookies = SimpleCookie({} if client is self.stranger else self.cookies)
        written: set[str] = set()

        def seen(execute: Any, sql: str, *more: Any) -> Any:
            if found := WRITES.match(sql):
                written.add(found[1])
            return execute(sql, *more)

        self.tried[f"{method} {path}"] += 1
        with transaction.atomic():
            began = time.process_time()
            with connection.execute_wrapper(seen):
                answer: Any = client.generic(method, path, body, content_type=kind, QUERY_STRING=query, headers=headers)
            content = b"".join(answer.streaming_content) if answer.streaming else answer.content
            spent = time.process_time() - began
            judge(answer, content)
            assert spent < SECONDS, f"{spent:.1f} s"
            if answer.status_code >= 400 and path not in TOLD:
                # Every case finds the rows as they were; what a request took back itself is no change.
                changed = [name for name in written & TABLES.keys() if _rows(TABLES[name]) != self.before[TABLES[name]]]
                assert not changed, f"refused, and yet something was written: {changed}"
            elif method == "POST" and answer.status_code < 400 and "onq" in body.decode("latin-1"):
                self.look(path, answer.headers.get("Location", ""))
            transaction.set_rollback(True)

    def look(self, path: str, leads: str) -> None:
        """What was taken is shown there, where one is led to, and on the pages above."""
        above = [path[: found.end()] for found in re.finditer("/", path)]
        for where in dict.fromkeys([leads, path, *above]):
            if where:
                answer: Any = self.client.get(where)
                judge(answer, b"" if answer.streaming else answer.content)


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
def portal(records, administrator, monkeypatch) -> Portal:
    monkeypatch.setattr("notifications.services.addresses.socket.getaddrinfo", _nothing_is_known)
    found = Portal(administrator, records)
    found.sign_in()
    return found


def _nothing_is_known(*_args: Any, **_more: Any) -> Any:
    raise OSError("no such name")


Sent = tuple[str, list[tuple[str, str]], dict[str, str]]
"""A method, what is sent, and headers."""


def sprays(names: list[str], form: Fields) -> list[Sent]:
    """What is tried at every address: the form with markup where any text may stand; one sort of everything in all
    fields; markup in each parameter alone; in a form that is good else, a bad text in each field."""
    good = {name: value for name, (value, _text) in form.items()}
    marked = {name: f"a {inputs.MARKER}" for name, (_value, text) in form.items() if text}
    typed: list[Sent] = [("POST", [*{**good, **marked}.items()], {})] if form else []
    everywhere: list[Sent] = [(how, [(n, v) for n in names], {}) for v in inputs.STRONG for how in ("GET", "POST")]
    alone: list[Sent] = [("GET", [(name, inputs.MARKER)], {}) for name in names]
    spoilt: list[Sent] = [
        ("POST", [*{**good, name: text}.items()], {}) for name in good for text in ("//evil.example/", "\x00")
    ]
    return [*typed, *everywhere, *alone, *spoilt]


def requests(names: list[str], values: list[str], form: Fields) -> st.SearchStrategy[Sent]:
    """Known names with hostile and with good values: one in a good form, some, or some again and again."""
    name = st.sampled_from(names)
    good = [(name, value) for name, (value, _text) in form.items()]
    one = st.tuples(name, inputs.texts | st.sampled_from(values))
    given = st.one_of(
        st.builds(lambda pair: [(n, v) for n, v in good if n != pair[0]] + [pair], st.tuples(name, inputs.texts)),
        st.lists(one, min_size=2, max_size=14),
        st.builds(
            lambda found, times: found * times, st.lists(one, min_size=1, max_size=2), st.sampled_from([3, 120, 1100])
        ),
    )
    headers = st.sampled_from([{}, {"HX-Request": "true", "HX-Target": "results"}])
    return st.tuples(st.sampled_from(["GET", "POST"]), given, headers)


everywhere = [address for address in addresses() if not NOT_HERE.search(address.route)]
here = [address for address in everywhere if cases.ONLY.match(address.route)]


def test_no_address_fails_at_what_it_is_asked_and_sent(portal: Portal) -> None:
    """Forms and query strings of every address, as a page and for htmx."""
    failed: list[str] = []
    tried = here if cases.CASES else here[::4]  # each costs a tenth of a second
    portal.learn(everywhere if cases.CASES else tried)
    for address in tried:
        path = portal.path(address)
        form = portal.forms.get(path, {})
        names = list(dict.fromkeys([*form, *names_of(address.view)])) or ["q"]
        values = [*map(str, portal.records.values()), *portal.values.get(path, [])]

        def case(given: Sent, path: str = path) -> None:
            method, pairs, headers = given
            text = inputs.urlencoded(pairs)
            if method == "GET":
                portal.send("GET", path, query=text, headers=headers)
            else:
                portal.send("POST", path, body=text.encode("ascii"), headers=headers)

        portal.sign_in()
        try:
            cases.run(
                case, requests(names, values, form), few=2, share=1 / max(len(here), 1), first=sprays(names, form)
            )
        except Exception as error:  # noqa: BLE001 - the others are tried, too
            failed.append(f"{address.route}: {error!r}\n" + "\n".join(getattr(error, "__notes__", []))[:2000])
    cases.told("Forms and query strings", portal.tried)
    assert not failed, "\n\n".join(failed)


def test_no_address_fails_at_what_stands_in_its_path(portal: Portal) -> None:
    """Identifiers of records that are none."""
    with_places = [address for address in here if address.places] or pytest.skip("none of these has a place")

    def case(given: tuple[Address, list[str]]) -> None:
        address, keys = given
        quoted = [quote_from_bytes(key.encode("utf-8", "surrogatepass"), safe="/") for key in keys]
        portal.send("GET", "/" + address.filled(quoted).lstrip("/"))

    strategy = st.tuples(st.sampled_from(with_places), st.lists(inputs.texts, min_size=3, max_size=3))
    first = [(address, [text] * 3) for text in inputs.STRONG for address in with_places]
    cases.run(case, strategy, few=20, share=0.2, first=first)
    cases.told("Paths", Counter({"all": sum(portal.tried.values())}))


def test_a_refused_job_page_is_whole_whatever_htmx_says_it_is_for(portal: Portal) -> None:
    """A header can name any part of the page."""
    path = f"/jobs/{portal.records['job']}/pause/"
    portal.send("POST", path, headers={"HX-Request": "true", "HX-Target": "results"})


@pytest.mark.parametrize(
    ("method", "path", "sent", "said"),
    [
        ("POST", "/login/", {"username": "9" * 300, "password": "x"}, 200),
        ("POST", "/profile/second-factor/set-up/", {"code": "\u0663\u0664"}, 422),
        ("GET", "/plans/cost/", {"giccid": "//evil.example/"}, 200),
        ("POST", "/jobs/{job}/cancel/", {"reason": "a\x00b"}, 303),
    ],
)
def test_what_was_found_is_mended(portal: Portal, method: str, path: str, sent: dict[str, str], said: int) -> None:
    client = portal.stranger if path == "/login/" else portal.client
    answer = client.generic(
        method,
        path.format(**portal.records),
        urlencode(sent) if method == "POST" else "",
        content_type=FORM,
        QUERY_STRING=urlencode(sent) if method == "GET" else "",
    )
    assert answer.status_code == said


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

    def case(given: tuple[Address, str, bytes]) -> None:
        address, kind, body = given
        portal.send("POST", portal.path(address), body=body, kind=kind)

    disposed = st.sampled_from(["file", "a", "\x00", 'x"; filename="../../a']).map(
        lambda name: f'--b\r\nContent-Disposition: form-data; name="{name}"; filename="a"\r\n\r\n<x onq=1>'.encode()
    )
    bodies = (
        st.binary(max_size=200) | disposed | st.sampled_from(inputs.HOSTILE).map(lambda t: t.encode("utf-8", "replace"))
    )
    cases.run(case, st.tuples(st.sampled_from(here), st.sampled_from(KINDS), bodies), few=15, share=0.1)
    cases.told("Bodies", Counter({"all": sum(portal.tried.values())}))
