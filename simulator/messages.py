"""Messages to SIMs: accepted at once, delivered or not as the simulated clock goes on."""

import heapq
import json
import random
import uuid
from typing import Any

from simulator import catalog
from simulator.changes import Changes
from simulator.clock import format_time
from simulator.errors import bad_request, illegal_status, invalid, missing
from simulator.pushes import Outbox
from simulator.rules import Call, known
from simulator.state import Carrier

MAX_CHARACTERS = 160
MAX_BYTES = 140
# How long a message lives when the call does not say: a day.
DEFAULT_TPVP = 167
# A device that is not there is tried again.
RETRY_SECONDS = 5.0
DELIVERY_SECONDS = (1.5, 3.5)
OUTCOMES = ("DELIVERED", "FAILED", "UNKNOWN", "PENDING")

_GSM7 = set(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà^{}\\[~]|€"
)


def validity_seconds(tpvp: int) -> int:
    """How long a message may wait, by its relative validity 0-255 (documented)."""
    if tpvp <= 143:
        return (tpvp + 1) * 300
    if tpvp <= 167:
        return 43_200 + (tpvp - 143) * 1800
    if tpvp <= 196:
        return (tpvp - 166) * 86_400
    return (tpvp - 192) * 604_800


def _number(call: Call, name: str, default: int) -> int:
    value = call.object().get(name)
    if value is None:
        return default
    if not isinstance(value, int) or isinstance(value, bool):
        raise bad_request(f"{name} should be a number")
    return value


def _check_text(text: str, coding: int) -> None:
    """422 ``invalid`` on ``messageText`` for what the coding cannot carry or what is too long."""
    if coding == 4:
        try:
            fits = 0 < len(bytes.fromhex(text)) <= MAX_BYTES and not any(c.isspace() for c in text)
        except ValueError:
            fits = False
    else:
        fits = len(text) <= MAX_CHARACTERS and (text.isascii() if coding == 1 else set(text) <= _GSM7)
    if not fits:
        raise invalid("mtSms", "messageText")


class Messages:
    """The SMS calls and the fate of their messages. Every method wants the carrier's lock held."""

    def __init__(self, carrier: Carrier, changes: Changes, outbox: Outbox) -> None:
        self.carrier, self.changes, self.outbox = carrier, changes, outbox
        self.outcome: str | None = None
        self._random = random.Random(carrier.settings.seed + 2)
        self._open: dict[str, dict[str, Any]] = {}
        self._agenda: list[tuple[float, str]] = []
        self._load()
        carrier.on_settle.append(self.progress)
        carrier.on_reset.append(self._reset)

    def _load(self) -> None:
        rows = self.carrier.store.rows("SELECT id, body FROM messages WHERE ended = 0")
        self._open = {number: json.loads(body) for number, body in rows}
        self._agenda[:] = [(message["due"], number) for number, message in self._open.items()]
        heapq.heapify(self._agenda)

    def _reset(self) -> None:
        self.outcome = None
        self._load()

    def send(self, call: Call) -> dict[str, Any]:
        """Accept a message. Not idempotent: two calls are two messages."""
        giccid = call.text("mtSms", "toGiccid")
        text = call.text("mtSms", "messageText")
        coding = _number(call, "dataCoding", 0)
        tpvp = _number(call, "tpvp", DEFAULT_TPVP)
        if coding not in (0, 1, 4):
            raise invalid("mtSms", "dataCoding")
        if not 0 <= tpvp <= 255:
            raise invalid("mtSms", "tpvp")
        _check_text(text, coding)
        found = known(self.carrier, giccid, "toGiccid")
        if self.carrier.status(found) != catalog.ACTIVATED:
            raise illegal_status()
        found = self.changes.count_sms(found)
        now = self.carrier.clock.now()
        # Not by the seed: a simulator that was started again must not give an id twice.
        number = str(uuid.uuid4())
        message: dict[str, Any] = {
            "giccid": giccid,
            "text": text,
            "coding": coding,
            "status": "PENDING",
            "created": now,
        }
        message["due"] = now + self._random.uniform(*DELIVERY_SECONDS)
        message["ends"] = now + validity_seconds(tpvp)
        self._open[number] = message
        due: float = message["due"]
        heapq.heappush(self._agenda, (due, number))
        self._save(number, message)
        self.carrier.log_change(found, "sms", None, number, call.source)
        return {"smsMsgId": number, "status": "PENDING"}

    def _save(self, number: str, message: dict[str, Any]) -> None:
        ended = int(message["status"] != "PENDING")
        self.carrier.store.write(
            "INSERT OR REPLACE INTO messages VALUES (?, ?, ?)", (number, json.dumps(message), ended)
        )

    def _fate(self, message: dict[str, Any], now: float) -> tuple[str, float]:
        """Status by now, and since when: a device that is not there keeps a message waiting till it expires."""
        found = self.carrier.find(message["giccid"])
        outcome = self.outcome
        if outcome is None:
            online = False
            if found and self.carrier.status(found) == catalog.ACTIVATED:
                session = self.carrier.wire(found).get("session")
                online = isinstance(session, dict) and session.get("online") is True
            outcome = "DELIVERED" if online else "PENDING"
        if outcome == "PENDING":
            return ("FAILED", message["ends"]) if now >= message["ends"] else ("PENDING", now)
        return outcome, message["due"]

    def progress(self, now: float) -> None:
        """Deliver what is due, give up what has expired."""
        while self._agenda and self._agenda[0][0] <= now:
            _, number = heapq.heappop(self._agenda)
            message = self._open[number]
            status, when = self._fate(message, now)
            if status == "PENDING":
                again: float = min(now + RETRY_SECONDS, message["ends"])
                heapq.heappush(self._agenda, (again, number))
                continue
            message["status"] = status
            if status == "DELIVERED":
                message["delivered"] = when
            self._save(number, message)
            del self._open[number]
            found = self.carrier.find(message["giccid"])
            if found:
                own = {"smsMsgId": number, "toGiccid": message["giccid"], "status": status}
                own["reportTime"] = format_time(when)
                self.outbox.queue("MT_SMS_STATUS_REPORT", found, own, when=when)

    def get(self, call: Call, number: str) -> dict[str, Any]:
        """A message as it stands."""
        body = self.carrier.store.one("SELECT body FROM messages WHERE id = ?", (number,))
        if body is None:
            raise missing("mtSms", "smsMsgId")
        message = json.loads(body)
        answer = {
            "smsMsgId": number,
            "toGiccid": message["giccid"],
            "messageText": message["text"],
            "status": message["status"],
            "createdTime": format_time(message["created"]),
        }
        if "delivered" in message:
            answer["deliveredTime"] = format_time(message["delivered"])
        return answer
