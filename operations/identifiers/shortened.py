"""Ranges whose first number is written short, ``898…040-060``: written out when they can mean only one thing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from django.db.models import Max, Min
from django.db.models.functions import Length, Right, Substr
from django.utils.translation import gettext as _

from operations.identifiers.lines import LONGEST, Line
from sims.models import Sim

MOST = 5
"""Different ones in a choice that are looked for: each reads all giccids that begin so, which may be all there are."""
GICCID_LENGTHS = (19, 20)


def shortened(start: str, first: str, until: str, text: str) -> Line:
    """The line of all giccids that begin with ``start`` and end with ``first`` to ``until``."""
    if len(until) > len(first) or len(start) + len(first) > LONGEST:
        return Line(0, text, problem=_in_full())
    last = first[: len(first) - len(until)] + until
    if last < first:
        return Line(0, text, problem=_("The range ends before it begins."))
    return Line(0, text, digits=first, until=last, start=start)


def written_out(lines: Sequence[Line]) -> Sequence[Line]:
    """``lines`` with the shortened ones as ranges of whole giccids, or with the reason why they can't be that.

    One query for each different one. All SIMs count, also those that the user may not see: what may mean
    another's number is not taken for one of theirs.
    """
    if not any(line.start for line in lines):
        return lines
    stems: dict[tuple[str, str, str], tuple[str | None, str]] = {}
    result = []
    for line in lines:
        if line.start:
            key = (line.start, line.digits, line.until)
            if key not in stems:
                stems[key] = _stem(*key) if len(stems) < MOST else (None, _in_full())
            line = _with_stem(line, *stems[key])
        result.append(line)
    return result


def _stem(start: str, first: str, until: str) -> tuple[str | None, str]:
    """What stands before the last digits in every giccid that is meant; ``None`` and why, when that is not one text."""
    tail = len(first)
    meant = Sim.objects.filter(giccid__gte=start, giccid__lte=start.ljust(LONGEST, "9"))
    found = (
        meant.annotate(digits=Length("giccid"), last=Right("giccid", tail))
        .filter(digits__in=GICCID_LENGTHS, last__gte=first, last__lte=until)
        .annotate(stem=Substr("giccid", 1, Length("giccid") - tail))
        .aggregate(least=Min("stem"), most=Max("stem"))
    )
    if found["least"] is None:
        return None, _("No SIM begins and ends so.")
    if found["least"] != found["most"]:
        return None, _("The shortened number may stand for several.") + " " + _in_full()
    return str(found["least"]), ""


def _with_stem(line: Line, stem: str | None, problem: str) -> Line:
    if stem is None:
        return Line(line.number, line.text, problem=problem)
    return replace(line, digits=stem + line.digits, until=stem + line.until, start="")


def _in_full() -> str:
    return _("Please give the first giccid of the range in full.")
