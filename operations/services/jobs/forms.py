"""What a batch job asks for: the selection and the kind's parameters, and what its confirming asks for."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from operations.forms import (
    CUSTOM_FIELD_LABELS,
    MAX_CUSTOM_FIELD,
    MAX_TICKET,
    LineField,
    PlanField,
    ReasonField,
    SwitchField,
    TakesEffect,
)
from operations.models import BatchJob, Operation
from sims.models import RatePlan
from sims.models.sim import CUSTOM_FIELDS
from staff.models import User
from staff.scopes import visible_accounts

LATEST_START = timedelta(days=366)

Kind = Operation.Kind


class JobForm(forms.Form):
    """The selection; subclasses add their kind's parameters. Errors of the selection stand at its fields."""

    identifiers = forms.CharField(
        label=gettext_lazy("Identifiers"),
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 8, "autocomplete": "off", "spellcheck": "false"}),
    )
    file = forms.FileField(label=gettext_lazy("File"), required=False)

    params_fields: ClassVar[tuple[str, ...]] = ()
    params_template: ClassVar[str] = ""
    """Shows the fields of a kind of another app; gets the form as ``form``."""

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        self.user = user
        super().__init__(*args, **kwargs)

    def params(self) -> dict[str, str]:
        """The parameters to store with the job; call it on a valid form."""
        return {name: self.cleaned_data[name] for name in self.params_fields}


class AddPlanJobForm(JobForm):
    """Which supplementary plan to buy. Whether a SIM's own account may use it is said for each SIM in the plan."""

    plan_kind: ClassVar[str] = RatePlan.Kind.SUPPLEMENTARY
    params_fields: ClassVar[tuple[str, ...]] = ("plan",)
    plan = PlanField(label=gettext_lazy("Supplementary plan"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["plan"]
        assert isinstance(field, forms.ModelChoiceField)  # tells the type checker
        field.queryset = plans_of_user(self.user, self.plan_kind)
        field.error_messages["invalid_choice"] = _("None of your accounts has such a plan.")

    def params(self) -> dict[str, str]:
        """The plan by its code."""
        return {**super().params(), "plan": self.cleaned_data["plan"].code}


class ChangePlanJobForm(TakesEffect, AddPlanJobForm):
    """Which basic plan, and from when."""

    plan_kind = RatePlan.Kind.BASIC
    params_fields = ("plan", "effective")
    plan = PlanField(label=gettext_lazy("New rate plan"))


class SetApnJobForm(JobForm):
    """Which APN, by its name, and on or off. A SIM without that APN is refused in the plan."""

    params_fields = ("apn", "apn_status")
    apn = LineField(
        label=gettext_lazy("APN"),
        max_length=100,
        help_text=gettext_lazy("Its name. SIMs that have no such APN are refused in the plan."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "off", "spellcheck": "false"}),
    )
    apn_status = SwitchField()


class SetCustomFieldsJobForm(JobForm):
    """The five free texts. An empty one stays as it is on every SIM; ``clear`` names those to be emptied."""

    clear = forms.MultipleChoiceField(
        label=gettext_lazy("Empty these"),
        choices=list(CUSTOM_FIELD_LABELS.items()),
        widget=forms.CheckboxSelectMultiple,
        required=False,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in CUSTOM_FIELDS:
            self.fields[name] = LineField(label=CUSTOM_FIELD_LABELS[name], max_length=MAX_CUSTOM_FIELD, required=False)
        self.order_fields(["identifiers", "file", *CUSTOM_FIELDS, "clear"])

    def clean(self) -> dict[str, Any]:
        """At least one text, and none that is to be set and emptied."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        for name in cleaned.get("clear", ()):
            if cleaned.get(name):
                self.add_error(name, ValidationError(_("Give a text or empty it, not both."), code="both"))
        if not self.errors and not self.params():
            raise ValidationError(_("Give at least one text, or choose one to be emptied."), code="unchanged")
        return cleaned

    def params(self) -> dict[str, str]:
        """Those to be set or emptied."""
        clear = self.cleaned_data.get("clear", ())
        return {
            name: self.cleaned_data.get(name, "")
            for name in CUSTOM_FIELDS
            if self.cleaned_data.get(name) or name in clear
        }


PARAMS_FORMS: dict[str, type[JobForm]] = {
    Kind.ACTIVATE: JobForm,
    Kind.SUSPEND: JobForm,
    Kind.RETIRE: JobForm,
    Kind.CHANGE_PLAN: ChangePlanJobForm,
    Kind.ADD_PLAN: AddPlanJobForm,
    Kind.SET_APN: SetApnJobForm,
    Kind.SET_CUSTOM_FIELDS: SetCustomFieldsJobForm,
}


def register(kind: str, form: type[JobForm]) -> None:
    """Add the form of a kind that an app above registered (``operations.kinds.register``)."""
    PARAMS_FORMS[kind] = form


class ConfirmForm(forms.Form):
    """What a plan's confirming asks: why, for which ticket, when; for a retire how many."""

    reason = ReasonField()
    ticket = LineField(label=gettext_lazy("Ticket"), max_length=MAX_TICKET)
    scheduled_for = forms.DateTimeField(
        label=gettext_lazy("Start at"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )
    confirm = forms.CharField(
        label=gettext_lazy("Number of SIMs"),
        max_length=12,
        help_text=gettext_lazy("Retiring is final. Type the number of SIMs that will be retired."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "inputmode": "numeric"}),
    )

    def __init__(self, *args: Any, job: BatchJob, **kwargs: Any) -> None:
        self.job = job
        super().__init__(*args, **kwargs)
        zone = timezone.get_current_timezone_name()
        self.fields["scheduled_for"].help_text = _("In your time zone, %(zone)s. Empty: at once.") % {"zone": zone}
        if job.kind != Kind.RETIRE:
            del self.fields["confirm"]

    def clean_confirm(self) -> str:
        """The number of SIMs that will be retired, nothing else; as the page writes it, ``1,234``, or without comma."""
        typed: str = self.cleaned_data["confirm"].replace(",", "")
        if typed != str(self.job.eligible):
            raise ValidationError(_("This is not the number of SIMs that will be retired."), code="confirm")
        return typed

    def clean_scheduled_for(self) -> Any:
        """A time to come, within a year."""
        start = self.cleaned_data["scheduled_for"]
        if start is not None and not timezone.now() < start <= timezone.now() + LATEST_START:
            raise ValidationError(_("Give a time to come, within a year."), code="scheduled_for")
        return start


class ReasonForm(forms.Form):
    """Why somebody refuses."""

    reason = ReasonField()


def plans_of_user(user: User, kind: str) -> QuerySet[RatePlan]:
    """The plans of ``kind`` that any account of the user may use. One that is only known by its code does not count."""
    plans = RatePlan.objects.filter(kind=kind, accounts__isnull=False, fetched_at__isnull=False)
    accounts = visible_accounts(user)
    if accounts is not None:
        plans = plans.filter(accounts__in=sorted(accounts))
    return plans.distinct().defer("raw").order_by("name", "code")
