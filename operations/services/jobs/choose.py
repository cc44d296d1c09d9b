"""What was chosen, as lines that may mean a SIM each. Nobody's SIMs but the user's own are found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from core.bulk import among, fetching_ahead
from operations import identifiers
from operations.models import BatchJob, BatchLine, Operation
from sims.filters import SimFilterSet
from sims.models import Sim
from sims.selectors.sims import list_sims
from staff.models import User
from staff.scopes import scoped

PART = 2_000
"""Lines that are looked up and stored together."""

Outcome = BatchLine.Outcome

RETRIED = (Operation.State.FAILED, Operation.State.EXPIRED)


class Unusable(Exception):
    """The selection can't be taken; ``str()`` says why, ``field`` is where it was given."""

    def __init__(self, sentence: str, field: str = "") -> None:
        self.field = field
        super().__init__(sentence)


@dataclass(slots=True)
class Chosen:
    """One line: what was given, and what it means."""

    text: str
    outcome: str = Outcome.FOUND
    note: str = ""
    sim_id: int | None = None
    candidates: list[str] = field(default_factory=list)
    params: dict[str, Any] = field(default_factory=dict)


def of_lines(
    lines: Sequence[identifiers.Line], user: User, alive: Callable[[], None] | None = None
) -> Iterator[list[Chosen]]:
    """Text and files, by the identifier reader; ``alive`` as there."""
    resolved = identifiers.resolve(list(lines), user, alive=alive)
    if len(resolved) > settings.CONFIG["BATCH_MAX_LINES"]:
        # Ranges become as many lines as they have SIMs.
        raise Unusable(too_many())
    for start in range(0, len(resolved), PART):
        yield [
            Chosen(one.text, one.outcome, one.note, one.sim_id, list(one.candidates))
            for one in resolved[start : start + PART]
        ]


def of_giccids(giccids: Sequence[str], user: User) -> Iterator[list[Chosen]]:
    """Ticked rows. One that is not there (any more) is a line that was not found."""
    unique = list(dict.fromkeys(giccids))
    for start in range(0, len(unique), PART):
        part = unique[start : start + PART]
        sims = scoped(Sim.objects.filter(among("giccid", part)), user)
        with fetching_ahead(len(part)):
            keys = dict(sims.values_list("giccid", "pk"))
        yield [
            Chosen(giccid, sim_id=keys[giccid])
            if giccid in keys
            else Chosen(giccid, Outcome.NOT_FOUND, _("No SIM that you may see has this giccid."))
            for giccid in part
        ]


def of_matching(found: Sequence[tuple[str, int]]) -> Iterator[list[Chosen]]:
    """What :func:`matching` answered."""
    for start in range(0, len(found), PART):
        yield [Chosen(giccid, sim_id=pk) for giccid, pk in found[start : start + PART]]


def of_failed(parent: BatchJob) -> Iterator[list[Chosen]]:
    """The SIMs that failed or expired in ``parent``, each with the parameters it had there."""
    yield from _of_operations(parent, RETRIED, own_params=True)


def of_done(parent: BatchJob) -> Iterator[list[Chosen]]:
    """The SIMs that ``parent`` changed."""
    yield from _of_operations(parent, (Operation.State.DONE,), own_params=False)


def matching(query: QueryDict, user: User) -> list[tuple[str, int]]:
    """giccid and key of every SIM that the list shows for ``query``. Raises :class:`Unusable`, also for too many."""
    filters = SimFilterSet(data=query, queryset=list_sims(user), request=None)
    if filters.problems:
        raise Unusable(" ".join(filters.problems))
    if filters.hint:
        # A text that is too short to look for would mean every SIM.
        raise Unusable(str(filters.hint))
    most = settings.CONFIG["BATCH_MAX_LINES"]
    # Sorted here: asked for an order and a limit, a database may read the whole fleet in that order.
    found = list(filters.qs.order_by().values_list("giccid", "pk")[: most + 1])
    if len(found) > most:
        raise Unusable(too_many())
    return sorted(found)


def list_query(query: QueryDict) -> str:
    """``query`` with nothing but the list's own filters, to be stored."""
    kept = QueryDict(mutable=True)
    for name in SimFilterSet.base_filters:
        values = [value for value in query.getlist(name) if value]
        if values:
            kept.setlist(name, values)
    return kept.urlencode()


def too_many() -> str:
    """The sentence for more than a job takes."""
    most = settings.CONFIG["BATCH_MAX_LINES"]
    return ngettext(
        "A job takes %(number)s SIM at most. Please narrow the choice, or split it.",
        "A job takes %(number)s SIMs at most. Please narrow the choice, or split it.",
        most,
    ) % {"number": f"{most:,}"}


def _of_operations(parent: BatchJob, states: Iterable[str], *, own_params: bool) -> Iterator[list[Chosen]]:
    rows = Operation.objects.filter(job=parent, state__in=list(states)).order_by("pk")
    last = 0
    while part := list(rows.filter(pk__gt=last).values_list("pk", "sim_id", "sim__giccid", "params")[:PART]):
        last = part[-1][0]
        yield [
            Chosen(giccid, sim_id=sim_id, params=params if own_params else {}) for _pk, sim_id, giccid, params in part
        ]
