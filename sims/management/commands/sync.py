"""``manage.py sync --full|--changes``: bring the mirror up to date, from a terminal or a script."""

from __future__ import annotations

import signal
import time
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from sims.models import SyncRun
from sims.services import sync, sync_runs
from sims.services.sync import End, Ended

_WIDTH = 30
_LOOK_EVERY = 0.5
_LINE_EVERY = 5.0
FAILED, INTERRUPTED, BUSY = 1, 2, 3


class Command(BaseCommand):
    """Runs a sync in this process. Goes on with an interrupted run; joins in watching one that is alive elsewhere.

    Exit code 0: done; 1: failed; 2: interrupted, to be gone on with later; 3: one is alive elsewhere (--no-wait).
    """

    help = (
        "Read the carrier's SIMs into the portal: all of them, what the change logs name, or what stands around them."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Exactly one kind."""
        kinds = parser.add_mutually_exclusive_group(required=True)
        for kind, text in (
            (SyncRun.Kind.FULL, "every SIM the carrier lists"),
            (SyncRun.Kind.CHANGES, "the change logs since the last time, and the SIMs they name"),
            (SyncRun.Kind.REFERENCE, "accounts, plans and pools"),
            (SyncRun.Kind.STATISTICS, "usage by country and month, of the accounts known"),
        ):
            kinds.add_argument(f"--{kind}", dest="kind", action="store_const", const=str(kind), help=text)
        parser.add_argument("--no-wait", action="store_true", help="do not watch a run that is alive elsewhere")

    def handle(self, *args: Any, kind: str, no_wait: bool = False, **options: Any) -> None:
        """Run, print the counts, set the exit code."""
        if getattr(self, "_called_from_command_line", False):
            signal.signal(signal.SIGTERM, _interrupt)
        progress = Progress(self.stderr)
        try:
            ended = sync.run(kind, trigger="command", on_progress=progress.show)
        except KeyboardInterrupt:
            progress.close()
            raise CommandError(_("Interrupted. The next run goes on from here."), returncode=INTERRUPTED) from None
        if ended.end == End.BUSY:
            ended = self._watch(ended, progress, no_wait=no_wait)
        progress.close()
        run = ended.run
        if ended.end == End.DONE and run is not None:
            self.stdout.write(counts(run))
            if run.message:
                self.stderr.write(run.message)
            return
        message = run.message if run is not None else ""
        code = INTERRUPTED if ended.end == End.INTERRUPTED else FAILED
        raise CommandError(message or _("The sync did not end."), returncode=code)

    def _watch(self, ended: Ended, progress: Progress, *, no_wait: bool) -> Ended:
        run = ended.run
        if run is None or no_wait:
            raise CommandError(_("A sync of this kind is at work in another process."), returncode=BUSY)
        self.stderr.write(_("A sync of this kind is at work in another process; this is its progress."))
        while True:
            run.refresh_from_db()
            progress.show(run)
            if run.state != SyncRun.State.RUNNING:
                return Ended(End.DONE if run.state == SyncRun.State.DONE else End.FAILED, run)
            if not sync_runs.is_alive(run):
                return sync.run(run.kind, trigger="command", on_progress=progress.show)
            time.sleep(_LOOK_EVERY)


class Progress:
    """One line that is written over on a terminal; a line now and then elsewhere."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._is_terminal = bool(getattr(stream, "isatty", lambda: False)())
        self._began = time.monotonic()
        self._written = float("-inf")
        self._read_before: int | None = None

    def show(self, run: SyncRun) -> None:
        """Show how far ``run`` is."""
        now = time.monotonic()
        if self._read_before is None:
            self._read_before = run.read
        if now - self._written < (0.1 if self._is_terminal else _LINE_EVERY):
            return
        self._written = now
        rate = (run.read - self._read_before) / max(now - self._began, 0.001)
        total = f" of {run.total:,}" if run.total is not None else ""
        text = (
            f"{run.read:,}{total} read, {run.changed:,} changed, {run.new:,} new, {run.errors:,} errors, {rate:,.0f}/s"
        )
        if self._is_terminal:
            share = min(1.0, run.read / run.total) if run.total else 0.0
            bar = ("#" * int(share * _WIDTH)).ljust(_WIDTH, ".")
            self._stream.write(f"\r\x1b[K[{bar}] {share:4.0%} {text}", ending="")
            self._stream.flush()
        else:
            self._stream.write(text)

    def close(self) -> None:
        """Leave the line."""
        if self._is_terminal:
            self._stream.write("\r\x1b[K", ending="")
            self._stream.flush()


def counts(run: SyncRun) -> str:
    """The result in one line."""
    seconds = (run.finished_at - run.started_at).total_seconds() if run.finished_at else 0.0
    return (
        f"{run.kind}: {run.read:,} read, {run.changed:,} changed, {run.new:,} new, {run.missing:,} missing, "
        f"{run.errors:,} errors in {seconds:.1f} s"
    )


def _interrupt(signum: int, frame: FrameType | None) -> None:
    """Being ended gives the lease up, as Ctrl-C does, so that the next run need not wait for it."""
    raise KeyboardInterrupt
