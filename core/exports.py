"""Downloads that are too large for a request: made in the background, fetched later, gone after a while.

An app registers what it can write by a name (:func:`register`); a view asks for one (:func:`request_export`) and
leads to the page of downloads. Row before task, claim by a conditional update with a lease, a periodic dispatcher:
a killed worker or an emptied broker costs a delay.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from core import audit, storage
from core.models import Export
from core.queue import enqueue, enqueue_on_commit
from core.spreadsheets import CSV, WRITERS, XLSX, Table

log = structlog.get_logger(__name__)

State = Export.State

IN_REQUEST = 10_000
"""Rows up to which a file is made while the person waits: an XLSX takes about two seconds."""
FORMATS = (CSV, XLSX)
LIST = "list"
"""The exporter of lists: see :mod:`core.list_exports`."""
MOST_OPEN = 3
"""Downloads of one person that may be under way."""
MOST_KEPT = 20
"""Downloads that one person may have at a time, until they are over or removed: each may be as large as the fleet."""
_LEASE = timedelta(seconds=60)
_PROGRESS_EVERY = 0.5
"""Seconds between two signs of life of a writer."""
_MOST_ATTEMPTS = 3
_BATCH = 100
_ORPHAN_AFTER = timedelta(days=1).total_seconds()


class NotAvailable(Exception):
    """The person may not have it (any more), or it is gone. ``str()`` is a sentence."""


class TooManyOpen(Exception):
    """So many downloads of this person are under way, or kept, that no more are begun. ``str()`` is a sentence."""


class _ClaimLost(Exception):
    """Somebody else makes it now."""


@dataclass(frozen=True)
class Exporter:
    """What can be written by a name. Both functions get the person first and are asked again when it is fetched."""

    name: str
    table: Callable[[Any, dict[str, Any]], Table]
    """The table for this person and these parameters; raises :class:`NotAvailable`."""
    accounts: Callable[[Any], frozenset[str] | None]
    """The carrier accounts that the person sees; ``None`` for all."""


_exporters: dict[str, Exporter] = {}


def register(exporter: Exporter) -> None:
    """Offer it; called in ``AppConfig.ready()``."""
    _exporters[exporter.name] = exporter


def request_export(owner: Any, name: str, params: dict[str, Any], *, format_: str) -> Export:
    """Have the file made; the same one that is under way already is answered again. How many rows it has, the worker
    finds out: counting a million of them is nothing to wait for.

    ``name`` is a registered exporter, ``format_`` one of ``core.spreadsheets``. Raises :class:`NotAvailable` and
    :class:`TooManyOpen`.
    """
    table = _exporters[name].table(owner, params)
    under_way = list(exports_of(owner).filter(state__in=Export.OPEN_STATES))
    for export in under_way:
        if (export.exporter, export.params, export.format) == (name, params, format_):
            return export
    if len(under_way) >= MOST_OPEN:
        raise TooManyOpen(_("Please wait until one of your downloads is ready."))
    if exports_of(owner).count() >= MOST_KEPT:
        raise TooManyOpen(_("You have as many downloads as can be kept. Please remove one first."))
    now = timezone.now()
    with transaction.atomic():
        export = Export.objects.create(
            owner=owner,
            exporter=name,
            params=params,
            format=format_,
            title=table.title[:200],
            file_name=f"{table.file_name}.{format_}"[:200],
            expires_at=now + kept_for(),
        )
        audit.record(
            action="export.requested",
            actor=owner,
            target=export,
            after={"exporter": name, "params": params, "format": format_},
        )
        from core import tasks  # the tasks call this module

        enqueue_on_commit(tasks.make_export, export.pk)
    return export


def exports_of(user: Any) -> QuerySet[Export]:
    """The person's own downloads that are not over yet, newest first. Nobody sees another's."""
    return Export.objects.filter(owner=user.pk, expires_at__gt=timezone.now()).order_by("-pk")


def file_of(export: Export, user: Any) -> Path:
    """Where the finished file lies. Raises :class:`NotAvailable` unless ``user`` is the owner and still may have it.

    What the person may see is looked at again, for the record itself and for the accounts that its rows are of.
    """
    exporter = _exporters.get(export.exporter)
    if export.owner_id != user.pk or export.state != State.DONE or exporter is None:
        raise NotAvailable
    exporter.table(user, export.params)
    seen = exporter.accounts(user)
    if seen is not None and (export.accounts is None or not seen.issuperset(export.accounts)):
        raise NotAvailable(_("Your accounts have changed since this file was made. Please make it again."))
    path = directory() / export.stored_as
    if export.expires_at <= timezone.now() or not export.stored_as or not path.is_file():
        raise NotAvailable(_("This file is no longer kept. Please make it again."))
    return path


def make(export_id: int) -> None:
    """Write the file. Harmless for one that is not due, and as often as one likes."""
    export = _claim(export_id)
    if export is None:
        return
    path = directory() / f"{export.pk}-{secrets.token_hex(16)}.{export.format}"
    part = path.with_suffix(".part")
    try:
        if export.attempts > _MOST_ATTEMPTS:
            raise NotAvailable(_("It could not be made. Please try again, with fewer rows."))
        rows = _write(export, part)
        os.replace(part, path)
        if not _finish(export, path, rows):
            path.unlink(missing_ok=True)
    except _ClaimLost:
        log.info("export.claim_lost", export=export.pk)
    except NotAvailable as refusal:
        _move(export, State.FAILED, finished_at=timezone.now(), message=str(refusal) or _("You may not have it."))
    except Exception as error:
        trouble = storage.trouble_of(error)
        if trouble in (storage.Trouble.FULL, storage.Trouble.READ_ONLY):
            path.unlink(missing_ok=True)
            _wait_for_room(export, trouble)
            return
        log.exception("export.failed", export=export.pk)
        again = timezone.now() + timedelta(seconds=10)
        _move(export, State.WAITING, next_attempt_at=again, message=_("It could not be made; it is tried again."))
    finally:
        part.unlink(missing_ok=True)


def dispatch() -> int:
    """Hand over what is due, take away what is over; answers how many were handed over."""
    from core import tasks

    prune()
    due = Export.objects.filter(next_attempt_at__lte=timezone.now()).order_by("next_attempt_at")
    handed = 0
    for pk in due.values_list("pk", flat=True)[:_BATCH]:
        if not enqueue(tasks.make_export, pk):
            break
        handed += 1
    return handed


def prune() -> int:
    """Remove downloads that are over, with their files, and files that belong to none; answers how many."""
    over = list(Export.objects.filter(expires_at__lte=timezone.now()).order_by("expires_at")[:_BATCH])
    for export in over:
        remove(export)
    known = set(Export.objects.exclude(stored_as="").values_list("stored_as", flat=True))
    oldest = timezone.now().timestamp() - _ORPHAN_AFTER
    for path in directory().iterdir():
        # A file of a worker that died while it wrote; one that is being written is younger.
        if path.name not in known and path.stat().st_mtime < oldest:
            path.unlink(missing_ok=True)
    return len(over)


def remove(export: Export) -> None:
    """Take the file and its row away; one that is being made ends by that."""
    if export.stored_as:
        (directory() / export.stored_as).unlink(missing_ok=True)
    Export.objects.filter(pk=export.pk).delete()


def directory() -> Path:
    """Where the files lie: a directory that web processes and workers share, open to nobody else."""
    path = Path(settings.CONFIG["DATA_DIR"]) / "exports"
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def kept_for() -> timedelta:
    """How long a file is kept (setting EXPORT_KEEP_FOR)."""
    return timedelta(seconds=settings.CONFIG["EXPORT_KEEP_FOR"])


def _claim(export_id: int) -> Export | None:
    now = timezone.now()
    until = now + _LEASE
    due = Export.objects.filter(pk=export_id, state__in=Export.OPEN_STATES, next_attempt_at__lte=now)
    if not due.update(
        state=State.RUNNING, lease_until=until, next_attempt_at=until, attempts=F("attempts") + 1, rows_done=0
    ):
        return None
    export = Export.objects.select_related("owner").get(pk=export_id)
    return export if export.lease_until == until else None


def _move(export: Export, to: str, **fields: Any) -> bool:
    """As for operations: only while the claim is ours. Unless given, the lease ends and nothing more is due."""
    values = {"lease_until": None, "next_attempt_at": None, **fields}
    rows = Export.objects.filter(pk=export.pk, state=State.RUNNING, lease_until=export.lease_until)
    return bool(rows.update(state=to, **values))


def _wait_for_room(export: Export, trouble: str) -> None:
    """It is not the file's fault, so it counts as no attempt."""
    log.warning("export.no_room", export=export.pk, trouble=trouble)
    again = timezone.now() + _LEASE
    message = _("There is no room for the file at the moment; it is tried again.")
    _move(export, State.WAITING, next_attempt_at=again, attempts=F("attempts") - 1, message=message)


