"""Tags and filters of every page: icons, identifiers, times, sizes, badges and slots.

They build their few elements with ``format_html`` and render no template: a list page calls them some
hundreds of times.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from html import escape

from django import template
from django.conf import settings
from django.http import HttpRequest
from django.template import Context
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.urls import NoReverseMatch, get_script_prefix, reverse
from django.utils import timezone
from django.utils.dates import MONTHS_3
from django.utils.formats import date_format, get_format, number_format
from django.utils.html import avoid_wrapping, format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.timesince import TIME_STRINGS
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django_tables2 import Table

from core import slots
from core.badges import (
    DELIVERY_STATES,
    FORWARD_STATES,
    OPERATION_STATES,
    RUN_STATES,
    SEVERITIES,
    SIM_STATUSES,
    SWITCHES,
    Badge,
)
from core.countries import country_name
from core.icons import drawn, icon
from core.per_language import per_language
from core.rows import head_html, rows_html

register = template.Library()

GROUP = 4
"""Digits in a group of a long identifier."""

_UNITS = ("kB", "MB", "GB", "TB", "PB")
_NOTHING = mark_safe('<span class="none">–</span>')


register.simple_tag(icon)


@register.filter
def grouped(value: object) -> SafeString:
    """An identifier in groups of four for the eye; its text stays in one piece for search and copying."""
    text = "" if value is None else str(value)
    if not text:
        return _NOTHING
    groups = (text[i : i + GROUP] for i in range(0, len(text), GROUP))
    if text.isalnum():
        # Nothing in it to escape: several times faster, and a list page shows hundreds.
        return mark_safe(f'<span class="id"><span>{"</span><span>".join(groups)}</span></span>')  # noqa: S308
    spans = format_html_join("", "<span>{}</span>", ((group,) for group in groups))
    return format_html('<span class="id">{}</span>', spans)


@register.filter
def or_dash(value: object) -> SafeString | object:
    """``value``, or a quiet dash when it is ``None`` or an empty text."""
    return _NOTHING if value is None or value == "" else value


@register.simple_tag
def copy(value: object, label: str = "") -> SafeString:
    """A button that copies ``value``; ``label`` names what it is, for the tooltip. Nothing for an empty value."""
    if value is None or value == "":
        return SafeString("")
    return format_html(
        '<button type="button" class="copy" data-copy="{}" aria-label="{}" title="{}">{}{}</button>',
        value,
        _("Copy %(what)s") % {"what": label} if label else _("Copy"),
        _("Copy"),
        drawn("copy", 14, "icon copy-idle"),
        drawn("check", 14, "icon copy-done"),
    )


def exact_time(moment: datetime) -> str:
    """``moment`` to the second in the zone of the user, with the zone's name; as it is where the zone has no such time.

    A carrier may write the last day of the year 9999 for what never ends.
    """
    try:
        local = timezone.localtime(moment)
    except OverflowError:
        local = moment
    # By hand: date_format takes ten times as long, and a list page shows a hundred of these.
    return f"{local.day} {_month(local.month)} {local:%Y, %H:%M:%S} {local.tzname()}"


@per_language
def _month(number: int) -> str:
    return str(MONTHS_3[number]).title()


_LENGTHS = (("week", 604800), ("day", 86400), ("hour", 3600), ("minute", 60))
"""In seconds. Months and years are as long as the calendar has them."""


def relative_time(moment: datetime) -> str:
    """How long ago ``moment`` was, or how far ahead it lies, in one unit; *just now* under a minute.

    In the words of Django's ``timesince``, which looks for further units.
    """
    now = timezone.now()
    seconds = (now - moment).total_seconds()
    if abs(seconds) < 60:
        return _("just now")
    is_ahead = seconds < 0
    start, end = (now, moment.astimezone(UTC)) if is_ahead else (moment.astimezone(UTC), now)
    years, months = divmod(_whole_months(start, end), 12)
    if years or months:
        return _length_words("year" if years else "month", years or months, is_ahead)
    unit, length = next(each for each in _LENGTHS if abs(seconds) >= each[1])
    return _length_words(unit, int(abs(seconds) // length), is_ahead)


def _whole_months(start: datetime, end: datetime) -> int:
    months = (end.year - start.year) * 12 + end.month - start.month
    is_short = (end.day, end.time()) < (start.day, start.time())
    return months - is_short


@per_language
def _length_words(unit: str, number: int, is_ahead: bool) -> str:
    length = avoid_wrapping(TIME_STRINGS[unit] % {"num": number})
    return (_("in %(time)s") if is_ahead else _("%(time)s ago")) % {"time": length}


@register.simple_tag
def ago(moment: datetime | None, empty: str = "") -> SafeString:
    """A relative time with the exact one as its tooltip; ``empty`` or a dash for ``None``. ``moment`` is aware."""
    if moment is None:
        return format_html('<span class="none">{}</span>', empty) if empty else _NOTHING
    exactly, relative = escape(exact_time(moment)), escape(relative_time(moment))
    return mark_safe(f'<time datetime="{moment.isoformat()}" title="{exactly}">{relative}</time>')  # noqa: S308 - escaped


@register.simple_tag
def exact(moment: datetime | date | None) -> SafeString:
    """The exact time in the user's zone (a day without time for a ``date``); a dash for ``None``."""
    if moment is None:
        return _NOTHING
    text = exact_time(moment) if isinstance(moment, datetime) else date_format(moment, "j M Y")
    return format_html('<time datetime="{}">{}</time>', moment.isoformat(), text)


