"""Push sources and the inbox in the admin site. A new token is shown once, on the answer to the form itself."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from core import audit
from notifications import selectors
from notifications.models import Push, PushSource
from notifications.services import sources


@admin.register(PushSource)
class PushSourceAdmin(admin.ModelAdmin):
    """Made, switched off and given a new token here; never deleted, its pushes name it."""

    list_display = ("name", "active", "created_at", "last_push_at")
    fields = ("name", "active", "created_at", "last_push_at")
    readonly_fields = ("created_at", "last_push_at")
    change_form_template = "notifications/admin_source_form.html"

    def save_model(self, request: HttpRequest, obj: PushSource, form: ModelForm[PushSource], change: bool) -> None:
        """A new source comes with a token; a change is in the audit trail; a switch-off counts at once here."""
        if not change:
            source, token = sources.create_source(obj.name, actor=request.user)  # type: ignore[arg-type]  # signed in
            obj.pk, obj.token_digest, obj.created_at = source.pk, source.token_digest, source.created_at
            obj._state.adding = False
            request._push_token = token  # type: ignore[attr-defined]  # for response_add, in this request only
        if change and "_rotate" in request.POST:
            request._push_token = sources.rotate_token(obj, actor=request.user)  # type: ignore[attr-defined, arg-type]  # as above
        obj.save(update_fields=["name", "active"])
        sources.forget_cached()
        if change and form.changed_data:
            after = {name: getattr(obj, name) for name in form.changed_data}
            audit.record(action="push_source.changed", actor=request.user, target=obj, after=after)  # type: ignore[arg-type]  # signed in

    def response_add(self, request: HttpRequest, obj: PushSource, post_url_continue: str | None = None) -> HttpResponse:
        """The token, instead of going on to another page: a redirect would have to keep it somewhere."""
        return self._token_page(request, obj)

    def response_change(self, request: HttpRequest, obj: PushSource) -> HttpResponse:
        """The token when it was renewed."""
        return self._token_page(request, obj) if "_rotate" in request.POST else super().response_change(request, obj)

    def _token_page(self, request: HttpRequest, source: PushSource) -> HttpResponse:
        token: str = request._push_token  # type: ignore[attr-defined]  # set by save_model
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "title": _("Address for pushes"),
            "source": source,
            "address": request.build_absolute_uri(reverse("notifications:webhook", args=[token])),
            "opts": self.opts,
        }
        return TemplateResponse(request, "notifications/admin_token.html", context)


@admin.register(Push)
class PushAdmin(admin.ModelAdmin):
    """To read. Replaying is on the page of pushes, where it is written down who did it."""

    list_display = ("id", "received_at", "source", "kind", "giccid", "state", "attempts")
    list_filter = ("state", "source")
    search_fields = ("=giccid", "=key")
    list_select_related = ("source",)
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Push]:
        """Pushes of accounts that the user may see."""
        return selectors.list_pushes(request.user)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Push | None = None) -> bool:
        """Nobody."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Push | None = None) -> bool:
        """Nobody."""
        return False
