"""What a kind of change is: how it is asked for, sent, and recognised at the carrier. The kinds are in ``kinds``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from django.contrib.auth.models import AnonymousUser
from django.db.models import Q
from django.forms import BaseForm
from django.urls import reverse
from django.utils.translation import gettext as _

from operations import forms
from operations.models import Operation
from operations.readings import Reading, Verdict
from sims.models import Sim
from smarthub import SmartHub, contract
from smarthub.contract import SimStatus
from staff.models import User


@dataclass(frozen=True)
class TimelineValues:
    """How a change stands in the timeline (see ``sims.services.timeline``)."""

    kind: str
    from_value: str = ""
    to_value: str = ""
    subject: str = ""
    detail: dict[str, Any] = field(default_factory=dict)


class Kind:
    """One kind of change. Subclasses say how it is asked for, sent, and recognised at the carrier."""

    name: ClassVar[Operation.Kind]
    permission: ClassVar[str] = "operations.change_sim_settings"
    ask_permission: ClassVar[str] = ""
    """Who has this one alone may ask for it, and a second person approves; empty: nobody."""
    form: ClassVar[type[forms.OperationForm]] = forms.OperationForm
    icon: ClassVar[str]
    is_final: ClassVar[bool] = False
    """Whether it can't be taken back, so that the page warns."""
    is_purchase: ClassVar[bool] = False
    idempotent: ClassVar[bool] = True
    """Whether a second sending of the same changes nothing more. Without it nothing in doubt is ever re-sent."""
    can_be_read_back: ClassVar[bool] = True
    """Whether the SIM shows it. Without it a yes of the carrier is the end, and a lost answer a person's matter."""
    exclusive: ClassVar[bool] = True
    """Whether it holds its SIM, so that nothing else that does goes on at the same time."""
    has_own_page: ClassVar[bool] = False
    """Whether it is asked for at :meth:`address` alone, not by the dialog and post of all kinds."""
    conflict_code: ClassVar[str] = "already_so"
    """What :meth:`conflict` stands for in the plan of a job."""
    sim_columns: ClassVar[tuple[str, ...]] = ()
    """Columns of the SIM that a batch job's check needs for this kind, beside those of all kinds."""

    @property
    def label(self) -> str:
        """The action's name, as on its button."""
        return str(self.name.label)

    def address(self, sim: Sim) -> str:
        """Where it is asked for."""
        return reverse("operations:dialog", args=[sim.giccid, self.name])

    def stored_params(self, form: Any) -> dict[str, Any]:
        """The parameters to store, of a valid form for one SIM or for a job; called in the storing transaction."""
        params: dict[str, Any] = form.params()
        return params

    def requested(self, operations: Iterable[Operation], form: BaseForm | None = None) -> None:
        """The operations were stored, in this transaction. ``form`` is that of a single one; those of a job come in
        parts, to be taken with a fixed number of queries."""

    def said_before(self, operation: Operation, params: Mapping[str, Any]) -> bool:
        """Whether ``params`` are those of ``operation``; of custom fields only those that differed were stored."""
        unchanged = operation.before.get("custom_fields", {})
        for name in self.form.params_fields:
            said = str(params.get(name) or "").strip()
            known = operation.params.get(name, unchanged.get(name, "")).strip()
            left_out = name not in params or (name == "effective" and not said)
            if said != known and not left_out:
                return False
        return True

    def for_job(self, params: Mapping[str, Any]) -> Self:
        """The kind as a job with these parameters asks it: what many SIMs share is read here, once."""
        return self

    def in_words(self, params: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Parameters of a job as pairs of name and value for its page, beside those that all kinds know."""
        return []

    def may_ask(self, user: User | AnonymousUser) -> bool:
        """Whether the user's role reaches as far as asking for it."""
        return user.has_perm(self.permission) or bool(self.ask_permission and user.has_perm(self.ask_permission))

    def only_asks(self, user: User | AnonymousUser) -> bool:
        """Whether what the user asks for waits for a second person's approval."""
        return self.may_ask(user) and not user.has_perm(self.permission)

    def refusal(self, sim: Sim) -> str:
        """Why the SIM's state does not allow it, as a sentence; empty when it does."""
        if sim.missing_since is not None:
            return _("The carrier does not list this SIM any more.")
        if sim.status == SimStatus.RETIRED:
            return _("The SIM is retired, which is final.")
        return ""

    def conflict(self, sim: Sim, params: dict[str, str]) -> str:
        """Why these parameters make no sense in the SIM's state; empty when they do."""
        return ""

    def before_confirming(self, number: int) -> str:
        """What whoever confirms a job of so many SIMs should know, as a sentence; empty for nothing."""
        return ""

    def before(self, sim: Sim) -> dict[str, Any]:
        """What the change may alter, as the mirror holds it."""
        return {"status": sim.status}

    def what_happens(self, sim: Sim) -> list[str]:
        """Sentences for the dialog."""
        raise NotImplementedError

    def change(self, operation: Operation) -> tuple[str, str]:
        """From and to, for people."""
        raise NotImplementedError

    def prepare(self, client: SmartHub, operation: Operation, snapshot: contract.Sim) -> dict[str, Any]:
        """For a kind that is not idempotent: what the carrier holds right before the sending, for ``before``."""
        return {}

    def send(self, client: SmartHub, operation: Operation) -> dict[str, Any]:
        """Make the call. Answers what to keep of the carrier's answer; raises errors of ``smarthub.errors``."""
        raise NotImplementedError

    def was_accepted(self, operation: Operation) -> None:
        """For a kind that can't be read back: the carrier said yes (``operation.result``), in this transaction."""

    def lines_with_message(self, states: list[str]) -> Q:
        """Lines of a job whose message is in one of these states (``core.badges.MESSAGE_STATES``); none for a kind
        that sends no message."""
        return Q(pk__in=[])

    def is_scheduled(self, operation: Operation) -> bool:
        """Whether the carrier makes the change at a later time, so that no reading shows it yet."""
        return False

    def reached(self, reading: Reading, operation: Operation) -> Verdict:
        """Whether the carrier shows the change. Raises errors of ``smarthub.errors`` when it has to ask more."""
        raise NotImplementedError

    def timeline(self, operation: Operation) -> TimelineValues:
        """How it stands in the SIM's timeline."""
        raise NotImplementedError
