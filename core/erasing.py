"""Erasing personal data: what ``manage.py erase_personal_data`` does with what the apps say they hold.

Each app's ``services/erasing.py`` answers :class:`Part`\\ s, in words of the database. A part's rows are those that
still hold something, so a run that was killed is simply begun again, and a second run finds nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Model, Q, QuerySet, TextField
from django.db.models.functions import Cast

from core import exports
from core.models import Export

CHUNK = 500
"""Rows of one transaction: nobody waits long for a lock."""
ERASED = "[erased]"
"""Stands in a text where something was; shorter than what it stands for."""


@dataclass(frozen=True)
class Subject:
    """Whom or what it is about."""

    sims: tuple[int, ...] = ()
    """Keys of rows of the mirror."""
    giccids: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    """IMSI, MSISDN, IMEI, as digits: cut out of every text that holds them."""


@dataclass(frozen=True)
class Part:
    """Rows of one table that hold personal data, and how it leaves them."""

    what: str
    """Which columns, in words for the person who runs it."""
    rows: QuerySet[Any]
    """Those that still hold some."""
    erase: Callable[[Sequence[Any]], None]
    """Does it for some of them, which are locked, in the caller's transaction."""
    waits: QuerySet[Any] | None = None
    """Those that the portal still works with: they keep it until that is over."""

    @property
    def table(self) -> str:
        """The name in the database."""
        return self.rows.model._meta.db_table


def run(part: Part) -> int:
    """Erase it, in short transactions; answers of how many rows."""
    done, last = 0, None
    while True:
        with transaction.atomic():
            left = part.rows.order_by("pk").select_for_update(of=("self",))
            rows = list((left if last is None else left.filter(pk__gt=last))[:CHUNK])
            if not rows:
                return done
            part.erase(rows)
        done, last = done + len(rows), rows[-1].pk


def setting(**values: Any) -> Callable[[Sequence[Model]], None]:
    """An ``erase`` that gives the columns these values."""

    def erase(rows: Sequence[Model]) -> None:
        type(rows[0])._default_manager.filter(pk__in=[row.pk for row in rows]).update(**values)

    return erase


def delete(rows: Sequence[Model]) -> None:
    """An ``erase`` that takes the rows away."""
    type(rows[0])._default_manager.filter(pk__in=[row.pk for row in rows]).delete()


def changing(fields: Sequence[str], change: Callable[[Any], None]) -> Callable[[Sequence[Model]], None]:
    """An ``erase`` that has ``change`` set ``fields`` of each row."""

    def erase(rows: Sequence[Model]) -> None:
        for row in rows:
            change(row)
        type(rows[0])._default_manager.bulk_update(rows, fields)

    return erase


def cutting(
    model: type[Model],
    fields: Iterable[str],
    texts: Sequence[str],
    only: Q = Q(),  # noqa: B008 - never changed
    *,
    what: str = "the numbers in them",
    letters: str = "0-9",
) -> list[Part]:
    """The part of ``model`` whose texts or JSON ``fields`` hold one of ``texts`` by itself, which is cut out; none
    without texts. By itself is what has none of ``letters`` beside it. ``only`` narrows the rows. No index helps: the
    table is read once."""
    fields = list(fields)
    if not texts:
        return []
    among = "|".join(re.escape(text) for text in texts)
    rows = model._default_manager.filter(only).alias(**{f"{f}_text": Cast(f, TextField()) for f in fields})
    holds = Q()
    for field in fields:
        holds |= Q(**{f"{field}_text__regex": rf"(^|[^{letters}])({among})([^{letters}]|$)"})
    pattern = re.compile(rf"(?<![{letters}])(?:{among})(?![{letters}])")

    def change(row: Any) -> None:
        for field in fields:
            setattr(row, field, _cut(getattr(row, field), pattern))

    return [Part(f"{', '.join(fields)}: {what}", rows.filter(holds), changing(fields, change))]


def _cut(value: Any, pattern: re.Pattern[str]) -> Any:
    if isinstance(value, str):
        return pattern.sub(ERASED, value)
    if isinstance(value, dict):
        return {_cut(name, pattern): _cut(inner, pattern) for name, inner in value.items()}
    if isinstance(value, list):
        return [_cut(inner, pattern) for inner in value]
    if isinstance(value, int) and not isinstance(value, bool) and pattern.fullmatch(str(value)):
        return ERASED
    return value


def downloads(**only: Any) -> Part:
    """Files that were made of lists, or those with ``only``: whose rows are in them nobody knows, so they go whole.

    They last days at most, and are made anew with a click.
    """

    def remove(rows: Sequence[Any]) -> None:
        for export in rows:
            exports.remove(export)

    return Part("the files themselves, and what they were asked for", Export.objects.filter(**only), remove)
