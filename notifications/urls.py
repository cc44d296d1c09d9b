"""Addresses of this app."""

from django.urls import path

from notifications.views import centre, centre_acts, pushes
from notifications.views.receive import receive

app_name = "notifications"

urlpatterns = [
    path("notifications/", centre.Centre.as_view(), name="centre"),
    path("notifications/<int:pk>/", centre.line, name="line"),
    path("notifications/read-all/", centre_acts.read_all, name="read_all"),
    path("notifications/act/<slug:name>/", centre_acts.act, name="act"),
    path("pushes/", pushes.PushList.as_view(), name="pushes"),
    path("pushes/<int:pk>/", pushes.detail, name="push"),
    path("pushes/<int:pk>/replay/", pushes.replay, name="replay"),
    path("webhooks/smarthub/<str:token>/", receive, name="webhook"),
    path("webhooks/smarthub/<str:token>/<str:kind>/", receive, name="webhook_kind"),
]
