"""Addresses that belong to no app."""

from django.urls import path

from core.views import health, home, live

urlpatterns = [
    path("", home.home, name="home"),
    path("live/", live.badges, name="live"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", health.metrics, name="metrics"),
]
