"""What is asked to make a batch job, and to confirm one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from operations.forms import (
    CUSTOM_FIELD_LABELS,
    MAX_CUSTOM_FIELD,
    MAX_TICKET,
    PlanField,
    ReasonField,
    refuse_control_characters,
)
from operations.models import BatchJob, Operation
from sims.models import RatePlan
from sims.models.sim import CUSTOM_FIELDS
from staff.scopes import visible_accounts

MAX_APN = 120
LATEST_START = timedelta(days=366)
KIND = Operation.Kind


class ParamsForm(forms.Form):
    """The selection, whose errors stand at its fields, and what the kind needs to know beside the SIMs.

    Subclasses name the latter; activate, suspend and retire need nothing.
    """

    identifiers = forms.CharField(required=False, strip=False)
    file = forms.FileField(required=False)

    def __init__(self, *args: Any, user: Any, **kwargs: Any) -> None:
        self.user = user
        super().__init__(*args, **{"auto_id": "job_%s", **kwargs})

    def params(self) -> dict[str, str]:
        """To store with the job; call it on a valid form."""
        return {}


class _PlanForm(ParamsForm):
    plan_kind: str

    def __init__(self, *args: Any, user: Any, **kwargs: Any) -> None:
        super().__init__(*args, user=user, **kwargs)
        plans = RatePlan.objects.filter(kind=self.plan_kind, fetched_at__isnull=False)
        accounts = visible_accounts(user)
        # Whether a SIM's own account may use the plan is said for each SIM in the job's plan.
        if accounts is not None:
            plans = plans.filter(accounts__name__in=sorted(accounts)).distinct()
        field = self.fields["plan"]
        assert isinstance(field, forms.ModelChoiceField)  # tells the type checker
        field.queryset = plans.order_by("name", "code")

    def params(self) -> dict[str, str]:
        """The plan by its code."""
        return {"plan": self.cleaned_data["plan"].code}


class ChangePlanParams(_PlanForm):
    """Which basic plan, and from when."""

    plan_kind = RatePlan.Kind.BASIC
    plan = PlanField(label=gettext_lazy("New rate plan"))
    effective = forms.ChoiceField(
        label=gettext_lazy("Takes effect"),
        choices=[("NOW", gettext_lazy("Now")), ("NEXT_CYCLE", gettext_lazy("With the next billing cycle"))],
        widget=forms.RadioSelect,
        initial="NOW",
        required=False,
    )

    def params(self) -> dict[str, str]:
        """Plan and time; now unless told otherwise."""
        return {**super().params(), "effective": self.cleaned_data["effective"] or "NOW"}


class AddPlanParams(_PlanForm):
    """Which supplementary plan to buy for each SIM."""

    plan_kind = RatePlan.Kind.SUPPLEMENTARY
    plan = PlanField(label=gettext_lazy("Supplementary plan"))


class SetApnParams(ParamsForm):
    """Which APN, and on or off."""

    apn = forms.CharField(
        label=gettext_lazy("APN"),
        max_length=MAX_APN,
        validators=[refuse_control_characters],
        help_text=gettext_lazy("Its name. SIMs that have no such APN are refused in the plan."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "off", "spellcheck": "false"}),
    )
    apn_status = forms.ChoiceField(
        label=gettext_lazy("Switch it"),
        choices=[("ENABLED", gettext_lazy("On")), ("DISABLED", gettext_lazy("Off"))],
        widget=forms.RadioSelect,
    )

    def params(self) -> dict[str, str]:
        """Name and state."""
        return {name: self.cleaned_data[name] for name in ("apn", "apn_status")}


class SetCustomFieldsParams(ParamsForm):
    """The five texts. An empty one stays as it is on each SIM, unless it is ticked to be emptied."""

    def __init__(self, *args: Any, user: Any, **kwargs: Any) -> None:
        super().__init__(*args, user=user, **kwargs)
        for name in CUSTOM_FIELDS:
            self.fields[name] = forms.CharField(
                label=CUSTOM_FIELD_LABELS[name],
                max_length=MAX_CUSTOM_FIELD,
                required=False,
                validators=[refuse_control_characters],
                widget=forms.TextInput(attrs={"autocomplete": "off"}),
            )
        self.fields["clear"] = forms.MultipleChoiceField(
            label=gettext_lazy("Empty these fields"),
            choices=[(name, CUSTOM_FIELD_LABELS[name]) for name in CUSTOM_FIELDS],
            required=False,
            widget=forms.CheckboxSelectMultiple,
        )

    def clean(self) -> dict[str, Any]:
        """One of them at least; none with a text and to be emptied at once."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        for name in cleaned.get("clear", []):
            if cleaned.get(name):
                self.add_error(name, ValidationError(_("Either give a text or empty the field."), code="both"))
        if not self.errors and not self.params():
            raise ValidationError(_("Fill in at least one field."), code="unchanged")
        return cleaned

    def params(self) -> dict[str, str]:
        """Only what is to change."""
        texts = {name: self.cleaned_data[name] for name in CUSTOM_FIELDS if self.cleaned_data.get(name)}
        return {**texts, **dict.fromkeys(self.cleaned_data.get("clear", []), "")}


PARAMS: dict[str, type[ParamsForm]] = {
    KIND.ACTIVATE.value: ParamsForm,
    KIND.SUSPEND.value: ParamsForm,
    KIND.RETIRE.value: ParamsForm,
    KIND.CHANGE_PLAN.value: ChangePlanParams,
    KIND.ADD_PLAN.value: AddPlanParams,
    KIND.SET_APN.value: SetApnParams,
    KIND.SET_CUSTOM_FIELDS.value: SetCustomFieldsParams,
}
"""The form of each kind's parameters."""


class ConfirmForm(forms.Form):
    """Why, for which ticket, and when. A retire asks for the number of SIMs as well."""

    reason = ReasonField()
    ticket = forms.CharField(
        label=gettext_lazy("Ticket"),
        max_length=MAX_TICKET,
        validators=[refuse_control_characters],
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    scheduled_for = forms.DateTimeField(
        label=gettext_lazy("Start later"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )

    def __init__(self, *args: Any, job: BatchJob, **kwargs: Any) -> None:
        super().__init__(*args, **{"auto_id": "confirm_%s", **kwargs})
        self.job = job
        if job.kind == KIND.RETIRE:
            self.fields["confirm"] = forms.IntegerField(
                label=_("Number of SIMs to retire"),
                widget=forms.TextInput(attrs={"autocomplete": "off", "inputmode": "numeric"}),
            )

    def clean_confirm(self) -> int:
        """The number on the page, nothing else."""
        number: int = self.cleaned_data["confirm"]
        if number != self.job.eligible:
            raise ValidationError(_("This is not the number of SIMs that this plan retires."), code="confirm")
        return number

    def clean_scheduled_for(self) -> Any:
        """A time to come, within a year."""
        moment = self.cleaned_data["scheduled_for"]
        if moment is not None and not timezone.now() < moment <= timezone.now() + LATEST_START:
            raise ValidationError(_("Give a time to come, within a year."), code="scheduled_for")
        return moment


class RefuseForm(forms.Form):
    """Why somebody else's wish is refused."""

    reason = ReasonField()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"auto_id": "refuse_%s", **kwargs})
