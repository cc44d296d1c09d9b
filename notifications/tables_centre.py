"""The table of the notification centre."""

from __future__ import annotations

from html import escape
from typing import Any, ClassVar

import django_tables2 as tables
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from core.badges import Badge
from core.per_language import per_language
from core.rows import row_url
from core.spreadsheets import FileColumn
from core.tables import AgoColumn, BaseTable
from core.templatetags.portal import ago, exact_time, grouped, icon, or_dash
from notifications import kinds
from notifications.models import Notification, Severity
from notifications.selectors.centre import Newest

SEVERITIES: dict[str, Badge] = {
    Severity.INFO: Badge("info", _("Information")),
    Severity.WARNING: Badge("warn", _("Warning")),
    Severity.CRITICAL: Badge("bad", _("Critical")),
}


@per_language
def severity_badge(severity: str) -> SafeString:
    """Dot and word."""
    look = SEVERITIES[severity]
    return format_html('<span class="badge badge-{}"><span class="dot"></span>{}</span>', look.tone, look.label)


def state_of(line: Notification) -> str:
    """``open``, ``snoozed`` or ``closed``, as it is now."""
    if line.state == Notification.State.CLOSED:
        return "closed"
    return "snoozed" if line.snoozed_until is not None and line.snoozed_until > timezone.now() else "open"


def size_of(line: Notification) -> str:
    """How much a line stands for: SIMs, or events where these are more or it is not about SIMs; nothing for one."""
    if line.events <= 1:
        return ""
    sims = ngettext("%(number)s SIM", "%(number)s SIMs", line.sims) % {"number": line.sims}
    events = ngettext("%(number)s event", "%(number)s events", line.events) % {"number": line.events}
    if not line.sims:
        return events
    return f"{sims} · {events}" if line.events > line.sims else sims


# What only the key of a line makes different is written once for each kind, with these in its place.
_KEY = "\x00"
_URL = "\x01"
_IDS = escape(f'{{"ids": "{_KEY}"}}')


@per_language
def _tick(kind: str) -> str:
    label = escape(_now("Tick %(what)s") % {"what": kinds.label_of(kind)})
    box = f'<input type="checkbox" id="tick-{_KEY}" data-select-row="{_KEY}" aria-label="{label}">'
    return f"<label>{box}</label>"


@per_language
def _name(kind: str, is_unread: bool) -> str:
    """Dot, icon and name, which leads to the line."""
    new = ""
    if is_unread:
        word = escape(_now("Unread"))
        new = f'<span class="note-dot" title="{word}"><span class="visually-hidden">{word}</span></span>'
    label = escape(kinds.label_of(kind))
    return f'{new}{icon(kinds.icon_of(kind))} <a id="line-{_KEY}" href="{_URL}" data-row-link>{label}</a>'


@per_language
def _buttons(kind: str, state: str, is_unread: bool, may_handle: bool) -> str:
    """What can be done with a line at once."""
    what = kinds.label_of(kind)
    buttons = [_at_once("read", "mail-open", _now("Mark as read: %(what)s"), what)] if is_unread else []
    if may_handle and state == "closed":
        buttons.append(_at_once("reopen", "undo-2", _now("Reopen: %(what)s"), what))
    elif may_handle:
        if state == "snoozed":
            buttons.append(_at_once("wake", "alarm-clock-off", _now("Bring back now: %(what)s"), what))
        else:
            buttons.append(_dialog("snooze", "alarm-clock", _now("Snooze: %(what)s"), what))
        buttons.append(_dialog("assign", "user-plus", _now("Assign: %(what)s"), what))
        buttons.append(_dialog("close", "check", _now("Close: %(what)s"), what))
    return "".join(buttons)


def _at_once(act: str, icon_name: str, label: str, what: str) -> str:
    said, url = escape(label % {"what": what}), escape(row_url("notifications:act", act))
    return (
        f'<button class="btn btn-quiet btn-icon btn-small" type="button" id="{act}-{_KEY}" hx-post="{url}" '
        f'hx-vals="{_IDS}" hx-swap="none" aria-label="{said}" title="{said}">'
        f"{icon(icon_name, 14)}</button>"
    )


def _dialog(act: str, icon_name: str, label: str, what: str) -> str:
    said, url = escape(label % {"what": what}), escape(row_url("notifications:act", act))
    return (
        f'<a class="btn btn-quiet btn-icon btn-small" id="{act}-{_KEY}" href="{url}?ids={_KEY}" '
        f'data-dialog-open aria-label="{said}" title="{said}">{icon(icon_name, 14)}</a>'
    )


class TickColumn(tables.Column):
    """Boxes to tick lines with. Each keeps its focus when the list is brought up to date."""

    @property
    def header(self) -> SafeString:
        """The box that ticks the whole page."""
        label = _now("Tick all rows of this page")
        return format_html('<label><input type="checkbox" data-select-all aria-label="{}"></label>', label)

    def render(self, record: Notification) -> SafeString:
        """The box of one line."""
        return SafeString(_tick(record.kind).replace(_KEY, str(record.pk)))


