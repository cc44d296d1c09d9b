"""Operations in the admin site: to read. A change here would bypass the carrier."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from operations import selectors
from operations.models import Operation, OperationAttempt


class ReadOnly:
    """Nobody adds, changes or deletes."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False


class AttemptInline(ReadOnly, admin.TabularInline):
    """The steps of an operation."""

    model = OperationAttempt
    extra = 0


@admin.register(Operation)
class OperationAdmin(ReadOnly, admin.ModelAdmin):
    """Newest first, without counting all of them."""

    list_display = ("id", "created_at", "kind", "sim", "state", "actor", "ticket", "finished_at")
    list_filter = ("state", "kind")
    list_select_related = ("sim", "actor")
    search_fields = ("=id", "=sim__giccid", "=ticket")
    show_full_result_count = False
    ordering = ("-id",)
    inlines = (AttemptInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Operation]:
        """Operations that the user may see."""
        return selectors.list_operations(request.user)
