"""Addresses of this app."""

from django.urls import path

from sims.views.list import SimListView

app_name = "sims"
urlpatterns = [
    path("sims/", SimListView.as_view(), name="list"),
]
