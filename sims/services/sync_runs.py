"""Runs of the sync and their leases: at most one of a kind at work, and one that was killed goes on."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext as _

from core.events import Happening, emit
from sims.models import SyncRun
from smarthub.errors import RateLimited, SmartHubError, Transient
from staff.models import User

T = TypeVar("T")
log = structlog.get_logger(__name__)

TRIES = 4
BACKOFF = 2.0
LONGEST_WAIT = 60.0
_stopping = threading.Event()

_COUNTS = ("total", "read", "changed", "new", "missing", "errors", "cursor", "message")


class LeaseLost(Exception):
    """Another process took the run over, for this one showed no life. It writes nothing more to the run."""


class Interrupted(Exception):
    """The run stays open and goes on later: the carrier does not answer, or this process ends."""


class Held:
    """A run that this process holds the lease of. All its writes are conditional on the lease."""

    def __init__(self, run: SyncRun, on_progress: Callable[[SyncRun], None] | None = None) -> None:
        self.run = run
        self._on_progress = on_progress

    @property
    def alive_every(self) -> float:
        """Seconds after which who waits calls :meth:`advance`."""
        return lease().total_seconds() / 4

    def advance(self) -> None:
        """Store counts and cursor, and stay alive. Raises :class:`LeaseLost`, or :class:`Interrupted` at the end
        of the process."""
        self.run.lease_until = timezone.now() + lease()
        self._store(lease_until=self.run.lease_until)
        if self._on_progress:
            self._on_progress(self.run)
        if _stopping.is_set():
            self.leave(_("The worker was ended; the run goes on by itself."))
            raise Interrupted

    def finish(self, *, watermark: Any = None) -> None:
        """The run did all of its work."""
        self.run.state, self.run.finished_at, self.run.watermark = SyncRun.State.DONE, timezone.now(), watermark
        self._store(state=self.run.state, finished_at=self.run.finished_at, watermark=watermark, lease_until=None)

    def fail(self, message: str) -> None:
        """The run can't be done; ``message`` says why in plain words."""
        self.run.state, self.run.finished_at = SyncRun.State.FAILED, timezone.now()
        self.run.message = message
        with transaction.atomic():
            self._store(state=self.run.state, finished_at=self.run.finished_at, lease_until=None)
            _tell(self.run)

    def leave(self, message: str) -> None:
        """Give the lease up: whoever comes next goes on from the cursor."""
        self.run.message = message
        self.run.lease_until = timezone.now()
        self._store(lease_until=self.run.lease_until)

    def call(self, function: Callable[[], T]) -> T:
        """``function()``, again after a while when the carrier is away or asks to slow down, a few times.

        Raises :class:`Interrupted` when it stays away; every other error of ``smarthub.errors`` propagates.
        """
        try:
            return self._try(function, TRIES)
        except Transient as error:
            self.leave(_("The carrier does not answer (%(code)s); the run goes on by itself.") % {"code": error.code})
            raise Interrupted from error

    def call_a_little(self, function: Callable[[], T]) -> T:
        """:meth:`call` for what the run can do without: ``Transient`` propagates after one more try."""
        return self._try(function, 2)

    def _try(self, function: Callable[[], T], tries: int) -> T:
        for attempt in range(tries):
            try:
                return function()
            except Transient as error:
                log.warning("sync.waits", run=self.run.pk, error=str(error), attempt=attempt + 1)
                if attempt == tries - 1:
                    raise
                wait = BACKOFF * 2**attempt
                if isinstance(error, RateLimited) and error.retry_after is not None:
                    wait = error.retry_after
                self._wait(min(wait, LONGEST_WAIT))
        raise AssertionError("not reached")

    def _wait(self, seconds: float) -> None:
        while seconds > 0:
            _stopping.wait(min(seconds, self.alive_every))
            seconds -= self.alive_every
            self.advance()

    def _store(self, **values: Any) -> None:
        values.update({name: getattr(self.run, name) for name in _COUNTS})
        ours = SyncRun.objects.filter(pk=self.run.pk, state=SyncRun.State.RUNNING, lease_token=self.run.lease_token)
        if not ours.update(**values):
            raise LeaseLost


def lease() -> timedelta:
    """How long a run counts as alive after it was last heard of (``SYNC_LEASE``)."""
    return timedelta(seconds=settings.CONFIG["SYNC_LEASE"])


def stop_all() -> None:
    """Have the runs of this process stop at their next page, to be gone on with elsewhere."""
    _stopping.set()


def open_run(kind: str) -> SyncRun | None:
    """The run of this kind that is not finished, alive or not."""
    return SyncRun.objects.filter(kind=kind, state=SyncRun.State.RUNNING).first()


