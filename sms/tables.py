"""The table of conversations."""

from __future__ import annotations

from html import escape
from typing import Any, ClassVar

import django_tables2 as tables
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from core.per_language import per_language
from core.rows import row_url
from core.spreadsheets import FileColumn
from core.tables import AgoColumn, BaseTable
from core.templatetags.portal import grouped, icon
from sms.models import Message
from sms.views.pages import state_badge

SHOWN_TEXT = 90


def _beginning(message: Message) -> str:
    """Of its text, as the list shows it; nothing of a text that was removed. The message was dressed."""
    if message.text_removed_at is not None:
        return ""
    text = " ".join(message.shown_text.split())  # type: ignore[attr-defined]  # of ``sms.views.pages.dress``
    return text if len(text) <= SHOWN_TEXT else f"{text[:SHOWN_TEXT]}…"


@per_language
def _way(direction: str, is_from_device: bool) -> SafeString:
    """Which way a message went, as an arrow and for the ear."""
    arrow = icon("arrow-down-left" if is_from_device else "arrow-up-right", 14)
    word = Message(direction=direction).get_direction_display()
    return format_html('<span class="sms-way">{}<span class="visually-hidden">{}</span></span>', arrow, word)


class ConversationTable(BaseTable):
    """One line a SIM, with its newest message."""

    sim = tables.Column(
        verbose_name=_("SIM"), orderable=False, attrs={"td": {"class": "col-key"}, "th": {"class": "col-key"}}
    )
    text = tables.Column(
        accessor="last", verbose_name=_("Newest message"), orderable=False, attrs={"td": {"class": "wide"}}
    )
    state = tables.Column(verbose_name=_("State"), orderable=False)
    last = AgoColumn(accessor="last_at", verbose_name=_("When"))
    msisdn = tables.Column(accessor="sim__msisdn", verbose_name=_("MSISDN"), orderable=False)
    account = tables.Column(accessor="sim__account_id", verbose_name=_("Account"), orderable=False)

    fixed = ("sim", "text", "state")
    default_columns = ("last", "msisdn", "account")

    files: ClassVar = {
        "sim": (FileColumn(_("SIM"), lambda row: row.sim.giccid, is_text=True, width=24),),
        "text": (
            FileColumn(_("Direction"), lambda row: row.last.direction),
            FileColumn(_("Newest message"), lambda row: _beginning(row.last), width=48),
        ),
        "msisdn": (FileColumn(_("MSISDN"), lambda row: row.sim.msisdn, is_text=True, width=16),),
    }

    class Meta:
        row_attrs = {
            "id": lambda record: f"row-{record.pk}",
            "data-giccid": lambda record: record.sim.giccid,
            "data-direction": lambda record: record.last.direction,
            "data-message-state": lambda record: record.state,
        }

    def render_sim(self, record: Any) -> SafeString:
        """The giccid, which leads to the conversation."""
        giccid = record.sim.giccid
        url = row_url("sms:conversation", giccid)
        return format_html('<a href="{}" data-row-link>{}</a>', url, grouped(giccid))

    def render_text(self, record: Any) -> SafeString:
        """Its beginning, and which way it went."""
        message = record.last
        is_from_device = message.direction == Message.Direction.MO
        if message.text_removed_at is not None:
            removed = format_html('<span class="muted">{}</span>', _now("Text removed"))
            return SafeString(f"{_way(message.direction, is_from_device)} <bdi>{removed}</bdi>")
        said = _beginning(message)
        return SafeString(f"{_way(message.direction, is_from_device)} <bdi>{escape(said)}</bdi>")

    def render_state(self, record: Any) -> SafeString:
        """As coloured dot and word."""
        return state_badge(record.state)

    def render_msisdn(self, value: str) -> SafeString:
        """In groups."""
        return grouped(value)
