"""Addresses of this app."""

from django.urls import path

from notifications.views.receive import receive

app_name = "notifications"

urlpatterns = [
    path("webhooks/smarthub/<str:token>/", receive, name="webhook"),
    path("webhooks/smarthub/<str:token>/<str:kind>/", receive, name="webhook_kind"),
]