def is_alive(run: SyncRun) -> bool:
    """Whether somebody works on it, as far as its lease tells."""
    return (
        run.state == SyncRun.State.RUNNING
        and bool(run.lease_token)
        and run.lease_until is not None
        and run.lease_until > timezone.now()
    )


def ask_for_run(kind: str, *, trigger: str, user: User | None = None) -> tuple[SyncRun, bool]:
    """A row that says that a sync is wanted, for a worker to take; ``False`` when one is open already."""
    for _attempt in range(3):
        run = open_run(kind)
        if run is not None:
            return run, False
        try:
            with transaction.atomic():
                return SyncRun.objects.create(kind=kind, trigger=trigger, requested_by=user), True
        except IntegrityError:
            continue
    raise LeaseLost


def claim(
    kind: str, *, trigger: str, run_id: int | None = None, user: User | None = None
) -> tuple[SyncRun | None, SyncRun | None]:
    """Take the open run of this kind, or a new one: ``(the run, None)``; ``(None, the other)`` when one is alive.

    An interrupted run that began longer than ``SYNC_RESUME_WITHIN`` ago is failed and a new one begun. With
    ``run_id`` only that run is taken, and nothing begun when it is over.
    """
    for _attempt in range(5):
        run = open_run(kind)
        if run_id is not None and (run is None or run.pk != run_id):
            return None, None
        if run is None:
            run, _ = ask_for_run(kind, trigger=trigger, user=user)
        if is_alive(run):
            return None, run
        if run.lease_token and run.started_at < timezone.now() - timedelta(
            seconds=settings.CONFIG["SYNC_RESUME_WITHIN"]
        ):
            _give_up(run)
            run_id = None
            continue
        if _take(run):
            return run, None
    return None, open_run(kind)


def _take(run: SyncRun) -> bool:
    """Take the lease unless somebody was faster."""
    resumed = run.resumed + bool(run.lease_token)
    token, until = str(uuid.uuid4()), timezone.now() + lease()
    taken = SyncRun.objects.filter(
        pk=run.pk, state=SyncRun.State.RUNNING, lease_token=run.lease_token, lease_until=run.lease_until
    ).update(lease_token=token, lease_until=until, resumed=resumed, message="")
    if taken:
        run.lease_token, run.lease_until, run.resumed, run.message = token, until, resumed, ""
    return bool(taken)


def _tell(run: SyncRun) -> None:
    """Tell that a run failed, once an hour for each kind: the change logs are read every minute."""
    now = timezone.now()
    problem = f"{run.get_kind_display()}: {run.message}"
    emit(
        Happening(
            kind="sync_failed",
            key=f"{run.kind} {now:%Y-%m-%d %H}",
            at=now,
            detail={"problem": problem, "run": run.pk, "sync": run.kind},
        )
    )


def _give_up(run: SyncRun) -> None:
    SyncRun.objects.filter(pk=run.pk, state=SyncRun.State.RUNNING, lease_token=run.lease_token).update(
        state=SyncRun.State.FAILED,
        finished_at=timezone.now(),
        message=_("It was interrupted too long ago to go on; a new run was begun."),
    )


def end_restored() -> int:
    """Fail every open run of a database that was restored, so that new ones begin; answers how many.

    Half of a walk that began before the backup tells nothing of what the carrier changed since.
    """
    return SyncRun.objects.filter(state=SyncRun.State.RUNNING).update(
        state=SyncRun.State.FAILED,
        finished_at=timezone.now(),
        lease_until=None,
        message=_("The database was restored from a backup; a new run begins."),
    )


def in_words(error: SmartHubError) -> str:
    """The carrier's refusal for a screen."""
    if error.status in {401, 403}:
        return _("The carrier refuses the portal's key (%(status)s). Check SMARTHUB_API_KEY.") % {
            "status": error.status
        }
    detail = error.detail or ", ".join(dict.fromkeys(error.codes))
    return _("The carrier refused the request: %(detail)s.") % {"detail": detail}


def forget_old() -> int:
    """Delete runs that ended ``SYNC_KEEP_DAYS`` ago; answers how many.

    The newest of each kind and end stays: the next one goes on from it, and pages tell of it.
    """
    newest = SyncRun.objects.order_by().values("kind", "state").annotate(newest=Max("pk")).values("newest")
    before = timezone.now() - timedelta(days=settings.CONFIG["SYNC_KEEP_DAYS"])
    return (
        SyncRun.objects.filter(finished_at__lt=before)
        .exclude(pk__in=list(newest.values_list("newest", flat=True)))
        .delete()[0]
    )
