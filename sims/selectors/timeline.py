"""Reading the timeline and the notes of a SIM."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any

from django.db.models import Q, QuerySet

from core.expressions import RowCompare
from core.paging import KeptPages, Order, Page, decode
from core.prepared import NUMBER, found_for, kept_for
from sims.models import Note, RatePlan, Sim, TimelineEvent
from sims.selectors.sims import AnyUser
from staff.scopes import scoped

ORDER = Order("at", ("at", "id"), descending=True)
"""Newest first."""

NOTES_SHOWN = 20
HEAD_LIMIT = 200
"""The most entries that a live page keeps up to date at its top."""


def timeline(
    user: AnyUser, sim: Sim, kinds: Collection[str] = (), before: datetime | None = None
) -> QuerySet[TimelineEvent]:
    """Events of ``sim`` that ``user`` may see, of these kinds (all of them when none is named), older than ``before``.

    In no order: page it with :data:`ORDER`.
    """
    events = scoped(sim.events.select_related("actor"), user, account="sim__account_id")
    if kinds:
        events = events.filter(kind__in=kinds)
    return events.filter(at__lt=before) if before is not None else events


def page_of(user: AnyUser, sim: Sim, kinds: Collection[str] = (), *, after: str = "", size: int) -> Page[TimelineEvent]:
    """A page of :func:`timeline`. Raises :class:`~core.paging.BadCursor`."""
    kinds, any_sim = sorted(kinds), Sim(pk=NUMBER)
    name = ("sims.timeline", *kinds, size)
    kept = kept_for(user, name, lambda: KeptPages(timeline(user, any_sim, kinds), ORDER, size=size))
    page = kept.page(after=after, subject=sim.pk)
    for event in page.rows:
        event.sim = sim
    return page


def head(events: QuerySet[TimelineEvent], until: str) -> QuerySet[TimelineEvent]:
    """Of ``events`` those from the newest down to the one of the cursor ``until``; all without one. Sorted.

    Raises :class:`~core.paging.BadCursor`.
    """
    ordered = events.order_by("-at", "-id")
    if until:
        columns = {field.name: field for field in TimelineEvent._meta.concrete_fields}
        fields = [columns["at"], columns["id"]]
        ordered = ordered.filter(RowCompare(ORDER.expressions(), decode(until, ORDER, fields), ">="))
    return ordered[:HEAD_LIMIT]


_VERSIONED = ("id", "at", "from_value", "to_value", "outcome", "operation_id", "log_time", "push_key", "observed_at")


def version(events: QuerySet[TimelineEvent]) -> str:
    """A short text that differs when any of ``events`` does. One query."""
    return _digest(list(events.select_related(None).values_list(*_VERSIONED, "detail__operation_state")))


def version_of(events: Sequence[TimelineEvent]) -> str:
    """The same of events that were read already."""
    values = attrgetter(*_VERSIONED)
    details = (event.detail if isinstance(event.detail, dict) else {} for event in events)
    states = [detail.get("operation_state") for detail in details]
    return _digest([(*values(event), state) for event, state in zip(events, states, strict=True)])


def _digest(rows: list[tuple[Any, ...]]) -> str:
    return hashlib.blake2b(repr(rows).encode(), digest_size=8).hexdigest()


def reason_of_state(user: AnyUser, sim: Sim) -> TimelineEvent | None:
    """The event that brought ``sim`` into the state it is in; ``None`` when it came before the portal looked."""
    events = timeline(user, sim, [TimelineEvent.Kind.STATUS])
    return events.filter(to_value=sim.status, outcome=TimelineEvent.Outcome.SUCCESS).order_by("-at", "-id").first()


def brought_its_state(event: TimelineEvent, sim: Sim) -> bool:
    """Whether ``event``, the newest such one, is the reason of the state of ``sim``."""
    is_change = event.kind == TimelineEvent.Kind.STATUS and event.outcome == TimelineEvent.Outcome.SUCCESS
    return is_change and event.to_value == sim.status


def notes(user: AnyUser, sim: Sim) -> list[Note]:
    """The newest notes on ``sim``; older ones stand in the timeline."""
    return found_for(user, _notes, sim.pk)


def _notes(user: AnyUser) -> QuerySet[Note]:
    notes = Note.objects.filter(sim=NUMBER).select_related("author")
    return scoped(notes, user, account="sim__account_id").order_by("-id")[:NOTES_SHOWN]


def plan_names(codes: Collection[str]) -> dict[str, str]:
    """Names of rate plans by code, of those that have one."""
    return dict(RatePlan.objects.filter(~Q(name=""), code__in=set(codes)).values_list("code", "name"))
