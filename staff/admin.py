"""Users and their scopes in the admin site. The audit trail has a page of its own (``staff/views/audit.py``).

What one may do is a role; single permissions are not to be edited.
"""

from __future__ import annotations

import re
from typing import Any

import allauth.account.admin
import allauth.mfa.admin
import allauth.socialaccount.admin  # noqa: F401 - the three register what is taken out below
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group
from django.core.exceptions import BadRequest
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from core import audit
from staff import lockout, second_factor, sessions, sudo
from staff.forms import UserAddForm, UserEditForm
from staff.models import AccountScope, User
from staff.services import describe, set_role

# The roles are made by migrations. Of the tables of sign-in nobody reads or writes by hand: they hold secrets.
for model in (Group, EmailAddress, SocialAccount, SocialApp, SocialToken, Authenticator):
    admin.site.unregister(model)


class AccountScopeInline(admin.TabularInline):
    """The carrier accounts of a user who does not see all."""

    model = AccountScope
    extra = 1


@admin.register(User)
class PortalUserAdmin(UserAdmin):
    """Users with one role each. Every change leaves an audit entry with before and after."""

    form = UserEditForm
    add_form = UserAddForm
    inlines = [AccountScopeInline]
    list_display = ["username", "full_name", "role_name", "all_accounts", "is_active", "last_login"]
    list_filter = ["is_active", "groups", "all_accounts"]
    search_fields = ["username", "first_name", "last_name", "email"]
    ordering = ["username"]
    actions = ["end_sessions", "remove_second_factor", "release_lockout"]
    filter_horizontal = []
    readonly_fields = ["last_login", "date_joined"]
    fieldsets = [
        (None, {"fields": ["username", "password"]}),
        (_("Person"), {"fields": ["first_name", "last_name", "email", "time_zone"]}),
        (_("Access"), {"fields": ["is_active", "role", "all_accounts"]}),
        (_("Dates"), {"fields": ["last_login", "date_joined"]}),
    ]
    add_fieldsets = [
        (
            None,
            {"classes": ["wide"], "fields": ["username", "password1", "password2"]},
        ),
        (_("Access"), {"classes": ["wide"], "fields": ["role", "all_accounts"]}),
    ]

    @admin.display(description=_("name"))
    def full_name(self, user: User) -> str:
        """First and last name."""
        return user.get_full_name()

    @admin.display(description=_("role"))
    def role_name(self, user: User) -> str:
        """The role, or that it is a superuser, which only the command line makes."""
        return str(_("Superuser")) if user.is_superuser else user.role

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """A superuser is changed by a superuser only: else an administrator could take his password."""
        if obj is not None and obj.is_superuser and not request.user.is_superuser:
            return False
        return super().has_change_permission(request, obj)

    def get_form(self, request: HttpRequest, obj: User | None = None, change: bool = False, **kwargs: Any) -> Any:
        """The form, which knows who is acting."""
        form = super().get_form(request, obj, change=change, **kwargs)
        form.acting_user = request.user  # type: ignore[attr-defined]  # both forms are ours and have it
        return form

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Looking is free, an action is confirmed."""
        ticked = request.POST.getlist(ACTION_CHECKBOX_NAME)
        if not all(re.fullmatch(r"[0-9]{1,18}", key) for key in ticked):
            raise BadRequest("No number of a user")  # Django's admin looks for it as it is, and fails
        asked = sudo.ask(request) if request.method == "POST" else None
        return asked or super().changelist_view(request, extra_context)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """A user is made or changed by who has just shown who they are."""
        return sudo.ask(request) or super().changeform_view(request, *args, **kwargs)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> Any:  # noqa: A002 - Django's
        """As above."""
        return sudo.ask(request) or super().user_change_password(request, id, form_url)

    @admin.action(description=_("End all sessions of"), permissions=["change"])
    def end_sessions(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """They have to sign in again, everywhere."""
        users = self._in_reach(request, queryset)
        number = sum(sessions.end(user, actor=self._acting(request), why="by an administrator") for user in users)
        text = ngettext("%(number)s session has ended.", "%(number)s sessions have ended.", number)
        self.message_user(request, text % {"number": number})

    @admin.action(description=_("Remove the second factor of (a phone is lost)"), permissions=["change"])
    def remove_second_factor(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """They sign in without one, and set up another where their role asks for it. Their sessions end."""
        users, acting = self._in_reach(request, queryset), self._acting(request)
        number = sum(second_factor.remove(user, actor=acting, why="by an administrator") for user in users)
        text = ngettext("%(number)s second factor is removed.", "%(number)s second factors are removed.", number)
        self.message_user(request, text % {"number": number})

    @admin.action(description=_("Release the lockout of"), permissions=["change"])
    def release_lockout(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """Failed sign-ins are forgotten."""
        for user in self._in_reach(request, queryset):
            if lockout.release(username=user.get_username()):
                audit.record(action="user.lockout_released", actor=self._acting(request), target=user)
        self.message_user(request, _("Whoever was locked out can sign in again."))

    def _in_reach(self, request: HttpRequest, queryset: QuerySet[User]) -> list[User]:
        users = [user for user in queryset if self.has_change_permission(request, user)]
        if len(users) < queryset.count():
            self.message_user(request, _("A superuser is out of your reach."), messages.WARNING)
        return users

    def _acting(self, request: HttpRequest) -> User:
        return request.user  # type: ignore[return-value]  # the admin site lets nobody else in

    def save_model(self, request: HttpRequest, obj: User, form: ModelForm, change: bool) -> None:
        """Remember what was, for the audit entry that :meth:`save_related` writes."""
        form.audit_before = describe(obj) if change else {}  # type: ignore[attr-defined]  # ours, for the request
        super().save_model(request, obj, form, change)
        if not obj.is_active:
            sessions.end(obj, actor=self._acting(request), why="deactivated")

    def save_related(self, request: HttpRequest, form: ModelForm, formsets: Any, change: bool) -> None:
        """Scopes and role, then the audit entry, all in the transaction of the admin view."""
        super().save_related(request, form, formsets, change)
        user: User = form.instance
        group = form.cleaned_data.get("role")
        if group is not None:
            set_role(user, group.name)
        before, after = form.audit_before, describe(user)  # type: ignore[attr-defined]  # set in save_model
        if before != after:
            audit.record(
                action="user.changed" if change else "user.created",
                actor=request.user,  # type: ignore[arg-type]  # the admin site lets nobody else in
                target=user,
                before=before,
                after=after,
            )

    def log_change(self, request: HttpRequest, obj: User, message: Any) -> Any:
        """Django's own log as always; a new password, which has a page of its own, is an audit entry besides."""
        if request.resolver_match is not None and request.resolver_match.url_name == "auth_user_password_change":
            audit.record(
                action="user.password_set",
                actor=request.user,  # type: ignore[arg-type]  # the admin site lets nobody else in
                target=obj,
            )
            sessions.end(obj, actor=self._acting(request), why="password set")
        return super().log_change(request, obj, message)
