"""Addresses of this app."""

from django.urls import path

from notifications.views import pushes
from notifications.views.receive import receive

app_name = "notifications"

urlpatterns = [
    path("pushes/", pushes.PushList.as_view(), name="pushes"),
    path("pushes/<int:pk>/", pushes.detail, name="push"),
    path("pushes/<int:pk>/replay/", pushes.replay, name="replay"),
    path("webhooks/smarthub/<str:token>/", receive, name="webhook"),
    path("webhooks/smarthub/<str:token>/<str:kind>/", receive, name="webhook_kind"),
]
