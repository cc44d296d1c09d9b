"""Addresses that the carrier pushes to, in a file of their own: a push is not compared with all of the portal's."""

from django.urls import path

from notifications.views.receive import receive

urlpatterns = [
    path("webhooks/smarthub/<str:token>/", receive, name="webhook"),
    path("webhooks/smarthub/<str:token>/<str:kind>/", receive, name="webhook_kind"),
]
