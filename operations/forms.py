"""What is asked for each kind of change. The services read their input through the same forms as the pages."""

from __future__ import annotations

import unicodedata
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from operations.selectors import scheduled_plan_changes
from sims.models import RatePlan, Sim
from sims.models.sim import CUSTOM_FIELDS

MAX_REASON = 1000
MAX_TICKET = 60
MAX_CUSTOM_FIELD = 100
"""Characters in a custom field; the carrier's limit (assumed)."""

CUSTOM_FIELD_LABELS = {
    "custom1": gettext_lazy("Custom field 1"),
    "custom2": gettext_lazy("Custom field 2"),
    "custom3": gettext_lazy("Custom field 3"),
    "custom4": gettext_lazy("Custom field 4"),
    "custom5": gettext_lazy("Custom field 5"),
}

MANY_PLANS = 15
"""From so many on, the choice of plans gets a search box."""


def refuse_control_characters(value: str) -> None:
    """For one line of text: nothing that does not show."""
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in value):
        raise ValidationError(_("Please leave out control characters."), code="control_characters")


def refuse_control_characters_but_breaks(value: str) -> None:
    """For text of several lines: line breaks and tabs are fine."""
    refuse_control_characters(value.translate({ord(character): " " for character in "\r\n\t"}))


class ReasonField(forms.CharField):
    """Why somebody does something: required, up to :data:`MAX_REASON` characters."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            label=gettext_lazy("Reason"),
            max_length=MAX_REASON,
            widget=forms.Textarea(attrs={"rows": 3}),
            validators=[refuse_control_characters_but_breaks],
            **kwargs,
        )

    def to_python(self, value: Any) -> Any:
        """Browsers send line breaks as two characters; they count as one."""
        text = super().to_python(value)
        return text.replace("\r\n", "\n") if isinstance(text, str) else text


class LineField(forms.CharField):
    """One line of text without control characters, which no browser fills in by itself."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.TextInput(attrs={"autocomplete": "off"})
        super().__init__(**{"widget": widget, "validators": [refuse_control_characters], **kwargs})


class TakesEffect(forms.Form):
    """From when a plan is to hold."""

    effective = forms.ChoiceField(
        label=gettext_lazy("Takes effect"),
        choices=[("NOW", gettext_lazy("Now")), ("NEXT_CYCLE", gettext_lazy("With the next billing cycle"))],
        widget=forms.RadioSelect,
        initial="NOW",
        required=False,
    )

    def clean_effective(self) -> str:
        """Now, unless told otherwise."""
        return self.cleaned_data["effective"] or "NOW"


class SwitchField(forms.ChoiceField):
    """Whether an APN is to be on or off."""

    def __init__(self) -> None:
        super().__init__(
            label=gettext_lazy("Switch it"),
            choices=[("ENABLED", gettext_lazy("On")), ("DISABLED", gettext_lazy("Off"))],
            widget=forms.RadioSelect,
        )


class SettleForm(forms.Form):
    """A person's word on an operation that the portal can't tell the end of."""

    happened = forms.TypedChoiceField(
        choices=[("yes", gettext_lazy("It happened")), ("no", gettext_lazy("It did not happen"))],
        coerce=lambda value: value == "yes",
    )
    reason = ReasonField()


class OperationForm(forms.Form):
    """What every kind asks: why, for which ticket. Subclasses add the parameters of their kind."""

    reason = ReasonField()
    ticket = LineField(label=gettext_lazy("Ticket"), max_length=MAX_TICKET, required=False)

    params_fields: ClassVar[tuple[str, ...]] = ()
    """Names of the fields that are the kind's own."""

    def __init__(self, *args: Any, sim: Sim, **kwargs: Any) -> None:
        self.sim = sim
        # The dialog stands on a page that has forms of its own.
        super().__init__(*args, **{"auto_id": "operation_%s", **kwargs})

    def params(self) -> dict[str, str]:
        """The parameters to store with the operation; call it on a valid form."""
        return {name: self.cleaned_data[name] for name in self.params_fields}


class RetireForm(OperationForm):
    """Final, so the person types the last digits of the SIM she means."""

    confirm = forms.CharField(
        label=gettext_lazy("Last four digits of the giccid"),
        max_length=20,
        widget=forms.TextInput(attrs={"autocomplete": "off", "inputmode": "numeric"}),
    )

    def clean_confirm(self) -> str:
        """The last four digits, nothing else."""
        typed: str = self.cleaned_data["confirm"]
        if typed != self.sim.giccid[-4:]:
            raise ValidationError(_("These are not the last four digits of this SIM's giccid."), code="confirm")
        return typed


class PlanField(forms.ModelChoiceField):
    """A rate plan by its code."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            RatePlan.objects.none(),
            to_field_name="code",
            empty_label=gettext_lazy("Choose a plan"),
            error_messages={"invalid_choice": gettext_lazy("This account has no such plan.")},
            **kwargs,
        )

    def to_python(self, value: Any) -> RatePlan | None:
        """A code that no database takes is an unknown plan, too."""
        if isinstance(value, str) and (len(value) > 80 or "\x00" in value):
            raise ValidationError(self.error_messages["invalid_choice"], code="invalid_choice")
        plan: RatePlan | None = super().to_python(value)
        return plan

    def label_from_instance(self, obj: Any) -> str:
        """Name, code, price."""
        return " · ".join(part for part in (str(obj), obj.code if obj.name else "", price_of(obj)) if part)


def price_of(plan: RatePlan) -> str:
    """The price with its currency, or an empty text."""
    return f"{number_format(plan.price.normalize(), 2)} {plan.currency}".strip() if plan.price is not None else ""


def plans_for(sim: Sim, kind: str) -> QuerySet[RatePlan]:
    """The plans of ``kind`` that the SIM's account may use. One that is only known by its code does not count."""
    return RatePlan.objects.filter(kind=kind, accounts=sim.account_id, fetched_at__isnull=False).order_by(
        "name", "code"
    )


