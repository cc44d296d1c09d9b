"""The kinds of events: what each is called, what its figure says, and how it is put in words.

A kind that the carrier pushes has the carrier's word as its code; what the portal finds out itself is in lower case.
How a push is read stands in :mod:`notifications.services.carrier_events`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.dateparse import parse_datetime
from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.utils.translation import ngettext

from core.badges import SIM_STATUSES
from core.templatetags.portal import exact_time, human_bytes
from notifications.models import Severity

Detail = Mapping[str, Any]
Words = Callable[[float | None, Detail], str]
LONG_SILENCE = 72
"""Hours from which on days are told: nobody reads 1704 hours."""


@dataclass(frozen=True)
class Kind:
    """One kind of event."""

    code: str
    label: str | Promise
    icon: str
    """Of Lucide."""
    severity: str
    """What a new rule of this kind proposes."""
    words: Words
    """What happened, from the event's figure and detail: a sentence or a part of one; empty when the label says all."""
    of_carrier: bool = True
    """Whether it comes of what the carrier tells of a SIM, in a push or a reading; else it is the portal's own."""
    figure: str | Promise = ""
    """What the event's ``value`` counts; empty for a kind without one, which then takes no threshold."""
    unit: str | Promise = ""
    """Of the figure, to stand behind it: ``%``, ``h``, SIMs."""


def label_of(code: str) -> str:
    """What people call the kind; the code itself for one that is not known (any more)."""
    kind = KINDS.get(code)
    return str(kind.label) if kind else code


def icon_of(code: str) -> str:
    """The icon of the kind; a bell for one that is not known."""
    kind = KINDS.get(code)
    return kind.icon if kind else "bell"


def describe(code: str, value: float | None, detail: Detail) -> str:
    """What happened in words, for pages, e-mails and webhooks; plain text, empty when there is no more to say."""
    kind = KINDS.get(code)
    return kind.words(value, detail if isinstance(detail, Mapping) else {}) if kind else ""


def choices(*, of_carrier: bool | None = None) -> list[tuple[str, str | Promise]]:
    """Codes and labels in the order they are shown; with ``of_carrier`` only the carrier's, or only the portal's."""
    return [(kind.code, kind.label) for kind in KINDS.values() if of_carrier in (None, kind.of_carrier)]


def _text(detail: Detail, name: str) -> str:
    value = detail.get(name)
    return "" if value is None or isinstance(value, (dict, list, bool)) else str(value)


def _number(value: float) -> str:
    return number_format(value, decimal_pos=0 if float(value).is_integer() else 1)


def _bytes(detail: Detail, name: str) -> str:
    value = detail.get(name)
    return human_bytes(int(value)) if isinstance(value, (int, float)) and not isinstance(value, bool) else ""


def _moment(detail: Detail, name: str) -> str:
    """A time of the detail in the user's zone; what is no time stands as it came."""
    text = _text(detail, name)
    try:
        moment: datetime | None = parse_datetime(text)
    except ValueError:
        moment = None
    return exact_time(moment) if moment is not None and moment.tzinfo is not None else text


def _joined(*parts: str) -> str:
    return ", ".join(part for part in parts if part)


def _change(before: str, after: str) -> str:
    return f"{before or '–'} → {after}" if after else ""


def _usage(value: float | None, detail: Detail) -> str:
    used, quota = _bytes(detail, "dataUsage"), _bytes(detail, "quota")
    amount = _("%(used)s of %(quota)s") % {"used": used, "quota": quota} if used and quota else used
    if value is None:
        return amount
    percent = _("%(number)s %% of the quota used") % {"number": _number(value)}
    return _joined(percent, amount)


def _prepaid_usage(value: float | None, detail: Detail) -> str:
    return _joined(_text(detail, "servicePackageCode"), _usage(value, detail))


def _usage_jump(value: float | None, detail: Detail) -> str:
    used, usual = _bytes(detail, "used"), _bytes(detail, "usual")
    if not used or not usual:
        return used
    return _("%(used)s in a day, usually %(usual)s") % {"used": used, "usual": usual}


def _expired(value: float | None, detail: Detail) -> str:
    when = _moment(detail, "expiredTime")
    return _joined(_text(detail, "servicePackageCode"), _("until %(time)s") % {"time": when} if when else "")


