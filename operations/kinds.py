"""The kinds of change and all that tells them apart. One more is an entry in :data:`KINDS`; an app above adds its own
by :func:`register`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

from django.utils import timezone
from django.utils.translation import gettext as _

from core.per_language import per_language
from operations import forms
from operations.kind import Kind, TimelineValues
from operations.models import Operation
from operations.readings import Reading, Verdict, logged_since_sent, read_log, stored_time
from sims.models import RatePlan, Sim, TimelineEvent
from smarthub import SmartHub, contract
from smarthub.contract import ChangeType, Effective, SimStatus

PURCHASE_LOG_MARGIN = timedelta(minutes=10)
"""How far before a purchase its change log is counted; more than the carrier's clock may differ from ours."""


class ChangeState(Kind):
    """Activate, suspend, retire: the same but for the states and the call."""

    permission = "operations.change_sim_state"
    sources: ClassVar[frozenset[str]]
    target: ClassVar[SimStatus]
    call: ClassVar[str]

    def refusal(self, sim: Sim) -> str:
        """The carrier's rule of states (contract, "SIMs")."""
        if sim.missing_since is not None or (sim.status == SimStatus.RETIRED and self.target != SimStatus.RETIRED):
            return super().refusal(sim)
        if sim.status == self.target:
            return _("The SIM is in this state already.")
        if sim.status not in self.sources:
            return self.wrong_state(sim)
        return ""

    def wrong_state(self, sim: Sim) -> str:
        """The sentence for a state it does not start from."""
        return _("Not possible while the SIM is “%(state)s”.") % {"state": state_name(sim.status)}

    def change(self, operation: Operation) -> tuple[str, str]:
        """State to state."""
        return state_name(operation.before.get("status", "")), state_name(self.target)

    def send(self, client: SmartHub, operation: Operation) -> dict[str, Any]:
        """A call without a body; its answer is not to be depended on (assumed)."""
        getattr(client, self.call)(operation.sim.giccid)
        return {}

    def reached(self, reading: Reading, operation: Operation) -> Verdict:
        """By the SIM's state; when in doubt by the change log, for somebody may have changed it again since."""
        if reading.snapshot.status == self.target:
            return Verdict.YES
        if reading.thorough and logged_since_sent(operation, reading, self.target):
            return Verdict.YES
        return Verdict.NO

    def timeline(self, operation: Operation) -> TimelineValues:
        """A change of state."""
        return TimelineValues(TimelineEvent.Kind.STATUS, operation.before.get("status", ""), self.target)


class Activate(ChangeState):
    name = Operation.Kind.ACTIVATE
    icon = "play"
    sources = frozenset({SimStatus.INVENTORY, SimStatus.TEST_READY, SimStatus.DEACTIVATED})
    target = SimStatus.ACTIVATED
    call = "activate"

    def what_happens(self, sim: Sim) -> list[str]:
        return [_("The SIM can connect and use data, and its plan is charged.")]


class Suspend(ChangeState):
    name = Operation.Kind.SUSPEND
    icon = "pause"
    sources = frozenset({SimStatus.ACTIVATED})
    target = SimStatus.DEACTIVATED
    call = "deactivate"

    def wrong_state(self, sim: Sim) -> str:
        return _("Only an activated SIM can be suspended.")

    def what_happens(self, sim: Sim) -> list[str]:
        return [_("The SIM loses its connection and can't connect until it is activated again.")]


class Retire(ChangeState):
    name = Operation.Kind.RETIRE
    permission = "operations.retire_sim"
    ask_permission = "operations.change_sim_state"
    form = forms.RetireForm
    icon = "archive"
    is_final = True
    sources = frozenset({SimStatus.DEACTIVATED})
    target = SimStatus.RETIRED
    call = "retire"

    def wrong_state(self, sim: Sim) -> str:
        return _("Only a suspended SIM can be retired; suspend it first.")

    def what_happens(self, sim: Sim) -> list[str]:
        return [_("The SIM is taken out of service for good. Nobody can undo this, not even the carrier.")]


