"""What a user sees and sets about himself."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import messages
from django.contrib.auth import views as auth_views
from django.contrib.auth.forms import PasswordChangeForm
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from core import audit
from staff import lockout, second_factor, sessions
from staff.forms import ProfileForm, ThemeForm, time_zone_names
from staff.models import User
from staff.scopes import visible_accounts
from staff.services import save_profile
from staff.sign_in import own_page


def _own(request: HttpRequest) -> User:
    # A copy: what a refused form has set on it must not show up in the frame of the page.
    return User.objects.get(pk=cast(User, request.user).pk)


def _back(request: HttpRequest) -> str:
    """Where the form said it came from, when that is a page of this portal; else the profile."""
    return own_page(request, request.POST.get("next", ""), otherwise="staff:profile")


@require_http_methods(["GET", "HEAD", "POST"])
def profile(request: HttpRequest) -> HttpResponse:
    """Name, e-mail, time zone and appearance to change; role and visible accounts to see."""
    user = _own(request)
    form = ProfileForm(request.POST or None, instance=user)
    if request.method == "POST" and form.is_valid():
        save_profile(user, changed=form.changed_data)
        messages.success(request, _("Your profile is saved."))
        return redirect("staff:profile")
    accounts = visible_accounts(user)
    context = {
        "form": form,
        "zones": time_zone_names(),
        "accounts": None if accounts is None else sorted(accounts),
        "sign_ins": sessions.list_sign_ins(request),
        "has_factor": second_factor.is_set_up(user),
        "has_password": user.has_usable_password(),
    }
    return render(request, "staff/profile.html", context, status=422 if form.errors else 200)


@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    """Store the appearance and go back; an unknown one is ignored."""
    user = _own(request)
    form = ThemeForm(request.POST)
    if form.is_valid() and user.theme != form.cleaned_data["theme"]:
        user.theme = form.cleaned_data["theme"]
        save_profile(user, changed=["theme"])
    return HttpResponseRedirect(_back(request))


@require_POST
def end_sessions(request: HttpRequest) -> HttpResponse:
    """Sign out elsewhere: of the session ``session``, or, without it, of all but this one."""
    user, this = cast(User, request.user), sessions.this_row(request)
    only = request.POST.get("session", "")
    if only:
        if not (only.isascii() and only.isdigit() and len(only) < 18) or int(only) == this:
            raise Http404
        number = sessions.end(user, actor=user, why="own wish", only=int(only))
        if not number:
            raise Http404
    else:
        number = sessions.end(user, actor=user, why="own wish", keep=this)
    text = ngettext("%(number)s session has ended.", "%(number)s sessions have ended.", number)
    messages.success(request, text % {"number": number})
    return redirect("staff:profile")


class PasswordView(auth_views.PasswordChangeView):
    """The old password and the new one twice; other sessions of the user end."""

    template_name = "staff/password.html"
    success_url = reverse_lazy("staff:profile")
    http_method_names = ["get", "head", "post"]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Who comes by single sign-on has none to change."""
        if not cast(User, request.user).has_usable_password():
            raise Http404
        return super().dispatch(request, *args, **kwargs)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """A place to guess the old password, so guesses are counted here, too."""
        if lockout.is_locked(request, cast(User, request.user).get_username()):
            return HttpResponse(status=429)
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: PasswordChangeForm) -> HttpResponse:
        """Store the password and its audit entry together."""
        with transaction.atomic():
            response = super().form_valid(form)
            user = cast(User, self.request.user)
            audit.record(action="user.password", actor=user, target=user)
            sessions.follow_new_key(self.request)
            sessions.end(user, actor=user, why="password changed", keep=sessions.this_row(self.request))
        messages.success(self.request, _("Your password is changed."))
        return response

    def form_invalid(self, form: PasswordChangeForm) -> HttpResponse:
        """The form again, as 422."""
        if form.has_error("old_password", "password_incorrect"):
            lockout.failed(self.request, cast(User, self.request.user).get_username(), "old password")
        return self.render_to_response(self.get_context_data(form=form), status=422)
