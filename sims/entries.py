"""Timeline events as sentences: what the page shows of each, without a query of its own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from core.links import openable
from core.per_language import per_language
from core.templatetags.portal import exact_time, grouped, human_bytes, icon, status_badge
from sims.models import TimelineEvent
from sims.selectors.sims import AnyUser
from sims.selectors.timeline import plan_names

Kind, Outcome = TimelineEvent.Kind, TimelineEvent.Outcome

_ICONS: dict[str, str] = {
    Kind.STATUS: "power",
    Kind.PLAN: "receipt-text",
    Kind.SUBSCRIPTION: "package-plus",
    Kind.IMEI: "smartphone",
    Kind.APN: "globe",
    Kind.CUSTOM_FIELDS: "tags",
    Kind.SMS: "message-square",
    Kind.NOTIFICATION: "bell",
    Kind.NOTE: "sticky-note",
}
_STATUS_TONES = {"ACTIVATED": "ok", "DEACTIVATED": "warn", "TEST_READY": "info"}
_OUTCOME_TONES: dict[str, str] = {Outcome.FAILED: "bad", Outcome.UNCLEAR: "warn", Outcome.SCHEDULED: "info"}
_NEWS: dict[str, tuple[Promise, str]] = {
    "CYCLE_USAGE_TRACKING": (_lazy("Usage of the cycle reached its threshold"), "warn"),
    "NO_SESSION_CONNECTION": (_lazy("No connection for a long time"), "warn"),
    "PREPAID_SERVICE_PACKAGE_EXPIRED": (_lazy("Prepaid plan ends or has ended"), "warn"),
    "PREPAID_SERVICE_PACKAGE_TRAFFIC_TRACKING": (_lazy("Prepaid data reached its threshold"), "warn"),
    "missing": (_lazy("The carrier no longer lists this SIM"), "bad"),
    "seen_again": (_lazy("The carrier lists this SIM again"), "ok"),
}
"""Words and tone of notifications that the portal knows; others show as the carrier calls them."""

_IN_BYTES = {"dataUsage", "threshold", "dataQuota"}

# What these say stands in the title already, or is for the machine.
_SHOWN_ELSEWHERE = {
    "event",
    "changes",
    "text",
    "operation_kind",
    "operation_state",
    "answer",
    "code",
    "direction",
    "job",
}


@dataclass
class Entry:
    """One event, ready to be shown."""

    event: TimelineEvent
    icon: str
    tone: str
    title: SafeString
    who: str
    outcome: str = ""
    answer: str = ""
    text: str = ""
    job: int | None = None
    """The batch job that its operation belongs to, if the user may open it."""
    facts: list[tuple[str, str]] = field(default_factory=list)
    sources: list[tuple[str, str]] = field(default_factory=list)


def entries(events: Iterable[TimelineEvent], user: AnyUser) -> list[Entry]:
    """``events`` as entries, with links that ``user`` may follow; one query for the names of all rate plans in them."""
    rows = list(events)
    of_plans = [event for event in rows if event.kind in (Kind.PLAN, Kind.SUBSCRIPTION)]
    codes = {code for event in of_plans for code in (event.from_value, event.to_value) if code}
    names = plan_names(codes)
    jobs = openable("job", user, {job for event in rows if (job := _job_of(event)) is not None})
    return [_entry(event, names, jobs) for event in rows]


def _job_of(event: TimelineEvent) -> int | None:
    job = event.detail.get("job") if event.operation_id and isinstance(event.detail, dict) else None
    return job if isinstance(job, int) else None


def _entry(event: TimelineEvent, names: dict[str, str], jobs: set[int]) -> Entry:
    detail = event.detail if isinstance(event.detail, dict) else {}
    failed = event.outcome != Outcome.SUCCESS
    return Entry(
        event=event,
        icon=_ICONS.get(event.kind, "circle"),
        tone=_OUTCOME_TONES.get(event.outcome, "") if failed else _tone(event),
        title=_title(event, detail, names),
        who=who_of(event),
        outcome=str(event.get_outcome_display()) if failed else "",
        answer=_text(detail.get("answer")) if failed else "",
        text=_text(detail.get("text")),
        job=job if (job := _job_of(event)) in jobs else None,
        facts=[(_words(name), _fact(name, value)) for name, value in detail.items() if _is_fact(name, value)],
        sources=sources_of(event),
    )


def _tone(event: TimelineEvent) -> str:
    if event.kind == Kind.NOTIFICATION:
        return _news(event)[1]
    return _STATUS_TONES.get(event.to_value, "") if event.kind == Kind.STATUS else ""


def _news(event: TimelineEvent) -> tuple[str | Promise, str]:
    """What a notification is called, and its tone."""
    known = _NEWS.get(event.to_value) or _NEWS.get(event.subject)
    return known or (event.subject or event.to_value or _("Notification"), "")


def _title(event: TimelineEvent, detail: dict[str, Any], names: dict[str, str]) -> SafeString:
    kind = event.kind
    if kind == Kind.STATUS:
        return _status_change(event.from_value, event.to_value)
    if kind == Kind.PLAN:
        before, after = event.from_value, event.to_value
        return _plan_change(before, names.get(before, before), after, names.get(after, after))
    if kind == Kind.SUBSCRIPTION:
        added = bool(event.to_value)
        word = _("Supplementary plan added") if added else _("Supplementary plan ended")
        code = event.to_value or event.from_value
        return _change(word, "", _plan(code, names.get(code, code)))
    if kind == Kind.IMEI:
        return _change(_device(), _identifier(event.from_value), _identifier(event.to_value))
    if kind == Kind.APN:
        words = _("APN %(apn)s") % {"apn": event.subject} if event.subject else _("APN")
        return _change(words, _apn(event.from_value), _apn(event.to_value))
    if kind == Kind.CUSTOM_FIELDS:
        return _custom_fields(detail.get("changes"))
    if kind == Kind.SMS:
        received = detail.get("direction") == "mo"
        return _change(_("SMS from the device") if received else _("SMS to the device"), "", "")
    if kind == Kind.NOTE:
        return _change(_("Note"), "", "")
    return _change(str(_news(event)[0]), "", "")


def _change(what: str, before: str, after: str) -> SafeString:
    """``what`` from ``before`` to ``after``; either may be empty. Plain text is escaped."""
    if not before and not after:
        return format_html('<span class="change">{}</span>', what)
    if not before:
        return format_html('<span class="change">{} <ins>{}</ins></span>', what, after)
    arrow = icon("arrow-right", 14)
    return format_html('<span class="change">{} <del>{}</del>{}<ins>{}</ins></span>', what, before, arrow, after or "–")


@per_language
def _status_change(before: str, after: str) -> SafeString:
    return _change(_("State"), _status(before), _status(after))


@per_language
def _plan_change(before: str, name_before: str, after: str, name_after: str) -> SafeString:
    return _change(_("Rate plan"), _plan(before, name_before), _plan(after, name_after))


@per_language
def _device() -> str:
    return _("Device")


def _status(value: str) -> str:
    return status_badge(value) if value else ""


def _identifier(value: str) -> str:
    return grouped(value) if value else ""


def _plan(code: str, name: str) -> str:
    return format_html('<span title="{}">{}</span>', code, name) if code else ""


def _apn(value: str) -> str:
    return {"ENABLED": _("Enabled"), "DISABLED": _("Disabled")}.get(value, value)


def _custom_fields(changes: object) -> SafeString:
    """Each field with its old and new text."""
    if not isinstance(changes, dict) or not changes:
        return _change(_("Custom fields"), "", "")
    parts = SafeString("")
    for name, pair in changes.items():
        before, after = pair if isinstance(pair, (list, tuple)) and len(pair) == 2 else ("", pair)
        label = _("Custom field %(number)s") % {"number": str(name).removeprefix("custom")}
        parts += _change(label, _text(before) or "–", _text(after))
    return format_html('<span class="changes">{}</span>', parts)


def who_of(event: TimelineEvent) -> str:
    """The name of the person who asked for it; empty where nobody of the portal did."""
    return event.actor.get_full_name() or event.actor.get_username() if event.actor else ""


def sources_of(event: TimelineEvent) -> list[tuple[str, str]]:
    """Who told of it, with the time that each gave in words."""
    portal, change_log, push, reading = _source_names()
    told: list[tuple[str, datetime | None]] = []
    if event.operation_id is not None or (event.actor_id is not None and event.kind != Kind.NOTE):
        told.append((portal, event.recorded_at))
    if event.log_time is not None:
        told.append((change_log, event.log_time))
    if event.push_key:
        told.append((push, event.push_time))
    if event.observed_at is not None:
        told.append((reading, event.observed_at))
    return [(name, exact_time(moment) if moment else "") for name, moment in told]


@per_language
def _source_names() -> tuple[str, str, str, str]:
    return _("portal"), _("change log"), _("push"), _("reading")


def _is_fact(name: str, value: object) -> bool:
    """Short values that somebody may want to read; no structures, no keys of the portal's own records."""
    plain = isinstance(value, (str, int, float)) and value != ""
    return plain and name not in _SHOWN_ELSEWHERE and not name.endswith(("_id", "_key"))


def _fact(name: str, value: object) -> str:
    if name in _IN_BYTES and isinstance(value, int):
        return human_bytes(value)
    return _text(value)


def _words(name: str) -> str:
    """``dataUsage`` and ``data_usage`` both as ``data usage``."""
    spaced = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name)
    return spaced.replace("_", " ").strip()


def _text(value: object) -> str:
    return "" if value is None else str(value)
