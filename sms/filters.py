"""The filters of the list of conversations."""

from __future__ import annotations

from typing import Any

from django.db.models import Max, Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from core.badges import MESSAGE_STATES
from core.filters import Choices, FilterSet, ManyFilter, SearchFilter
from sims.models import Sim
from sims.selectors import search
from sims.selectors.sims import account_names
from sms.models import Message

SEARCHED_TEXTS = 20_000
"""Newest messages whose text is looked through: a bounded read, however many there are."""


def _find(queryset: QuerySet[Any], text: str) -> QuerySet[Any]:
    """By any part of an identifier of the SIM, or by words in one of the newest messages."""
    query = search.understand(text)
    if not query.terms:
        return queryset.none()
    sims = search.find(Sim.objects.all(), query).values("pk")
    newest = Message.objects.aggregate(newest=Max("pk"))["newest"] or 0
    said = Message.objects.filter(pk__gt=newest - SEARCHED_TEXTS, text__icontains=text.strip())
    return queryset.filter(Q(sim__in=sims) | Q(sim__in=said.values("sim_id")))


def _accounts(request: HttpRequest) -> Choices:
    return [(name, name) for name in account_names(request.user)[:500]]


class ConversationFilter(FilterSet):
    """``q`` (identifier of the SIM, or words of a message), ``state`` and ``direction`` of the newest message,
    ``account``."""

    q = SearchFilter(find=_find)
    state = ManyFilter(
        label=_("State"),
        condition=lambda v: Q(state__in=v),
        choices=[(value, badge.label) for value, badge in MESSAGE_STATES.items()],
    )
    direction = ManyFilter(
        label=_("Direction"), condition=lambda v: Q(last__direction__in=v), choices=Message.Direction.choices
    )
    account = ManyFilter(label=_("Account"), condition=lambda v: Q(sim__account_id__in=v), choices=_accounts)

    @property
    def hint(self) -> str:  # type: ignore[override]  # worked out here
        """Says why nothing is found for one or two letters."""
        text = str(self.data.get("q", "")).strip()
        return str(_("Type at least three characters.")) if text and not search.understand(text).terms else ""
