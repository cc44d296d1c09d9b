"""The mirror in the admin site: to read. What the carrier holds is changed by operations, never here."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property

from sims.models import (
    Account,
    AccountHistory,
    CountryMonth,
    CountryUsage,
    Enterprise,
    Note,
    PoolHistory,
    RatePlan,
    SharePool,
    Sim,
    Subscription,
    SyncRun,
    TimelineEvent,
)
from staff.scopes import scoped, visible_accounts

_COUNTED_AT_MOST = 10_000


class CappedPaginator(Paginator):
    """Counts no further than 10,000: a million rows are found by searching, not by leafing."""

    @cached_property
    def count(self) -> int:
        """Rows, 10,000 at most."""
        rows: Any = self.object_list[:_COUNTED_AT_MOST]
        return int(rows.count())


class ReadOnlyAdmin(admin.ModelAdmin):
    """To look at, by nobody to change."""

    paginator = CappedPaginator
    show_full_result_count = False
    list_per_page = 50
    account = "sim__account_id"
    """The lookup to the carrier account's name, by which rows are limited to what the user may see; empty for rows
    that hold no data of any account."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Rows of accounts that the user may see."""
        rows = super().get_queryset(request)
        return scoped(rows, request.user, account=self.account) if self.account else rows

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody: rows come from the carrier."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody: the next reading would undo it."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody: a SIM that is gone at the carrier is marked, and its timeline kept."""
        return False


@admin.register(Sim)
class SimAdmin(ReadOnlyAdmin):
    """Found by the whole giccid, IMSI, MSISDN or IMEI."""

    account = "account_id"
    list_display = ("giccid", "account_id", "status", "plan_id", "imsi", "msisdn", "observed_at", "missing_since")
    search_fields = ("=giccid", "=imsi", "=msisdn", "=imei")
    list_filter = ("status",)
    ordering = ("giccid",)


@admin.register(Subscription)
class SubscriptionAdmin(ReadOnlyAdmin):
    """Supplementary plans of SIMs."""

    list_display = ("sim", "plan_id", "carrier_id", "status", "activated_at", "expires_at", "gone_since")
    list_select_related = ("sim",)
    search_fields = ("=sim__giccid", "=carrier_id")
    ordering = ("-id",)


@admin.register(TimelineEvent)
class TimelineEventAdmin(ReadOnlyAdmin):
    """Events with what each source told."""

    list_display = ("id", "sim", "kind", "at", "from_value", "to_value", "outcome", "actor", "ticket")
    list_select_related = ("sim", "actor")
    search_fields = ("=sim__giccid", "=ticket")
    list_filter = ("kind", "outcome")
    ordering = ("-id",)


@admin.register(Note)
class NoteAdmin(ReadOnlyAdmin):
    """Notes on SIMs."""

    list_display = ("sim", "author", "created_at")
    list_select_related = ("sim", "author")
    search_fields = ("=sim__giccid",)
    ordering = ("-id",)


@admin.register(Account)
class AccountAdmin(ReadOnlyAdmin):
    """Carrier accounts."""

    account = "name"
    list_display = ("name", "status", "currency", "balance", "current_charge", "fetched_at")
    search_fields = ("name",)


@admin.register(RatePlan)
class RatePlanAdmin(ReadOnlyAdmin):
    """Rate plans."""

    account = "accounts"
    list_display = ("code", "name", "kind", "billing", "price", "currency", "fetched_at")
    search_fields = ("code", "name")
    list_filter = ("kind", "billing")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Plans that one of the user's accounts may use, each once."""
        return super().get_queryset(request).distinct()


@admin.register(SharePool)
class SharePoolAdmin(ReadOnlyAdmin):
    """Share pools."""

    account = "account_id"
    list_display = ("code", "name", "account_id", "sim_count", "data_usage", "data_quota", "fetched_at")
    search_fields = ("code", "name")


class HistoryAdmin(ReadOnlyAdmin):
    """What was kept of something else: whoever may see that, may see this."""

    of = "sims.view_account"

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """As of what it is a history of; these models have no permission of their own."""
        return bool(request.user.has_perm(self.of))

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Likewise."""
        return self.has_view_permission(request)


@admin.register(Enterprise)
class EnterpriseAdmin(HistoryAdmin):
    """Whom the key belongs to."""

    account = ""
    list_display = ("name", "fetched_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Only for who sees all of its accounts."""
        rows = super().get_queryset(request)
        return rows if visible_accounts(request.user) is None else rows.none()


@admin.register(AccountHistory)
class AccountHistoryAdmin(HistoryAdmin):
    """Accounts by day."""

    account = "account_id"
    list_display = ("account_id", "day", "balance", "current_charge", "currency", "sim_count", "read_at")
    search_fields = ("=account__name",)
    ordering = ("-id",)


@admin.register(PoolHistory)
class PoolHistoryAdmin(HistoryAdmin):
    """Share pools by day."""

    of = "sims.view_sharepool"
    account = "pool__account_id"
    list_display = ("pool_id", "day", "data_usage", "data_quota", "sim_count", "cycle_start", "cycle_end", "read_at")
    search_fields = ("=pool__code",)
    ordering = ("-id",)


@admin.register(CountryMonth)
class CountryMonthAdmin(HistoryAdmin):
    """Which months of statistics were read."""

    account = "account_id"
    list_display = ("account_id", "month", "countries", "read_at")
    search_fields = ("=account__name",)
    ordering = ("-id",)


@admin.register(CountryUsage)
class CountryUsageAdmin(HistoryAdmin):
    """Statistics by account, month and country."""

    account = "account_id"
    list_display = ("account_id", "month", "country_code", "data_usage", "sim_count", "read_at")
    search_fields = ("=account__name", "=country_code")
    ordering = ("-id",)


@admin.register(SyncRun)
class SyncRunAdmin(ReadOnlyAdmin):
    """Runs of the sync."""

    account = ""
    list_display = ("id", "kind", "state", "trigger", "started_at", "finished_at", "read", "changed", "new", "errors")
    list_filter = ("kind", "state")
