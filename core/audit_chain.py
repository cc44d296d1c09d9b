"""The chain over the audit trail: each entry gets a seal, which holds the digest of the entry and of the seal before.

An entry is written without it, in the transaction of the act, so that writers never wait for each other; a task seals
what is there a few seconds later, one sealer at a time. An entry that is committed late is sealed late.

The digest of a seal is the SHA-256, in hexadecimal, of one line of JSON (:func:`canonical`), which anybody can compute.
The last seal of each run carries a signature besides, HMAC-SHA256 with a key made of ``ENCRYPTION_KEYS``: who can write
into the database, but does not know the environment, can not make a chain of his own (docs/audit.md).
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import structlog
from django.db import connection, transaction
from django.db.models import Exists, Max, OuterRef, QuerySet
from django.utils import timezone

from core.encryption import keys_for
from core.models import AuditChain, AuditEntry, AuditSeal

log = structlog.get_logger(__name__)

FIELDS = (
    "id",
    "at",
    "actor_id",
    "action",
    "object_type",
    "object_id",
    "account_name",
    "before",
    "after",
    "reason",
    "ticket",
    "address",
    "request_id",
)
"""What of an entry is sealed, in this order: all of it. Changing this list makes every chain invalid."""
CHUNK = 1_000
"""Entries a transaction: on SQLite everybody else waits for it."""
_AT, _BEFORE, _AFTER, _ADDRESS = (FIELDS.index(name) for name in ("at", "before", "after", "address"))
_ONE = 1
"""The key of the only row of :class:`AuditChain`."""


class UnknownHead(Exception):
    """The last seal is not signed with a key of this portal: it may be forged, so nothing is built upon it."""


def canonical(sequence: int, previous: str, entry: Sequence[Any]) -> bytes:
    """The line that is digested: a JSON array of the seal's place, the digest before, and the entry's :data:`FIELDS`.

    Always the same for the same entry, whichever database it comes from: ASCII only, keys sorted, no spaces; times in
    UTC, cut to three digits of a second, as ``dumpdata`` has them; numbers and addresses as :func:`_plain` and
    :func:`_address` have them.
    """
    values = list(entry)
    values[_AT] = entry[_AT].astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
    values[_BEFORE], values[_AFTER] = _plain(entry[_BEFORE]), _plain(entry[_AFTER])
    values[_ADDRESS] = _address(entry[_ADDRESS])
    return json.dumps([sequence, previous, *values], sort_keys=True, separators=(",", ":")).encode()


def digest(sequence: int, previous: str, entry: Sequence[Any]) -> str:
    """The digest of a seal: 64 hexadecimal digits."""
    return hashlib.sha256(canonical(sequence, previous, entry)).hexdigest()


def _plain(value: Any) -> Any:
    """JSON with whole numbers as integers: PostgreSQL may keep ``1e3`` as ``1000``, SQLite as ``1000.0``.

    Other numbers are the shortest text that gives the same double, as Python writes it.
    """
    if isinstance(value, float):
        return int(Decimal(repr(value))) if value.is_integer() else value
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list) else value


def _address(address: str | None) -> str | None:
    """An IPv6 address with all its digits, since there are several short ways; what is no address, as it stands."""
    try:
        return ipaddress.ip_address(address).exploded if address else address
    except ValueError:
        return address


def sign(of: str) -> str:
    """The signature of a digest, with the newest key."""
    return _signature(keys_for("audit chain")[0], of)


def is_signed(of: str, signature: str) -> bool:
    """Whether one of the portal's keys has signed this digest."""
    return any(hmac.compare_digest(_signature(key, of), signature) for key in keys_for("audit chain"))


def _signature(key: bytes, of: str) -> str:
    return hmac.new(key, of.encode(), hashlib.sha256).hexdigest()


def unsealed(*, after: int = 0) -> QuerySet[AuditEntry]:
    """Entries with an id above ``after`` that have no seal, the oldest id first."""
    # Both sides are narrowed: else all seals are read for the few entries behind them.
    seals = AuditSeal.objects.filter(entry_id=OuterRef("pk"), entry_id__gt=after)
    return AuditEntry.objects.filter(~Exists(seals), pk__gt=after).order_by("pk")


def head() -> AuditSeal | None:
    """The last seal."""
    return AuditSeal.objects.order_by("-sequence").first()


def seal(*, seconds: float = 8.0, accept: bool = False) -> int:
    """Seal what has no seal yet, for about so many seconds; answers how many entries that were. Several at a time
    take turns.

    Raises :class:`UnknownHead`, unless ``accept``: then the chain goes on from whatever is there, and entries are
    sealed that came in behind its back, with ids that were settled long ago.
    """
    deadline = time.monotonic() + seconds
    sealed = after = 0
    while True:
        with transaction.atomic():
            chain = _locked()
            if accept:
                chain.settled = chain.seen = 0
            done, after = _seal_chunk(chain, after, accept)
        sealed += done
        if done < CHUNK or time.monotonic() > deadline:
            break
    if sealed and (last := head()):
        # Logs are kept elsewhere: a chain that was cut off or made anew does not hold these digests any more.
        log.info("audit.sealed", entries=sealed, sequence=last.sequence, head=last.digest)
    return sealed


def _locked() -> AuditChain:
    """The state, for one sealer at a time. SQLite has one writer at a time anyway."""
    AuditChain.objects.get_or_create(pk=_ONE)
    return AuditChain.objects.select_for_update().get(pk=_ONE)


def _seal_chunk(chain: AuditChain, after: int, accept: bool) -> tuple[int, int]:
    """Seal the next entries; answers how many, and the id to go on behind."""
    # Before the entries are read: what is still running then may commit later.
    all_came = _all_came(chain.seen_at)
    start = max(after, chain.settled)
    entries = list(unsealed(after=start).values_list(*FIELDS)[:CHUNK])
    if entries:
        _append(entries, accept)
    if start == chain.settled and len(entries) < CHUNK:
        _settle(chain, all_came)
    return len(entries), entries[-1][0] if entries else start


def _append(entries: list[tuple[Any, ...]], accept: bool) -> None:
    last = head()
    if last is not None and not accept and not is_signed(last.digest, last.signature):
        raise UnknownHead(f"Seal {last.sequence} is not signed with a key of this portal.")
    sequence, previous = (last.sequence, last.digest) if last else (0, "")
    seals = []
    for entry in entries:
        sequence += 1
        made = digest(sequence, previous, entry)
        seals.append(AuditSeal(sequence=sequence, entry_id=entry[0], previous=previous, digest=made))
        previous = made
    seals[-1].signature = sign(previous)
    AuditSeal.objects.bulk_create(seals)


def _settle(chain: AuditChain, all_came: bool) -> None:
    """All that is to be seen above ``settled`` is sealed: note how far nothing can come any more."""
    if all_came:
        chain.settled = chain.seen
        chain.seen = AuditEntry.objects.aggregate(newest=Max("pk"))["newest"] or 0
        chain.seen_at = _clock()
    chain.save()


def _clock() -> datetime:
    if connection.vendor != "postgresql":
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return cursor.fetchone()[0]


def _all_came(seen_at: datetime | None) -> bool:
    """Whether every transaction that ran at that time has ended, so that no entry with a smaller id is to come.

    PostgreSQL gives out ids before the commit. SQLite has one writer at a time, whose ids come in order.
    """
    if seen_at is None or connection.vendor != "postgresql":
        return True
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT min(xact_start) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        oldest = cursor.fetchone()[0]
    return oldest is None or oldest > seen_at
