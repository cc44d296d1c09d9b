"""A threaded HTTP/1.1 server with keep-alive whose answers can be lost, cut or reset.

Flask's own server closes every connection after an answer, and a client's pool has to be tried against one that
does not. The application says what goes wrong by ``environ["simulator.wire"]``: RESET, CLOSE or CUT.
"""

import io
import socket
import struct
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

RESET, CLOSE, CUT = "reset", "close", "cut"
MAX_BODY = 8 * 1024 * 1024
IDLE_SECONDS = 75

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Handler(BaseHTTPRequestHandler):
    """One connection: reads requests, calls the WSGI application, writes its answers."""

    protocol_version = "HTTP/1.1"
    server_version = "SmartHub"
    sys_version = ""
    timeout = IDLE_SECONDS
    wbufsize = -1
    disable_nagle_algorithm = True
    server: "Server"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the name is http.server's
        """Calls are logged by the control API, not on the terminal."""

    def _body(self) -> bytes | None:
        """The request's body; None when it cannot be read, after which the connection is of no use."""
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return self._chunks()
        text = self.headers.get("Content-Length") or "0"
        if not text.isdigit() or int(text) > MAX_BODY:
            return None
        body = self.rfile.read(int(text))
        return body if len(body) == int(text) else None

    def _chunks(self) -> bytes | None:
        body = b""
        while True:
            size = self.rfile.readline(32).split(b";")[0].strip()
            try:
                length = int(size, 16)
            except ValueError:
                return None
            body += self.rfile.read(length)
            self.rfile.readline(8)
            if length == 0:
                return body
            if len(body) > MAX_BODY:
                return None

    def _environ(self, body: bytes) -> dict[str, Any]:
        path, _, query = self.path.partition("?")
        environ: dict[str, Any] = {
            "REQUEST_METHOD": self.command,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote(path, "latin-1"),
            "QUERY_STRING": query,
            "SERVER_NAME": str(self.server.server_address[0]),
            "SERVER_PORT": str(self.server.server_address[1]),
            "SERVER_PROTOCOL": self.request_version,
            "REMOTE_ADDR": self.client_address[0],
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": self.server.errors,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        for name, value in self.headers.items():
            key = "HTTP_" + name.upper().replace("-", "_")
            if key not in ("HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH"):
                environ[key] = value
        return environ

    def serve(self) -> None:
        """Answer one request."""
        body = self._body()
        if body is None:
            self.send_error(400)
            self.close_connection = True
            return
        environ = self._environ(body)
        started: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
            started[:] = [status, headers]

        answer = b"".join(self.server.application(environ, start_response))
        wire = environ.get("simulator.wire")
        if wire in (RESET, CLOSE):
            self._drop(reset=wire == RESET)
            return
        self._answer(started[0], started[1], answer, cut=wire == CUT)

    def _answer(self, status: str, headers: list[tuple[str, str]], body: bytes, cut: bool) -> None:
        code, _, reason = status.partition(" ")
        self.send_response(int(code), reason)
        for name, value in headers:
            if name.lower() != "content-length":
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: len(body) // 2] if cut else body)
        self.wfile.flush()
        if cut:
            self._drop(reset=False)

    def _drop(self, reset: bool) -> None:
        """End the connection without (the rest of) an answer."""
        self.close_connection = True
        if reset:
            # Lingering for no time makes close() send RST instead of FIN.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.server.drop(self.connection, reset)


# http.server looks a request's method up by this name.
for _method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"):
    setattr(Handler, f"do_{_method}", Handler.serve)


class Server(ThreadingHTTPServer):
    """Serves a WSGI application, one thread per connection."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, host: str, port: int, application: Application, errors: Any) -> None:
        self.application = application
        self.errors = errors
        self._reset: set[int] = set()
        super().__init__((host, port), Handler)

    def server_bind(self) -> None:
        """Bind without the name look-up that http.server makes."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    def drop(self, connection: socket.socket, reset: bool) -> None:
        """Remember that a connection must end by RST: no shutdown before its close."""
        if reset:
            self._reset.add(id(connection))

    def shutdown_request(self, request: Any) -> None:
        """Close a connection; a FIN goes out first unless it is to be reset."""
        if id(request) in self._reset:
            self._reset.discard(id(request))
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is everyday life, not a traceback."""
