"""A person at a browser, as far as the portal sees one: signs in, keeps cookies, posts forms with their token."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import requests

PATIENCE = 20.0
"""Seconds until a browser gives up on an answer."""
_SIGN_IN = "/login/"
_CONFIRM = "/profile/confirm/"
_REDIRECTS = (302, 303)


@dataclass(frozen=True)
class Answer:
    """What came back; ``status`` is ``None`` where no answer came."""

    status: int | None
    location: str = ""
    text: str = ""

    @property
    def is_clear(self) -> bool:
        """Whether it tells what became of the request: an error of the server does not."""
        return self.status is not None and self.status < 500

    @property
    def is_success(self) -> bool:
        """Whether the portal said that it took the form."""
        return self.status == 303


NO_ANSWER = Answer(None)


class Browser:
    """One user's browser; any of ``addresses`` (two web processes) serves it. May be used by several threads."""

    def __init__(self, addresses: Sequence[str], name: str, password: str) -> None:
        self.name = name
        self._addresses = list(addresses)
        self._password = password
        self._cookies: dict[str, str] = {}

    def get(self, path: str) -> Answer:
        """A page."""
        return self._signed_in("GET", path, {})

    def post(self, path: str, fields: Mapping[str, str]) -> Answer:
        """Send a form once. A sign-in that has ended is made anew first, and a password that is asked for again is
        given; that is no second sending."""
        return self._signed_in("POST", path, fields)

    def _signed_in(self, method: str, path: str, fields: Mapping[str, str]) -> Answer:
        if "sessionid" not in self._cookies and not self._sign_in():
            return NO_ANSWER
        answer = self._send(method, path, fields)
        # A form that was taken answers 303; 302 leads to where somebody signs in, for the first time or anew.
        if answer.status == 302 or (answer.status == 303 and _SIGN_IN in answer.location):
            self._cookies = {}
            return self._send(method, path, fields) if self._sign_in() else NO_ANSWER
        if answer.status == 303 and answer.location.startswith(_CONFIRM):
            return self._send(method, path, fields) if self._confirm() else NO_ANSWER
        return answer

    def _confirm(self) -> bool:
        answer = self._send("POST", _CONFIRM, {"password": self._password, "next": "/"})
        return answer.status in _REDIRECTS

    def _sign_in(self) -> bool:
        self._send("GET", _SIGN_IN, {})
        if "csrftoken" not in self._cookies:
            return False
        answer = self._send("POST", _SIGN_IN, {"username": self.name, "password": self._password, "next": "/"})
        return answer.status in _REDIRECTS and "sessionid" in self._cookies

    def _send(self, method: str, path: str, fields: Mapping[str, str]) -> Answer:
        base = random.choice(self._addresses)
        data = {**fields, "csrfmiddlewaretoken": self._cookies.get("csrftoken", "")} if method == "POST" else None
        try:
            response = requests.request(
                method,
                f"{base}{path}",
                data=data,
                cookies=self._cookies,
                timeout=PATIENCE,
                allow_redirects=False,
                proxies={"http": ""},
            )
            text = response.text
        except requests.RequestException:
            return NO_ANSWER
        self._cookies = {**self._cookies, **response.cookies.get_dict()}
        return Answer(response.status_code, response.headers.get("Location", ""), text)
