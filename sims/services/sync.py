"""Running a sync, whoever asked for it: a worker, a command, a person."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, cast

import structlog
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from core import audit
from core.queue import enqueue, enqueue_on_commit
from sims.models import SyncRun
from sims.services import sync_runs
from sims.services.carrier import get_budget
from sims.services.reference import read_reference
from sims.services.statistics import is_wanted, read_statistics
from sims.services.sync_changes import follow
from sims.services.sync_pages import ListBroken
from sims.services.sync_runs import Held, Interrupted, LeaseLost
from sims.services.sync_walk import walk
from smarthub.errors import BudgetUnavailable, SmartHubError
from staff.models import User

log = structlog.get_logger(__name__)

_WORK: dict[str, Callable[[Held], None]] = {
    SyncRun.Kind.FULL: walk,
    SyncRun.Kind.CHANGES: follow,
    SyncRun.Kind.REFERENCE: read_reference,
    SyncRun.Kind.STATISTICS: read_statistics,
}
_MOST_RESUMED = 20
_APART = 3.0
"""Seconds between the beginnings of runs that are resumed together."""
_RETRY_FAILED_AFTER = timedelta(minutes=10)


class End(StrEnum):
    """How a call of :func:`run` ended."""

    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    """The run is open and goes on later, or another process took it over."""
    BUSY = "busy"
    """Another process is at it."""


@dataclass(frozen=True)
class Ended:
    """How it ended, with the run concerned; without one when the run asked for was over already."""

    end: End
    run: SyncRun | None


def run(
    kind: str,
    *,
    trigger: str,
    run_id: int | None = None,
    on_progress: Callable[[SyncRun], None] | None = None,
) -> Ended:
    """Begin a sync of this kind or go on with the interrupted one, to its end. Never two of a kind at once.

    ``on_progress`` gets the run after each step. What the carrier refuses ends the run as failed, with a message;
    what it does not answer leaves it open, for :func:`resume`. Anything unforeseen leaves it open too and is raised.
    """
    taken, other = sync_runs.claim(kind, trigger=trigger, run_id=run_id)
    if taken is None:
        return Ended(End.BUSY, other)
    held = Held(taken, on_progress)
    try:
        _WORK[kind](held)
    except (Interrupted, LeaseLost):
        return Ended(End.INTERRUPTED, taken)
    except SmartHubError as error:
        return _failed(held, sync_runs.in_words(error))
    except ListBroken:
        return _failed(held, _("The carrier's pages contradict each other; the end of the list was not found."))
    except BaseException as error:
        _leave(held, error)
        raise
    log.info("sync.done", kind=kind, run=taken.pk, read=taken.read, changed=taken.changed, new=taken.new)
    return Ended(End.DONE, taken)


def request(kind: str, *, user: User | AnonymousUser) -> tuple[SyncRun, bool]:
    """A person wants a sync: the row is stored and a worker told. ``False`` when one is open already.

    Raises ``PermissionDenied``.
    """
    from sims.tasks import run_sync

    if not user.has_perm("sims.run_sync"):
        raise PermissionDenied
    person = cast(User, user)
    with transaction.atomic():
        wanted, is_new = sync_runs.ask_for_run(kind, trigger="person", user=person)
        if is_new:
            audit.record(action="sync.requested", actor=person, target=wanted, after={"kind": kind})
            enqueue_on_commit(run_sync, wanted.pk)
    return wanted, is_new


def resume() -> int:
    """Tell the workers of runs that nobody works on, and of walks that are due; answers how many.

    A walk that is due becomes a row at once, so telling it twice never walks twice.
    """
    from sims.tasks import run_sync

    for kind, every in ((SyncRun.Kind.FULL, "SYNC_FULL_EVERY"), (SyncRun.Kind.REFERENCE, "SYNC_REFERENCE_EVERY")):
        if _is_due(kind, timedelta(seconds=settings.CONFIG[every])):
            sync_runs.ask_for_run(kind, trigger="schedule")
    if is_wanted() and _is_due(SyncRun.Kind.STATISTICS, timedelta(seconds=settings.CONFIG["SYNC_STATISTICS_EVERY"])):
        sync_runs.ask_for_run(SyncRun.Kind.STATISTICS, trigger="schedule")
    told = 0
    for waiting in SyncRun.objects.filter(state=SyncRun.State.RUNNING):
        if not sync_runs.is_alive(waiting):
            # One after the other: after an outage all of them wait.
            told += enqueue(run_sync, waiting.pk, countdown=_APART * told)
    return told


def budget_state() -> dict[str, Any] | None:
    """What the call budget does now (see ``Budget.state``); ``None`` when Valkey is away."""
    try:
        return get_budget().state()
    except BudgetUnavailable:
        return None


def _is_due(kind: str, every: timedelta) -> bool:
    now = timezone.now()
    # A full walk reads the reference data too.
    kinds = [kind, SyncRun.Kind.FULL] if kind == SyncRun.Kind.REFERENCE else [kind]
    recent = Q(state=SyncRun.State.RUNNING) | Q(state=SyncRun.State.DONE, started_at__gt=now - every)
    failed = Q(kind=kind, state=SyncRun.State.FAILED, finished_at__gt=now - _RETRY_FAILED_AFTER)
    return not SyncRun.objects.filter(Q(recent, kind__in=kinds) | failed).exists()


def _failed(held: Held, message: str) -> Ended:
    log.error("sync.failed", kind=held.run.kind, run=held.run.pk, message=message)
    try:
        held.fail(message)
    except LeaseLost:
        return Ended(End.INTERRUPTED, held.run)
    return Ended(End.FAILED, held.run)


def _leave(held: Held, error: BaseException) -> None:
    """An error of ours, or the end of the process: the lease is given up, so that another may go on at once."""
    log.error("sync.broke_off", kind=held.run.kind, run=held.run.pk, exc_info=error)
    try:
        if held.run.resumed >= _MOST_RESUMED:
            held.fail(_("It broke off again and again (%(error)s).") % {"error": type(error).__name__})
            return
        held.leave(_("It broke off (%(error)s) and goes on by itself.") % {"error": type(error).__name__})
    except Exception as second:  # noqa: BLE001 # the first error is the one to tell; the lease runs out by itself
        log.warning("sync.lease_kept", run=held.run.pk, error=type(second).__name__)
