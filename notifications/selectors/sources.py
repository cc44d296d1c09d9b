"""Reading the push sources with what came from each lately."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import Count, Max
from django.utils import timezone

from notifications.models import Push, PushSource
from notifications.selectors.pushes import list_pushes
from staff.models import User

DAY = timedelta(days=1)
MOST_COUNTED = 200_000
"""Newest pushes that are looked at for the counts of a day, so that the page is quick in a flood, too."""


@dataclass(frozen=True)
class SourceView:
    """A source and its last day: pairs of state and number, in the order of the states."""

    source: PushSource
    counts: list[tuple[str, int]]

    @property
    def overlaps(self) -> bool:
        """Whether the token before the present one is still good."""
        until = self.source.previous_until
        return until is not None and until > timezone.now()


def list_sources(user: User | AnonymousUser | AbstractBaseUser) -> list[SourceView]:
    """All sources by name; counted are the pushes that ``user`` may see."""
    counts = _counts(user)
    return [SourceView(source, counts[source.pk]) for source in PushSource.objects.order_by("name")]


def get_source(user: User | AnonymousUser | AbstractBaseUser, pk: int) -> SourceView:
    """One of them; raises :class:`PushSource.DoesNotExist`."""
    source = PushSource.objects.get(pk=pk)
    return SourceView(source, _counts(user, source)[source.pk])


def _counts(
    user: User | AnonymousUser | AbstractBaseUser, source: PushSource | None = None
) -> dict[int, list[tuple[str, int]]]:
    newest = Push.objects.aggregate(newest=Max("pk"))["newest"] or 0
    pushes = list_pushes(user).filter(pk__gt=newest - MOST_COUNTED, received_at__gte=timezone.now() - DAY)
    if source is not None:
        pushes = pushes.filter(source=source)
    found: dict[int, dict[str, int]] = defaultdict(dict)
    for source_id, state, number in pushes.order_by().values_list("source_id", "state").annotate(Count("pk")):
        found[source_id][state] = number
    ordered: dict[int, list[tuple[str, int]]] = defaultdict(list)
    for source_id, by_state in found.items():
        ordered[source_id] = [(state, by_state[state]) for state in Push.State.values if state in by_state]
    return ordered
