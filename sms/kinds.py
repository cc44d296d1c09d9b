"""Sending a message as a kind of operation: queueing, claims, jobs, audit and settling are those of all kinds.

The text never stands in an operation: parameters, audit and log hold the coding and the validity alone.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any, Self

from django.db.models import Exists, OuterRef, Q
from django.forms import BaseForm
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from operations.kind import Kind, TimelineValues
from operations.models import Operation
from sims.models import Sim, TimelineEvent
from smarthub import SmartHub
from smarthub.contract import SimStatus
from sms.forms import SendSmsForm, SendSmsJobForm
from sms.models import Draft, Message
from sms.placeholders import PLACEHOLDERS, fill
from sms.selectors import state_expression
from sms.services import outgoing
from sms.services.texts import CODING_NAMES, Coding, compose, normal, validity_words


class SendSms(Kind):
    """One message. Nothing tells later whether a lost sending arrived, so that is a person's matter."""

    name = Operation.Kind.SEND_SMS
    permission = "sms.send_message"
    form = SendSmsForm
    icon = "message-square-share"
    idempotent = False
    can_be_read_back = False
    exclusive = False
    has_own_page = True
    sim_columns = tuple(name for name in PLACEHOLDERS if name != "giccid")
    conflict_code = "text"

    draft: Draft | None = None
    """What a job sends, where the kind is asked for one."""
    is_for_job = False

    def address(self, sim: Sim) -> str:
        """The compose page."""
        return reverse("sms:compose", args=[sim.giccid])

    def refusal(self, sim: Sim) -> str:
        """The carrier's rule (assumed): the SIM must be activated."""
        sentence = super().refusal(sim)
        if not sentence and sim.status != SimStatus.ACTIVATED:
            return _("Only an activated SIM can receive messages.")
        return sentence

    def conflict(self, sim: Sim, params: dict[str, str]) -> str:
        """In a job, whether the text fits with the values of this SIM."""
        if not self.is_for_job:
            return ""
        if self.draft is None or self.draft.text_removed_at is not None:
            return _("The text was removed after its time. Please make a new job.")
        composed = compose(fill(self.draft.text, sim), self.draft.coding)
        return composed.problem if composed.text.strip() else _("Nothing is left of the text for this SIM.")

    def for_job(self, params: Mapping[str, Any]) -> Self:
        """With the job's text."""
        kind = copy.copy(self)
        kind.is_for_job = True
        kind.draft = Draft.objects.filter(pk=params.get("draft") or 0).first()
        return kind

    def stored_params(self, form: Any) -> dict[str, Any]:
        """Coding and validity; of a job also where its text stands."""
        if isinstance(form, SendSmsJobForm):
            data = form.cleaned_data
            draft = Draft.objects.create(text=form.text_to_send, coding=data["coding"], validity=data["validity"])
            return {"draft": draft.pk, "coding": draft.coding, "validity": draft.validity}
        return {"coding": int(form.composed.coding), "validity": form.cleaned_data["validity"]}

    def requested(self, operations: Iterable[Operation], form: BaseForm | None = None) -> None:
        """Make the messages."""
        if isinstance(form, SendSmsForm):
            (operation,) = operations
            outgoing.store_single(operation, form.composed, form.cleaned_data["validity"])
        elif self.draft is not None:
            outgoing.store_many(list(operations), self.draft)

    def said_before(self, operation: Operation, params: Mapping[str, Any]) -> bool:
        """Whether the form said the same text, of the same coding."""
        form = SendSmsForm({**params, "reason": operation.reason, "ticket": operation.ticket}, sim=operation.sim)
        message = operation.message_sent
        return form.is_valid() and (
            (form.composed.text, int(form.composed.coding), form.cleaned_data["validity"])
            == (normal(message.text), message.coding, message.validity)
        )

    def in_words(self, params: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Text, coding, validity."""
        draft = Draft.objects.filter(pk=params.get("draft") or 0).first()
        if draft is None or draft.text_removed_at is not None:
            return [(_("Text"), _("(removed after its time)"))]
        coding = CODING_NAMES[Coding(draft.coding)] if draft.coding is not None else _("as each text needs")
        return [
            (_("Text"), draft.text),
            (_("Coding"), str(coding)),
            (_("Tried for"), validity_words(draft.validity)),
        ]

    def before_confirming(self, number: int) -> str:
        """How many messages a job sends."""
        return ngettext(
            "%(number)s message will be sent. It can't be called back.",
            "%(number)s messages will be sent. They can't be called back.",
            number,
        ) % {"number": f"{number:,}"}

    def what_happens(self, sim: Sim) -> list[str]:
        """A sentence for the dialog."""
        return [_("The message goes to the device of this SIM.")]

    def change(self, operation: Operation) -> tuple[str, str]:
        """No values of the SIM, and never the text."""
        return "", _("SMS")

    def send(self, client: SmartHub, operation: Operation) -> dict[str, Any]:
        """One call, one message."""
        return outgoing.send(client, operation)

    def was_accepted(self, operation: Operation) -> None:
        """The message has its id now."""
        outgoing.note_accepted(operation, operation.result)

    def lines_with_message(self, states: list[str]) -> Q:
        """Each line's own message is looked at, however many there are beside those of the job."""
        own = Message.objects.filter(operation=OuterRef("operation")).annotate(state=state_expression())
        return Q(Exists(own.filter(state__in=states)))

    def timeline(self, operation: Operation) -> TimelineValues:
        """That there was a message, not what it said."""
        return TimelineValues(TimelineEvent.Kind.SMS, detail={"direction": "mt"})
