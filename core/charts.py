"""Charts of every page: what one is made of, as JSON for ``static/js/charts.js`` and as a table for everybody.

``{% chart chart %}`` (``{% load portal %}``) draws one. Numbers stand in the page exactly; the script only draws.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from core.templatetags.portal import bytes_tag, data_unit, or_dash

Number = int | float
Text = str | Promise


@dataclass(frozen=True)
class Series:
    """One row of figures, as many as the chart has labels; ``None`` where there is none."""

    label: Text
    values: Sequence[Number | None]
    look: Literal["bar", "line", "dashed"] = "bar"
    """``dashed`` is for what is no measurement: quotas, projections."""
    marks: Sequence[bool] = ()
    """Which figures are estimates: hatched, and said in the table."""


@dataclass(frozen=True)
class Limit:
    """A level to compare with, as a dashed line across the chart."""

    label: Text
    value: Number


@dataclass(frozen=True)
class Chart:
    """A chart with its title and unit. ``name`` is unique in the page and made of letters, digits and hyphens."""

    name: str
    title: Text
    labels: Sequence[Text]
    series: Sequence[Series]
    unit: Text = ""
    """``bytes`` for data; else a word that stands behind the figures, or nothing."""
    axis: Text = ""
    """What the labels are, as the head of the table's first column; days unless told."""
    limits: Sequence[Limit] = ()
    stacked: bool = False
    names: bool = False
    """Whether the labels are names of which none may be left out, rather than days in a row."""
    note: Text = ""
    """A sentence below the title, also told to those who can't see the chart."""

    @property
    def is_empty(self) -> bool:
        """Whether there is no figure at all."""
        return all(value is None for series in self.series for value in series.values)

    @property
    def is_flat(self) -> bool:
        """Whether every figure is 0, so that a sentence tells more than a picture."""
        return not any(value for series in self.series for value in series.values)

    @property
    def data(self) -> dict[str, Any]:
        """What the script gets."""
        return {
            "unit": str(self.unit),
            "base": data_unit(),
            "stacked": self.stacked,
            "names": self.names,
            "labels": [str(label) for label in self.labels],
            "series": [
                {
                    "label": str(series.label),
                    "look": series.look,
                    "values": list(series.values),
                    "marks": list(series.marks),
                }
                for series in self.series
            ],
            "limits": [{"label": str(limit.label), "value": limit.value} for limit in self.limits],
        }

    @property
    def data_id(self) -> str:
        """The id of the element that holds the data."""
        return f"chart-{self.name}"

    @property
    def heads(self) -> list[Text]:
        """The heads of the table's columns."""
        return [self.axis or _("Day"), *(series.label for series in self.series)]

    def rows(self) -> Iterator[tuple[Text, list[tuple[SafeString | str | object, bool]]]]:
        """The table: each label with its figures, and whether a figure is an estimate."""
        for number, label in enumerate(self.labels):
            yield (
                label,
                [
                    (self.shown(series.values[number]), bool(series.marks and series.marks[number]))
                    for series in self.series
                ],
            )

    def shown(self, value: Number | None) -> SafeString | str | object:
        """A figure for people: bytes in a unit with the exact number as a tooltip."""
        if value is None:
            return or_dash(None)
        if self.unit == "bytes":
            return bytes_tag(int(value))
        text = number_format(value, decimal_pos=None if isinstance(value, int) else 2, force_grouping=True)
        return f"{text} {self.unit}".strip()
