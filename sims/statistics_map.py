"""The world map of the statistics: countries in five steps of one colour, by equal numbers of countries a step."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from sims.world_map import DOT_RADIUS, VIEW, Outline, outlines

STEPS = 5


@dataclass(frozen=True)
class Place:
    """What the map says of one country."""

    value: int
    label: str
    """``Germany: 1.4 GB, 120 SIMs``."""
    url: str


@dataclass(frozen=True)
class Step:
    """A line of the legend: the smallest and largest value of a colour, and how many countries have it."""

    level: int
    low: int
    high: int
    countries: int


@dataclass(frozen=True)
class WorldMap:
    """The map as SVG, its legend from the palest step on, and the codes that it has no place for."""

    svg: SafeString
    legend: list[Step]
    unplaced: list[str]


def draw(places: Mapping[str, Place], title: str) -> WorldMap:
    """The map of ``places`` by country code. In it a country with a value is a link, the one with most first."""
    shapes = outlines()
    known = {code: shapes[code.upper()] for code in places if code.upper() in shapes}
    level_of, legend = levels({code: place.value for code, place in places.items()})
    order = sorted(known, key=lambda code: -places[code].value)
    shown = {code.upper() for code in known}
    rest = "".join(outline.path for code, outline in shapes.items() if code not in shown)
    countries = format_html_join(
        "\n",
        '<a href="{}" class="map-{}" aria-label="{}"><title>{}</title>{}</a>',
        (
            (
                places[code].url,
                level_of(places[code].value),
                places[code].label,
                places[code].label,
                _shape(known[code]),
            )
            for code in order
        ),
    )
    # Not role="img": that would hide the links in it from those who hear the page.
    svg = format_html(
        '<svg class="world-map" viewBox="{} {} {} {}" role="group" aria-label="{}"><path d="{}"/>{}</svg>',
        *VIEW,
        title,
        rest,
        countries,
    )
    return WorldMap(svg, legend, [code for code in places if code not in known])


def levels(values: Mapping[str, int]) -> tuple[Callable[[int], int], list[Step]]:
    """What tells the level of a value, 1 to 5 and 0 for nothing, and the legend of the levels in use.

    Each step has as many countries as the others, as far as equal values allow; fewer values make fewer steps.
    """
    ranked = sorted(value for value in values.values() if value > 0)
    different = sorted(set(ranked))
    few = len(different) <= STEPS
    lows = different if few else sorted({ranked[number * len(ranked) // STEPS] for number in range(STEPS)})
    # Few steps are spread over the colours, so that they are told apart.
    level_at = [STEPS if len(lows) == 1 else 1 + round(at * (STEPS - 1) / (len(lows) - 1)) for at in range(len(lows))]

    def level_of(value: int) -> int:
        at = bisect_right(lows, value) - 1
        return level_at[at] if value > 0 and at >= 0 else 0

    legend = []
    for level in level_at:
        members = [value for value in ranked if level_of(value) == level]
        legend.append(Step(level, members[0], members[-1], len(members)))
    return level_of, legend


def _shape(outline: Outline) -> SafeString:
    path = format_html('<path d="{}"/>', outline.path) if outline.path else SafeString("")
    if outline.dot is None:
        return path
    x, y = outline.dot
    return mark_safe(f'{path}<circle cx="{x}" cy="{y}" r="{DOT_RADIUS}"/>')  # noqa: S308 - numbers of ours
