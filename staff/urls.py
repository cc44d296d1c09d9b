"""Addresses of this app."""

from django.urls import path

from staff.views import audit, profile, session

app_name = "staff"
urlpatterns = [
    path("login/", session.SignInView.as_view(), name="login"),
    path("logout/", session.SignOutView.as_view(), name="logout"),
    path("profile/", profile.profile, name="profile"),
    path("profile/password/", profile.PasswordView.as_view(), name="password"),
    path("profile/theme/", profile.theme, name="theme"),
    path("audit/", audit.AuditList.as_view(), name="audit"),
    path("audit/<int:pk>/", audit.detail, name="audit_entry"),
    path("audit/<int:pk>/record/", audit.record, name="audit_record"),
]
