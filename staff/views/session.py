"""Sign-in, its second step, and sign-out."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth import views as auth_views
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from staff import lockout, oidc, second_factor, sign_in
from staff.forms import CodeForm, SignInForm


class SignInView(auth_views.LoginView):
    """``next`` is followed to this portal only; failures and the lockout are the business of ``staff.lockout``."""

    template_name = "staff/login.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True
    http_method_names = ["get", "head", "post"]

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        """In, or on to the second factor."""
        user, target = form.get_user(), self.get_success_url()
        is_in = sign_in.proceed(self.request, user, how="password", target=target)
        return HttpResponseRedirect(target) if is_in else redirect("staff:code")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """With the provider of single sign-on, where there is one."""
        return super().get_context_data(
            sso_name=settings.CONFIG["OIDC_NAME"] if oidc.is_offered() else "",
            only_administrators=settings.CONFIG["LOCAL_SIGN_IN"] == "administrators",
            **kwargs,
        )


@login_not_required
@never_cache
@sensitive_post_parameters("code")
@require_http_methods(["GET", "HEAD", "POST"])
def code(request: HttpRequest) -> HttpResponse:
    """The second step: a code of the app or a recovery code. 422 for a wrong one; too many lock as passwords do."""
    found = sign_in.pending(request)
    if found is None:
        return redirect("staff:login")
    user, waiting = found
    form = CodeForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid() and not lockout.is_locked(request, user.get_username()):
        if second_factor.check(user, form.cleaned_data["code"]):
            sign_in.finish(request, user, waiting)
            return HttpResponseRedirect(waiting.target)
        lockout.failed(request, user.get_username(), "code")
        form.add_error("code", _("This code is not right, or was used already."))
    context = {"form": form, "username": user.get_username()}
    return render(request, "staff/code.html", context, status=422 if form.errors else 200)


class SignOutView(auth_views.LogoutView):
    """POST only, so that no link or image of somebody else's can end the session."""

    http_method_names = ["post"]
