"""The page that asks again who is there ("sudo"), and the way on from it."""

from __future__ import annotations

from typing import cast

from django.conf import settings
from django.contrib.auth import authenticate
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods, require_safe

from staff import lockout, oidc, second_factor, services_sso, sign_in, sudo
from staff.forms import CodeForm, PasswordForm
from staff.models import User


@never_cache
@sensitive_post_parameters("password", "code")
@require_http_methods(["GET", "HEAD", "POST"])
def confirm(request: HttpRequest) -> HttpResponse:
    """One field, ``password``, for who has one; else ``code`` or the way to the provider.

    The right answer leads to ``next``, a wrong one is 422 and counts as a failed sign-in.
    """
    user = cast(User, request.user)
    target = sign_in.own_page(request, request.POST.get("next") or request.GET.get("next", ""))
    by_password = user.has_usable_password()
    by_code = not by_password and second_factor.is_set_up(user)
    form_class = PasswordForm if by_password else CodeForm
    form = form_class(request.POST if request.method == "POST" else None)
    if request.method == "POST" and (by_password or by_code) and form.is_valid():
        right = _right_password(request, user, form) if by_password else _right_code(request, user, form)
        if right:
            lockout.succeeded(request, user.get_username())
            sudo.grant(request, "password" if by_password else "code")
            return HttpResponseRedirect(target)
    context = {
        "form": form,
        "field": form["password"] if by_password else form["code"] if by_code else None,
        "next": target,
        "sso_name": settings.CONFIG["OIDC_NAME"] if oidc.is_offered() and services_sso.comes_by_sso(user) else "",
        "sso_query": urlencode({"next": target}),
        "minutes": settings.CONFIG["SUDO_MINUTES"],
    }
    return render(request, "staff/confirm.html", context, status=422 if form.errors else 200)


@sensitive_variables("form")
def _right_password(request: HttpRequest, user: User, form: PasswordForm | CodeForm) -> bool:
    found = authenticate(request, username=user.get_username(), password=form.cleaned_data["password"])
    if found is not None and found.pk == user.pk:
        return True
    form.add_error("password", _("This is not your password."))
    return False


def _right_code(request: HttpRequest, user: User, form: PasswordForm | CodeForm) -> bool:
    username = user.get_username()
    if not lockout.is_locked(request, username):
        if second_factor.check(user, form.cleaned_data["code"]):
            return True
        lockout.failed(request, username, "code")
    form.add_error("code", _("This code is not right, or was used already."))
    return False


@never_cache
@require_safe
def go_on(request: HttpRequest, word: str) -> HttpResponse:
    """The form that waited, with all that was in it, to be sent on; given out once."""
    if not sudo.is_confirmed(request):
        return redirect("staff:confirm")
    kept = sudo.take_kept(request, word)
    if kept is None:
        return redirect("home")
    to, fields = kept
    return render(request, "staff/go_on.html", {"to": to, "fields": fields})
