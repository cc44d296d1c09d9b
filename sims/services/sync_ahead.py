"""The carrier's list, fetched in a thread: the next pages come while those before are written."""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from django.utils import timezone

from sims.services import link
from sims.services.mirror import AT_ONCE
from sims.services.reading import Received
from sims.services.sync_pages import Pages
from smarthub import SmartHub
from smarthub.contract import Page

MOST_PAGES = 10
"""So many pages are fetched and not taken, at most: as many does a walk that is killed read again."""

SWITCH = 0.001
"""Seconds after which the thread that computes lets the other one go on. With Python's own 5 ms, each answer of the
database waits as long as that for the thread that fetches, which is longer than most statements take."""


@dataclass(frozen=True)
class Fetched:
    """A page of the list, and the place to go on from after it."""

    page: Page[dict[str, Any]]
    sims: list[Received]
    cursor: dict[str, Any]
    is_last: bool
    ended_early: bool


class Ahead:
    """Fetches the pages of the list one after the other, and never more than it may be ahead.

    Use it with ``with``: the thread has ended when the block is left, however it is left. The thread does not touch
    the database, and tries nothing twice: what goes wrong is raised by :meth:`take`, behind the pages before it, and
    the next :meth:`take` has the same page asked for again.
    """

    def __init__(self, client: SmartHub, pages: Pages) -> None:
        self.makes: Callable[[Received], object] | None = None
        """What the writing will want of each SIM that comes next, probably: made here, while the database works."""
        self._client = client
        self._pages = pages
        self._lock = threading.Condition()
        self._ready: list[Fetched] = []
        self._problems: deque[tuple[str, bool]] = deque()
        self._error: BaseException | None = None
        self._waits = True
        self._is_over = False
        self._thread = threading.Thread(target=self._run, name="pages-ahead", daemon=True)

    def take(self, meanwhile: Callable[[], None], every: float) -> list[Fetched]:
        """The pages that are there, at least one; calls ``meanwhile`` every so many seconds of waiting for it.

        Raises what fetching raised: errors of ``smarthub.errors``, ``ListBroken``. Not after the last page.
        """
        while True:
            with self._lock:
                self._waits = False
                self._lock.notify_all()
                self._lock.wait_for(lambda: self._ready or self._error, every)
                ready, self._ready = self._ready, []
                error = None
                if not ready:
                    error, self._error = self._error, None
                    self._waits = error is not None
                self._lock.notify_all()
            while self._problems:
                problem, slowed = self._problems.popleft()
                link.note(problem, slowed=slowed)
            if ready:
                return ready
            if error is not None:
                raise error
            meanwhile()

    def __enter__(self) -> Ahead:
        self._switches = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with self._lock:
            self._is_over = True
            self._lock.notify_all()
        self._thread.join()
        sys.setswitchinterval(self._switches)

    def _run(self) -> None:
        with link.told_to(lambda problem, slowed: self._problems.append((problem, slowed))):
            while self._may_fetch():
                try:
                    self._fetch()
                except BaseException as error:  # noqa: BLE001 # raised again where the walk is
                    with self._lock:
                        self._error = error
                        self._lock.notify_all()

    def _may_fetch(self) -> bool:
        """Wait until another page is wanted; ``False`` when none is any more."""
        with self._lock:
            self._lock.wait_for(lambda: self._is_over or self._has_room())
            return not self._is_over

    def _has_room(self) -> bool:
        rows = sum(len(fetched.sims) for fetched in self._ready)
        return not self._waits and self._error is None and len(self._ready) < MOST_PAGES and rows < AT_ONCE

    def _fetch(self) -> None:
        asked_at = timezone.now()
        page = self._client.list_sims_unread(page=self._pages.page, size=self._pages.size)
        sims = [Received(raw, asked_at) for raw in page.data]
        if self.makes is not None:
            for received in sims:
                # What can't be read is found out again where it is told.
                with suppress(Exception):
                    self.makes(received)
        is_last = False
        try:
            is_last = self._pages.took(page)
        finally:
            # Also the page that says that the list is broken is read.
            fetched = Fetched(page, sims, self._pages.as_cursor(), is_last, self._pages.ended_early)
            with self._lock:
                self._ready.append(fetched)
                self._is_over = self._is_over or is_last
                self._lock.notify_all()
