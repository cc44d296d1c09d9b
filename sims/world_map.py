"""Outlines of the world's countries as SVG, made once a process from the map of ``pygal_maps_world``.

Nothing of that package is run: its one SVG (Robinson's projection, a group for each country by its ISO code) is read.
Curves become lines and lines lose the points that can't be seen, so that a page carries some 60 kB of them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

from defusedxml import ElementTree

Point = tuple[float, float]
Matrix = tuple[float, float, float, float, float, float]

_PACKAGE, _FILE = "pygal_maps_world", "worldmap.svg"
_SVG = "{http://www.w3.org/2000/svg}"
_SCALE = 2000 / 2754
_WHOLE: Matrix = (_SCALE, 0.0, 0.0, _SCALE, 30 * _SCALE, -61 * _SCALE)
"""From the package's drawing, whose corner is at -30, 61, to 2,000 units of width."""
HEIGHT = 880
"""Of this map; the Antarctic lies below it."""
VIEW = (90, 0, 1900, HEIGHT)
"""The part of it that has land: left, top, width and height."""
_NOT_SHOWN = frozenset({"AQ", "TF", "HM", "BV", "GS"})
_TOLERANCE = 0.9
"""How far a line may lie from the one it stands for, in units: half a pixel of a wide window."""
_LEAST_RING = 3.0
"""Islands of a country that are smaller than this, in either direction, are left out beside larger ones."""
DOT_RADIUS = 5
_PARTS = re.compile(r"[A-Za-z]|-?\d*\.?\d+(?:e-?\d+)?")
_ARGUMENTS = {"m": 2, "l": 2, "h": 1, "v": 1, "c": 6, "s": 4, "q": 4, "t": 2, "a": 7}


@dataclass(frozen=True)
class Outline:
    """A country. ``path`` is the ``d`` of an SVG path, relative and in whole units."""

    code: str
    path: str
    dot: tuple[int, int] | None = None
    """Centre of the circle that stands for a country which is too small to be seen."""


@lru_cache(maxsize=1)
def outlines() -> dict[str, Outline]:
    """Every country of the map by its code in upper case. Takes a third of a second, once."""
    tree = ElementTree.parse(_drawing())
    found = {}
    for group in tree.iter(f"{_SVG}g"):
        code = (group.get("class") or "").partition(" ")[0].upper()
        if len(code) == 2 and code not in _NOT_SHOWN:
            rings, dot = _read(group, _WHOLE)
            outline = Outline(code, _path(rings), dot)
            if outline.path or outline.dot:
                found[code] = outline
    return found


def _read(element: Any, matrix: Matrix) -> tuple[list[list[Point]], tuple[int, int] | None]:
    """The rings below an element and the centre of the last circle, as ``matrix`` places them."""
    matrix = _within(matrix, element.get("transform") or "")
    if element.tag == f"{_SVG}path":
        return [[_placed(point, matrix) for point in ring] for ring in _rings(element.get("d") or "")], None
    if element.tag == f"{_SVG}circle":
        x, y = _placed((float(element.get("cx") or 0), float(element.get("cy") or 0)), matrix)
        return [], (round(x), round(y))
    rings, dot = list[list[Point]](), None
    for child in element:
        more, centre = _read(child, matrix)
        rings += more
        dot = centre or dot
    return rings, dot


def _within(outer: Matrix, transform: str) -> Matrix:
    """``outer`` with the ``matrix(…)`` or ``translate(…)`` of an element inside it."""
    numbers = [float(number) for number in _PARTS.findall(transform.partition("(")[2])]
    if transform.startswith("translate"):
        numbers = [1, 0, 0, 1, *numbers, 0][:6]
    if len(numbers) != 6:
        return outer
    a, b, c, d, e, f = numbers
    (x, y), (x0, y0) = _placed((e, f), outer), _placed((0, 0), outer)
    (xa, ya), (xc, yc) = _placed((a, b), outer), _placed((c, d), outer)
    return xa - x0, ya - y0, xc - x0, yc - y0, x, y


