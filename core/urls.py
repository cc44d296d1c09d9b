"""Addresses that belong to no app."""

from django.urls import path

from core.views import csp_reports, exports, health, home, live

urlpatterns = [
    path("", home.home, name="home"),
    path("live/", live.badges, name="live"),
    path("exports/", exports.mine, name="exports"),
    path("exports/<int:pk>/file/", exports.fetch, name="export_file"),
    path("exports/<int:pk>/remove/", exports.remove, name="export_remove"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", health.metrics, name="metrics"),
    path("csp-reports/", csp_reports.take, name="csp_reports"),
]
