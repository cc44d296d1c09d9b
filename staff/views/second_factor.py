"""A user's own second factor: to see, set up, renew and remove."""

from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from staff import second_factor, sessions
from staff.forms import CodeForm
from staff.models import User
from staff.sudo import sudo_required


@require_safe
def show(request: HttpRequest) -> HttpResponse:
    """Whether there is one, and how many recovery codes are left."""
    user = cast(User, request.user)
    context = {
        "is_set_up": second_factor.is_set_up(user),
        "is_required": second_factor.is_required(user),
        "left": second_factor.recovery_codes_left(user),
    }
    return render(request, "staff/second_factor.html", context)


@never_cache
@sensitive_post_parameters("code")
@require_http_methods(["GET", "HEAD", "POST"])
@sudo_required
def set_up(request: HttpRequest) -> HttpResponse:
    """The QR code and the field for the first code; the right one is answered with the recovery codes, this once."""
    user = cast(User, request.user)
    if second_factor.is_set_up(user):
        # Set up meanwhile, elsewhere: whoever is here shows it at the next sign-in.
        return redirect("staff:second_factor")
    form = CodeForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        codes = second_factor.set_up(request, user, form.cleaned_data["code"])
        if codes is not None:
            return _codes(request, codes, is_new=True)
        form.add_error("code", _("This code is not right. The app shows a new one every 30 seconds."))
    secret = second_factor.new_secret(request)
    # Who must have one gets a page without the portal around it: nothing on it may ask for more yet.
    must = second_factor.is_required(user) and not request.session.get(sessions.FACTOR)
    context = {
        "must": must,
        "frame": "lone.html" if must else "base.html",
        "form": form,
        "qr_code": second_factor.qr_code(user, secret),
        "secret": " ".join(secret[at : at + 4] for at in range(0, len(secret), 4)),
    }
    return render(request, "staff/second_factor_set_up.html", context, status=422 if form.errors else 200)


@never_cache
@require_POST
@sudo_required
def new_codes(request: HttpRequest) -> HttpResponse:
    """New recovery codes in the place of the old ones, shown this once."""
    user = cast(User, request.user)
    if not second_factor.is_set_up(user):
        return redirect("staff:second_factor")
    return _codes(request, second_factor.new_recovery_codes(user), is_new=False)


@require_POST
@sudo_required
def remove(request: HttpRequest) -> HttpResponse:
    """Take the second factor away. Who needs one is then led to set up another."""
    user = cast(User, request.user)
    if second_factor.remove(user, actor=user, why="own wish", keep=sessions.this_row(request)):
        request.session[sessions.FACTOR] = False
        messages.success(request, _("The second factor is removed."))
    return redirect("staff:second_factor")


def _codes(request: HttpRequest, codes: list[str], *, is_new: bool) -> HttpResponse:
    """In the answer to the form itself: a redirect would have to keep them somewhere."""
    parted = [f"{code[:4]} {code[4:]}" for code in codes]
    return render(request, "staff/recovery_codes.html", {"codes": parted, "is_new": is_new})
