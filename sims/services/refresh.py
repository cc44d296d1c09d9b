"""Reading single SIMs back from the carrier, into the mirror."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import redis
from django.core.cache import cache
from django.utils import timezone

from core.queue import enqueue
from sims.models import Sim
from sims.services import mirror
from sims.services.carrier import get_client
from sims.services.mirror import ApplyResult, Source
from smarthub import Lane, SmartHub, contract
from smarthub.client import MAX_GICCIDS_IN_QUERY
from smarthub.errors import NotFound

_ONE_REFRESH_EVERY = 5
_MOST_PAGES = 2 * MAX_GICCIDS_IN_QUERY


@dataclass
class Answer:
    """What came of asking for named SIMs."""

    found: dict[str, contract.Sim] = field(default_factory=dict)
    absent: set[str] = field(default_factory=set)
    """Certainly unknown to the carrier. What is in neither could not be told."""
    result: ApplyResult = field(default_factory=ApplyResult)
    unreadable: int = 0


def read_sim(giccid: str, *, lane: Lane, source: Source) -> contract.Sim:
    """One GET, applied to the mirror; the carrier's snapshot is returned.

    Errors of ``smarthub.errors`` propagate. A SIM of the mirror that the carrier does not know is marked missing
    before its ``NotFound`` does.
    """
    asked_at = timezone.now()
    try:
        snapshot = get_client(lane).get_sim(giccid)
    except NotFound:
        mirror.mark_missing([giccid], asked_at=asked_at)
        raise
    mirror.apply([snapshot], source=source, observed_at=asked_at)
    return snapshot


def read_sims(giccids: Iterable[str], *, lane: Lane, source: Source) -> dict[str, contract.Sim]:
    """Named SIMs by list calls, 100 at a time, applied to the mirror; those the carrier does not list are left out.

    Errors of ``smarthub.errors`` propagate; what was read before is applied by then.
    """
    client = get_client(lane)
    found: dict[str, contract.Sim] = {}
    wanted = sorted(set(giccids))
    for start in range(0, len(wanted), MAX_GICCIDS_IN_QUERY):
        found.update(ask_for(client, wanted[start : start + MAX_GICCIDS_IN_QUERY], source=source).found)
    return found


def ask_for(client: SmartHub, giccids: list[str], *, source: Source) -> Answer:
    """Ask for at most 100 SIMs by one filtered list (however many pages) and apply what comes.

    The filter is assumed, not documented: where the carrier answers with SIMs that were not asked for, each SIM is
    asked for by itself.
    """
    answer = Answer()
    wanted = set(giccids)
    size = min(client.page_size, len(wanted))
    page_number = 0
    for _ in range(_MOST_PAGES):
        asked_at = timezone.now()
        page = client.list_sims(giccids=giccids, page=page_number, size=size)
        if any(sim.giccid not in wanted for sim in page.data):
            return _ask_one_by_one(client, giccids, source)
        answer.result += mirror.apply(page.data, source=source, observed_at=asked_at)
        answer.found.update({sim.giccid: sim for sim in page.data})
        answer.unreadable += len(page.unreadable)
        if page.is_last:
            break
        # Page numbers count in the size that the answer reports, which may be smaller than asked.
        page_number, size = page.page + 1, page.size or size
    if not answer.unreadable:
        answer.absent = wanted - answer.found.keys()
    return answer


def request_refresh(sim: Sim) -> bool:
    """Have a SIM read again in the background; ``False`` when that was asked for a moment ago or can't be now."""
    from sims.tasks import refresh_sim

    try:
        if not cache.add(f"sim-refresh:{sim.giccid}", 1, timeout=_ONE_REFRESH_EVERY):
            return False
    except (redis.RedisError, OSError):
        return False
    return enqueue(refresh_sim, sim.giccid)


def _ask_one_by_one(client: SmartHub, giccids: list[str], source: Source) -> Answer:
    answer = Answer()
    for giccid in giccids:
        asked_at = timezone.now()
        try:
            snapshot = client.get_sim(giccid)
        except NotFound:
            answer.absent.add(giccid)
            continue
        answer.found[giccid] = snapshot
        answer.result += mirror.apply([snapshot], source=source, observed_at=asked_at)
    return answer
