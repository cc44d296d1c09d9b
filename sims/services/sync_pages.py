"""Going through a list of the carrier that moves while one reads it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import structlog
from django.db import DataError, IntegrityError

from sims.services import mirror
from sims.services.mirror import ApplyResult, Source
from sims.services.reading import Received
from smarthub.contract import Page

log = structlog.get_logger(__name__)

_MOST_IDLE_PAGES = 5


class ListBroken(Exception):
    """The carrier's pages contradict each other so much that the end of the list can't be told."""


class Pages:
    """Which page to ask for next. Counts in rows, for the size of a page is the carrier's and may change.

    Where page sizes change or the list gets shorter, rows are read twice rather than left out.
    """

    def __init__(self, cursor: dict[str, Any], page_size: int) -> None:
        """Go on from ``cursor`` (:meth:`as_cursor`), or begin."""
        self.offset: int = cursor.get("offset", 0)
        self.size: int = cursor.get("size") or page_size
        self.total: int | None = cursor.get("total")
        self._idle = 0
        self._latest: Sequence[Any] = ()
        self.ended_early = False
        """Whether the list ended before its total said so."""

    def as_cursor(self) -> dict[str, Any]:
        """The place to go on from, as JSON."""
        return {"offset": self.offset, "size": self.size, "total": self.total}

    @property
    def page(self) -> int:
        """The page to ask for, counted in :attr:`size`: the one that holds the next row."""
        return self.offset // self.size

    def took(self, page: Page[Any]) -> bool:
        """Note a page that was read; whether it was the last. Raises :class:`ListBroken`."""
        received = len(page.data) + len(page.unreadable)
        self.size = self._real_size(page, received)
        start = page.page * self.size
        before = self.offset
        if start <= self.offset and received:
            self.offset = max(self.offset, start + self.size)
        if page.total is not None:
            self._step_back(page.total, received)
            self.total = page.total
            # A total below what has come is no word about the end, as long as the pages are full.
            wrong = start + received > page.total and received >= self.size
            last = start <= before and start + self.size >= page.total and not wrong
        else:
            # Without a size told, a short page may be as much as the carrier gives at a time.
            last = start <= before and (not received or (page.size_told and received < self.size))
        went_on = self.offset > before and page.data != self._latest
        self._latest = page.data
        self._idle = 0 if went_on else self._idle + 1
        if not last and self._idle > _MOST_IDLE_PAGES:
            if received:
                raise ListBroken
            # Nothing comes any more, whatever the total says. What was not listed is not gone by that.
            last = self.ended_early = True
        return last

    def _real_size(self, page: Page[Any], received: int) -> int:
        """The size that the carrier counts in: as told; else as asked, unless it gave less of what there is."""
        size = page.size if page.size > 0 else self.size
        if page.size_told or not 0 < received < size:
            return size
        is_rest = page.total is not None and page.page * size + received >= page.total
        return size if is_rest else received

    def _step_back(self, total: int, received: int) -> None:
        """Rows that left the list before our place pulled unread ones across it."""
        if self.total is not None and total < self.total:
            self.offset = max(0, self.offset - min(self.total - total, received // 2))


def apply_pages(pages: Sequence[Sequence[Received]], *, source: Source) -> tuple[ApplyResult, int]:
    """Apply pages in few transactions; a SIM that the database refuses costs that SIM only. Answers how many those
    were, too."""
    result, refused = ApplyResult(), 0
    for chunk in mirror.chunks(pages):
        applied, errors = _apply(chunk, source)
        result += applied
        refused += errors
    return result, refused


def _apply(chunk: list[Received], source: Source) -> tuple[ApplyResult, int]:
    """A chunk that is refused is halved until the one SIM is found that is to blame."""
    try:
        return mirror.apply_chunk(chunk, source=source), 0
    except (DataError, IntegrityError, ValueError, TypeError, OverflowError) as error:
        if len(chunk) == 1:
            log.warning("sync.sim_refused", giccid=chunk[0].giccid, error=type(error).__name__)
            return ApplyResult(), 1
        log.warning("sync.chunk_refused", error=type(error).__name__, rows=len(chunk))
    middle = len(chunk) // 2
    (first, some), (second, others) = _apply(chunk[:middle], source), _apply(chunk[middle:], source)
    return first + second, some + others
