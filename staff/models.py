"""Portal users and the carrier accounts they may see."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import AbstractUser, Permission
from django.db import models
from django.db.models import CharField, F, QuerySet, Value
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from core.prepared import NUMBER, kept
from staff.roles import BEYOND_ACCOUNTS, highest_role


@dataclass(frozen=True)
class Grants:
    """What a user was given."""

    roles: frozenset[str]
    """Names of groups."""
    permissions: frozenset[str]
    """``app.codename``, of the roles and the user's own, as far as they count for what the user sees."""
    accounts: frozenset[str]
    """Carrier accounts by name; of no account where the user sees all of them."""


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
    def grants(self) -> Grants:
        """Roles, permissions and accounts in one query, kept as long as this object: a request.

        Who is limited to accounts changes nothing that reaches beyond them, whatever the role.
        """
        found: dict[str, set[str]] = {"role": set(), "permission": set(), "account": set()}
        for what, value, name in _grants().rows([(NUMBER, self.pk)]):
            found[what].add(f"{value}.{name}" if name else value)
        permissions = found["permission"] if self.all_accounts else found["permission"] - BEYOND_ACCOUNTS
        return Grants(frozenset(found["role"]), frozenset(permissions), frozenset(found["account"]))

    @property
    def role(self) -> str:
        """The name of the user's role, of the highest where there are several; empty for none."""
        return highest_role(self.grants.roles)

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        """As Django has it, without the way through all ways to sign in: pages ask some forty times."""
        if obj is None and self.is_active and not self.is_superuser:
            return perm in self.grants.permissions
        return super().has_perm(perm, obj)

    @property
    def standing(self) -> Hashable:
        """All that decides what the user may see and do: as long as it stays, so do questions about it."""
        rights = (self.is_active, self.is_superuser, self.all_accounts, self.grants)
        return (self.pk, self.date_joined, *rights)

    def forget_grants(self) -> None:
        """Have them read anew, after a change of them."""
        self.__dict__.pop("grants", None)


class UserSession(models.Model):
    """One sign-in that has not ended: what its owner is shown of it, and by what it is ended from elsewhere.

    The session itself is Django's; a row without one means nothing and is tidied away.
    """

    user = models.ForeignKey(User, verbose_name=_("user"), on_delete=models.CASCADE, related_name="sign_ins")
    session_key = models.CharField(max_length=40, unique=True)
    how = models.CharField(_("signed in with"), max_length=20, blank=True)
    address = models.GenericIPAddressField(_("from address"), null=True, blank=True)
    agent = models.CharField(_("browser"), max_length=300, blank=True)
    started_at = models.DateTimeField(_("signed in"), default=timezone.now)
    last_seen_at = models.DateTimeField(_("last seen"), default=timezone.now)

    class Meta:
        verbose_name = _("session")
        verbose_name_plural = _("sessions")
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.user_id} {self.started_at}"


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


@kept
def _grants() -> QuerySet[Any, tuple[str, str, str]]:
    """What the user has, a row each: what it is, its value, and behind an app's label the name of a permission."""
    user_id = NUMBER
    role, permission, account = (Value(what, CharField()) for what in ("role", "permission", "account"))
    nothing = Value("", CharField())
    named = (permission, F("content_type__app_label"), F("codename"))
    roles = User.groups.through._default_manager.filter(user=user_id).values_list(role, F("group__name"), nothing)
    by_role = Permission.objects.filter(group__user=user_id).order_by().values_list(*named)
    own = Permission.objects.filter(user=user_id).order_by().values_list(*named)
    accounts = AccountScope.objects.filter(user=user_id).values_list(account, F("account_name"), nothing)
    return roles.union(by_role, own, accounts, all=True)
