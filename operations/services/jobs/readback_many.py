"""Reading many SIMs back by list calls and windows of the change log: which show the change?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from django.utils import timezone

from operations.kinds import KINDS, ChangeState
from operations.models import Operation
from operations.readings import LOG_REACH, LOG_SLACK, Reading, Verdict
from sims.services.carrier import get_client
from sims.services.mirror import Source
from sims.services.refresh import read_sims
from sims.services.timeline import record_log_entries
from smarthub import Lane, contract, errors
from smarthub.client import MAX_GICCIDS_IN_QUERY
from smarthub.contract import ChangeStatus, ChangeType

log = structlog.get_logger(__name__)

MOST_FAILURES = 20
"""Readings that may fail when only what can be read is asked for."""
MOST_WITHOUT_ONE = 8
"""Of these, before one succeeds: halving down to the first SIM of a hundred takes seven."""

ONE_BY_ONE = 10
"""Up to so many SIMs in doubt each one's own change log is asked for; more are looked up in their account's."""


class ClaimLost(Exception):
    """The step took so long that somebody else goes on with it; what was found so far is in the mirror."""


@dataclass(frozen=True)
class Seen:
    """What the carrier shows of one operation's SIM. ``at``: when it was changed, where the carrier tells."""

    verdict: Verdict
    at: datetime | None = None
    absent: bool = False


def look(operations: Sequence[Operation], *, thorough: bool, go_on: Callable[[], bool]) -> dict[int, Seen]:
    """Read the SIMs of ``operations``, 100 a call, into the mirror; answers what each shows, by operation id.

    ``thorough`` asks the change log about those that do not show it: somebody may have changed them again since.
    ``go_on`` is asked before each call; :class:`ClaimLost` when it says no. Errors of ``smarthub.errors`` propagate.
    """
    seen: dict[int, Seen] = {}
    for part in _parts(operations):
        seen.update(_read(part, go_on))
    if thorough:
        seen.update(_logged([op for op in operations if seen[op.pk].verdict != Verdict.YES], go_on))
    return seen


def look_at_what_can_be_read(
    operations: Sequence[Operation], *, go_on: Callable[[], bool], lane: Lane = Lane.BULK
) -> dict[int, Seen]:
    """As :func:`look`, thoroughly, but what can't be read is left out of the answer instead of an error.

    A part that can't be read is read in halves, so one SIM that spoils the answer costs the others nothing;
    after :data:`MOST_FAILURES` the rest is given up, sooner when nothing at all can be read. ``CarrierAway`` is raised.
    """
    seen: dict[int, Seen] = {}
    todo = _parts(operations)[::-1]
    failures = 0
    while todo and failures < (MOST_FAILURES if seen else MOST_WITHOUT_ONE):
        part = todo.pop()
        try:
            seen.update(_read(part, go_on, lane))
        except (ClaimLost, errors.CarrierAway):
            raise
        except Exception:
            log.exception("readback.unread", sims=len(part))
            failures += 1
            half = len(part) // 2
            todo += [part[half:], part[:half]] if half else []
    try:
        left = [op for op in operations if op.pk in seen and seen[op.pk].verdict != Verdict.YES]
        seen.update(_logged(left, go_on, lane))
    except errors.SmartHubError:
        log.info("readback.log_unread")
    return seen


def _parts(operations: Sequence[Operation]) -> list[Sequence[Operation]]:
    return [operations[n : n + MAX_GICCIDS_IN_QUERY] for n in range(0, len(operations), MAX_GICCIDS_IN_QUERY)]


