"""Messages in the admin site: to read. What was said is not to be changed."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from sms.models import Message
from staff.scopes import scoped


@admin.register(Message)
class MessageAdmin(admin.ModelAdmin):
    """Read-only; scoped as everywhere."""

    list_display = ("at", "sim", "direction", "delivery", "carrier_id")
    list_filter = ("direction", "delivery")
    search_fields = ("=sim__giccid", "=carrier_id")
    list_select_related = ("sim",)
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Message]:
        """Messages of SIMs that the user may see."""
        return scoped(super().get_queryset(request), request.user, account="sim__account_id")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Message | None = None) -> bool:
        """Nobody."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Message | None = None) -> bool:
        """Nobody."""
        return False
