"""The table of pushes."""

from __future__ import annotations

from typing import ClassVar

import django_tables2 as tables
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from core.rows import row_url
from core.spreadsheets import FileColumn
from core.tables import AgoColumn, BaseTable
from core.templatetags.portal import grouped, or_dash, run_badge
from notifications.models import Push


class PushTable(BaseTable):
    """One line a push; the body is on its page."""

    received = AgoColumn(accessor="received_at", verbose_name=_("Received"))
    kind = tables.Column(verbose_name=_("Kind"), orderable=False, empty_values=())
    state = tables.Column(verbose_name=_("State"), orderable=False)
    giccid = tables.Column(verbose_name=_("giccid"), orderable=False, empty_values=())
    account = tables.Column(accessor="account_name", verbose_name=_("Account"), orderable=False)
    source = tables.Column(accessor="source__name", verbose_name=_("Source"), orderable=False)
    attempts = tables.Column(
        verbose_name=_("Attempts"), orderable=False, attrs={"td": {"class": "num"}, "th": {"class": "num"}}
    )
    outcome = tables.Column(
        verbose_name=_("What it led to"), orderable=False, empty_values=(), attrs={"td": {"class": "wide"}}
    )

    fixed = ("kind", "state")
    default_columns = ("received", "giccid", "account", "outcome")

    files: ClassVar = {
        "giccid": (FileColumn(_("giccid"), lambda push: push.giccid, is_text=True, width=24),),
        "outcome": (FileColumn(_("What it led to"), lambda push: push.problem or push.result, width=48),),
    }

    class Meta:
        row_attrs = {
            "id": lambda record: f"row-{record.pk}",
            "data-push": lambda record: record.pk,
            "data-push-kind": lambda record: record.kind,
            "data-push-state": lambda record: record.state,
        }

    def render_kind(self, record: Push) -> SafeString:
        """The carrier's word for it, which leads to the push."""
        url = row_url("notifications:push", record.pk)
        return format_html('<a href="{}" data-row-link>{}</a>', url, record.kind or _("unknown"))

    def render_state(self, record: Push) -> SafeString:
        """As a badge."""
        return run_badge(record.state)

    def render_giccid(self, record: Push) -> SafeString | object:
        """In groups of four."""
        return grouped(record.giccid) if record.giccid else or_dash("")

    def render_outcome(self, record: Push) -> object:
        """What is wrong, where something is; else what was done."""
        return or_dash(record.problem or record.result)
