"""Receivers of webhooks, and a clock that can be moved."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from notifications.models import Delivery, Forward


@dataclass
class Received:
    """One request as the receiver saw it."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """Answers with ``status``, ``headers`` and ``answer``, or does what ``instead`` does with the handler."""

    port: int = 0
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    answer: bytes = b"thanks"
    instead: Callable[[BaseHTTPRequestHandler], object] | None = None
    received: list[Received] = field(default_factory=list)

    def url(self, path: str = "/hook", host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"


def serve(receiver: Receiver, wrap: Callable[[Any], Any] | None = None) -> ThreadingHTTPServer:
    """Start answering for ``receiver`` in threads; the caller shuts it down."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            receiver.received.append(Received(self.path, dict(self.headers), body))
            if receiver.instead is not None:
                receiver.instead(self)
                self.close_connection = True
                return
            self.send_response(receiver.status)
            for name, value in receiver.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(receiver.answer)))
            self.end_headers()
            self.wfile.write(receiver.answer)

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    if wrap is not None:
        server.socket = wrap(server.socket)
    receiver.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    return server


def let_pass(**length: float) -> None:
    """Move everything that waits back by that time, as if it had passed."""
    by = timedelta(**length)
    for delivery in Delivery.objects.all():
        for name in ("next_attempt_at", "give_up_at", "created_at", "lease_until", "finished_at"):
            value = getattr(delivery, name)
            setattr(delivery, name, value - by if value else None)
        delivery.save()
    for forward in Forward.objects.all():
        for name in ("closed_until", "lease_until"):
            value = getattr(forward, name)
            setattr(forward, name, value - by if value else None)
        forward.save()
