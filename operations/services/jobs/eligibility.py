"""Which SIMs of a selection a job may change, and why not the others; a fixed number of queries for each part of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from core.bulk import among, bare, fetching_ahead
from operations.forms import apn_states
from operations.kinds import KINDS, ChangeState
from operations.models import BatchJob, Operation
from operations.services.jobs.inverse import Inverse
from sims.models import RatePlan, Sim
from staff.models import User
from staff.scopes import scoped

Kind = Operation.Kind

STATE, ALREADY_SO, OPEN, PERMISSION = "state", "already_so", "open_operation", "permission"
MISSING, PLAN, CANCELLED = "missing", "plan", "cancelled"

_COLUMNS = ("id", "giccid", "account_id", "status", "missing_since", "plan_id")
_MORE_COLUMNS = {
    Kind.SET_APN: ("apns",),
    Kind.SET_CUSTOM_FIELDS: ("custom1", "custom2", "custom3", "custom4", "custom5"),
}


@dataclass(slots=True)
class Checked:
    """One SIM's answer. Without a ``code`` the job may change it, from ``from_value`` to ``to_value``."""

    sim: Sim | None
    code: str = ""
    sentence: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    """The parameters of its own operation; of custom fields only those that differ."""
    from_value: str = ""
    to_value: str = ""
    cost_before: tuple[str, Decimal] | None = None
    cost_after: tuple[str, Decimal] | None = None
    """Currency and price of its plan before and after, of plans whose price is known."""


