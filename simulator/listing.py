"""Which SIMs match a filter, counted by block: any page of a million SIMs without walking the pages before it."""

from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate

BLOCK = 2048
GONE = 255


class Listing:
    """Keys (one byte per index) of the fleet, and the SIMs added later, both in the order of their giccids."""

    def __init__(self, keys: bytearray) -> None:
        self.keys = keys
        self._blocks = [Counter(keys[at : at + BLOCK]) for at in range(0, len(keys), BLOCK)]
        self._prefixes: dict[tuple[int, ...], list[int]] = {}
        self.totals: Counter[int] = sum(self._blocks, Counter())

    def move(self, index: int, key: int) -> None:
        """Give a SIM another key; ``GONE`` hides it from every filter."""
        old = self.keys[index]
        if old == key:
            return
        block = self._blocks[index // BLOCK]
        block[old] -= 1
        block[key] += 1
        self.totals[old] -= 1
        self.totals[key] += 1
        self.keys[index] = key
        for filters in [f for f in self._prefixes if (old in f) != (key in f)]:
            del self._prefixes[filters]

    def _prefix(self, filters: tuple[int, ...]) -> list[int]:
        """How many match up to and with each block."""
        if filters not in self._prefixes:
            if len(self._prefixes) > 100:
                self._prefixes.clear()
            counts = (sum(block[key] for key in filters) for block in self._blocks)
            self._prefixes[filters] = list(accumulate(counts))
        return self._prefixes[filters]

    def count(self, filters: tuple[int, ...]) -> int:
        """How many match."""
        prefix = self._prefix(filters)
        return prefix[-1] if prefix else 0

    def rank(self, filters: tuple[int, ...], index: int) -> int:
        """How many match before an index."""
        block, within = divmod(index, BLOCK)
        before = self._prefix(filters)[block - 1] if block else 0
        wanted = set(filters)
        return before + sum(1 for key in self.keys[block * BLOCK : block * BLOCK + within] if key in wanted)

    def select(self, filters: tuple[int, ...], offset: int, limit: int) -> list[int]:
        """Indices of the matches from the ``offset``-th on, ``limit`` at most."""
        prefix = self._prefix(filters)
        block = bisect_right(prefix, offset)
        if block >= len(prefix) or limit <= 0:
            return []
        skip = offset - (prefix[block - 1] if block else 0)
        table = bytes(1 if key in filters else 0 for key in range(256))
        found: list[int] = []
        at, end = block * BLOCK, 0
        while at < len(self.keys) and len(found) < limit:
            end = min(at + BLOCK, len(self.keys))
            marks = self.keys[at:end].translate(table)
            position = marks.find(1)
            while position >= 0 and len(found) < limit:
                if skip:
                    skip -= 1
                else:
                    found.append(at + position)
                position = marks.find(1, position + 1)
            at = end
        return found


class Added:
    """SIMs that are not of the seed's fleet, kept in the order of their giccids."""

    def __init__(self) -> None:
        self.giccids: list[str] = []

    def add(self, giccid: str) -> None:
        """Take a giccid in."""
        at = bisect_left(self.giccids, giccid)
        if at == len(self.giccids) or self.giccids[at] != giccid:
            insort(self.giccids, giccid)

    def remove(self, giccid: str) -> None:
        """Forget a giccid."""
        if giccid in self.giccids:
            self.giccids.remove(giccid)


def merged(ranks: Sequence[int], offset: int, limit: int) -> tuple[int, int, dict[int, int]]:
    """Where added SIMs fall on a page of the whole list.

    ``ranks`` says, per added SIM in order, how many of the fleet's matches stand before it. Gives the offset and the
    number of the fleet's own SIMs on the page, and the place on the page of each added one (place to its number).
    """
    places = {rank + n: n for n, rank in enumerate(ranks)}
    before = sum(1 for place in places if place < offset)
    on_page = {place - offset: n for place, n in places.items() if offset <= place < offset + limit}
    return offset - before, limit - len(on_page), on_page
