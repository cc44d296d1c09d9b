"""Is the audit trail what was written? Reads all of it along its chain, some thousand rows at a time in memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import structlog
from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from core import audit, audit_guard
from core.audit_chain import FIELDS, UnknownHead, digest, is_signed, seal, unsealed
from core.bulk import among
from core.models import AuditChain, AuditEntry, AuditSeal

log = structlog.get_logger(__name__)

VERIFIED = "audit.verified"
"""The entry that tells of a verification: the number of seals, the head, the number of problems."""
SEALED_WITHIN = timedelta(minutes=30)
"""An entry that is older and has no seal was not sealed for too long."""
DAILY = timedelta(hours=23)
_ROWS = 5_000
_MOST = 1_000

CHANGED, MISSING, MISPLACED, UNSEALED = "changed", "missing", "out of place", "not sealed"
UNSIGNED, UNGUARDED, NO_HEAD = "not signed", "not guarded", "head not found"

_SEAL = ("sequence", "entry_id", "previous", "digest", "signature")


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: a word of the constants above, and which row it is about, in words."""

    kind: str
    where: str


@dataclass
class Report:
    """What a verification found."""

    seals: int = 0
    head: str = ""
    """The digest of the last seal."""
    found: int = 0
    problems: list[Problem] = field(default_factory=list)
    """The first 1,000 of those found."""

    def add(self, kind: str, where: str) -> None:
        """Note a problem."""
        self.found += 1
        if len(self.problems) < _MOST:
            self.problems.append(Problem(kind, where))


def verify(*, expected: str = "", progress: Callable[[int], None] | None = None) -> Report:
    """Compare each entry with its seal and each seal with the one before.

    ``expected`` is a digest kept from earlier (a head), which has to be in the chain still: else its end was cut
    off, or all of it made anew. ``progress`` is told now and then how many seals were read.
    """
    report = Report()
    expected_seen = not expected
    last: tuple[Any, ...] | None = None
    for seals in _chunks():
        entries = _entries([row[1] for row in seals])
        for row in seals:
            _check(report, row, last, entries.get(row[1]))
            expected_seen = expected_seen or row[3] == expected
            last = row
        report.seals += len(seals)
        if progress is not None:
            progress(report.seals)
    if last is not None:
        report.head = last[3]
        if not is_signed(last[3], last[4]):
            report.add(UNSIGNED, f"seal {last[0]}, the last one: no key of ENCRYPTION_KEYS has signed it")
    if not expected_seen:
        report.add(NO_HEAD, f"no seal has the digest {expected}")
    _check_unsealed(report)
    _check_end(report)
    for name in audit_guard.missing(connection):
        report.add(UNGUARDED, f"the trigger {name} is not there")
    return report


def _chunks() -> Iterator[list[tuple[Any, ...]]]:
    """The chain in its order."""
    after = -(2**63)
    while seals := list(AuditSeal.objects.filter(sequence__gt=after).order_by("sequence").values_list(*_SEAL)[:_ROWS]):
        after = seals[-1][0]
        yield seals


def _entries(ids: list[int]) -> dict[int, tuple[Any, ...]]:
    found = AuditEntry.objects.filter(among("id", ids)).order_by().values_list(*FIELDS)
    return {row[0]: row for row in found}


def _check(report: Report, row: tuple[Any, ...], last: tuple[Any, ...] | None, entry: tuple[Any, ...] | None) -> None:
    """One seal, with its entry and the seal before it; each fault is told once, where it is."""
    sequence, entry_id, previous, sealed, _signature = row
    before, digest_before = (last[0], last[3]) if last else (0, "")
    if sequence > before + 1:
        report.add(MISSING, f"seals {before + 1} to {sequence - 1}")
    elif sequence != before + 1 or previous != digest_before:
        report.add(MISPLACED, f"seal {sequence} (entry {entry_id}): it does not follow on seal {before}")
    if entry is None:
        report.add(MISSING, f"entry {entry_id}, sealed as {sequence}")
    elif digest(sequence, previous, entry) != sealed:
        report.add(CHANGED, f"entry {entry_id}, sealed as {sequence}, or the seal itself")


def _check_unsealed(report: Report) -> None:
    """Entries that should have a seal by now: old ones, and those whose id was settled before they came."""
    settled = AuditChain.objects.values_list("settled", flat=True).first() or 0
    due = unsealed().filter(Q(at__lt=timezone.now() - SEALED_WITHIN) | Q(pk__lte=settled))
    for pk, at in due.values_list("pk", "at").iterator(chunk_size=_ROWS):
        report.add(UNSEALED, f"entry {pk} of {at:%Y-%m-%d %H:%M:%S}")


def _check_end(report: Report) -> None:
    """The ids that the sealing has noted were those of entries. One that is gone together with its seal was cut off
    with the end of the chain, which itself misses nothing then."""
    for pk in sorted(set(AuditChain.objects.values_list("settled", "seen").first() or ()) - {0}):
        if not AuditEntry.objects.filter(pk=pk).exists() and not AuditSeal.objects.filter(entry_id=pk).exists():
            report.add(MISSING, f"entry {pk}, which the sealing has seen: the end was cut off")


def note(report: Report) -> None:
    """Keep in the trail that it was verified, and with what result; tell the log, loudly where something is wrong."""
    facts = {"seals": report.seals, "head": report.head, "problems": report.found}
    with transaction.atomic():
        audit.record(action=VERIFIED, actor=None, after=facts)
    if report.found:
        log.error("audit.broken", some=[f"{each.kind}: {each.where}" for each in report.problems[:10]], **facts)
    else:
        log.info("audit.verified", **facts)


def last_noted() -> AuditEntry | None:
    """The entry of the last verification."""
    return AuditEntry.objects.filter(action=VERIFIED).order_by("-at", "-id").first()


def verify_daily() -> None:
    """Verify, unless that was done within the last day. Asked for more often: a day's timer begins anew with each
    start.

    What is there is sealed before, however much: after an upgrade all of the trail, after an outage what it held up.
    """
    last = last_noted()
    if last is not None and last.at >= timezone.now() - DAILY:
        return
    with suppress(UnknownHead):  # which is found in a moment
        seal(seconds=math.inf)
    note(verify())