class NotificationTable(BaseTable):
    """One row a line of the centre."""

    fixed = ("select", "what", "actions")
    default_columns = ("severity", "account", "last", "assigned")

    select = TickColumn(
        accessor="pk",
        orderable=False,
        exclude_from_export=True,
        attrs={"td": {"class": "col-select"}, "th": {"class": "col-select"}},
    )
    what = tables.Column(
        accessor="kind", orderable=False, verbose_name=_("Notification"), attrs={"td": {"class": "wide note-what"}}
    )
    severity = tables.Column(orderable=False, verbose_name=_("Severity"))
    account = tables.Column(
        accessor="account_name",
        orderable=False,
        empty_values=(),
        verbose_name=_("Account"),
        attrs={"td": {"class": "clip"}},
    )
    last = AgoColumn(accessor="last_at", verbose_name=_("Last"))
    first = AgoColumn(accessor="first_at", orderable=False, verbose_name=_("First"))
    assigned = tables.Column(accessor="assigned_to", orderable=False, empty_values=(), verbose_name=_("Assigned to"))
    actions = tables.Column(
        accessor="pk",
        exclude_from_export=True,
        orderable=False,
        verbose_name="",
        attrs={"td": {"class": "note-actions"}, "th": {"class": "note-actions", "aria-label": _("Actions")}},
    )

    files: ClassVar = {
        "what": (
            FileColumn(_("Notification"), lambda line: line.kind),
            FileColumn(_("State"), state_of),
            FileColumn(_("SIMs"), lambda line: line.sims),
            FileColumn(_("Events"), lambda line: line.events),
            FileColumn(_("Newest SIM"), lambda line: _giccid(line.newest), is_text=True, width=24),
            FileColumn(_("Newest event"), lambda line: _words(line.newest), width=48),
            FileColumn(_("Note"), lambda line: line.note),
        ),
    }

    class Meta:
        row_attrs: ClassVar = {
            "data-notification": lambda record: record.pk,
            "data-notification-kind": lambda record: record.kind,
            "data-notification-state": lambda record: state_of(record),
            "data-unread": lambda record: "true" if record.unread else None,
        }

    def __init__(self, rows: list[Any], *, may_handle: bool = False, **options: Any) -> None:
        self.may_handle = may_handle
        super().__init__(rows, **options)

    def render_what(self, record: Any) -> SafeString:
        """What happened and to how many, the way to the page; the newest event below; what became of it."""
        name = _name(record.kind, bool(record.unread)).replace(_KEY, str(record.pk))
        name = name.replace(_URL, row_url("notifications:line", record.pk))
        size = f' <span class="muted">· {escape(size)}</span>' if (size := size_of(record)) else ""
        below = [part for part in (_newest(record.newest, record.events), _fate(record)) if part]
        return SafeString(f'{name}{size}<div class="note-more">{" · ".join(below)}</div>')

    def render_severity(self, record: Notification) -> SafeString:
        """Dot and word."""
        return severity_badge(record.severity)

    def render_account(self, record: Notification) -> object:
        """The carrier's name of it; nothing for the portal's own affairs."""
        name = record.account_name
        if not name:
            return or_dash("")
        said = escape(name)
        return SafeString(f'<span title="{said}">{said}</span>')

    def render_assigned(self, record: Notification) -> object:
        """Who looks after it."""
        person = record.assigned_to
        return or_dash(person.get_full_name() or person.get_username() if person else "")

    def render_actions(self, record: Any) -> SafeString:
        """What can be done with this line at once."""
        buttons = _buttons(record.kind, state_of(record), bool(record.unread), self.may_handle)
        return SafeString(buttons.replace(_KEY, str(record.pk)))


def _giccid(newest: Newest | None) -> str:
    return (newest.giccid or "") if newest is not None else ""


def _words(newest: Newest | None) -> str:
    return str(kinds.describe(newest.kind, newest.value, newest.detail)) if newest is not None else ""


def _newest(newest: Newest | None, events: int) -> SafeString:
    if newest is None:
        return SafeString("")
    words, giccid = escape(_words(newest)), _giccid(newest)
    sim = f'<a href="{escape(row_url("sims:detail", giccid))}">{grouped(giccid)}</a>' if giccid else ""
    said = " ".join(part for part in (sim, words) if part)
    return SafeString(f"{escape(_now('newest:'))} {said}" if events > 1 and said else said)


def _fate(line: Notification) -> SafeString | str:
    """That it is snoozed or closed, where it is."""
    state = state_of(line)
    if state == "snoozed" and line.snoozed_until is not None:
        return format_html(
            '<span class="tag">{}</span>', _now("snoozed until %(time)s") % {"time": exact_time(line.snoozed_until)}
        )
    if state != "closed":
        return ""
    who = line.closed_by.get_username() if line.closed_by else ""
    words = _now("closed by %(who)s") % {"who": who}
    return format_html(
        '<span class="tag">{}</span> {} <span class="wrap">{}</span>', words, ago(line.closed_at), line.note
    )
