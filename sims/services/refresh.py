"""Reading single SIMs back from the carrier, into the mirror."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import redis
from django.core.cache import cache
from django.utils import timezone

from core.queue import enqueue
from sims.models import Sim
from sims.services import mirror
from sims.services.carrier import get_client
from sims.services.mirror import ApplyResult, Source
from sims.services.sync_pages import ListBroken, Pages
from smarthub import Lane, SmartHub, contract
from smarthub.client import MAX_GICCIDS_IN_QUERY
from smarthub.errors import AuthFailed, NotFound, Rejected, SmartHubError, Transient

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


def read_ahead(since: Mapping[str, datetime], *, lane: Lane, source: Source) -> dict[str, Exception | None]:
    """Have each of these SIMs in the mirror as it was at its time of ``since`` or later, with as few calls as possible.

    Answers by giccid: ``None`` when that is so (or the carrier certainly does not know the SIM: it is marked missing
    where the mirror holds it), the error where the carrier could not be asked. A SIM that is left out has to be asked
    for by itself. One SIM costs one GET, more of them a list call for each hundred, those read meanwhile nothing.
    """
    read_at = dict(Sim.objects.filter(giccid__in=since, missing_since=None).values_list("giccid", "observed_at"))
    wanted = sorted(giccid for giccid, at in since.items() if giccid not in read_at or read_at[giccid] <= at)
    settled: dict[str, Exception | None] = dict.fromkeys(since.keys() - set(wanted))
    for start in range(0, len(wanted), MAX_GICCIDS_IN_QUERY):
        settled.update(_read_chunk(wanted[start : start + MAX_GICCIDS_IN_QUERY], lane, source))
    return settled


def _read_chunk(giccids: list[str], lane: Lane, source: Source) -> dict[str, Exception | None]:
    try:
        if len(giccids) == 1:
            read_sim(giccids[0], lane=lane, source=source)
            return {giccids[0]: None}
        asked_at = timezone.now()
        answer = ask_for(get_client(lane), giccids, source=source)
    except NotFound:
        return dict.fromkeys(giccids)
    except AuthFailed as error:
        return dict.fromkeys(giccids, error)
    except Rejected as error:
        # The filter by giccid is assumed: where the list refuses it, each SIM is still there to be asked for.
        return {} if len(giccids) > 1 else {giccids[0]: error}
    except SmartHubError as error:
        return dict.fromkeys(giccids, error)
    mirror.mark_missing(answer.absent, asked_at=asked_at)
    return dict.fromkeys(answer.found.keys() | answer.absent)


def ask_for(client: SmartHub, giccids: list[str], *, source: Source) -> Answer:
    """Ask for at most 100 SIMs by one filtered list (however many pages) and apply what comes.

    The filter is assumed, not documented: where the carrier answers with SIMs that were not asked for, each SIM is
    asked for by itself.
    """
    answer = Answer()
    wanted = set(giccids)
    pages = Pages({}, min(client.page_size, len(wanted)))
    total: int | None = None
    for _ in range(_MOST_PAGES):
        asked_at = timezone.now()
        page = client.list_sims(giccids=giccids, page=pages.page, size=pages.size)
        if any(sim.giccid not in wanted for sim in page.data):
            return _ask_one_by_one(client, giccids, source)
        answer.result += mirror.apply(page.data, source=source, observed_at=asked_at)
        answer.found.update({sim.giccid: sim for sim in page.data})
        answer.unreadable += len(page.unreadable)
        total = page.total
        try:
            if pages.took(page) or len(answer.found) == len(wanted):
                break
        except ListBroken:
            break
    absent = wanted - answer.found.keys()
    if answer.unreadable or not absent:
        return answer
    if total == len(answer.found):
        answer.absent = absent
        return answer
    # The pages and their total do not agree, so that a SIM not listed may be there all the same.
    rest = _ask_one_by_one(client, sorted(absent), source)
    answer.found |= rest.found
    answer.absent, answer.unreadable = rest.absent, rest.unreadable
    answer.result += rest.result
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
        except Transient as error:
            if error.code != "unreadable":
                raise
            # The carrier answers; what it says of this SIM nobody can read, today or in a minute.
            answer.unreadable += 1
            continue
        answer.found[giccid] = snapshot
        answer.result += mirror.apply([snapshot], source=source, observed_at=asked_at)
    return answer
