"""Somebody's own system that takes webhooks: says yes mostly, and remembers the ids."""

from __future__ import annotations

import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

REFUSES_EVERY = 12


class Receiver:
    """Listens on loopback until :meth:`stop`."""

    def __init__(self) -> None:
        self.taken: Counter[str] = Counter()
        """How often each delivery was taken, by its id."""
        self._calls = 0
        self._lock = threading.Lock()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self.send_response(receiver.take(self.headers.get("X-Portal-Delivery", "")))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *arguments: object) -> None:
                """Nobody reads it."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, name="receiver", daemon=True).start()

    @property
    def url(self) -> str:
        """Where it takes webhooks."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/taken"

    def take(self, delivery: str) -> int:
        """The status for a delivery; one in :data:`REFUSES_EVERY` is refused."""
        with self._lock:
            self._calls += 1
            if self._calls % REFUSES_EVERY == 0:
                return 503
            self.taken[delivery] += 1
            return 200

    def stop(self) -> None:
        """Take no more."""
        self._server.shutdown()
        self._server.server_close()
