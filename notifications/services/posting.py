"""One POST to one receiver, bounded in every way: where to, how long, how much of the answer is read.

The connection is made by urllib3 (below requests, which has no say in where a name leads): to an address that was
checked, with the receiver's name in ``Host``, in TLS's SNI and in what its certificate must say. No proxy of the
environment is used, no redirect followed, nothing decompressed.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from http.client import HTTPException
from socket import SHUT_RDWR
from typing import Any

import certifi
import urllib3
from django.conf import settings
from django.utils.translation import gettext as _
from urllib3.connection import HTTPConnection, HTTPSConnection

from notifications.services.addresses import Address, Forbidden, Target, Unresolvable, check_url, resolve

CONNECT_SECONDS = 5.0
READ_SECONDS = 10.0
"""Seconds without a byte."""
TOTAL_SECONDS = 20.0
"""Seconds for one connection from its first byte to the last of the answer, however it drips."""
MOST_ADDRESSES = 2
"""Of a receiver's addresses this many are tried, such as one of each IP version."""
KEPT = 2048
"""Bytes of the answer that are kept for people to look at."""
_FAILURES = (OSError, HTTPException, urllib3.exceptions.HTTPError)


@dataclass(frozen=True)
class Answer:
    """What came of one POST. ``status`` is ``None`` when no answer came, and ``problem`` says why in words."""

    status: int | None = None
    text: str = ""
    """The first part of the body."""
    problem: str = ""
    retry_after: float | None = None
    """Seconds that the receiver asked to be left alone for."""
    milliseconds: int = 0

    @property
    def taken(self) -> bool:
        """Whether the receiver has it: a 2xx."""
        return self.status is not None and 200 <= self.status < 300


def post(url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    """POST ``body`` to ``url`` and say what came of it; never raises for anything that the other side does."""
    began = time.monotonic()
    try:
        target = check_url(url)
        addresses = resolve(target)
        answer = _post_to(target, addresses, body, headers)
    except (Forbidden, Unresolvable) as problem:
        answer = Answer(problem=str(problem))
    except (*_FAILURES, ValueError) as error:
        answer = Answer(problem=_in_words(error))
    spent = int((time.monotonic() - began) * 1000)
    return Answer(answer.status, answer.text, answer.problem, answer.retry_after, spent)


def _post_to(target: Target, addresses: list[Address], body: bytes, headers: Mapping[str, str]) -> Answer:
    """To the first of the addresses that takes the connection."""
    chosen = addresses[:MOST_ADDRESSES]
    for address in chosen:
        connection = _connection(target, address)
        try:
            try:
                connection.connect()
            except _FAILURES:
                if address == chosen[-1]:
                    raise
                continue
            return _speak(connection, target, body, headers)
        finally:
            connection.close()
    raise AssertionError("there is at least one address")


def _connection(target: Target, address: Address) -> HTTPConnection:
    if target.scheme == "http":
        return HTTPConnection(str(address), target.port, timeout=CONNECT_SECONDS)
    return HTTPSConnection(
        str(address),
        target.port,
        timeout=CONNECT_SECONDS,
        server_hostname=target.host.rstrip("."),
        ssl_context=_tls(settings.CONFIG["FORWARD_CA_FILE"]),
    )


@cache
def _tls(ca_file: str) -> Any:
    """The checks that a receiver's certificate has to pass; made once, reading the bundle takes its time."""
    context = urllib3.util.ssl_.create_urllib3_context()
    context.load_verify_locations(certifi.where())
    if ca_file:
        context.load_verify_locations(ca_file)
    return context


def _speak(connection: HTTPConnection, target: Target, body: bytes, headers: Mapping[str, str]) -> Answer:
    sock = connection.sock
    assert sock is not None  # just connected
    sock.settimeout(READ_SECONDS)

    late = threading.Event()

    def cut() -> None:
        late.set()
        with suppress(OSError):
            sock.shutdown(SHUT_RDWR)

    # The time-out of a socket begins anew with each byte, so that a receiver could keep a worker for ever.
    guard = threading.Timer(TOTAL_SECONDS, cut)
    guard.daemon = True
    guard.start()
    try:
        connection.request(
            "POST",
            target.path,
            body=body,
            headers={"Host": target.host_header, "Accept-Encoding": "identity", "Connection": "close", **headers},
            preload_content=False,
            decode_content=False,
            enforce_content_length=False,
        )
        response = connection.getresponse()
        status, retry_after = response.status, _seconds(response.headers.get("Retry-After", ""))
        text = _first_part(response)
    except _FAILURES:
        if late.is_set():
            return Answer(problem=_("No whole answer within %(number)s seconds.") % {"number": int(TOTAL_SECONDS)})
        raise
    finally:
        guard.cancel()
    return Answer(status, text, "" if 200 <= status < 300 else _refusal(status), retry_after)


def _first_part(response: Any) -> str:
    """The beginning of the body as text. The status has been told: what goes wrong from here on changes nothing."""
    read = b""
    with suppress(*_FAILURES):
        while len(read) < KEPT and (part := response.read1(KEPT)):
            read += part
    return read[:KEPT].decode("utf-8", "replace").replace("\x00", "\ufffd")


def _refusal(status: int) -> str:
    if 300 <= status < 400:
        return _("The receiver answered %(status)s, a redirect, which is not followed.") % {"status": status}
    return _("The receiver answered %(status)s.") % {"status": status}


def _seconds(text: str) -> float | None:
    """A ``Retry-After`` in seconds: a number of them, or a date."""
    text = text.strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _in_words(error: Exception) -> str:
    """What went wrong, in words where they are known; else the error's own, cut."""
    if isinstance(error, (TimeoutError, urllib3.exceptions.TimeoutError)):
        return _("No answer in time.")
    reason = getattr(error, "reason", None) or error.__cause__ or error
    if "CERTIFICATE_VERIFY_FAILED" in str(reason) or "hostname" in str(reason):
        return _("The receiver's certificate is not good for its name: %(error)s") % {"error": str(reason)[:200]}
    if isinstance(reason, HTTPException):
        return _("What came back is no HTTP answer.")
    if isinstance(reason, ConnectionRefusedError) or "refused" in str(reason):
        return _("The receiver refused the connection.")
    return _("The connection failed: %(error)s") % {"error": f"{type(reason).__name__}: {reason}"[:300]}