class Checker:
    """Checks SIMs for one job, as its maker ``user`` may see and change them now.

    What many SIMs share (plans, words) is read once, so give it all SIMs of a job in parts of some thousand.
    """

    def __init__(self, job: BatchJob, user: User) -> None:
        self.job = job
        self.kind = KINDS[job.kind].for_job(job.params)
        self.user = user
        self.allowed = user.is_active and user.has_perm("operations.run_batch_job") and self.kind.may_ask(user)
        self.inverse = Inverse(job.parent) if job.source == BatchJob.Source.UNDO and job.parent else None
        self._plans: dict[str, RatePlan | None] = {}
        self._accounts_of_plan: dict[str, frozenset[str]] = {}
        self._words: dict[str, tuple[str, str]] = {}

    def check(self, sims: Sequence[tuple[int, Mapping[str, Any]]]) -> list[Checked]:
        """An answer for each pair of a SIM's key and its own parameters (empty: those of the job), in their order."""
        rows = self._load([pk for pk, _params in sims])
        busy = self._busy(list(rows))
        scheduled = self._scheduled(list(rows))
        if self.inverse is not None:
            self.inverse.load(list(rows))
        return [self._one(rows.get(pk), params or self.job.params, busy, scheduled) for pk, params in sims]

    def _load(self, keys: Sequence[int]) -> dict[int, Sim]:
        columns = (*_COLUMNS, *_MORE_COLUMNS.get(Kind(self.job.kind), ()), *self.kind.sim_columns)
        found = scoped(Sim.objects.filter(among("id", keys)), self.user).values_list(*columns)
        with fetching_ahead(len(keys)):
            rows = {sim.id: sim for sim in bare(Sim, columns, found)}
        if self.job.kind == Kind.CHANGE_PLAN:
            self._read_plans({sim.plan_id for sim in rows.values()})
            for sim in rows.values():
                sim.plan = self._plans.get(sim.plan_id or "")
        return rows

    def _busy(self, keys: Sequence[int]) -> dict[int, str]:
        """Sentences for SIMs that another operation holds, or that wait for a word on a purchase."""
        found: dict[int, str] = {}
        if not self.kind.exclusive:
            return found
        rows = Operation.objects.filter(among("sim_id", keys), state__in=Operation.OPEN_STATES, exclusive=True)
        sentence = _("Operation %(id)s (%(kind)s) on this SIM has not ended yet.")
        labels = {name: kind.label for name, kind in KINDS.items()}
        for sim_id, pk, name in rows.values_list("sim_id", "pk", "kind"):
            found[sim_id] = sentence % {"id": pk, "kind": labels[name]}
        if self.kind.is_purchase:
            unclear = Operation.objects.filter(
                among("sim_id", keys), kind=Kind.ADD_PLAN, state=Operation.State.NEEDS_ATTENTION
            )
            for sim_id, pk in unclear.values_list("sim_id", "pk"):
                found.setdefault(sim_id, _("Operation %(id)s has to be settled first.") % {"id": pk})
        return found

    def _scheduled(self, keys: Sequence[int]) -> set[int]:
        """SIMs whose plan is to change with their next cycle: only those may be given the plan that they have."""
        if self.job.kind != Kind.CHANGE_PLAN:
            return set()
        return set(
            Operation.objects.filter(
                among("sim_id", keys),
                kind=Kind.CHANGE_PLAN,
                state=Operation.State.DONE,
                effective_at__gt=timezone.now(),
            ).values_list("sim_id", flat=True)
        )

    def _one(self, sim: Sim | None, params: Mapping[str, Any], busy: Mapping[int, str], scheduled: set[int]) -> Checked:
        if sim is None or not self.allowed:
            sentence = _("The account of this SIM is not open to you.") if self.allowed else _("Your role is too low.")
            return Checked(sim, PERMISSION, sentence)
        answer = Checked(sim, params=dict(params))
        if self.inverse is not None:
            answer.code, answer.sentence, answer.params = self.inverse.of(sim, is_scheduled=sim.id in scheduled)
        if not answer.code:
            answer.code, answer.sentence = self._refusal(sim, answer.params, sim.id in scheduled)
        if not answer.code and sim.id in busy:
            answer.code, answer.sentence = OPEN, busy[sim.id]
        if not answer.code and self.job.kind == Kind.SET_CUSTOM_FIELDS:
            answer.params = {name: text for name, text in answer.params.items() if getattr(sim, name) != text}
        if answer.params or not self.kind.form.params_fields:
            answer.from_value, answer.to_value = self._change(sim, answer.params)
        if not answer.code:
            self._price(answer)
        return answer

    def _refusal(self, sim: Sim, params: Mapping[str, Any], is_scheduled: bool) -> tuple[str, str]:
        """A code and a sentence; both empty when the SIM's state and account allow it."""
        sentence = self.kind.refusal(sim)
        if sentence:
            if sim.missing_since is not None:
                return MISSING, sentence
            is_there = isinstance(self.kind, ChangeState) and sim.status == self.kind.target
            return (ALREADY_SO if is_there else STATE), sentence
        if "plan" in params and sim.account_id not in self._accounts_with(params["plan"]):
            return PLAN, _("The SIM's account has no such plan.")
        if self.job.kind == Kind.CHANGE_PLAN and params["plan"] == sim.plan_id:
            if params["effective"] != "NEXT_CYCLE" or not is_scheduled:
                return ALREADY_SO, _("The SIM has this plan already.")
        elif self.job.kind == Kind.SET_APN and params["apn"] not in apn_states(sim):
            return STATE, _("The SIM has no such APN.")
        elif self.job.kind == Kind.SET_CUSTOM_FIELDS and all(getattr(sim, k) == text for k, text in params.items()):
            return ALREADY_SO, _("The SIM has these texts already.")
        sentence = self.kind.conflict(sim, dict(params))
        return (self.kind.conflict_code, sentence) if sentence else ("", "")

    def _change(self, sim: Sim, params: dict[str, Any]) -> tuple[str, str]:
        """From and to in words, as its operation would say it."""
        before = self.kind.before(sim)
        key = f"{before}{params}"
        words = self._words.get(key)
        if words is None:
            was, will = self.kind.change(Operation(kind=self.job.kind, before=before, params=params))
            words = was[:250], will[:250]
            # Texts of custom fields may all differ.
            if len(self._words) < 1000:
                self._words[key] = words
        return words

    def _price(self, answer: Checked) -> None:
        code = answer.params.get("plan")
        if code is None or answer.sim is None:
            return
        self._read_plans([code])
        answer.cost_after = _price_of(self._plans[code])
        if self.job.kind == Kind.CHANGE_PLAN:
            answer.cost_before = _price_of(self._plans.get(answer.sim.plan_id or ""))

    def _accounts_with(self, code: str) -> frozenset[str]:
        """Accounts that may use the plan; none for one that is not of the right kind or only known by its code."""
        if code not in self._accounts_of_plan:
            wanted = RatePlan.Kind.SUPPLEMENTARY if self.kind.is_purchase else RatePlan.Kind.BASIC
            plans = RatePlan.objects.filter(code=code, kind=wanted, fetched_at__isnull=False, accounts__isnull=False)
            self._accounts_of_plan[code] = frozenset(plans.values_list("accounts", flat=True))
        return self._accounts_of_plan[code]

    def _read_plans(self, codes: Iterable[str | None]) -> None:
        unread = {code for code in codes if code and code not in self._plans}
        if unread:
            found = RatePlan.objects.defer("raw").in_bulk(unread)
            self._plans.update({code: found.get(code) for code in unread})


def _price_of(plan: RatePlan | None) -> tuple[str, Decimal] | None:
    return (plan.currency, plan.price) if plan is not None and plan.price is not None else None
