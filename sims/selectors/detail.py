"""What the page of a SIM asks about it in one statement (:mod:`core.facts`), so that it reads only what there is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import Exists, QuerySet

from core.facts import SUBJECT
from core.prepared import kept
from sims.models import Note, Sim, SimTag, Subscription

NOTES, TAGS, SUBSCRIPTIONS = "sims.notes", "sims.tags", "sims.subscriptions"

QUESTIONS: dict[str, Callable[[Any], Exists]] = {
    NOTES: lambda _user: Exists(Note.objects.filter(sim=SUBJECT)),
    TAGS: lambda _user: Exists(SimTag.objects.filter(sim=SUBJECT)),
    SUBSCRIPTIONS: lambda _user: Exists(Subscription.objects.filter(sim=SUBJECT)),
}
"""Whether there are any."""


def subscriptions(sim: Sim) -> list[Subscription]:
    """The supplementary plans of a SIM, the newest first."""
    return _subscriptions().models([(SUBJECT, sim.pk)])


@kept
def _subscriptions() -> QuerySet[Subscription]:
    held = Subscription.objects.filter(sim=SUBJECT).select_related("plan").defer("plan__raw")
    return held.order_by("-activated_at", "-id")
