"""One HTTP exchange with limits on time and size; knows whether any byte of the request left.

`requests` limits the wait for the next bytes, not for the whole answer, and does not tell a failed
connection from a failed answer in every case. Both matter here: a server that drips must not hold a
worker, and only a call that certainly never left may be called harmless.
"""

import io
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPResponse
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from requests.cookies import RequestsCookieJar
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

_CHUNK = 65536


class Secret:
    """Text that shows itself nowhere: not in repr, not in the locals of a traceback."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        """Keep the text."""
        self._text = text

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __repr__(self) -> str:
        """A mask."""
        return "Secret(***)"


class _Progress(threading.local):
    """What the exchange of this thread has got to; read after a failure."""

    patience: float = 0.0
    deadline: float = float("inf")
    sent: bool = False


_progress = _Progress()


class _DeadlineReader(io.RawIOBase):
    """Reads a socket until a moment in time, however many small pieces come before it."""

    def __init__(self, raw: io.RawIOBase, sock: Any, deadline: float) -> None:
        self._raw = raw
        self._sock = sock
        self._deadline = deadline
        self._patience = sock.gettimeout()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer took too long")
        self._sock.settimeout(left if self._patience is None else min(left, self._patience))
        count: int | None = self._raw.readinto(buffer)
        return count

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


class _Response(HTTPResponse):
    """An answer whose status line, headers and body must all come before the deadline."""

    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        raw = self.fp.detach()
        self.fp = io.BufferedReader(_DeadlineReader(raw, sock, _progress.deadline))


class _Watched:
    """Mixed into urllib3's connections: notes the first byte of a request that goes out."""

    response_class: Any = _Response
    # Python prints whole requests, the key with them, when somebody sets this on http.client's class.
    debuglevel = 0
    _connecting = False

    def connect(self) -> None:
        self._connecting = True  # a proxy's CONNECT is not the request
        try:
            super().connect()  # type: ignore[misc] # the mixin's other base has it
        finally:
            self._connecting = False

    def send(self, data: Any) -> None:
        if getattr(self, "sock", None) is None:
            self.connect()
        if not self._connecting and not _progress.sent:
            _progress.sent = True
            _progress.deadline = time.monotonic() + _progress.patience
        super().send(data)  # type: ignore[misc] # the mixin's other base has it


class _PlainConnection(_Watched, HTTPConnection):
    """HTTP."""


class _TlsConnection(_Watched, HTTPSConnection):
    """HTTPS."""


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


_POOLS: dict[str, type[HTTPConnectionPool]] = {"http": _PlainPool, "https": _TlsPool}


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> urllib3.ProxyManager:
        manager: urllib3.ProxyManager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager


class _Session(requests.Session):
    _known: tuple[Any, dict[str, Any]] = (None, {})

    def settings_for(self, url: str) -> dict[str, Any]:
        """What the environment says of proxies and certificates for this address: asked once for a host, since it
        takes as long as all the rest of a small exchange."""
        host = origin(url)
        known, settings = self._known
        if known != host:
            settings = dict(self.merge_environment_settings(url, {}, True, None, None))
            self._known = host, settings
        return settings

    def get_redirect_target(self, resp: requests.Response) -> None:
        """None: redirects are ours, and requests would read a redirect's body without limit."""


class _KeyHeader(AuthBase):
    """Adds the key at the last moment, so that no object of ours shows it.

    An `auth` also keeps requests from adding credentials of a .netrc file.
    """

    def __init__(self, key: Secret | None) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._key is not None:
            request.headers["X-API-Key"] = self._key.reveal()
        return request


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, read wholly. Header names are case-insensitive."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class ExchangeFailed(Exception):
    """No whole answer came. `sent`: whether any byte of the request left; `status`: if it got that far."""

    def __init__(self, code: str, *, sent: bool, status: int | None = None) -> None:
        """Keep the facts."""
        super().__init__(code)
        self.code = code
        self.sent = sent
        self.status = status


