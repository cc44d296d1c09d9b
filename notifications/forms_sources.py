"""What is asked about a push source."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from notifications.models import PushSource
from notifications.services import sources

MOST_NETWORKS = 100
LEAST_KEY = 16


class SourceForm(forms.Form):
    """Name, networks and silence; ``active`` for a source that is there already."""

    name = forms.CharField(
        label=_("Name"),
        max_length=80,
        help_text=_("One for each SmartHub tenant or rule set, so that one can be switched off alone."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    networks = forms.CharField(
        label=_("Networks"),
        required=False,
        max_length=4000,
        help_text=_("It may push from these only, one a line: 192.0.2.0/24, 2001:db8::/32. Empty: from anywhere."),
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "class": "mono"}),
    )
    silence_hours = forms.IntegerField(
        label=_("Tell of silence after so many hours"),
        min_value=0,
        max_value=8760,
        initial=0,
        help_text=_("Without any push from it. 0: never."),
    )
    active = forms.BooleanField(
        label=_("It may push"), required=False, initial=True, help_text=_("Switched off, its address is not found.")
    )

    def __init__(self, *args: Any, source: PushSource | None = None, **kwargs: Any) -> None:
        self.source = source
        if source is not None:
            kwargs["initial"] = {
                "name": source.name,
                "networks": "\n".join(source.networks),
                "silence_hours": source.silence_hours,
                "active": source.active,
            }
        super().__init__(*args, **kwargs)
        if source is None:
            del self.fields["active"]

    def clean_name(self) -> str:
        """Unique, whatever the case of its letters."""
        name: str = self.cleaned_data["name"]
        same = PushSource.objects.filter(name__iexact=name)
        if (same.exclude(pk=self.source.pk) if self.source else same).exists():
            raise ValidationError(_now("Another source has this name."))
        return name

    def clean_networks(self) -> list[str]:
        """Networks in their one spelling."""
        lines = self.cleaned_data["networks"].replace(",", "\n").splitlines()
        try:
            networks = sources.parse_networks(lines)
        except ValueError as error:
            text = _now(
                "%(text)s is no network. Write 192.0.2.0/24 (the address of the network itself), or one address."
            )
            raise ValidationError(text % {"text": str(error)[:60]}) from None
        if len(networks) > MOST_NETWORKS:
            raise ValidationError(_now("At most %(most)d networks.") % {"most": MOST_NETWORKS})
        return networks


class RotateForm(forms.Form):
    """How long the present token stays good beside the new one."""

    overlap_hours = forms.IntegerField(
        label=_("The present token ends after so many hours"),
        min_value=0,
        max_value=24 * 30,
        initial=int(sources.OVERLAP.total_seconds() // 3600),
        help_text=_("Time to enter the new address at the carrier. 0: it ends at once."),
    )


class KeyForm(forms.Form):
    """A signing key. It is never shown again, so the box is always empty."""

    key = forms.CharField(
        label=_("New signing key"),
        min_length=LEAST_KEY,
        max_length=500,
        strip=False,
        help_text=_("The same as at the carrier. It is kept encrypted and never shown again."),
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
    )
