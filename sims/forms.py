"""Forms about SIMs."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from sims.models import Note


class NoteForm(forms.Form):
    """A note to write."""

    text = forms.CharField(
        label=_("New note"),
        max_length=Note._meta.get_field("text").max_length,
        widget=forms.Textarea(attrs={"rows": 3}),
        error_messages={"required": _("Please write something.")},
    )
