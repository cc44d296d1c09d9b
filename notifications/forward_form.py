"""The form of an outgoing webhook."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from notifications.models import Forward
from notifications.services.addresses import LONGEST_URL


class ForwardForm(forms.Form):
    """Name, address, on or off. The service checks the address, since that asks for its host."""

    name = forms.CharField(
        label=_("Name"),
        max_length=Forward._meta.get_field("name").max_length,
        help_text=_("What it is called in rules and in the log."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        error_messages={"required": _("Please give it a name.")},
    )
    url = forms.CharField(
        label=_("Address"),
        max_length=LONGEST_URL,
        help_text=_("Where the receiver listens, such as https://hooks.example.com/smarthub."),
        widget=forms.TextInput(attrs={"type": "url", "inputmode": "url", "autocomplete": "off", "spellcheck": "false"}),
        error_messages={"required": _("Please give the receiver's address.")},
    )
    active = forms.BooleanField(
        label=_("Switched on"),
        required=False,
        initial=True,
        help_text=_("Switched off, it gets nothing but tests, and what waits for it is given up."),
    )