def plans_matching(plans: QuerySet[RatePlan], text: str) -> QuerySet[RatePlan]:
    """Those of ``plans`` that have every word of ``text`` in code or name."""
    for word in text.replace("\x00", "").split()[:5]:
        plans = plans.filter(Q(code__icontains=word) | Q(name__icontains=word))
    return plans


class AddPlanForm(OperationForm):
    """Which supplementary plan to buy."""

    plan_kind: ClassVar[str] = RatePlan.Kind.SUPPLEMENTARY
    params_fields: ClassVar[tuple[str, ...]] = ("plan",)
    plan = PlanField(label=gettext_lazy("Supplementary plan"))

    def __init__(self, *args: Any, sim: Sim, **kwargs: Any) -> None:
        super().__init__(*args, sim=sim, **kwargs)
        field = self.fields["plan"]
        assert isinstance(field, forms.ModelChoiceField)  # tells the type checker
        field.queryset = plans_for(sim, self.plan_kind)

    def params(self) -> dict[str, str]:
        """The plan by its code."""
        return {**super().params(), "plan": self.cleaned_data["plan"].code}


class ChangePlanForm(TakesEffect, AddPlanForm):
    """Which basic plan, and from when."""

    plan_kind = RatePlan.Kind.BASIC
    params_fields = ("plan", "effective")
    plan = PlanField(label=gettext_lazy("New rate plan"))

    def clean(self) -> dict[str, Any]:
        """The plan it already has is no change, unless it takes back one that is to come."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        plan = cleaned.get("plan")
        if plan is not None and plan.code == self.sim.plan_id:
            back = cleaned.get("effective") == "NEXT_CYCLE" and scheduled_plan_changes(self.sim).exists()
            if not back:
                self.add_error("plan", ValidationError(_("The SIM has this plan already."), code="unchanged"))
        return cleaned


class SetApnForm(OperationForm):
    """Which of the SIM's APNs, and on or off."""

    params_fields = ("apn", "apn_status")
    apn = forms.ChoiceField(
        label=gettext_lazy("APN"), error_messages={"invalid_choice": gettext_lazy("The SIM has no such APN.")}
    )
    apn_status = SwitchField()

    def __init__(self, *args: Any, sim: Sim, **kwargs: Any) -> None:
        super().__init__(*args, sim=sim, **kwargs)
        states = apn_states(sim)
        field = self.fields["apn"]
        assert isinstance(field, forms.ChoiceField)  # tells the type checker
        field.choices = [(name, name) for name in states]
        if len(states) == 1:
            (name, state), *_rest = states.items()
            field.initial = name
            self.fields["apn_status"].initial = "DISABLED" if state == "ENABLED" else "ENABLED"


def apn_states(sim: Sim) -> dict[str, str]:
    """The SIM's APNs with their states, as far as the mirror can read them."""
    return {
        item["apn"]: str(item.get("status") or "")
        for item in sim.apns or ()
        if isinstance(item, dict) and isinstance(item.get("apn"), str)
    }


class SetCustomFieldsForm(OperationForm):
    """The carrier's five free texts; one that is not sent keeps its value, an empty one is emptied.

    The page sends along what it showed (``initial-custom1``), so that a form that was open for a while neither puts an
    old text back nor overwrites one that its reader has not seen.
    """

    params_fields = CUSTOM_FIELDS

    def __init__(self, *args: Any, sim: Sim, **kwargs: Any) -> None:
        super().__init__(*args, sim=sim, **kwargs)
        for name in CUSTOM_FIELDS:
            # A text that the carrier already holds is not checked: it is not sent.
            checked = not (self.is_bound and self._is_unchanged(name))
            self.fields[name] = LineField(
                label=CUSTOM_FIELD_LABELS[name],
                max_length=MAX_CUSTOM_FIELD if checked else None,
                required=False,
                initial=getattr(sim, name),
                show_hidden_initial=True,
                **({} if checked else {"validators": []}),
            )
        self.order_fields([*CUSTOM_FIELDS, "reason", "ticket"])

    def _is_unchanged(self, name: str) -> bool:
        sent = self.data.get(name)
        return sent is None or str(sent).strip() in (getattr(self.sim, name).strip(), self._seen(name))

    def _seen(self, name: str) -> str:
        """What the form showed; what the SIM has, where that is not told."""
        return str(self.data.get(self.add_initial_prefix(name), getattr(self.sim, name))).strip()

    def clean(self) -> dict[str, Any]:
        """At least one of them differs, and none of those was changed by somebody else since the form was opened."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        for name in CUSTOM_FIELDS:
            if not self._is_unchanged(name) and self._seen(name) != getattr(self.sim, name).strip():
                self.add_error(name, _("This was changed meanwhile. Please open the form again."))
        if not self.errors and not self.params():
            raise ValidationError(_("Nothing was changed."), code="unchanged")
        return cleaned

    def params(self) -> dict[str, str]:
        """Only what differs from the mirror, so that another person's change of another field stays."""
        return {name: self.cleaned_data[name] for name in CUSTOM_FIELDS if not self._is_unchanged(name)}