def data_unit() -> int:
    """How many kB are a MB to this portal: 1024, or 1000 (``DATA_UNITS``)."""
    return 1000 if settings.CONFIG["DATA_UNITS"] == "decimal" else 1024


@register.filter(name="bytes")
def human_bytes(value: int | None) -> str:
    """A number of bytes with three digits, such as ``73.4 MB``; an empty text for ``None``.

    A unit is 1,024 of the one below, as the carrier counts (its documented plan of 100 MB holds 104,857,600 bytes),
    or 1,000 where ``DATA_UNITS`` is ``decimal``.
    """
    if value is None:
        return ""
    amount = float(value)
    if abs(amount) < 1000:
        return _("%(number)s B") % {"number": int(value)}
    power, unit = 0, data_unit()
    while power == 0 or (abs(amount) >= 999.5 and power < len(_UNITS)):
        amount /= unit
        power += 1
    places = 0 if amount.is_integer() or abs(amount) >= 99.95 else 1 if abs(amount) >= 9.995 else 2
    if abs(amount) >= 1000:
        return f"{number_format(round(amount, places), decimal_pos=places)} {_UNITS[power - 1]}"
    # Without groups there is no more to a number of Django's than its point.
    return f"{round(amount, places):.{places}f}".replace(".", _point()) + f" {_UNITS[power - 1]}"


@per_language
def _point() -> str:
    return str(get_format("DECIMAL_SEPARATOR"))


@register.simple_tag(name="bytes")
def bytes_tag(value: int | None) -> SafeString:
    """A number of bytes for people with the exact number as its tooltip; a dash for ``None``."""
    if value is None:
        return _NOTHING
    exact_text = ngettext("%(number)s byte", "%(number)s bytes", value) % {
        "number": number_format(value, force_grouping=True)
    }
    return format_html('<data value="{}" title="{}">{}</data>', value, exact_text, human_bytes(value))


@register.filter
def country(code: str | None) -> str:
    """The name of a country by its code (see :mod:`core.countries`)."""
    return country_name(code)


