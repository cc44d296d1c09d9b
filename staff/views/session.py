"""Sign-in and sign-out."""

from __future__ import annotations

from django.contrib.auth import views as auth_views

from staff.forms import SignInForm


class SignInView(auth_views.LoginView):
    """``next`` is followed to this portal only; failures and the lockout are the business of django-axes."""

    template_name = "staff/login.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True


class SignOutView(auth_views.LogoutView):
    """POST only, so that no link or image of somebody else's can end the session."""
