"""The table of the timeline of all SIMs."""

from __future__ import annotations

from functools import lru_cache
from html import escape
from typing import ClassVar

import django_tables2 as tables
from django.urls import NoReverseMatch
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from core.per_language import per_language
from core.rows import row_url
from core.spreadsheets import FileColumn
from core.tables import AgoColumn, BaseTable, tooltip
from core.templatetags.portal import grouped, icon, or_dash
from sims.entries import sources_of, who_of
from sims.models import TimelineEvent

_OUTCOME_TONES = {
    TimelineEvent.Outcome.FAILED: "bad",
    TimelineEvent.Outcome.SCHEDULED: "info",
    TimelineEvent.Outcome.UNCLEAR: "warn",
}
_Kind = TimelineEvent.Kind
_MADE_THERE = {_Kind.STATUS, _Kind.PLAN, _Kind.SUBSCRIPTION, _Kind.APN, _Kind.CUSTOM_FIELDS}
"""What somebody did; the rest happens, or is told."""

_CLIPPED = {"td": {"class": "clip", "title": tooltip}}
_CLIPPED_SHORT = {"td": {"class": "clip clip-short", "title": tooltip}}


@lru_cache(maxsize=256)
def _mark(tone: str, icon_name: str) -> SafeString:
    tone = f" tone-{tone}" if tone else ""
    return format_html('<span class="timeline-mark{}">{}</span>', tone, icon(icon_name, 14))


@per_language
def _at_the_carrier() -> SafeString:
    return format_html('<span class="muted">{}</span>', _now("At the carrier"))


class TimelineTable(BaseTable):
    """One line an event. Its rows have an ``entry`` (``sims.entries``)."""

    at = AgoColumn(verbose_name=_("Time"))
    sim = tables.Column(
        accessor="sim__giccid",
        orderable=False,
        verbose_name=_("giccid"),
        attrs={"td": {"class": "col-key"}, "th": {"class": "col-key"}},
    )
    what = tables.Column(
        accessor="kind", orderable=False, verbose_name=_("What"), attrs={"td": {"class": "wide timeline-what"}}
    )
    account = tables.Column(accessor="account_name", orderable=False, verbose_name=_("Account"), attrs=_CLIPPED)
    who = tables.Column(accessor="actor", orderable=False, verbose_name=_("Who"), empty_values=())
    source = tables.Column(accessor="pk", orderable=False, verbose_name=_("Told by"), attrs={"td": {"class": "wide"}})
    ticket = tables.Column(orderable=False, verbose_name=_("Ticket"), attrs=_CLIPPED_SHORT)
    reason = tables.Column(orderable=False, verbose_name=_("Reason"), attrs={"td": {"class": "wide"}})
    operation = tables.Column(accessor="operation_id", orderable=False, verbose_name=_("Operation"))

    fixed = ("at", "sim", "what")
    default_columns = ("account", "who", "source", "ticket")
    files: ClassVar[dict[str, tuple[FileColumn, ...]]] = {
        "what": (
            FileColumn(_("What"), lambda event: event.kind),
            FileColumn(_("Subject"), lambda event: event.subject, is_text=True),
            FileColumn(_("From"), lambda event: event.from_value, is_text=True),
            FileColumn(_("To"), lambda event: event.to_value, is_text=True),
            FileColumn(_("Outcome"), lambda event: event.outcome),
        ),
        "sim": (FileColumn(_("giccid"), lambda event: event.sim.giccid, is_text=True, width=22),),
        "who": (FileColumn(_("Who"), lambda event: event.actor.get_username() if event.actor else ""),),
        "source": (FileColumn(_("Told by"), lambda event: ", ".join(name for name, _moment in sources_of(event))),),
    }

    class Meta:
        row_attrs: ClassVar = {
            "id": lambda record: f"row-{record.pk}",
            "data-event-kind": lambda record: record.kind,
        }

    def render_sim(self, record: TimelineEvent) -> SafeString:
        """The way to the SIM."""
        url = escape(row_url("sims:detail", record.sim.giccid))
        return SafeString(f'<a href="{url}" data-row-link>{grouped(record.sim.giccid)}</a>')

    def render_what(self, record: TimelineEvent) -> SafeString:
        """As the SIM's own page tells it; a badge where it did not simply happen."""
        entry = record.entry  # type: ignore[attr-defined]  # put there by the view
        badge: SafeString | str = ""
        if entry.outcome:
            tone = _OUTCOME_TONES.get(TimelineEvent.Outcome(record.outcome), "neutral")
            badge = format_html(' <span class="badge badge-{}"><span class="dot"></span>{}</span>', tone, entry.outcome)
        return SafeString(f'<span class="timeline-row">{_mark(entry.tone, entry.icon)}{entry.title}{badge}</span>')

    def render_who(self, record: TimelineEvent) -> object:
        """The person, or that it happened at the carrier."""
        if record.actor:
            return who_of(record)
        if record.kind in _MADE_THERE:
            return _at_the_carrier()
        return or_dash("")

    def render_source(self, record: TimelineEvent) -> object:
        """A small box for each that told of it."""
        told = record.entry.sources  # type: ignore[attr-defined]  # put there by the view
        boxes = [f'<span class="tag" title="{escape(moment)}">{escape(name)}</span>' for name, moment in told]
        return SafeString(" ".join(boxes)) or or_dash("")

    def render_operation(self, value: int) -> SafeString | str:
        """Its number, which leads to it."""
        try:
            return format_html('<a href="{}">{}</a>', row_url("operations:detail", value), value)
        except NoReverseMatch:
            return str(value)
