"""Writing a plan: the lines with their verdicts, and what the job says of all of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from decimal import Decimal
from operator import attrgetter
from typing import Any

from django.db import transaction
from django.utils import timezone

from core.bulk import among
from operations.models import BatchAccount, BatchJob, BatchLine
from operations.services.jobs.choose import Chosen
from operations.services.jobs.eligibility import Checked, Checker
from operations.services.jobs.lines import Draft, read_lines, store_lines
from sims.models import Sim

PART = 2_000

_verdict = attrgetter("eligible", "refusal_code", "refusal", "params", "from_value", "to_value")


class _Totals:
    """What the job keeps of all its lines."""

    def __init__(self) -> None:
        self.lines = self.eligible = self.refused = 0
        self.accounts: set[str] = set()
        self.before: dict[str, Decimal] = defaultdict(Decimal)
        self.after: dict[str, Decimal] = defaultdict(Decimal)

    def add(self, checked: Checked) -> None:
        """One SIM more."""
        if checked.sim is not None:
            self.accounts.add(checked.sim.account_id)
        if checked.code:
            self.refused += 1
            return
        self.eligible += 1
        for cost, sums in ((checked.cost_before, self.before), (checked.cost_after, self.after)):
            if cost is not None:
                sums[cost[0]] += cost[1]

    def keep(self, job: BatchJob) -> None:
        """Write them into the job's row, which is a finished plan from now on."""
        with transaction.atomic():
            values: dict[str, Any] = {
                "lines": self.lines,
                "eligible": self.eligible,
                "refused": self.refused,
                "cost_before": {currency: str(cost) for currency, cost in self.before.items()},
                "cost_after": {currency: str(cost) for currency, cost in self.after.items()},
                "planned_at": timezone.now(),
                "next_step_at": None,
                "lease_until": None,
            }
            BatchJob.objects.filter(pk=job.pk).update(**values)
            for name, value in values.items():
                setattr(job, name, value)
            job.accounts.exclude(account_name__in=self.accounts).delete()
            BatchAccount.objects.bulk_create(
                [BatchAccount(job=job, account_name=name) for name in sorted(self.accounts)], ignore_conflicts=True
            )


class Writer:
    """Takes the chosen lines part by part, then the whole. Each call belongs into a transaction."""

    def __init__(self, job: BatchJob) -> None:
        self.job = job
        self.checker = Checker(job, job.actor)
        self.totals = _Totals()

    def write(self, part: Sequence[Chosen]) -> None:
        """Check and store some lines; a fixed number of queries."""
        verdicts = iter(self.checker.check([(one.sim_id, one.params) for one in part if one.sim_id is not None]))
        self.totals.accounts |= _accounts_of_candidates([one.candidates for one in part])
        lines = []
        for number, one in enumerate(part, self.totals.lines + 1):
            line = Draft(
                job_id=self.job.pk,
                number=number,
                text=one.text[:200],
                outcome=one.outcome,
                note=one.note[:300],
                candidates=one.candidates,
                sim_id=one.sim_id,
            )
            if one.sim_id is not None:
                checked = next(verdicts)
                take_verdict(line, checked, self.job)
                self.totals.add(checked)
            lines.append(line)
        store_lines(lines)
        self.totals.lines += len(lines)

    def finish(self) -> None:
        """The plan is made."""
        self.totals.keep(self.job)


def add_sim(job: BatchJob, line: BatchLine) -> None:
    """A line means a SIM now that it did not mean before; ``job`` is locked by the caller, who counts anew."""
    checked = Checker(job, job.actor).check([(line.sim_id or 0, {})])[0]
    take_verdict(line, checked, job)
    line.save()
    if checked.sim is not None:
        BatchAccount.objects.get_or_create(job=job, account_name=checked.sim.account_id)
    if not checked.code:
        for cost, sums in ((checked.cost_before, job.cost_before), (checked.cost_after, job.cost_after)):
            if cost is not None:
                sums[cost[0]] = str(Decimal(sums.get(cost[0], "0")) + cost[1])
        job.save(update_fields=["cost_before", "cost_after"])


def take_verdict(line: BatchLine | Draft, checked: Checked, job: BatchJob) -> None:
    """Put what the check said into the line. Parameters are its own only where they are not the job's."""
    line.eligible = not checked.code
    line.refusal_code = checked.code
    line.refusal = checked.sentence[:300]
    line.params = checked.params if checked.params != job.params else {}
    line.from_value = checked.from_value
    line.to_value = checked.to_value


def recheck_lines(job: BatchJob, *, keep: Callable[[BatchJob], bool] | None = None) -> dict[str, int]:
    """Check all lines that mean a SIM again; write those whose verdict is another, and the totals.

    ``keep`` is asked before each part whether to go on. Answers how many came to be ``eligible`` or ``refused``,
    and of how many the change is another (``changed``).
    """
    checker = Checker(job, job.actor)
    totals = _Totals()
    changes = {"eligible": 0, "refused": 0, "changed": 0}
    totals.lines = job.lines
    last = 0
    while part := read_lines(job, after=last, most=PART):
        last = part[-1].number
        with transaction.atomic():
            if keep is not None and not keep(job):
                return changes
            _recheck_part(job, part, checker, totals, changes)
    totals.keep(job)
    return changes


def _recheck_part(
    job: BatchJob, part: Sequence[Draft], checker: Checker, totals: _Totals, changes: dict[str, int]
) -> None:
    lines = [line for line in part if line.sim_id is not None]
    totals.accounts |= _accounts_of_candidates([line.candidates for line in part])
    other = []
    own = job.source == BatchJob.Source.RETRY
    wanted = [(line.sim_id or 0, line.params if own else {}) for line in lines]
    for line, checked in zip(lines, checker.check(wanted), strict=True):
        totals.add(checked)
        was, was_eligible = _verdict(line), line.eligible
        take_verdict(line, checked, job)
        if was == _verdict(line):
            continue
        # Who else holds the SIM may be another operation by now: that is not news.
        if was_eligible != line.eligible:
            changes["eligible" if line.eligible else "refused"] += 1
        elif line.eligible:
            changes["changed"] += 1
        other.append(line)
    if other:
        # Written anew rather than changed: one stream for however many these are.
        BatchLine.objects.filter(among("number", [line.number for line in other]), job=job).delete()
        store_lines(other)


def _accounts_of_candidates(candidates: Sequence[Sequence[str]]) -> set[str]:
    """Whoever sees the job sees the giccids among which an ambiguous line has to be told apart."""
    giccids = {giccid for some in candidates for giccid in some}
    if not giccids:
        return set()
    return set(Sim.objects.filter(among("giccid", giccids)).values_list("account_id", flat=True).distinct())
