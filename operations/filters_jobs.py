"""The filters of the list of batch jobs, and of the lines of one."""

from __future__ import annotations

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from core.badges import MESSAGE_STATES
from core.filters import Choices, FilterSet, Group, ManyFilter, SearchFilter
from operations.filters import _LARGEST_ID, _people, _when, _who
from operations.job_outcomes import Outcome, with_outcome, with_reason
from operations.job_summary import reasons_of
from operations.kinds import KINDS
from operations.models import BatchJob, BatchLine, Operation
from sims.models import Sim
from sims.selectors import search

WHEN = [
    ("1h", _("In the last hour")),
    ("24h", _("In the last 24 hours")),
    ("7d", _("In the last 7 days")),
    ("30d", _("In the last 30 days")),
]


def _find_job(queryset: QuerySet[BatchJob], text: str) -> QuerySet[BatchJob]:
    """By ticket, or by number."""
    text = text.strip()
    found = Q(ticket__iexact=text)
    digits = text.removeprefix("#")
    if digits.isascii() and digits.isdigit() and int(digits) <= _LARGEST_ID:
        found |= Q(pk=int(digits))
    return queryset.filter(found)


class JobFilter(FilterSet):
    """``q`` (ticket or number), ``state``, ``kind``, ``who`` (user name), ``when``."""

    q = SearchFilter(find=_find_job)
    state = ManyFilter(label=_("State"), condition=lambda v: Q(state__in=v), choices=BatchJob.State.choices)
    kind = ManyFilter(label=_("Kind"), condition=lambda v: Q(kind__in=v), choices=Operation.Kind.choices)
    who = ManyFilter(label=_("Who"), condition=_who, choices=_people)
    when = ManyFilter(label=_("Made"), condition=_when, choices=WHEN)


def _find_line(queryset: QuerySet[BatchLine], text: str) -> QuerySet[BatchLine]:
    """By any part of an identifier of the SIM, or of what was given."""
    found = Q(text__icontains=text.strip())
    query = search.understand(text)
    if query.terms:
        found |= Q(sim__in=search.find(Sim.objects.all(), query).values("pk"))
    return queryset.filter(found)


def _reasons(request: HttpRequest) -> Choices:
    match = request.resolver_match
    return reasons_of(match.kwargs["pk"]) if match is not None else []


def _messages(states: list[str]) -> Q:
    return KINDS[Operation.Kind.SEND_SMS].lines_with_message(states)


class LineFilter(FilterSet):
    """``q`` (identifier), ``outcome`` (of the SIM, or how the line was read), ``reason`` (code), ``message`` (state of
    the message, where the job sends some)."""

    q = SearchFilter(find=_find_line)
    outcome = ManyFilter(
        label=_("Outcome"),
        condition=with_outcome,
        choices=[
            *Outcome.choices,
            (BatchLine.Outcome.REPAIRED, BatchLine.Outcome.REPAIRED.label),
            (BatchLine.Outcome.AMBIGUOUS, BatchLine.Outcome.AMBIGUOUS.label),
            (BatchLine.Outcome.NOT_FOUND, BatchLine.Outcome.NOT_FOUND.label),
            (BatchLine.Outcome.DUPLICATE, BatchLine.Outcome.DUPLICATE.label),
        ],
    )
    reason = ManyFilter(label=_("Reason"), condition=with_reason, choices=_reasons)
    message = ManyFilter(
        label=_("Message"),
        condition=_messages,
        labels={state: badge.label for state, badge in MESSAGE_STATES.items()},
    )

    def groups(self, *, whole: bool = False) -> list[Group]:
        """Without the state of the message, to which the counts of the page lead."""
        return [group for group in super().groups(whole=whole) if group.name != "message"]