class ChangePlan(Kind):
    name = Operation.Kind.CHANGE_PLAN
    form = forms.ChangePlanForm
    icon = "arrow-left-right"

    def before(self, sim: Sim) -> dict[str, Any]:
        plan = sim.plan
        return {**super().before(sim), "plan": sim.plan_id or "", "plan_name": plan.name if plan else ""}

    def what_happens(self, sim: Sim) -> list[str]:
        return [_("The SIM's basic rate plan is replaced, now or with its next billing cycle.")]

    def change(self, operation: Operation) -> tuple[str, str]:
        return operation.before.get("plan", ""), operation.params["plan"]

    def send(self, client: SmartHub, operation: Operation) -> dict[str, Any]:
        client.change_plan(
            operation.sim.giccid, operation.params["plan"], effective=Effective(operation.params["effective"])
        )
        return {}

    def is_scheduled(self, operation: Operation) -> bool:
        return operation.params["effective"] == Effective.NEXT_CYCLE

    def reached(self, reading: Reading, operation: Operation) -> Verdict:
        plan = reading.snapshot.basic_plan
        if plan is None:
            return Verdict.UNCLEAR
        stays = self.is_scheduled(operation) and operation.before.get("plan") == operation.params["plan"]
        if stays and operation.state == Operation.State.UNKNOWN:
            # It takes back a change that is to come; the plan of today tells nothing of that.
            return Verdict.UNCLEAR
        return Verdict.YES if plan.code == operation.params["plan"] else Verdict.NO

    def timeline(self, operation: Operation) -> TimelineValues:
        return TimelineValues(TimelineEvent.Kind.PLAN, *self.change(operation))


class AddPlan(Kind):
    name = Operation.Kind.ADD_PLAN
    form = forms.AddPlanForm
    icon = "package-plus"
    is_purchase = True
    idempotent = False

    def what_happens(self, sim: Sim) -> list[str]:
        return [_("A supplementary plan is bought for this SIM, in addition to its rate plan.")]

    def change(self, operation: Operation) -> tuple[str, str]:
        return "", operation.params["plan"]

    def prepare(self, client: SmartHub, operation: Operation, snapshot: contract.Sim) -> dict[str, Any]:
        """What is bought already, so that one more is certainly ours."""
        since = timezone.now() - PURCHASE_LOG_MARGIN
        return {
            "subscriptions": [item.subscription_id for item in self._held(snapshot, operation)],
            "log_since": since.isoformat(),
            "log_count": self._logged(read_log(client, snapshot.giccid, ChangeType.SERVICE_PACKAGE, since), operation),
        }

    def send(self, client: SmartHub, operation: Operation) -> dict[str, Any]:
        """NOT idempotent: each call is a purchase (assumed)."""
        bought = client.add_plan(operation.sim.giccid, operation.params["plan"])
        return {"subscription_id": bought.subscription_id} if bought.subscription_id else {}

    def reached(self, reading: Reading, operation: Operation) -> Verdict:
        """By a subscription more than before, or by an entry more in the change log."""
        held = [item.subscription_id for item in self._held(reading.snapshot, operation)]
        known = operation.before.get("subscriptions", [])
        expected = operation.result.get("subscription_id")
        new = [ident for ident in held if ident and ident not in known]
        if expected in new or (new and not expected) or (not expected and len(held) > len(known)):
            if new and not expected:
                operation.result = {**operation.result, "subscription_id": new[0]}
            return Verdict.YES
        since = stored_time(operation.before.get("log_since"))
        if since is not None and not expected:
            entries = reading.log(ChangeType.SERVICE_PACKAGE, since)
            if self._logged(entries, operation) > operation.before.get("log_count", 0):
                return Verdict.YES
        return Verdict.NO if reading.snapshot.supplementary_plans is not None else Verdict.UNCLEAR

    def timeline(self, operation: Operation) -> TimelineValues:
        subject = operation.result.get("subscription_id") or ""
        return TimelineValues(TimelineEvent.Kind.SUBSCRIPTION, "", operation.params["plan"], subject)

    @staticmethod
    def _held(snapshot: contract.Sim, operation: Operation) -> list[contract.Subscription]:
        return [item for item in snapshot.supplementary_plans or () if item.code == operation.params["plan"]]

    @staticmethod
    def _logged(entries: list[contract.ChangeEntry], operation: Operation) -> int:
        return sum(not entry.original and entry.target == operation.params["plan"] for entry in entries)


