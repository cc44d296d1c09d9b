"""SIMs by state, side by side in one bar."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

WIDTH = 1000
_LEAST = 4.0
"""What little there is can be seen."""

_TONES = {
    "ACTIVATED": "ok",
    "DEACTIVATED": "warn",
    "INVENTORY": "neutral",
    "TEST_READY": "info",
    "RETIRED": "off",
}


@dataclass(frozen=True)
class Segment:
    """A piece of the bar, in thousandths of its width, as text for SVG."""

    status: str
    tone: str
    sims: int
    start: str
    width: str


def segments(counts: Mapping[str, int]) -> list[Segment]:
    """The pieces of a bar of these SIMs by state, in their order; nothing for none."""
    shown = {status: sims for status, sims in counts.items() if sims > 0}
    total = sum(shown.values())
    wide = {status: max(_LEAST, WIDTH * sims / total) for status, sims in shown.items()}
    scale = WIDTH / sum(wide.values()) if wide else 1.0
    pieces, start = [], 0.0
    for status, sims in shown.items():
        width = wide[status] * scale
        pieces.append(Segment(status, _TONES.get(status, "other"), sims, f"{start:.2f}", f"{width:.2f}"))
        start += width
    return pieces
