"""What is asked for a message: to one SIM, to many, and for a template."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from operations.forms import MAX_REASON, OperationForm, refuse_control_characters_but_breaks
from operations.services.jobs.forms import JobForm
from sms.models import MessageTemplate
from sms.placeholders import PLACEHOLDERS, fill, has_any, unknown_in
from sms.services.texts import (
    CODING_NAMES,
    LONGEST_VALIDITY,
    Composed,
    compose,
    normal,
    rounded_validity,
    validity_words,
)

MAX_TEXT = 1000
"""Characters in a form; what fits into a message is told more exactly."""

VALIDITIES = (5, 30, 60, 360, 720, 1440, 3 * 1440, 7 * 1440, 21 * 1440)
"""Minutes to choose from; a form takes any other number, too."""


class TextField(forms.CharField):
    """The text of a message: line breaks as one character, spaces at its ends kept."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            max_length=MAX_TEXT,
            strip=False,
            widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "true", "dir": "auto"}),
            validators=[refuse_control_characters_but_breaks],
            **{"label": gettext_lazy("Text"), **kwargs},
        )

    def to_python(self, value: Any) -> Any:
        """As it is sent; blanks alone are nothing."""
        text = super().to_python(value)
        return (normal(text) if text.strip() else "") if isinstance(text, str) else text


class CodingField(forms.TypedChoiceField):
    """``0``, ``1`` or ``4``; empty for the one that the text needs."""

    def __init__(self, **kwargs: Any) -> None:
        choices = [(str(int(coding)), name) for coding, name in CODING_NAMES.items()]
        super().__init__(
            label=gettext_lazy("Coding"),
            choices=[("", gettext_lazy("As the text needs")), *choices],
            coerce=int,
            empty_value=None,
            required=False,
            **kwargs,
        )


class ValiditySelect(forms.Select):
    """Durations to choose from; a value that is none of them is offered, too."""

    def optgroups(self, name: str, value: list[Any], attrs: dict[str, Any] | None = None) -> list[Any]:
        """With what was given, so that a refused form shows it again."""
        known = {str(choice) for choice, _label in self.choices}
        others = [(text, text) for text in value if text and str(text) not in known]
        before, self.choices = self.choices, [*self.choices, *others]
        try:
            return super().optgroups(name, value, attrs)
        finally:
            self.choices = before


class ValidityField(forms.IntegerField):
    """Minutes, rounded up to what the carrier can be told; ``None`` for the carrier's own."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            label=gettext_lazy("Tried for"),
            required=False,
            min_value=1,
            max_value=LONGEST_VALIDITY,
            widget=ValiditySelect,
            **kwargs,
        )
        self.widget.choices = [("", gettext_lazy("As the carrier chooses"))] + [
            (minutes, _LazyValidity(minutes)) for minutes in VALIDITIES
        ]

    def clean(self, value: Any) -> int | None:
        """Rounded up."""
        minutes = super().clean(value)
        return None if minutes is None else rounded_validity(minutes)


class _LazyValidity:
    """A duration in the language of whom it is shown to."""

    def __init__(self, minutes: int) -> None:
        self.minutes = minutes

    def __str__(self) -> str:
        return validity_words(self.minutes)


def template_field() -> forms.ModelChoiceField:
    """A template, whose text counts where none was typed."""
    return forms.ModelChoiceField(
        MessageTemplate.objects.all(),
        label=gettext_lazy("Template"),
        required=False,
        empty_label=gettext_lazy("None"),
        error_messages={"invalid_choice": gettext_lazy("This template is no longer there.")},
    )


class _WithText(forms.Form):
    """The text, typed or a template's."""

    def take_text(self, cleaned: dict[str, Any]) -> str:
        """The text to send, with its placeholders; an error where there is none."""
        template = cleaned.get("template")
        text: str = cleaned.get("text") or (template.text if template is not None else "")
        if not text and "text" not in self.errors:
            self.add_error("text", ValidationError(_("Write a text, or choose a template."), code="required"))
        return text


class SendSmsForm(_WithText, OperationForm):
    """A message to one SIM. Known placeholders are filled in; anything else in braces is sent as it stands."""

    template = template_field()
    text = TextField(required=False)
    coding = CodingField()
    validity = ValidityField()

    composed: Composed

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"auto_id": "sms_%s", **kwargs})
        reason = self.fields["reason"]
        reason.required = False
        reason.widget.attrs["rows"] = 2
        reason.widget.attrs["maxlength"] = MAX_REASON
        self.order_fields(["template", "text", "coding", "validity", "reason", "ticket"])

    def clean(self) -> dict[str, Any]:
        """The filled-in text fits into one message of its coding."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        text = self.take_text(cleaned)
        if text and "coding" not in self.errors:
            self.composed = compose(fill(text, self.sim), cleaned.get("coding"))
            if self.composed.problem:
                field = "coding" if self.composed.misfit and cleaned.get("coding") is not None else "text"
                self.add_error(field, ValidationError(self.composed.problem, code="text"))
        return cleaned


class SendSmsJobForm(_WithText, JobForm):
    """A message to many SIMs. A SIM whose filled-in text is too long is refused in the plan."""

    params_template: ClassVar[str] = "sms/job_fields.html"

    template = template_field()
    text = TextField(required=False)
    coding = CodingField()
    validity = ValidityField()

    text_to_send: str

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["text"].help_text = _("Placeholders are filled in for each SIM: %(names)s.") % {
            "names": placeholder_names()
        }

    def clean(self) -> dict[str, Any]:
        """No placeholder that there is not; a text that is the same for all SIMs fits."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        self.text_to_send = text = self.take_text(cleaned)
        refuse_unknown_placeholders(self, text)
        if text and not self.errors and not has_any(text):
            problem = compose(text, cleaned.get("coding")).problem
            if problem:
                self.add_error("text", ValidationError(problem, code="text"))
        return cleaned


class TemplateForm(forms.ModelForm):
    """A template's name and text."""

    text = TextField()

    class Meta:
        model = MessageTemplate
        fields = ("name", "text")
        error_messages: ClassVar[dict[str, dict[str, Any]]] = {
            "name": {"unique": gettext_lazy("There is a template of this name already.")}
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].widget.attrs["autocomplete"] = "off"
        self.fields["text"].help_text = _("Placeholders stand for values of the SIM: %(names)s.") % {
            "names": placeholder_names()
        }

    def clean_text(self) -> str:
        """Without placeholders that there are not; one that is the same for all SIMs fits into a message."""
        text: str = self.cleaned_data["text"]
        refuse_unknown_placeholders(self, text)
        problem = "" if self.errors or has_any(text) else compose(text).problem
        if problem:
            raise ValidationError(problem, code="text")
        return text


def refuse_unknown_placeholders(form: forms.BaseForm, text: str) -> None:
    """An error at ``text`` for words in braces that stand for nothing."""
    unknown = unknown_in(text)
    if unknown:
        names = ", ".join(f"{{{name}}}" for name in unknown)
        sentence = _("There is no placeholder %(unknown)s. There are: %(names)s.")
        form.add_error("text", ValidationError(sentence % {"unknown": names, "names": placeholder_names()}))


def placeholder_names() -> str:
    """All placeholders, as they are written."""
    return ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
