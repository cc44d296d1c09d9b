"""A real HTTP server on loopback that answers what a test wrote down, broken answers included."""

import json
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Seen:
    """A request as it came over the wire; header names in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


Step = Callable[["Connection"], bool]


@dataclass
class Connection:
    """What a step may do to the client's connection; a step returns whether the connection stays open."""

    sock: socket.socket
    stopping: threading.Event
    request: Seen


def reply(
    status: int = 200, body: Any = None, headers: Mapping[str, str] | None = None, *, text: bytes | None = None
) -> Step:
    """A whole answer: `body` as JSON, or `text` as it is."""
    content = text if text is not None else (b"" if body is None else json.dumps(body).encode())
    lines = [f"HTTP/1.1 {status} Scripted", f"Content-Length: {len(content)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]

    def step(connection: Connection) -> bool:
        connection.sock.sendall("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + content)
        return True

    return step


def problem(status: int, *codes: str, field_name: str | None = None, **more: Any) -> Step:
    """An error as the carrier documents it."""
    body: dict[str, Any] = {"type": "about:blank", "title": "Scripted", "status": status, **more}
    if codes:
        body["errors"] = [{"resource": "sim", "field": field_name, "code": code} for code in codes]
    return reply(status, body)


def raw(content: bytes) -> Step:
    """These bytes, then the end of the connection."""

    def step(connection: Connection) -> bool:
        connection.sock.sendall(content)
        return False

    return step


def reset(content: bytes = b"") -> Step:
    """These bytes, then a TCP reset."""

    def step(connection: Connection) -> bool:
        if content:
            connection.sock.sendall(content)
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False

    return step


def drip(start: bytes, drop: bytes = b" ", every: float = 0.05) -> Step:
    """A start, then a drop now and then for ever."""

    def step(connection: Connection) -> bool:
        connection.sock.sendall(start)
        while not connection.stopping.wait(every):
            connection.sock.sendall(drop)
        return False

    return step


def hang() -> Step:
    """Silence."""

    def step(connection: Connection) -> bool:
        connection.stopping.wait()
        return False

    return step


def route(steps: Mapping[str, Step]) -> Step:
    """The step of the request's path; 404 for any other path."""

    def step(connection: Connection) -> bool:
        return steps.get(connection.request.target.partition("?")[0], problem(404, "missing"))(connection)

    return step


@dataclass
class ScriptedServer:
    """Answers one step per request; the last step answers all that follow."""

    steps: list[Step] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    connections: int = 0

    def __post_init__(self) -> None:
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """Base URL."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def script(self, *steps: Step) -> None:
        """Set what the next requests get and forget the requests seen."""
        with self._lock:
            self.steps = list(steps)
            self.seen = []

    def stop(self) -> None:
        """End every connection."""
        self._stopping.set()
        self._listener.close()
        with self._lock:
            for sock in self._open:
                sock.close()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                self._open.append(sock)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        try:
            with sock, sock.makefile("rb") as stream:
                while self._one(sock, stream):
                    pass
        except (OSError, ValueError):
            return

    def _one(self, sock: socket.socket, stream: Any) -> bool:
        head = stream.readline().decode("latin-1").split()
        if len(head) < 2:
            return False
        headers: dict[str, str] = {}
        while line := stream.readline().strip():
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        body = stream.read(int(headers.get("content-length", "0")))
        request = Seen(head[0], head[1], headers, body)
        with self._lock:
            self.seen.append(request)
            step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        stay = step(Connection(sock, self._stopping, request))
        if not stay and not stream.closed:
            stream.close()
        return stay
