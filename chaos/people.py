"""People at their browsers: they change SIMs, send messages, approve, and click again when nothing comes back."""

from __future__ import annotations

import queue
import random
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from chaos.browser import Answer, Browser
from chaos.carrier import Truth
from chaos.journal import Journal
from simulator import catalog

CLICKS = 6
"""How often somebody sends a form again that was not answered."""
GIVES_UP = 0.2
"""Share of those who leave it at the first click."""
DOUBLE_CLICK = 0.04
REFUSES = 0.15
TAKES_BACK = 0.05

_ACTIVATES = (catalog.INVENTORY, catalog.TEST_READY, catalog.DEACTIVATED)


@dataclass
class Office:
    """What all people of a run share."""

    seed: int
    truth: Truth
    journal: Journal
    browsers: dict[str, Browser]
    stopping: threading.Event = field(default_factory=threading.Event)
    waiting: queue.Queue[tuple[int, str]] = field(default_factory=queue.Queue)
    """Operations that wait for approval, with who asked."""

    def click(self, who: str, path: str, fields: dict[str, str], **what: Any) -> Answer:
        """Send a form until there is a clear answer, as a person does: the same form again. Each try is a line."""
        browser = self.browsers[who]
        chance = random.Random(fields.get("nonce", path))
        patient = chance.random() >= GIVES_UP
        answer = Answer(None)
        for attempt in range(CLICKS if patient else 1):
            if attempt == 0 and chance.random() < DOUBLE_CLICK:
                answer = self._double_click(browser, who, path, fields, what)
            else:
                answer = browser.post(path, fields)
                self._note(who, path, fields, what, answer)
            if answer.is_clear or self.stopping.wait(0.3 * (attempt + 1)):
                break
        return answer

    def _double_click(
        self, browser: Browser, who: str, path: str, fields: dict[str, str], what: dict[str, Any]
    ) -> Answer:
        with ThreadPoolExecutor(2) as two:
            answers = list(two.map(lambda _n: browser.post(path, fields), range(2)))
        for answer in answers:
            self._note(who, path, fields, {**what, "double": True}, answer)
        return next((answer for answer in answers if answer.is_success), answers[0])

    def _note(self, who: str, path: str, fields: dict[str, str], what: dict[str, Any], answer: Answer) -> None:
        self.journal.write(
            who=who,
            path=path,
            nonce=fields.get("nonce", ""),
            fields=fields,
            status=answer.status,
            location=answer.location,
            **what,
        )


def single_change(office: Office, number: int) -> None:
    """One change of one SIM; which, by whom and of what kind follows from the seed, the number and the SIM's state."""
    chance = random.Random(f"{office.seed} change {number}")
    giccid = chance.choice(office.truth.giccids)
    who = chance.choice(list(office.browsers))
    asked = _wish(office.truth, giccid, chance)
    fields = {**asked, "reason": f"change {number}", "ticket": f"T-{number}", "nonce": _nonce(chance)}
    answer = office.click(who, f"/sims/{giccid}/operations/", fields, act="operation", giccid=giccid)
    if asked["kind"] == "retire" and who.startswith("agent") and answer.is_success:
        office.waiting.put((int(answer.location.rstrip("/").rpartition("/")[2]), who))


def _wish(truth: Truth, giccid: str, chance: random.Random) -> dict[str, str]:
    status = truth.status[giccid]
    move = "activate" if status in _ACTIVATES else "suspend"
    kinds = {move: 34, "change_plan": 18, "add_plan": 12, "set_apn": 14, "set_custom_fields": 18, "retire": 0}
    if status == catalog.DEACTIVATED:
        kinds["retire"] = 10
    kind = chance.choices(list(kinds), list(kinds.values()))[0]
    if kind == "change_plan":
        plans = [plan.code for plan in catalog.BASIC_PLANS if plan.code != truth.plan[giccid]]
        return {"kind": kind, "plan": chance.choice(plans), "effective": chance.choice(["NOW", "NOW", "NEXT_CYCLE"])}
    if kind == "add_plan":
        return {"kind": kind, "plan": chance.choice(catalog.EXTRA_PLANS).code}
    if kind == "set_apn" and truth.apns[giccid]:
        apn, state = chance.choice(sorted(truth.apns[giccid].items()))
        return {"kind": kind, "apn": apn, "apn_status": "DISABLED" if state == "ENABLED" else "ENABLED"}
    if kind == "retire":
        return {"kind": kind, "confirm": giccid[-4:]}
    if kind in ("set_custom_fields", "set_apn"):
        names = chance.sample(["custom1", "custom2", "custom3", "custom4", "custom5"], chance.randint(1, 3))
        return {"kind": "set_custom_fields", **{name: f"text {chance.randrange(10**6)}" for name in names}}
    return {"kind": kind}


def message(office: Office, number: int) -> None:
    """One message to one SIM that is activated, as far as anybody knows."""
    chance = random.Random(f"{office.seed} message {number}")
    able = [g for g in chance.sample(office.truth.giccids, 20) if office.truth.status[g] == catalog.ACTIVATED]
    giccid = able[0] if able else office.truth.giccids[0]
    fields = {"text": f"message {number}", "coding": "", "validity": "", "reason": "", "ticket": f"M-{number}"}
    fields["nonce"] = _nonce(chance)
    office.click(chance.choice(list(office.browsers)), f"/sims/{giccid}/sms/", fields, act="message", giccid=giccid)


def decide(office: Office) -> None:
    """What waits is approved by a supervisor, now and then refused, or taken back; until the office closes."""
    while True:
        try:
            number, asker = office.waiting.get(timeout=0.2)
        except queue.Empty:
            if office.stopping.is_set():
                return
            continue
        chance = random.Random(f"{office.seed} decision {number}")
        turn = chance.random()
        if turn < TAKES_BACK:
            decision(office, number, asker, "cancel")
        elif turn < TAKES_BACK + REFUSES:
            decision(office, number, chance.choice(["supervisor-1", "supervisor-2"]), "refuse")
        else:
            decision(office, number, chance.choice(["supervisor-1", "supervisor-2"]), "approve")


def decision(office: Office, number: int, who: str, word: str) -> Answer:
    """Approve, refuse or (by who asked) cancel a single operation."""
    fields = {"reason": "not now"} if word == "refuse" else {}
    return office.click(who, f"/operations/{number}/{word}/", fields, act=word, operation=number)


def _nonce(chance: random.Random) -> str:
    return str(uuid.UUID(int=chance.getrandbits(128), version=4))
