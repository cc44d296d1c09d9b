"""Portal users and the carrier accounts they may see."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from staff.roles import highest_role


class User(AbstractUser):
    """Somebody who signs in. What they may do is their role (a group), what they may see their accounts."""

    class Theme(models.TextChoices):
        SYSTEM = "system", _("As the system")
        LIGHT = "light", _("Light")
        DARK = "dark", _("Dark")

    all_accounts = models.BooleanField(
        _("sees all carrier accounts"),
        default=False,
        help_text=_("Without it, only the accounts listed below."),
    )
    time_zone = models.CharField(_("time zone"), max_length=60, blank=True, help_text=_("Empty: the portal's own."))
    theme = models.CharField(_("appearance"), max_length=8, choices=Theme.choices, default=Theme.SYSTEM)
    preferences = models.JSONField(
        _("preferences"), default=dict, blank=True, help_text=_("Choice of columns and the like, by page.")
    )

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")

    @cached_property
    def role(self) -> str:
        """The name of the user's role, of the highest where there are several; empty for none."""
        return highest_role(self.groups.values_list("name", flat=True))


class AccountScope(models.Model):
    """A carrier account that a user may see. Named as the carrier names it, known to the mirror or not yet."""

    user = models.ForeignKey(User, verbose_name=_("user"), on_delete=models.CASCADE, related_name="account_scopes")
    account_name = models.CharField(_("carrier account"), max_length=120)

    class Meta:
        verbose_name = _("account scope")
        verbose_name_plural = _("account scopes")
        constraints = [models.UniqueConstraint(fields=["user", "account_name"], name="account_scope_once")]

    def __str__(self) -> str:
        return self.account_name
