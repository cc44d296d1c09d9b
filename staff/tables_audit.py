"""The table of the audit trail."""

from __future__ import annotations

from html import escape
from typing import ClassVar

import django_tables2 as tables
from django.apps import apps
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from core import links
from core.audit_changes import changes
from core.models import AuditEntry
from core.per_language import per_language
from core.rows import row_url
from core.spreadsheets import FileColumn
from core.tables import AgoColumn, BaseTable, tooltip
from core.templatetags.portal import icon, or_dash

_CLIPPED = {"td": {"class": "clip", "title": tooltip}}
_CLIPPED_SHORT = {"td": {"class": "clip clip-short", "title": tooltip}}
_SHOWN = 3
"""Changes in a row; the rest is on the entry's page."""
_LENGTH = 40


@per_language
def record_name(model: str) -> str:
    """What people call a record of this model; the model itself for one that is not there any more."""
    try:
        return capfirst(str(apps.get_model(model)._meta.verbose_name))
    except (LookupError, ValueError):
        return model


def _cut(text: str) -> str:
    return escape(text if len(text) <= _LENGTH else f"{text[: _LENGTH - 1]}…")


class AuditTable(BaseTable):
    """One line an entry; all of it is on its page."""

    at = AgoColumn(verbose_name=_("Time"))
    who = tables.Column(accessor="actor__username", orderable=False, verbose_name=_("Who"), empty_values=())
    action = tables.Column(orderable=False, verbose_name=_("Action"))
    record = tables.Column(accessor="object_id", orderable=False, verbose_name=_("Record"), empty_values=())
    account = tables.Column(accessor="account_name", orderable=False, verbose_name=_("Account"), attrs=_CLIPPED)
    changed = tables.Column(
        accessor="after",
        orderable=False,
        verbose_name=_("Before and after"),
        empty_values=(),
        attrs={"td": {"class": "wide"}},
    )
    ticket = tables.Column(orderable=False, verbose_name=_("Ticket"), attrs=_CLIPPED_SHORT)
    reason = tables.Column(orderable=False, verbose_name=_("Reason"), attrs=_CLIPPED)
    address = tables.Column(orderable=False, verbose_name=_("From address"))
    request_id = tables.Column(orderable=False, verbose_name=_("Request"), attrs=_CLIPPED_SHORT)

    fixed = ("at", "who", "action")
    default_columns = ("record", "account", "changed", "ticket")
    files: ClassVar[dict[str, tuple[FileColumn, ...]]] = {
        "at": (
            FileColumn(_("Number"), lambda entry: entry.pk),
            FileColumn(_("Time"), lambda entry: entry.at, width=26),
        ),
        "who": (FileColumn(_("Who"), lambda entry: entry.actor.get_username() if entry.actor else "", is_text=True),),
        "record": (
            FileColumn(_("Record"), lambda entry: entry.object_type),
            FileColumn(_("Record id"), lambda entry: entry.object_id, is_text=True),
        ),
        "changed": (
            FileColumn(_("Before"), lambda entry: entry.before or "", width=48),
            FileColumn(_("After"), lambda entry: entry.after or "", width=48),
        ),
    }

    class Meta:
        row_attrs: ClassVar = {
            "id": lambda record: f"row-{record.pk}",
            "data-audit-action": lambda record: record.action,
        }

    def render_who(self, record: AuditEntry) -> object:
        """The person, or that nobody asked for it."""
        if record.actor is not None:
            return record.actor.get_username()
        return SafeString(f'<span class="muted">{escape(_now("The portal itself"))}</span>')

    def render_action(self, record: AuditEntry) -> SafeString:
        """Its code, which leads to the entry."""
        url = escape(row_url("staff:audit_entry", record.pk))
        return SafeString(f'<a class="mono" href="{url}" data-row-link>{escape(record.action)}</a>')

    def render_record(self, record: AuditEntry) -> object:
        """What it was done to; a link where that has a page."""
        if not record.object_type:
            return or_dash("")
        words = f"{escape(record_name(record.object_type))} {escape(record.object_id)}".strip()
        if record.object_type not in links.known():
            return SafeString(words)
        return SafeString(f'<a href="{escape(row_url("staff:audit_record", record.pk))}">{words}</a>')

    def render_changed(self, record: AuditEntry) -> object:
        """The first few values that are others now."""
        all_of_them = [change for change in changes(record.before, record.after) if change.differs]
        parts = []
        for change in all_of_them[:_SHOWN]:
            # What stands on one side alone was not changed to nothing: the other side is about other things.
            arrow = icon("arrow-right", 12) if change.before and change.after else ""
            old = f'<span class="muted">{_cut(change.before)}</span>' if change.before else ""
            name, new = _cut(change.name), _cut(change.after)
            parts.append(f'<span class="audit-change"><span class="faint">{name}</span> {old}{arrow}{new}</span>')
        if len(all_of_them) > _SHOWN:
            more = escape(_now("and %(number)s more") % {"number": len(all_of_them) - _SHOWN})
            parts.append(f'<span class="muted">{more}</span>')
        return SafeString(" ".join(parts)) or or_dash("")
