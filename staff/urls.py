"""Addresses of this app."""

from django.urls import path

from staff.views import audit, confirming, profile, second_factor, session, sso

app_name = "staff"
urlpatterns = [
    path("login/", session.SignInView.as_view(), name="login"),
    path("login/code/", session.code, name="code"),
    path("login/sso/", sso.leave, name="sso"),
    path("login/sso/callback/", sso.callback, name="sso_callback"),
    path("logout/", session.SignOutView.as_view(), name="logout"),
    path("profile/", profile.profile, name="profile"),
    path("profile/password/", profile.PasswordView.as_view(), name="password"),
    path("profile/theme/", profile.theme, name="theme"),
    path("audit/", audit.AuditList.as_view(), name="audit"),
    path("audit/<int:pk>/", audit.detail, name="audit_entry"),
    path("audit/<int:pk>/record/", audit.record, name="audit_record"),
    path("profile/sessions/end/", profile.end_sessions, name="end_sessions"),
    path("profile/confirm/", confirming.confirm, name="confirm"),
    path("profile/confirm/sso/", sso.confirm, name="confirm_sso"),
    path("profile/confirm/<slug:word>/", confirming.go_on, name="go_on"),
    path("profile/second-factor/", second_factor.show, name="second_factor"),
    path("profile/second-factor/set-up/", second_factor.set_up, name="second_factor_setup"),
    path("profile/second-factor/codes/", second_factor.new_codes, name="recovery_codes"),
    path("profile/second-factor/remove/", second_factor.remove, name="second_factor_remove"),
]
