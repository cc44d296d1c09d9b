"""Taking a job back: for each SIM what its own former state or values were, and whether it was changed since."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _

from operations.forms import apn_states
from operations.kinds import state_name
from operations.models import BatchJob, Operation
from sims.models import Sim, TimelineEvent

Kind = Operation.Kind
State = Operation.State

CHANGED_SINCE = "changed_since"
_STATE_REFUSED = "state"

INVERSE_KIND: dict[str, str] = {
    Kind.ACTIVATE: Kind.SUSPEND,
    Kind.SUSPEND: Kind.ACTIVATE,
    Kind.CHANGE_PLAN: Kind.CHANGE_PLAN,
    Kind.SET_APN: Kind.SET_APN,
    Kind.SET_CUSTOM_FIELDS: Kind.SET_CUSTOM_FIELDS,
}
"""What takes each kind back; a kind that is not here can't be taken back."""

_STATES = (Kind.ACTIVATE, Kind.SUSPEND, Kind.RETIRE)
_TIMELINE = {
    Kind.ACTIVATE: TimelineEvent.Kind.STATUS,
    Kind.SUSPEND: TimelineEvent.Kind.STATUS,
    Kind.CHANGE_PLAN: TimelineEvent.Kind.PLAN,
    Kind.SET_APN: TimelineEvent.Kind.APN,
    Kind.SET_CUSTOM_FIELDS: TimelineEvent.Kind.CUSTOM_FIELDS,
}
_SET_TO = {Kind.ACTIVATE: "ACTIVATED", Kind.SUSPEND: "DEACTIVATED"}
_CAME_FROM = {Kind.ACTIVATE: "DEACTIVATED", Kind.SUSPEND: "ACTIVATED"}

Answer = tuple[str, str, dict[str, Any]]
"""Refusal code, its sentence, parameters of the inverse; code and sentence are empty when it can be taken back."""


class Inverse:
    """The way back from ``parent``, SIM by SIM. Call :meth:`load` with a part of the SIMs, then :meth:`of` for each."""

    def __init__(self, parent: BatchJob) -> None:
        self.parent = parent
        self.kind = Kind(parent.kind)
        self._done: dict[int, Operation] = {}
        self._changed: set[int] = set()

    def load(self, sims: Sequence[int]) -> None:
        """Read what the job did to these SIMs and what happened to them after it; three queries."""
        done = Operation.objects.filter(sim_id__in=sims, job=self.parent, state=State.DONE)
        self._done = {operation.sim_id: operation for operation in done}
        self._changed = self._by_operations(sims) | self._by_others(sims)

    def of(self, sim: Sim, *, is_scheduled: bool) -> Answer:
        """What takes the job's change of this SIM back; ``is_scheduled`` when its plan change is yet to come."""
        operation = self._done.get(sim.pk)
        if operation is None or sim.pk in self._changed:
            return _changed()
        if self.kind in _STATES:
            return self._state(operation, sim)
        if self.kind == Kind.CHANGE_PLAN:
            return self._plan(operation, sim, is_scheduled)
        if self.kind == Kind.SET_APN:
            return self._apn(operation, sim)
        return self._texts(operation, sim)

    def _state(self, operation: Operation, sim: Sim) -> Answer:
        if sim.status != _SET_TO[self.kind]:
            return _changed()
        was = str(operation.before.get("status", ""))
        if was != _CAME_FROM[self.kind]:
            sentence = _("It was “%(state)s” before, and the carrier has no way back to that.")
            return _STATE_REFUSED, sentence % {"state": state_name(was)}, {}
        return "", "", {}

    def _plan(self, operation: Operation, sim: Sim, is_scheduled: bool) -> Answer:
        was = operation.before.get("plan") or ""
        to_come = operation.params.get("effective") == "NEXT_CYCLE" and is_scheduled and sim.plan_id == was
        if not to_come and sim.plan_id != operation.params.get("plan"):
            return _changed()
        if not was:
            return _STATE_REFUSED, _("It had no rate plan before, and the carrier has no way back to that."), {}
        return "", "", {"plan": was, "effective": "NEXT_CYCLE" if to_come else "NOW"}

    def _apn(self, operation: Operation, sim: Sim) -> Answer:
        name = operation.params["apn"]
        if apn_states(sim).get(name) != operation.params["apn_status"]:
            return _changed()
        was = operation.before.get("apns", {}).get(name)
        if was not in ("ENABLED", "DISABLED"):
            return _STATE_REFUSED, _("The state of its APN before is not known."), {}
        return "", "", {"apn": name, "apn_status": was}

    def _texts(self, operation: Operation, sim: Sim) -> Answer:
        # Without values they were erased: nothing is known to bring back.
        if not operation.params or any(getattr(sim, name) != text for name, text in operation.params.items()):
            return _changed()
        was = operation.before.get("custom_fields", {})
        return "", "", {name: was.get(name, "") for name in operation.params}

    def _by_operations(self, sims: Sequence[int]) -> set[int]:
        """SIMs that a later operation changed in the same respect, or may have."""
        kinds = _STATES if self.kind in _STATES else (self.kind,)
        rows = Operation.objects.filter(
            sim_id__in=sims, kind__in=kinds, state__in=(State.DONE, State.NEEDS_ATTENTION)
        ).values_list("sim_id", "pk", "params")
        return {
            sim_id
            for sim_id, pk, params in rows
            if sim_id in self._done and pk > self._done[sim_id].pk and self._same_part(sim_id, params)
        }

    def _same_part(self, sim_id: int, params: dict[str, Any]) -> bool:
        """Another APN, or other fields, are not touched by the way back."""
        ours = self._done[sim_id].params
        if self.kind == Kind.SET_APN:
            return bool(params.get("apn") == ours.get("apn"))
        return self.kind != Kind.SET_CUSTOM_FIELDS or bool(set(params) & set(ours))

    def _by_others(self, sims: Sequence[int]) -> set[int]:
        """SIMs of whose change to something else since then the timeline knows, by whomever."""
        if self.kind == Kind.SET_CUSTOM_FIELDS:
            # Their events hold no single value; the mirror's own texts are compared.
            return set()
        since = min((o.finished_at for o in self._done.values() if o.finished_at), default=None)
        if since is None:
            return set()
        rows = TimelineEvent.objects.filter(
            sim_id__in=sims, kind=_TIMELINE[self.kind], at__gt=since, outcome=TimelineEvent.Outcome.SUCCESS
        ).values_list("sim_id", "at", "to_value", "subject", "operation_id")
        found = set()
        for sim_id, at, to_value, subject, operation_id in rows:
            operation = self._done.get(sim_id)
            if operation is None or operation_id == operation.pk or (operation.finished_at or at) >= at:
                continue
            if subject == operation.params.get("apn", "") and to_value != self._set_to(operation):
                found.add(sim_id)
        return found

    def _set_to(self, operation: Operation) -> str:
        if self.kind in _STATES:
            return _SET_TO[self.kind]
        return str(operation.params["apn_status" if self.kind == Kind.SET_APN else "plan"])


def _changed() -> Answer:
    return CHANGED_SINCE, _("The SIM was changed since."), {}