def _silent(value: float | None, detail: Detail) -> str:
    last = _moment(detail, "lastSessionTime")
    silence = ""
    if value is not None and value >= LONG_SILENCE:
        days = int(value // 24)
        silence = ngettext("no session for %(number)s day", "no session for %(number)s days", days) % {"number": days}
    elif value is not None:
        hours = {"number": _number(value)}
        silence = ngettext("no session for %(number)s hour", "no session for %(number)s hours", int(value)) % hours
    return _joined(silence, _("the last one %(time)s") % {"time": last} if last else "")


def _device(value: float | None, detail: Detail) -> str:
    return _change(_text(detail, "originalImei"), _text(detail, "targetImei"))


def _status(value: float | None, detail: Detail) -> str:
    return _change(_status_word(_text(detail, "originalStatus")), _status_word(_text(detail, "targetStatus")))


def _status_word(status: str) -> str:
    known = SIM_STATUSES.get(status)
    return str(known.label) if known else status


def _apn(value: float | None, detail: Detail) -> str:
    words = {"ENABLED": _("enabled"), "DISABLED": _("disabled")}
    before, after = (_text(detail, name) for name in ("originalStatus", "targetStatus"))
    change = _change(words.get(before, before), words.get(after, after))
    return " ".join(part for part in (_text(detail, "apn"), change) if part)


def _nothing(value: float | None, detail: Detail) -> str:
    return ""


def _push_silence(value: float | None, detail: Detail) -> str:
    source = _text(detail, "source")
    if value is None:
        return source
    number = {"number": _number(value)}
    hours = ngettext("no push for %(number)s hour", "no push for %(number)s hours", int(value)) % number
    return f"{source}: {hours}" if source else hours


def _operation(value: float | None, detail: Detail) -> str:
    return ": ".join(part for part in (_text(detail, "operation"), _text(detail, "message")) if part)


def _job(value: float | None, detail: Detail) -> str:
    words = _("Batch job %(number)s") % {"number": _text(detail, "job")}
    counts = _("%(done)s done, %(failed)s failed, %(unclear)s unclear") % {
        "done": _text(detail, "succeeded") or "0",
        "failed": _text(detail, "failed") or "0",
        "unclear": _text(detail, "unknown") or "0",
    }
    return f"{words}: {counts}"


def _push(value: float | None, detail: Detail) -> str:
    return _text(detail, "push_kind")


def _limit(value: float | None, detail: Detail) -> str:
    words = _("“%(rule)s” has sent %(number)s operations without approval within an hour; more are proposed")
    return words % {"rule": _text(detail, "name"), "number": _number(value or 0)}


def _sync(value: float | None, detail: Detail) -> str:
    return _text(detail, "problem")


_ALL = (
    Kind(
        "CYCLE_USAGE_TRACKING",
        _lazy("Data usage of the cycle"),
        "gauge",
        Severity.WARNING,
        _usage,
        figure=_lazy("Data used, of the SIM's quota"),
        unit="%",
    ),
    Kind("IMEI_CHANGE", _lazy("Device changed"), "smartphone", Severity.WARNING, _device),
    Kind(
        "NO_SESSION_CONNECTION",
        _lazy("No connection"),
        "unplug",
        Severity.WARNING,
        _silent,
        figure=_lazy("Time without a session"),
        unit=_lazy("h"),
    ),
    Kind("PREPAID_SERVICE_PACKAGE_EXPIRED", _lazy("Prepaid plan expires"), "calendar-x", Severity.WARNING, _expired),
    Kind(
        "PREPAID_SERVICE_PACKAGE_TRAFFIC_TRACKING",
        _lazy("Prepaid data used"),
        "battery-low",
        Severity.WARNING,
        _prepaid_usage,
        figure=_lazy("Data used, of the plan's quota"),
        unit="%",
    ),
    Kind(
        "usage_jump",
        _lazy("Unusual usage"),
        "trending-up",
        Severity.WARNING,
        _usage_jump,
        figure=_lazy("times the usual day"),
        unit="×",
    ),
    Kind("SIM_STATUS_CHANGE", _lazy("State changed"), "power", Severity.INFO, _status),
    Kind("SIM_APN_STATUS_CHANGE", _lazy("APN changed"), "globe", Severity.INFO, _apn),
    Kind("MO_SMS", _lazy("SMS received"), "message-square", Severity.INFO, _nothing),
    Kind(
        "operation_needs_attention",
        _lazy("Operation needs attention"),
        "circle-question-mark",
        Severity.CRITICAL,
        _operation,
        of_carrier=False,
    ),
    Kind(
        "job_ended",
        _lazy("Batch job with failures"),
        "list-x",
        Severity.WARNING,
        _job,
        of_carrier=False,
        figure=_lazy("SIMs that failed or are unclear"),
        unit=_lazy("SIMs"),
    ),
    Kind(
        "push_silence",
        _lazy("No pushes"),
        "bell-off",
        Severity.CRITICAL,
        _push_silence,
        of_carrier=False,
        figure=_lazy("Time without a push"),
        unit=_lazy("h"),
    ),
    Kind("push_dead", _lazy("Push given up"), "mail-x", Severity.WARNING, _push, of_carrier=False),
    Kind(
        "rule_limit",
        _lazy("Rule held back"),
        "hand",
        Severity.WARNING,
        _limit,
        of_carrier=False,
    ),
    Kind("sync_failed", _lazy("Sync failed"), "cloud-off", Severity.CRITICAL, _sync, of_carrier=False),
)

KINDS: Mapping[str, Kind] = {kind.code: kind for kind in _ALL}
"""Every kind by its code, the carrier's first."""