def _drawing() -> Path:
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(_PACKAGE)
    return Path(spec.origin).with_name(_FILE)


def _placed(point: Point, matrix: Matrix) -> Point:
    a, b, c, d, e, f = matrix
    return a * point[0] + c * point[1] + e, b * point[0] + d * point[1] + f


def _rings(d: str) -> Iterator[list[Point]]:
    """The closed lines of a path as it stands in the drawing; of its curves the ends alone."""
    ring: list[Point] = []
    at: Point = (0.0, 0.0)
    start = at
    for command, numbers in _steps(d):
        if command in "Zz":
            at = start
            continue
        at = _end(command, numbers, at)
        if command in "Mm":
            if ring:
                yield ring
            ring, start = [], at
        ring.append(at)
    if ring:
        yield ring


def _steps(d: str) -> Iterator[tuple[str, list[float]]]:
    """Each command with the numbers of one step of it."""
    command, numbers = "", list[float]()
    for part in _PARTS.findall(d):
        if part.isalpha():
            command = part
            if part in "Zz":
                yield part, []
            continue
        numbers.append(float(part))
        if len(numbers) == _ARGUMENTS[command.lower()]:
            yield command, numbers
            numbers = []
            # Further pairs after a move are lines.
            command = {"m": "l", "M": "L"}.get(command, command)


def _end(command: str, numbers: list[float], at: Point) -> Point:
    relative = command.islower()
    if command in "Hh":
        return (at[0] * relative + numbers[0], at[1])
    if command in "Vv":
        return (at[0], at[1] * relative + numbers[0])
    return (at[0] * relative + numbers[-2], at[1] * relative + numbers[-1])


def _path(rings: list[list[Point]]) -> str:
    """What of the rings can be seen, as a path; nothing for no ring at all."""
    rings = [ring for ring in rings if len(ring) > 2 and min(y for _x, y in ring) < HEIGHT]
    if not rings:
        return ""
    largest = max(rings, key=_extent)
    seen = [ring for ring in rings if ring is largest or _extent(ring) >= _LEAST_RING]
    return "".join(_written(_simplified(ring)) for ring in seen)


def _extent(ring: list[Point]) -> float:
    xs, ys = [x for x, _y in ring], [y for _x, y in ring]
    return max(max(xs) - min(xs), max(ys) - min(ys))


def _simplified(ring: list[Point]) -> list[Point]:
    """Douglas and Peucker's way, from the ring's first point to the one farthest from it and back."""
    far = max(range(len(ring)), key=lambda index: math.dist(ring[0], ring[index]))
    kept = {0, far}
    closed = [*ring, ring[0]]
    parts = [(0, far), (far, len(ring))]
    while parts:
        first, last = parts.pop()
        if last - first < 2:
            continue
        index = max(range(first + 1, last), key=lambda at: _distance(closed[at], closed[first], closed[last]))
        if _distance(closed[index], closed[first], closed[last]) > _TOLERANCE:
            kept.add(index)
            parts += [(first, index), (index, last)]
    return [ring[index] for index in sorted(kept)]


def _distance(point: Point, start: Point, end: Point) -> float:
    length = math.dist(start, end)
    if not length:
        return math.dist(point, start)
    across = (end[0] - start[0]) * (start[1] - point[1]) - (start[0] - point[0]) * (end[1] - start[1])
    return abs(across) / length


def _written(ring: list[Point]) -> str:
    """``M10 20l3-4 5 6z``: rounded first, so that steps don't drift."""
    points = [(round(x), round(y)) for x, y in ring]
    steps = []
    for before, after in pairwise(points):
        step = (after[0] - before[0], after[1] - before[1])
        if step != (0, 0):
            steps.append(f"{step[0]}{'' if step[1] < 0 else ' '}{step[1]}")
    # A minus parts two numbers as well as a space does.
    lines = "".join(f"{'' if step.startswith('-') or not number else ' '}{step}" for number, step in enumerate(steps))
    return f"M{points[0][0]} {points[0][1]}l{lines}z" if lines else ""
