"""Forms about SIMs."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from sims.models import Note
from sims.models.tag import TAG_LENGTH
from sims.services.tags import clean_tag


class NoteForm(forms.Form):
    """A note to write."""

    text = forms.CharField(
        label=_("New note"),
        max_length=Note._meta.get_field("text").max_length,
        widget=forms.Textarea(attrs={"rows": 3}),
        error_messages={"required": _("Please write something.")},
    )


class TagForm(forms.Form):
    """A tag to put on a SIM."""

    tag = forms.CharField(
        label=_("Tag"),
        max_length=TAG_LENGTH,
        widget=forms.TextInput(attrs={"list": "known-tags", "autocomplete": "off", "spellcheck": "false"}),
        error_messages={"required": _("Please write a tag.")},
    )

    def clean_tag(self) -> str:
        """In its one form."""
        return clean_tag(self.cleaned_data["tag"])
