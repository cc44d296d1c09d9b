"""Forms of sign-in, profile and administration of users."""

from __future__ import annotations

import zoneinfo
from typing import Any, cast

from django import forms
from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm, UserChangeForm, UserCreationForm
from django.contrib.auth.models import Group
from django.core.validators import MaxLengthValidator
from django.utils.translation import gettext_lazy as _

from staff import automation
from staff.models import User
from staff.roles import ADMINISTRATOR, ROLES


class SignInForm(AuthenticationForm):
    """User name and password. The same words for a wrong password, an unknown and an inactive user."""

    error_messages = {
        "invalid_login": _("This user name and password do not match, or the user is not active."),
        "inactive": _("This user name and password do not match, or the user is not active."),
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        username = self.fields["username"]
        username.label = _("User name")
        # Django's form writes the length into the page and does not look at it.
        username.validators.append(MaxLengthValidator(cast(forms.CharField, username).max_length or 0))
        self.fields["username"].widget.attrs.update(autocapitalize="none", spellcheck="false")

    def confirm_login_allowed(self, user: User) -> None:
        """Refuses the portal's own user, too, whatever password somebody may have given it, and whom the settings
        let in by single sign-on only."""
        super().confirm_login_allowed(user)
        if user.get_username() == automation.USERNAME or not may_use_password(user):
            raise self.get_invalid_login_error()


def may_use_password(user: User) -> bool:
    """Whether ``LOCAL_SIGN_IN`` leaves this user the sign-in by password."""
    is_administrator = user.is_superuser or user.role == ADMINISTRATOR
    return settings.CONFIG["LOCAL_SIGN_IN"] == "all" or is_administrator


class CodeForm(forms.Form):
    """A code of the authenticator app, or a recovery code; spaces in it do no harm."""

    code = forms.CharField(
        label=_("Code"),
        max_length=20,
        widget=forms.TextInput(
            attrs={"autocomplete": "one-time-code", "inputmode": "numeric", "spellcheck": "false", "autofocus": True}
        ),
    )


class PasswordForm(forms.Form):
    """The user's own password, typed again."""

    password = forms.CharField(
        label=_("Password"),
        max_length=4096,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password", "autofocus": True}),
    )


def time_zone_names() -> list[str]:
    """The zones that a person may choose: places and UTC, without the old and technical names."""
    return sorted(name for name in zoneinfo.available_timezones() if name == "UTC" or _is_place(name))


def _is_place(name: str) -> bool:
    region, slash, _rest = name.partition("/")
    return bool(slash) and region not in {
        "Etc",
        "SystemV",
        "US",
        "Canada",
        "Brazil",
        "Chile",
        "Mexico",
        "posix",
        "right",
    }


class ProfileForm(forms.ModelForm):
    """What a user may change about himself."""

    class Meta:
        model = User
        fields = ["first_name", "last_name", "email", "time_zone", "theme"]
        widgets = {
            "time_zone": forms.TextInput(attrs={"list": "time-zones", "autocomplete": "off", "spellcheck": "false"}),
            "theme": forms.RadioSelect,
        }
        help_texts = {"time_zone": _("Type a place, such as Europe/Berlin. Empty for the portal's own zone.")}

    def clean_time_zone(self) -> str:
        """The zone's name as the system writes it, whatever case it was typed in."""
        typed = self.cleaned_data["time_zone"].strip().replace(" ", "_")
        if not typed:
            return ""
        known = {name.casefold(): name for name in zoneinfo.available_timezones()}
        try:
            return known[typed.casefold()]
        except KeyError:
            raise forms.ValidationError(_("There is no time zone of this name.")) from None


class ThemeForm(forms.Form):
    """The choice of appearance in the user menu."""

    theme = forms.ChoiceField(choices=User.Theme.choices)


def _roles() -> Any:
    return Group.objects.filter(name__in=ROLES)


class RoleMixin(forms.ModelForm):
    """One role to choose. What a user may do is the role and nothing else: no single permissions."""

    role = forms.ModelChoiceField(
        label=_("Role"),
        queryset=Group.objects.none(),
        to_field_name="name",
        required=True,
        help_text=_("Viewer reads; Agent changes SIMs; Supervisor also retires; Administrator also manages users."),
    )
    acting_user: User

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        role = cast(forms.ModelChoiceField, self.fields["role"])
        role.queryset = _roles()
        if self.instance.pk:
            role.initial = self.instance.role
            role.required = not self.instance.is_superuser and self.instance.username != automation.USERNAME

    def clean(self) -> dict[str, Any]:
        """Refuses that an administrator takes the role from himself and so locks himself out, and that the portal's
        own user becomes a person's."""
        cleaned = super().clean() or self.cleaned_data
        if self.instance.pk and self.instance.username == automation.USERNAME:
            if cleaned.get("role") is not None:
                self.add_error("role", _("The portal's own user has no role."))
            if cleaned.get("username") != automation.USERNAME:
                self.add_error("username", _("The portal's own user keeps its name."))
        if self.instance.pk and self.instance.pk == self.acting_user.pk and not self.instance.is_superuser:
            role = cleaned.get("role")
            if role is not None and role.name != ADMINISTRATOR:
                self.add_error("role", _("You can not take this role from yourself."))
            if not cleaned.get("is_active", True):
                self.add_error("is_active", _("You can not deactivate yourself."))
        return cleaned


class UserAddForm(RoleMixin, UserCreationForm):
    """A new user: name, password, role, accounts."""

    class Meta:
        model = User
        fields = ["username", "all_accounts"]


class UserEditForm(RoleMixin, UserChangeForm):
    """A user as an administrator changes it. No superuser flag, no single permissions: they are not fields here."""

    class Meta:
        model = User
        fields = ["username", "password", "first_name", "last_name", "email", "is_active", "all_accounts", "time_zone"]
