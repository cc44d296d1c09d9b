"""What a job's page says in figures: groups of changes, refusals and failures, cost, time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from django.db.models import Count, F, Value
from django.db.models.functions import Coalesce, NullIf
from django.utils import timezone
from django.utils.translation import gettext as _

from core.filters import Choices
from operations.job_outcomes import BY_STATE, OF_A_SIM, Outcome
from operations.models import BatchJob, BatchLine, Operation

GROUPS = 8
"""Lines of a summary; what is beyond is said in one word."""

CAP = 10_000
"""Failed operations that are grouped; more would make the live page slow, and the reasons are seen by then."""

ENOUGH = timedelta(seconds=5)
"""How long a job has to run before its rate means anything."""

_FAILED = [state for state, outcome in BY_STATE.items() if outcome in (Outcome.FAILED, Outcome.UNKNOWN)]


@dataclass(frozen=True)
class Change:
    """So many SIMs from one value to another."""

    before: str
    after: str
    number: int


@dataclass(frozen=True)
class Reason:
    """So many SIMs for one reason."""

    code: str
    sentence: str
    number: int


@dataclass(frozen=True)
class Cost:
    """What the SIMs that change cost a month, in one currency."""

    currency: str
    before: Decimal
    after: Decimal

    @property
    def change(self) -> Decimal:
        """Above zero where it becomes more."""
        return self.after - self.before


@dataclass(frozen=True)
class Progress:
    """How far a job is. ``rate`` in SIMs a second and ``left`` are ``None`` where nobody can tell."""

    total: int
    ended: int
    rate: float | None
    left: timedelta | None

    @property
    def percent(self) -> int:
        """Rounded down, so that 100 is all of it."""
        return self.ended * 100 // self.total if self.total else 0


@dataclass(frozen=True)
class Segment:
    """One piece of the stacked bar, in thousandths of its width."""

    outcome: str
    start: float
    width: float


def changes_of(job: BatchJob) -> tuple[list[Change], int]:
    """The largest groups of changes, and how many SIMs are in none of them."""
    rows = (
        BatchLine.objects.filter(job=job, eligible=True, outcome__in=OF_A_SIM)
        .values_list("from_value", "to_value")
        .annotate(number=Count("pk"))
        .order_by("-number", "from_value")[:GROUPS]
    )
    groups = [Change(before, after, number) for before, after, number in rows]
    return groups, max(0, job.eligible - sum(group.number for group in groups))


def refusals_of(job: BatchJob) -> list[Reason]:
    """Why SIMs are refused, the most frequent reason first."""
    rows = (
        BatchLine.objects.filter(job=job, eligible=False, outcome__in=OF_A_SIM)
        .values_list("refusal_code", "refusal")
        .annotate(number=Count("pk"))
        .order_by("-number", "refusal_code")[:GROUPS]
    )
    return [Reason(code, sentence, number) for code, sentence, number in rows]


def line_counts(job: BatchJob) -> dict[str, int]:
    """How many lines were read in which way; every way of reading is there."""
    counted = dict(
        BatchLine.objects.filter(job=job).values_list("outcome").annotate(number=Count("pk")).order_by("outcome")
    )
    return {outcome: counted.get(outcome, 0) for outcome in BatchLine.Outcome.values}


def failures_of(job: BatchJob) -> list[Reason]:
    """Why SIMs failed, or are unclear, the most frequent reason first; of the first :data:`CAP` of them."""
    if not job.failed and not job.unknown:
        return []
    some = Operation.objects.filter(job=job, state__in=_FAILED).order_by().values("pk")[:CAP]
    rows = (
        Operation.objects.filter(pk__in=some)
        .annotate(why=_CODE)
        .values_list("why", "message")
        .annotate(number=Count("pk"))
        .order_by("-number", "why")[:GROUPS]
    )
    return [Reason(code, message or _("No reason was given."), number) for code, message, number in rows]


_CODE: Any = Coalesce(NullIf(F("carrier_code"), Value("")), F("state"))


def reasons_of(job_id: int) -> Choices:
    """Codes to filter a job's lines by, with words for those that have some."""
    refused = BatchLine.objects.filter(job=job_id, eligible=False).exclude(refusal_code="")
    codes = list(refused.values_list("refusal_code", flat=True).order_by("refusal_code").distinct()[:50])
    some = Operation.objects.filter(job=job_id, state__in=_FAILED).order_by().values("pk")[:CAP]
    failed = Operation.objects.filter(pk__in=some).annotate(why=_CODE)
    codes += list(failed.values_list("why", flat=True).order_by("why").distinct()[:50])
    words = reason_words()
    return [(code, words.get(code, code)) for code in dict.fromkeys(codes)]


def reason_words() -> dict[str, str]:
    """Words for the portal's own codes; the carrier's stand as it writes them."""
    return {
        "state": _("State does not allow it"),
        "open_operation": _("Another operation is open"),
        "permission": _("Not permitted"),
        "already_so": _("Already so"),
        "missing": _("Not listed by the carrier"),
        "plan": _("Plan not of its account"),
        "changed_since": _("Changed since"),
        "text": _("Text does not fit"),
        **{str(value): str(label) for value, label in Operation.State.choices},
    }


def costs_of(job: BatchJob) -> list[Cost]:
    """Cost before and after, by currency."""
    currencies = sorted({*job.cost_before, *job.cost_after})
    return [Cost(c, _amount(job.cost_before.get(c)), _amount(job.cost_after.get(c))) for c in currencies]


def _amount(value: object) -> Decimal:
    try:
        return Decimal(str(value or 0))
    except InvalidOperation:
        return Decimal(0)


def progress_of(job: BatchJob) -> Progress:
    """From the job's columns alone. The rate is that since its start, pauses and waits included."""
    ended = job.succeeded + job.failed + job.unknown
    total = ended + job.pending
    rate = left = None
    if job.started_at is not None and ended:
        length = (job.finished_at or timezone.now()) - job.started_at
        if length >= ENOUGH or job.finished_at is not None:
            rate = ended / max(length.total_seconds(), 0.1)
        if rate and job.state == BatchJob.State.RUNNING and job.pending:
            left = timedelta(seconds=round(job.pending / rate))
    return Progress(total, ended, rate, left)


def segments_of(job: BatchJob) -> list[Segment]:
    """The pieces of the bar: what succeeded, failed and is unclear; the rest is still to come."""
    total = job.succeeded + job.failed + job.unknown + job.pending
    pieces, start = [], 0.0
    for outcome in (Outcome.SUCCEEDED, Outcome.FAILED, Outcome.UNKNOWN):
        number: int = getattr(job, outcome.value)
        if number and total:
            width = 1000 * number / total
            pieces.append(Segment(outcome.value, start, width))
            start += width
    return pieces
