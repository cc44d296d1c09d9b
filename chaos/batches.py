"""Batch jobs as people make them: paste identifiers, confirm, have a second person approve, change one's mind."""

from __future__ import annotations

import random
import re
import uuid

from chaos.browser import Answer
from chaos.people import Office
from simulator import catalog

# Of the kinds that the carrier takes as batches, and two that go one by one.
KINDS = ("suspend", "change_plan", "activate", "retire", "set_custom_fields", "suspend", "change_plan", "activate")
_FROM = {
    "suspend": (catalog.ACTIVATED,),
    "activate": (catalog.INVENTORY, catalog.TEST_READY, catalog.DEACTIVATED),
    "retire": (catalog.DEACTIVATED,),
}
_ALL_BUT_RETIRED = catalog.STATUSES[:-1]
_TRIES = 40
_ELIGIBLE = re.compile(r'class="tile job-main"><dt>[^<]*</dt><dd>([\d,]+)')


def batch(office: Office, number: int, size: int) -> None:
    """Make one job of about ``size`` SIMs and see it on its way."""
    chance = random.Random(f"{office.seed} job {number}")
    kind = KINDS[number % len(KINDS)]
    maker, other = chance.sample(["supervisor-1", "supervisor-2"], 2)
    job = _make(office, maker, kind, size, chance)
    if job is None:
        return
    _confirm(office, maker, job, kind, number)
    _insist(office, other, f"/jobs/{job}/approve/", "job approve", job)
    if number % 3 == 1:
        _insist(office, maker, f"/jobs/{job}/pause/", "job pause", job)
        _insist(office, other, f"/jobs/{job}/resume/", "job resume", job)
    if number % 10 == 7:
        _insist(office, maker, f"/jobs/{job}/cancel/", "job cancel", job)


def _make(office: Office, who: str, kind: str, size: int, chance: random.Random) -> int | None:
    states = _FROM.get(kind, _ALL_BUT_RETIRED)
    fitting = [giccid for giccid in office.truth.giccids if office.truth.status[giccid] in states]
    chosen = chance.sample(fitting, min(size, len(fitting)))
    fields = {"kind": kind, "identifiers": "\n".join(chosen), "nonce": str(uuid.UUID(int=chance.getrandbits(128)))}
    if kind == "change_plan":
        fields |= {"plan": chance.choice(catalog.BASIC_PLANS).code, "effective": chance.choice(["NOW", "NEXT_CYCLE"])}
    if kind == "set_custom_fields":
        fields["custom5"] = f"job {chance.randrange(10**6)}"
    for _try in range(_TRIES):
        answer = office.browsers[who].post("/jobs/new/", fields)
        office.journal.write(
            who=who, act="job", kind=kind, nonce=fields["nonce"], status=answer.status, location=answer.location
        )
        if answer.is_success:
            return int(answer.location.rstrip("/").rpartition("/")[2])
        if answer.is_clear or office.stopping.wait(0.5):
            break
    return None


def _confirm(office: Office, who: str, job: int, kind: str, number: int) -> None:
    fields = {"reason": f"job {number}", "ticket": f"J-{number}"}
    for _try in range(_TRIES):
        page = office.browsers[who].get(f"/jobs/{job}/")
        found = _ELIGIBLE.search(page.text)
        if found:
            fields["confirm"] = found[1].replace(",", "")
            answer = _post(office, who, f"/jobs/{job}/confirm/", fields, "job confirm", job)
            if answer.is_clear:
                return
        elif page.is_clear and page.status != 200:
            return
        if office.stopping.wait(0.5):
            return


def _insist(office: Office, who: str, path: str, act: str, job: int) -> None:
    for _try in range(_TRIES):
        if _post(office, who, path, {"reason": "second thoughts"}, act, job).is_clear or office.stopping.wait(0.5):
            return


def _post(office: Office, who: str, path: str, fields: dict[str, str], act: str, job: int) -> Answer:
    answer = office.browsers[who].post(path, fields)
    office.journal.write(who=who, act=act, job=job, status=answer.status, location=answer.location)
    return answer
