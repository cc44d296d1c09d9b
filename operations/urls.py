"""Addresses of this app."""

from django.urls import path

from operations.views import detail, dialogs
from operations.views.list import OperationList

app_name = "operations"

urlpatterns = [
    path("operations/", OperationList.as_view(), name="list"),
    path("operations/<int:pk>/", detail.detail, name="detail"),
    path("operations/<int:pk>/badge/", detail.badge, name="badge"),
    path("operations/<int:pk>/settle/", detail.settle, name="settle"),
    path("sims/<str:giccid>/operations/", dialogs.create, name="create"),
    path("sims/<str:giccid>/operations/now/", dialogs.of_sim, name="of_sim"),
    path("sims/<str:giccid>/operations/<str:kind>/", dialogs.dialog, name="dialog"),
]
