"""The table of operations."""

from __future__ import annotations

from html import escape
from typing import ClassVar

import django_tables2 as tables
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from core.per_language import per_language
from core.rows import row_url
from core.spreadsheets import FileColumn
from core.tables import AgoColumn, BaseTable
from core.templatetags.portal import grouped, operation_badge
from operations.kinds import KINDS
from operations.models import Operation


def live_badge(operation: Operation) -> SafeString:
    """The state's badge, which asks for the new one by itself until the state is final."""
    badge = operation_badge(operation.state)
    if operation.state not in Operation.OPEN_STATES:
        return badge
    return format_html(
        '<span hx-get="{}" hx-trigger="every 3s" hx-swap="outerHTML" hx-target="this">{}</span>',
        row_url("operations:badge", operation.pk),
        badge,
    )


def _change(operation: Operation, place: int) -> str:
    return KINDS[operation.kind].change(operation)[place]


@per_language
def _kind_word(kind: str) -> str:
    return escape(Operation(kind=kind).get_kind_display())


class OperationTable(BaseTable):
    """One line an operation; every step of it is on its page."""

    kind = tables.Column(verbose_name=_("Operation"), orderable=False)
    state = tables.Column(verbose_name=_("State"), orderable=False)
    sim = tables.Column(verbose_name=_("SIM"), orderable=False)
    change = tables.Column(verbose_name=_("Change"), orderable=False, empty_values=(), attrs={"td": {"class": "wide"}})
    who = tables.Column(accessor="actor", verbose_name=_("Who"), orderable=False)
    reason = tables.Column(verbose_name=_("Reason"), orderable=False, attrs={"td": {"class": "wide"}})
    ticket = tables.Column(verbose_name=_("Ticket"), orderable=False)
    created = AgoColumn(accessor="created_at", verbose_name=_("Asked for"))
    finished = AgoColumn(accessor="finished_at", verbose_name=_("Finished"), orderable=False)
    account = tables.Column(accessor="sim__account_id", verbose_name=_("Account"), orderable=False)
    message = tables.Column(verbose_name=_("Message"), orderable=False, attrs={"td": {"class": "wide"}})

    fixed = ("kind", "state", "sim")
    default_columns = ("change", "who", "reason", "ticket", "created")

    files: ClassVar = {
        "kind": (
            FileColumn(_("Number"), lambda operation: operation.pk),
            FileColumn(_("Operation"), lambda operation: operation.kind),
        ),
        "sim": (FileColumn(_("SIM"), lambda operation: operation.sim.giccid, is_text=True, width=24),),
        "change": (
            FileColumn(_("From"), lambda operation: _change(operation, 0)),
            FileColumn(_("To"), lambda operation: _change(operation, 1)),
        ),
    }

    class Meta:
        row_attrs = {"data-operation": lambda record: record.pk}

    def render_kind(self, record: Operation) -> SafeString:
        """The kind and number, which lead to the operation."""
        url, label = escape(row_url("operations:detail", record.pk)), _kind_word(record.kind)
        return SafeString(f'<a href="{url}" data-row-link>{label} <span class="faint">#{record.pk}</span></a>')

    def render_state(self, record: Operation) -> SafeString:
        """As a badge that keeps itself up to date."""
        return live_badge(record)

    def render_sim(self, record: Operation) -> SafeString:
        """The giccid, which leads to the SIM."""
        giccid = record.sim.giccid
        return SafeString(f'<a href="{escape(row_url("sims:detail", giccid))}">{grouped(giccid)}</a>')

    def render_change(self, record: Operation) -> SafeString:
        """From and to."""
        before, after = KINDS[record.kind].change(record)
        return format_html("{} → {}", before, after) if before else format_html("{}", after)

    def render_reason(self, value: str) -> str:
        """Its beginning."""
        return value if len(value) <= 80 else f"{value[:79]}…"