def _read(part: Sequence[Operation], go_on: Callable[[], bool], lane: Lane = Lane.BULK) -> dict[int, Seen]:
    """What the list shows of at most 100 SIMs."""
    _check(go_on)
    client = get_client(lane)
    found = read_sims((op.sim.giccid for op in part), lane=lane, source=Source.READ_BACK)
    seen: dict[int, Seen] = {}
    for operation in part:
        snapshot = found.get(operation.sim.giccid)
        if snapshot is None:
            seen[operation.pk] = Seen(Verdict.NO, absent=True)
            continue
        verdict = KINDS[operation.kind].reached(Reading(client, snapshot, thorough=False), operation)
        seen[operation.pk] = Seen(verdict, _time_of_change(operation, snapshot))
    return seen


def _check(go_on: Callable[[], bool]) -> None:
    if not go_on():
        raise ClaimLost


def _time_of_change(operation: Operation, snapshot: contract.Sim) -> datetime | None:
    """The SIM's last update, if it was after the sending: a batch job may take longer than events are joined over."""
    updated, sent = snapshot.updated_time, operation.first_sent_at
    if updated is None or sent is None or not sent - LOG_SLACK <= updated <= timezone.now():
        return None
    return max(updated, sent)


def _logged(operations: Sequence[Operation], go_on: Callable[[], bool], lane: Lane = Lane.BULK) -> dict[int, Seen]:
    """Those of ``operations`` whose change the log tells of since they were first sent."""
    seen: dict[int, Seen] = {}
    for type_ in (ChangeType.LOCAL_STATUS, ChangeType.SERVICE_PACKAGE):
        of_type = {
            op.sim.giccid: op for op in operations if op.first_sent_at is not None and _log_type(op.kind) == type_
        }
        if of_type:
            seen.update(_logged_as(type_, of_type, go_on, lane))
    return seen


def _log_type(kind: str) -> ChangeType | None:
    """Which entries of the log tell of a change of this kind; ``None`` where none does, or not for certain."""
    if isinstance(KINDS[kind], ChangeState):
        return ChangeType.LOCAL_STATUS
    return ChangeType.SERVICE_PACKAGE if kind == Operation.Kind.CHANGE_PLAN else None


def _logged_as(
    type_: ChangeType, by_giccid: dict[str, Operation], go_on: Callable[[], bool], lane: Lane
) -> dict[int, Seen]:
    since = max(min(_sent(op) for op in by_giccid.values()) - LOG_SLACK, timezone.now() - LOG_REACH)
    entries = []
    for where in _windows(by_giccid):
        for page in _pages(go_on, lane, type=type_, start=since, **where):
            entries += [entry for entry in page if entry.giccid in by_giccid]
    record_log_entries(entries)
    seen: dict[int, Seen] = {}
    for entry in entries:
        operation = by_giccid[entry.giccid]
        ours = entry.target == _target(operation) and entry.created_time >= _sent(operation) - LOG_SLACK
        if ours and entry.status in {None, ChangeStatus.SUCCESS}:
            seen[operation.pk] = Seen(Verdict.YES, max(entry.created_time, _sent(operation)))
    return seen


def _sent(operation: Operation) -> datetime:
    return operation.first_sent_at or operation.created_at


def _target(operation: Operation) -> str:
    kind = KINDS[operation.kind]
    return str(kind.target) if isinstance(kind, ChangeState) else operation.params["plan"]


def _windows(by_giccid: dict[str, Operation]) -> Iterable[dict[str, Any]]:
    if len(by_giccid) <= ONE_BY_ONE:
        return [{"giccid": giccid} for giccid in by_giccid]
    accounts: dict[str, int] = defaultdict(int)
    for operation in by_giccid.values():
        accounts[operation.sim.account_id] += 1
    return [{"account": account} for account in accounts]


def _pages(go_on: Callable[[], bool], lane: Lane, **where: Any) -> Iterable[Sequence[contract.ChangeEntry]]:
    client = get_client(lane)
    number, size = 0, client.page_size
    while True:
        _check(go_on)
        page = client.list_change_logs(**where, page=number, size=size)
        yield page.data
        if page.is_last or not page.data:
            return
        # Page numbers count in the size that the answer reports, which may be smaller than asked.
        number, size = number + 1, page.size or size
