"""Pushes to the portal: queued with the change they tell of, sent in the background, tried again for ten minutes."""

import hashlib
import hmac
import http.client
import json
import random
import threading
import time
import uuid
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

from simulator.clock import format_time
from simulator.state import Carrier, Found

KINDS = (
    "CYCLE_USAGE_TRACKING",
    "IMEI_CHANGE",
    "NO_SESSION_CONNECTION",
    "PREPAID_SERVICE_PACKAGE_EXPIRED",
    "PREPAID_SERVICE_PACKAGE_TRAFFIC_TRACKING",
    "SIM_STATUS_CHANGE",
    "SIM_APN_STATUS_CHANGE",
    "MO_SMS",
    "MT_SMS_STATUS_REPORT",
)
_RULES = {
    "CYCLE_USAGE_TRACKING": "Usage threshold",
    "IMEI_CHANGE": "Device changed",
    "NO_SESSION_CONNECTION": "No connection",
    "PREPAID_SERVICE_PACKAGE_EXPIRED": "Prepaid plan ends",
    "PREPAID_SERVICE_PACKAGE_TRAFFIC_TRACKING": "Prepaid usage threshold",
    "SIM_STATUS_CHANGE": "State changed",
    "SIM_APN_STATUS_CHANGE": "APN changed",
    "MO_SMS": "Message from a device",
    "MT_SMS_STATUS_REPORT": "Message report",
}
# Waits after each failed try, in seconds of the wall clock: nine tries within about ten minutes.
BACKOFF = (1, 4, 15, 30, 60, 120, 180, 180)
ANSWER_WITHIN = 1.0
SENDERS = 4
OVERTAKEN_AFTER = 1.5


@dataclass
class PushFaults:
    """Shares (0 to 1) of pushes that go wrong on the way."""

    lost: float = 0.0
    duplicated: float = 0.0
    delayed: float = 0.0
    delay_seconds: float = 5.0
    out_of_order: float = 0.0