def _finish(export: Export, path: Path, rows: int) -> bool:
    """The file is there: say so, with its entry in the audit trail; ``False`` when the claim was lost."""
    now = timezone.now()
    values = {"size": path.stat().st_size, "stored_as": path.name, "rows_done": rows, "rows_total": rows}
    with transaction.atomic():
        if not _move(export, State.DONE, finished_at=now, expires_at=now + kept_for(), **values):
            return False
        after = {"exporter": export.exporter, "params": export.params, "format": export.format, "rows": rows}
        audit.record(action="export.made", actor=export.owner, target=export, after=after)
    return True


def _write(export: Export, path: Path) -> int:
    """Write the file; answers its rows."""
    exporter = _exporters.get(export.exporter)
    if exporter is None:
        raise NotAvailable
    seen = exporter.accounts(export.owner)
    table = exporter.table(export.owner, export.params)
    if not _keep(export, accounts=None if seen is None else sorted(seen), rows_total=table.total()):
        raise _ClaimLost

    told = float("-inf")

    def progress(rows: int) -> None:
        nonlocal told
        if time.monotonic() - told < _PROGRESS_EVERY:
            return
        if not _keep(export, rows_done=rows):
            raise _ClaimLost
        told = time.monotonic()

    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as target:
        return WRITERS[export.format](table, target, progress)


def _keep(export: Export, **fields: Any) -> bool:
    """A sign of life: note how far it is and hold the claim for longer; ``False`` when it was lost."""
    until = timezone.now() + _LEASE
    if not _move(export, State.RUNNING, lease_until=until, next_attempt_at=until, **fields):
        return False
    export.lease_until = until
    return True