class SetApn(Kind):
    name = Operation.Kind.SET_APN
    form = forms.SetApnForm
    icon = "radio-tower"

    def refusal(self, sim: Sim) -> str:
        return super().refusal(sim) or ("" if forms.apn_states(sim) else _("The SIM has no APN."))

    def conflict(self, sim: Sim, params: dict[str, str]) -> str:
        if forms.apn_states(sim).get(params["apn"]) != params["apn_status"]:
            return ""
        return _("This APN is %(state)s already.") % {"state": apn_state_name(params["apn_status"])}

    def before(self, sim: Sim) -> dict[str, Any]:
        return {**super().before(sim), "apns": forms.apn_states(sim)}

    def what_happens(self, sim: Sim) -> list[str]:
        return [_("With an APN off, the SIM can't use data over it; SMS and its state stay as they are.")]

    def change(self, operation: Operation) -> tuple[str, str]:
        name, wanted = operation.params["apn"], operation.params["apn_status"]
        was = operation.before.get("apns", {}).get(name, "")
        return f"{name} {apn_state_name(was)}".strip(), f"{name} {apn_state_name(wanted)}"

    def send(self, client: SmartHub, operation: Operation) -> dict[str, Any]:
        status = contract.ApnStatus(operation.params["apn_status"])
        client.set_apn(operation.sim.giccid, operation.params["apn"], status)
        return {}

    def reached(self, reading: Reading, operation: Operation) -> Verdict:
        for item in reading.snapshot.apns or ():
            if item.apn == operation.params["apn"] and item.status is not None:
                return Verdict.YES if item.status == operation.params["apn_status"] else Verdict.NO
        return Verdict.UNCLEAR

    def timeline(self, operation: Operation) -> TimelineValues:
        name = operation.params["apn"]
        was = operation.before.get("apns", {}).get(name, "")
        return TimelineValues(TimelineEvent.Kind.APN, was, operation.params["apn_status"], name)


class SetCustomFields(Kind):
    name = Operation.Kind.SET_CUSTOM_FIELDS
    form = forms.SetCustomFieldsForm
    icon = "text-cursor-input"

    def before(self, sim: Sim) -> dict[str, Any]:
        return {**super().before(sim), "custom_fields": {name: getattr(sim, name) for name in forms.CUSTOM_FIELDS}}

    def what_happens(self, sim: Sim) -> list[str]:
        return [_("The texts are stored with the SIM at the carrier. Fields you do not touch stay as they are.")]

    def change(self, operation: Operation) -> tuple[str, str]:
        was = operation.before.get("custom_fields", {})
        names = [name for name in forms.CUSTOM_FIELDS if name in operation.params]
        return (
            ", ".join(f"{forms.CUSTOM_FIELD_LABELS[name]}: {was.get(name) or '–'}" for name in names),
            ", ".join(f"{forms.CUSTOM_FIELD_LABELS[name]}: {operation.params[name] or '–'}" for name in names),
        )

    def send(self, client: SmartHub, operation: Operation) -> dict[str, Any]:
        client.set_custom_fields(operation.sim.giccid, dict(operation.params))
        return {}

    def reached(self, reading: Reading, operation: Operation) -> Verdict:
        """A field that the carrier leaves out is empty (assumed)."""
        found = reading.custom_fields()
        shown = all((found.get(name) or "") == text for name, text in operation.params.items())
        return Verdict.YES if shown else Verdict.NO

    def timeline(self, operation: Operation) -> TimelineValues:
        was = operation.before.get("custom_fields", {})
        changes = {name: [was.get(name, ""), text] for name, text in operation.params.items()}
        return TimelineValues(TimelineEvent.Kind.CUSTOM_FIELDS, detail={"changes": changes})


@per_language
def state_name(status: str) -> str:
    """A carrier status in the portal's words; an unknown one as the carrier writes it."""
    known = {str(value): str(label) for value, label in Sim.Status.choices}
    return known.get(status, status)


def apn_state_name(status: str) -> str:
    """An APN's status in words; an unknown one as it is."""
    return {"ENABLED": _("on"), "DISABLED": _("off")}.get(status, status)


def plan_of(operation: Operation) -> RatePlan | None:
    """The plan that the operation asks for, if it asks for one and the mirror knows it."""
    code = operation.params.get("plan")
    return RatePlan.objects.filter(pk=code).first() if code else None


KINDS: dict[str, Kind] = {
    kind.name.value: kind
    for kind in (Activate(), Suspend(), Retire(), ChangePlan(), AddPlan(), SetApn(), SetCustomFields())
}
"""In the order of their buttons."""


def register(kind: Kind) -> None:
    """Add a kind of an app above this one, from its ``AppConfig.ready()``."""
    KINDS[kind.name.value] = kind
