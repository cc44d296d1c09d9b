"""Numbers in few bytes: how days, hours and cycles stand in the columns of ``SimUsage`` and ``UsageMonth``.

A row of numbers is packed with as many bits for each as the largest needs, so a day of some megabytes takes three
bytes and a silent month next to none. Days and cycles are exact; hours are shares of an exact sum.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

MOST = 2**62
"""No number is larger: what a carrier tells beyond that is no usage."""


@dataclass(frozen=True)
class Cycle:
    """A billing cycle that ended: its first day, the bytes read last, and the quota (``None``: none told)."""

    day: int
    total: int
    quota: int | None


@dataclass
class Month:
    """What one SIM has in a closed month. ``days`` count from ``first`` (0 is the first of the month)."""

    first: int = 0
    days: list[int] = field(default_factory=list)
    """Bytes times two, plus one where the day is an estimate."""
    total: int | None = None
    """Bytes of the whole month, where the days were given up; else ``None``."""
    cycles: list[Cycle] = field(default_factory=list)


def pack(numbers: Sequence[int]) -> bytes:
    """Numbers from 0 to :data:`MOST` times two, as a count, a width in bits, and the bits."""
    if not numbers:
        return b""
    width = max(numbers).bit_length()
    bits = 0
    for number in reversed(numbers):
        bits = bits << width | number
    out = bytearray()
    _put(out, len(numbers))
    out.append(width)
    return bytes(out) + bits.to_bytes((width * len(numbers) + 7) // 8, "little")


def unpack(packed: bytes | memoryview) -> list[int]:
    """The numbers of :func:`pack`; none of empty bytes. SQLite and PostgreSQL hand bytes out in different types."""
    return _unpack(bytes(packed), 0)[0]


def pack_hours(hours: Sequence[int]) -> bytes:
    """The hours of a day: their exact sum, and a byte for each that says its share of it.

    Between two readings hours are spread evenly anyway, and this column is written with every reading.
    """
    most = max(hours, default=0)
    if not most:
        return b""
    out = bytearray()
    _put(out, sum(hours))
    shares = hours if most < 256 else [(hour * 255 + most // 2) // most for hour in hours]
    return bytes(out) + bytes(shares).rstrip(b"\0")


def unpack_hours(packed: bytes | memoryview) -> list[int]:
    """24 hours whose sum is that of those packed."""
    if not packed:
        return [0] * 24
    data = bytes(packed)
    total, at = _take(data, 0)
    shares = data[at:]
    whole, given, summed, hours = sum(shares), 0, 0, []
    for share in shares:
        summed += share
        hours.append(total * summed // whole - given)
        given += hours[-1]
    return hours + [0] * (24 - len(hours))


def pack_cycles(cycles: Iterable[Cycle]) -> bytes:
    """Cycles one behind the other."""
    out = bytearray()
    for cycle in cycles:
        for number in (cycle.day, cycle.total, 0 if cycle.quota is None else cycle.quota + 1):
            _put(out, number)
    return bytes(out)


def unpack_cycles(packed: bytes | memoryview) -> list[Cycle]:
    """The cycles of :func:`pack_cycles`."""
    data, at, cycles = bytes(packed), 0, []
    while at < len(data):
        day, at = _take(data, at)
        total, at = _take(data, at)
        quota, at = _take(data, at)
        cycles.append(Cycle(day, total, quota - 1 if quota else None))
    return cycles


def pack_months(months: dict[int, Month]) -> bytes:
    """A block: the month of each SIM by its place in the block."""
    out = bytearray()
    for place in sorted(months):
        month = months[place]
        body = bytearray([month.first | (0x80 if month.total is not None else 0)])
        if month.total is not None:
            _put(body, month.total)
        else:
            body += pack(month.days) or b"\0"
        body += pack_cycles(month.cycles)
        out.append(place)
        _put(out, len(body))
        out += body
    return bytes(out)


def unpack_months(packed: bytes | memoryview) -> dict[int, Month]:
    """The months of :func:`pack_months`."""
    data, at, months = bytes(packed), 0, {}
    while at < len(data):
        place = data[at]
        length, at = _take(data, at + 1)
        months[place] = _month(data[at : at + length])
        at += length
    return months


def unpack_month(packed: bytes | memoryview, place: int) -> Month | None:
    """The month of one SIM of a block, without reading the others; ``None`` when it has none there."""
    data, at = bytes(packed), 0
    while at < len(data):
        found = data[at]
        length, at = _take(data, at + 1)
        if found == place:
            return _month(data[at : at + length])
        at += length
    return None


def unpack_ended_cycles(packed: bytes | memoryview, places: Collection[int]) -> dict[int, list[Cycle]]:
    """The cycles of those SIMs of a block that are at ``places`` and have some, without unpacking any days."""
    data, at, found = bytes(packed), 0, {}
    while at < len(data):
        place = data[at]
        length, at = _take(data, at + 1)
        if place in places:
            start, end = at + 1, at + length
            if data[at] & 0x80:
                _total, start = _take(data, start)
            else:
                start = _end_of_numbers(data, start)
            if start < end:
                found[place] = unpack_cycles(data[start:end])
        at += length
    return found


def _month(body: bytes) -> Month:
    if body[0] & 0x80:
        total, at = _take(body, 1)
        return Month(body[0] & 0x7F, [], total, unpack_cycles(body[at:]))
    days, at = _unpack(body, 1)
    return Month(body[0], days, None, unpack_cycles(body[at:]))


def _unpack(data: bytes, at: int) -> tuple[list[int], int]:
    """The numbers that begin at ``at``, and where they end."""
    if at >= len(data) or not data[at]:
        return [], at + 1
    count, at = _take(data, at)
    width = data[at]
    end = at + 1 + (width * count + 7) // 8
    bits, mask = int.from_bytes(data[at + 1 : end], "little"), (1 << width) - 1
    return [bits >> width * n & mask for n in range(count)], end


def _end_of_numbers(data: bytes, at: int) -> int:
    """Where numbers that begin at ``at`` end."""
    if not data[at]:
        return at + 1
    count, at = _take(data, at)
    return at + 1 + (data[at] * count + 7) // 8


def _put(out: bytearray, number: int) -> None:
    """Seven bits a byte, the lowest first; the highest bit says that more come."""
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)


def _take(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7
