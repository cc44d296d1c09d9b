"""What people are asked when they handle notifications."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from staff.models import User

MORNING = time(8, 0)


class SnoozeForm(forms.Form):
    """For how long. Times are in the user's zone, which is the current one during a request."""

    class Length(models.TextChoices):
        HOUR = "hour", _("For one hour")
        TOMORROW = "tomorrow", _("Until tomorrow, 8:00")
        CHOSEN = "chosen", _("Until a time that I choose")

    length = forms.ChoiceField(
        label=_("How long"), choices=Length.choices, initial=Length.HOUR, widget=forms.RadioSelect
    )
    until = forms.DateTimeField(
        label=_("Until"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"],
        help_text=_("In your time zone."),
    )

    def clean(self) -> dict[str, Any]:
        """Sets ``moment``, when the snooze ends."""
        data = super().clean() or {}
        length = data.get("length")
        if length == self.Length.CHOSEN and not data.get("until") and "until" not in self.errors:
            self.add_error("until", ValidationError(_now("Choose a time.")))
        data["moment"] = self._moment(length, data.get("until"))
        return data

    def _moment(self, length: str | None, until: datetime | None) -> datetime | None:
        now = timezone.localtime()
        if length == self.Length.HOUR:
            return now + timedelta(hours=1)
        if length == self.Length.TOMORROW:
            # Combined anew, so that it is 8:00 by the clock also where the clock changes in between.
            return datetime.combine(now.date() + timedelta(days=1), MORNING, now.tzinfo)
        return until


class AssignForm(forms.Form):
    """Who looks after it; those to choose from may see and handle all of it."""

    person = forms.ModelChoiceField(
        label=_("Person"),
        queryset=User.objects.none(),
        required=False,
        empty_label=_("Nobody"),
        help_text=_("Those to choose from may see and handle all of it."),
    )

    def __init__(self, *args: Any, people: list[User], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["person"]
        assert isinstance(field, forms.ModelChoiceField)  # tells the type checker
        field.queryset = User.objects.filter(pk__in=[person.pk for person in people]).order_by("username")


class CloseForm(forms.Form):
    """Why it is closed."""

    note = forms.CharField(
        label=_("Note"),
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("What was done about it, for whoever comes across it later."),
        error_messages={"required": _("Please say what was done about it.")},
    )