class Exchanger:
    """Sends requests over one pool of connections. Safe to share between threads and after a fork."""

    def __init__(
        self,
        *,
        connect_timeout: float,
        read_timeout: float,
        max_response_bytes: int,
        user_agent: str,
        pool_size: int = 16,
        request_id: Callable[[], str] | None = None,
    ) -> None:
        """Times in seconds; `read_timeout` bounds the whole answer, from the request to its last byte."""
        self._connect_timeout = connect_timeout
        self._read_timeout = read_timeout
        self._max_bytes = max_response_bytes
        self._user_agent = user_agent
        self._pool_size = pool_size
        self._request_id = request_id
        self._lock = threading.Lock()
        self._pid = -1
        self._open_session: _Session | None = None

    def _session(self) -> _Session:
        with self._lock:
            if self._open_session is None or self._pid != os.getpid():
                # Two processes on one inherited connection would read each other's answers.
                self._open_session = self._new_session()
                self._pid = os.getpid()
            return self._open_session

    def _new_session(self) -> _Session:
        session = _Session()
        session.headers.update({"User-Agent": self._user_agent, "Accept": "application/json"})
        jar = RequestsCookieJar()
        jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        session.cookies = jar
        for scheme in ("http://", "https://"):
            session.mount(scheme, _Adapter(pool_connections=4, pool_maxsize=self._pool_size))
        return session

    def send(self, method: str, url: str, *, body: bytes | None, key: Secret | None, time_left: float) -> Answer:
        """Make one request and read its whole answer, whatever its status.

        `time_left` in seconds shortens the time for the answer. Raises ExchangeFailed with code `connect`,
        `timeout`, `reset`, `cut_body`, `too_large`, or `bad_url`.
        """
        failure: ExchangeFailed | None = None
        response: requests.Response | None = None
        patience = min(self._read_timeout, max(time_left, 0.001))
        _progress.sent, _progress.patience, _progress.deadline = False, patience, float("inf")
        try:
            response = self._open(method, url, body, key, patience)
            return Answer(response.status_code, response.headers, self._read(response))
        except ExchangeFailed as error:
            failure = error
        except Exception as error:  # noqa: BLE001 # whatever breaks in the HTTP stack leaves no answer
            failure = _failure(error, response)
        finally:
            if response is not None:
                response.close()
        # Raised out here so that the chain of causes, which holds the request with its key, is not kept.
        raise failure

    def _open(
        self, method: str, url: str, body: bytes | None, key: Secret | None, patience: float
    ) -> requests.Response:
        session = self._session()
        headers = {} if body is None else {"Content-Type": "application/json"}
        if self._request_id is not None and (request_id := self._request_id()):
            headers["X-Request-ID"] = request_id
        request = session.prepare_request(
            requests.Request(method, url, data=body, headers=headers, auth=_KeyHeader(key))
        )
        settings = session.settings_for(str(request.url))
        return session.send(request, timeout=(self._connect_timeout, patience), allow_redirects=False, **settings)

    def _read(self, response: requests.Response) -> bytes:
        pieces: list[bytes] = []
        size = 0
        for piece in response.iter_content(_CHUNK):
            size += len(piece)
            if size > self._max_bytes:
                raise ExchangeFailed("too_large", sent=True, status=response.status_code)
            pieces.append(piece)
        return b"".join(pieces)


def _failure(error: Exception, response: requests.Response | None) -> ExchangeFailed:
    timed_out = any(
        isinstance(cause, TimeoutError | urllib3.exceptions.TimeoutError | requests.Timeout) for cause in _causes(error)
    )
    if not _progress.sent:
        return ExchangeFailed("bad_url" if isinstance(error, ValueError) else "connect", sent=False)
    if response is not None:
        return ExchangeFailed("timeout" if timed_out else "cut_body", sent=True, status=response.status_code)
    return ExchangeFailed("timeout" if timed_out else "reset", sent=True)


def _causes(error: BaseException) -> list[BaseException]:
    """The error, what it was raised from, and what urllib3 and requests tuck into its arguments."""
    found: list[BaseException] = []
    todo: list[object] = [error]
    while todo and len(found) < 20:
        item = todo.pop()
        if isinstance(item, BaseException) and item not in found:
            found.append(item)
            todo += [item.__cause__, item.__context__, getattr(item, "reason", None), *item.args]
    return found


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port: what must be equal for the key to be sent. Raises ValueError for a bad port."""
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    port = parts.port or {"http": 80, "https": 443}.get(scheme)
    return scheme, (parts.hostname or "").lower(), port
