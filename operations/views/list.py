"""The list of operations."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from core.listing import Listing, ListView
from operations import selectors
from operations.filters import OperationFilter
from operations.tables import OperationTable

_COLUMNS = (
    "kind",
    "state",
    "before",
    "params",
    "reason",
    "ticket",
    "message",
    "created_at",
    "finished_at",
    "sim__giccid",
    "sim__account_id",
    "actor__username",
    "actor__first_name",
    "actor__last_name",
)
"""What its table shows: the SIM of an operation has fifty columns more."""


class OperationList(ListView):
    """All operations that the user may see, newest first."""

    name = "operations"
    template_name = "operations/list.html"
    permission_required = "operations.view_operation"
    table_class = OperationTable
    filterset_class = OperationFilter
    orders = {"created": "pk"}
    default_sort = "-created"
    keeps_statements = True
    noun = _("operation")
    noun_plural = _("operations")

    def get_queryset(self) -> QuerySet[Any]:
        """With their SIMs and actors."""
        return selectors.list_operations(self.request.user).only(*_COLUMNS)

    def extra_context(self, listing: Listing) -> dict[str, Any]:
        """What an empty list says."""
        return {
            "empty_title": _("No operations yet"),
            "empty_text": _("Open a SIM and choose what to change; every change is listed here."),
        }