class Outbox:
    """Queues pushes in the carrier's store and sends them. One sender per shard keeps a SIM's pushes in order."""

    def __init__(self, carrier: Carrier) -> None:
        self.carrier = carrier
        self.faults = PushFaults()
        self._random = random.Random(carrier.settings.seed)
        self._stopped = threading.Event()
        self._wake = [threading.Event() for _ in range(SENDERS)]
        self._threads: list[threading.Thread] = []
        carrier.on_reset.append(self._reset)

    def _reset(self) -> None:
        self.faults = PushFaults()

    def target(self) -> tuple[str | None, str | None]:
        """Base address and secret: as set at run time, else as the command line says."""
        settings = self.carrier.settings
        found = self.carrier.store.get("push_target")
        return (found[0], found[1]) if found else (settings.push_url, settings.push_secret)

    def set_target(self, url: str | None, secret: str | None) -> None:
        """Send to another address from now on. ValueError when it is not an HTTP address."""
        if url is not None:
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError("url must be an http or https address")
        self.carrier.store.put("push_target", [url, secret])

    def queue(self, kind: str, found: Found, own: Mapping[str, Any], when: float | None = None) -> dict[str, Any]:
        """Queue a push of the contract's shape (all fields assumed); gives its body."""
        moment = self.carrier.clock.now() if when is None else when
        body = {
            "eventId": str(uuid.uuid4()),
            "eventType": kind,
            "ruleName": _RULES[kind],
            "accountName": self.carrier.account(found),
            "giccid": found.giccid,
            "eventTime": format_time(moment),
            **own,
        }
        self.queue_body(body)
        return body

    def queue_body(self, body: Any, kind: str | None = None) -> int:
        """Queue any body as it is; gives the id of its log row."""
        text = json.dumps(body, ensure_ascii=False)
        found = body if isinstance(body, dict) else {}
        kind = kind if kind is not None else str(found.get("eventType") or "")
        giccid = str(found.get("giccid") or "")
        chance, faults = self._random.random, self.faults
        due, state = time.time(), "pending"
        if self.target()[0] is None:
            state = "no_target"
        elif chance() < faults.lost:
            state = "lost"
        if chance() < faults.delayed:
            due += faults.delay_seconds
        if chance() < faults.out_of_order:
            due += OVERTAKEN_AFTER
        shard = zlib.crc32(giccid.encode()) % SENDERS
        row = (self.carrier.clock.now(), kind, giccid, text, state, due, shard)
        sql = "INSERT INTO pushes (time, kind, giccid, body, state, due, shard) VALUES (?, ?, ?, ?, ?, ?, ?)"
        number = self.carrier.store.write(sql, row)
        if state == "pending" and chance() < faults.duplicated:
            self.carrier.store.write(sql, row)
        self._wake[shard].set()
        return number

    def hurry(self) -> int:
        """Try all that is still to be sent now; gives how many pushes that are."""
        count: int = self.carrier.store.one("SELECT count(*) FROM pushes WHERE state = 'pending'")
        self.carrier.store.write("UPDATE pushes SET due = ? WHERE state = 'pending'", (time.time(),))
        for event in self._wake:
            event.set()
        return count

    def start(self) -> None:
        """Begin to send."""
        for shard in range(SENDERS):
            thread = threading.Thread(target=self._send_all, args=(shard,), name=f"push-{shard}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """End sending; what is pending stays in the store."""
        self._stopped.set()
        deadline = time.monotonic() + ANSWER_WITHIN / 2
        for event in self._wake:
            event.set()
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _send_all(self, shard: int) -> None:
        while not self._stopped.is_set():
            self._wake[shard].clear()
            with self.carrier.lock:
                if self._stopped.is_set():
                    return
                url, secret = self.target()
                # Rows are told of only once their change lasts.
                self.carrier.commit()
                rows = self.carrier.store.rows(
                    "SELECT id, kind, body, attempts FROM pushes WHERE state = 'pending' AND shard = ? AND due <= ?"
                    " ORDER BY due, id LIMIT 1",
                    (shard, time.time()),
                )
            if not rows or url is None:
                self._wake[shard].wait(0.2)
                continue
            number, kind, body, attempts = rows[0]
            answer = self._post(url, secret, kind, body.encode())
            with self.carrier.lock:
                if not self._stopped.is_set():
                    self._settle(number, attempts + 1, answer)

    def _settle(self, number: int, attempts: int, answer: str) -> None:
        if answer == "200":
            state, due = "delivered", 0.0
        elif attempts > len(BACKOFF):
            state, due = "given_up", 0.0
        else:
            state, due = "pending", time.time() + BACKOFF[attempts - 1]
        sql = "UPDATE pushes SET state = ?, due = ?, attempts = ?, answer = ? WHERE id = ?"
        self.carrier.store.write(sql, (state, due, attempts, answer, number))
        self.carrier.commit()

    def _post(self, base: str, secret: str | None, kind: str, body: bytes) -> str:
        """One try; gives the status of the answer, or what went wrong."""
        parts = urlsplit(base)
        folder = kind.lower().replace("_", "-") + "/" if kind in KINDS else ""
        headers = {"Content-Type": "application/json", "User-Agent": "SmartHub-Push"}
        if secret:
            headers["X-SmartHub-Signature"] = f"sha256={sign(secret, body)}"
        factory = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = factory(parts.hostname or "", parts.port, timeout=ANSWER_WITHIN)
        try:
            connection.request("POST", f"{parts.path.rstrip('/')}/{folder}", body, headers)
            return str(connection.getresponse().status)
        except (OSError, http.client.HTTPException) as error:
            return type(error).__name__
        finally:
            connection.close()

    def describe_faults(self) -> dict[str, float]:
        """The faults as JSON."""
        return asdict(self.faults)


def sign(secret: str, body: bytes) -> str:
    """The hexadecimal HMAC-SHA256 of a raw body (assumed signature)."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
