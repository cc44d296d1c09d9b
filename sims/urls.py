"""Addresses of this app."""

from django.urls import path

from sims.views import detail, notes, tags, usage
from sims.views.list import SimListView
from sims.views.sync import sync_page

app_name = "sims"
urlpatterns = [
    path("sims/", SimListView.as_view(), name="list"),
    path("sims/<str:giccid>/", detail.sim_page, name="detail"),
    path("sims/<str:giccid>/timeline/", detail.sim_timeline, name="timeline"),
    path("sims/<str:giccid>/live/", detail.sim_live, name="live"),
    path("sims/<str:giccid>/usage/", usage.sim_usage, name="usage"),
    path("sims/<str:giccid>/notes/", notes.add, name="note"),
    path("sims/<str:giccid>/tags/", tags.add, name="tag_add"),
    path("sims/<str:giccid>/tags/remove/", tags.remove, name="tag_remove"),
    path("sync/", sync_page, name="sync"),
]
