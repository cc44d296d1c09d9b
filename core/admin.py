"""The audit trail in the admin site: to read, by nobody to change."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from core.models import AuditEntry


@admin.register(AuditEntry)
class AuditEntryAdmin(admin.ModelAdmin):
    """Newest first, to search by act, record, ticket, request and person. No filter that would read all of it."""

    list_display = ["at", "actor", "action", "object_type", "object_id", "account_name", "reason", "ticket"]
    list_filter = ["at"]
    list_select_related = ["actor"]
    search_fields = ["=action", "=object_id", "=ticket", "=request_id", "=actor__username"]
    show_full_result_count = False
    ordering = ["-id"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody: entries are written by what they tell of."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False