@register.filter
def minutes(length: timedelta) -> int:
    """A length of time in whole minutes, rounded up, at least one."""
    return max(1, -(-int(length.total_seconds()) // 60))


def _badge(known: Mapping[str, Badge], value: object) -> SafeString:
    text = "" if value is None else str(value)
    if not text:
        return _NOTHING
    look = known.get(text)
    return _known_badge(look) if look else _badge_html("neutral", text)


@per_language
def _known_badge(look: Badge) -> SafeString:
    return _badge_html(look.tone, look.label)


def _badge_html(tone: str, label: object) -> SafeString:
    return format_html('<span class="badge badge-{}"><span class="dot"></span>{}</span>', tone, label)


@register.simple_tag
def status_badge(status: str | None) -> SafeString:
    """A SIM's status as the carrier writes it, as coloured dot and word; an unknown one stands as it is."""
    return _badge(SIM_STATUSES, status)


@register.simple_tag
def operation_badge(state: str | None) -> SafeString:
    """The state of an operation as coloured dot and word."""
    return _badge(OPERATION_STATES, state)


@register.simple_tag
def run_badge(state: str | None) -> SafeString:
    """The state of a sync run, a push or another piece of work as coloured dot and word."""
    return _badge(RUN_STATES, state)


@register.simple_tag
def severity_badge(severity: str | None) -> SafeString:
    """How grave something is, as coloured dot and word."""
    return _badge(SEVERITIES, severity)


@register.simple_tag
def delivery_badge(state: str | None) -> SafeString:
    """The state of a webhook or e-mail that is sent, as coloured dot and word."""
    return _badge(DELIVERY_STATES, state)


@register.simple_tag
def forward_badge(state: str | None) -> SafeString:
    """How an outgoing webhook does, as coloured dot and word."""
    return _badge(FORWARD_STATES, state)


@register.simple_tag
def switch_badge(on: bool) -> SafeString:
    """Whether something is switched on, as coloured dot and word."""
    return _badge(SWITCHES, "on" if on else "off")


@register.simple_tag(takes_context=True)
def table_head(context: Context, table: Table) -> SafeString:
    """The heads of a table's columns, with the ways to sort it."""
    return head_html(table, context["request"].GET)


@register.simple_tag
def table_rows(table: Table, oob: bool = False) -> SafeString:
    """The rows of a table, each put where it stands on an open page with ``oob``."""
    return rows_html(table, table.data, ' hx-swap-oob="true"' if oob else "")


@register.inclusion_tag("components/chart.html", name="chart")
def chart_tag(chart: object) -> dict[str, object]:
    """A chart (:class:`core.charts.Chart`) with its title, its drawing and its table."""
    return {"chart": chart}


@register.simple_tag(takes_context=True)
def chart_script(context: Context) -> SafeString:
    """What a page with charts, or with a part that may bring some, has in its head."""
    return format_html('<script src="{}" defer nonce="{}"></script>', static("js/charts.js"), context["csp_nonce"])


@register.simple_tag
@per_language
def constant(template_name: str) -> SafeString:
    """A template that shows the same on every page and to everybody."""
    return render_to_string(template_name)


@register.simple_tag(takes_context=True)
def slot(context: Context, name: str, **arguments: object) -> SafeString:
    """What apps above have put into the place ``name`` of this page (see :mod:`core.slots`)."""
    return slots.render(name, context["request"], **arguments)


@register.simple_tag(takes_context=True)
def live_badges(context: Context) -> SafeString:
    """What keeps the badges of an open page up to date (see :mod:`core.views.live`)."""
    from core.views import live  # the views are there when a page is rendered

    request: HttpRequest = context["request"]
    return live.poll(slots.parts(live.SLOT, request))


@register.simple_tag(takes_context=True)
def nav_link(
    context: Context, view: str, label: str, icon_name: str, match: str, perm: str = "", go: str = ""
) -> SafeString:
    """A link of the main navigation; nothing when the user has not the permission ``perm``.

    ``match`` holds starts of view names (``app:name``), with spaces between them, on whose pages it shows as
    the current one; one that ends in ``$`` is a whole name. ``go`` is the letter that
    leads there after ``g``. Nothing, too, for a page that this portal does not have.
    """
    request: HttpRequest = context["request"]
    if perm and not request.user.has_perm(perm):
        return SafeString("")
    current = f"{getattr(request.resolver_match, 'view_name', '') or ''}$"
    is_current = current.startswith(tuple(match.split()))
    return _nav_link(view, str(label), icon_name, is_current, go, settings.ROOT_URLCONF, get_script_prefix())


@per_language
def _nav_link(
    view: str, label: str, icon_name: str, is_current: bool, go: str, _urlconf: str, _prefix: str
) -> SafeString:
    try:
        url = reverse(view)
    except NoReverseMatch:
        return SafeString("")
    return format_html(
        '<li{}><a class="nav-link" href="{}"{}>{}<span>{}</span></a></li>',
        format_html(' data-go="{}"', go) if go else "",
        url,
        SafeString(' aria-current="page"') if is_current else "",
        drawn(icon_name, 16, "icon"),
        label,
    )
