"""A rule in plain words: one paragraph that says when it fires and what follows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import time
from typing import Any

from django.utils.formats import number_format, time_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from notifications import kinds
from notifications.models import Severity
from operations.kinds import KINDS as OPERATION_KINDS
from operations.kinds import apn_state_name

HOUR, DAY = 3600, 86400


def sentences(values: Mapping[str, Any]) -> list[str]:
    """What a rule with these values does: when, then each thing that follows.

    Values that are missing or empty are left out, so that half a form can be read, too; they are named as in
    ``notifications.services.rules.values_of``.
    """
    texts = [_when(values), _who_sees(values), *_out(values), _operation(values), _quiet(values)]
    return [text for text in texts if text]


def period(seconds: int) -> str:
    """``6 hours``; in days where it is whole days of more than one."""
    if seconds % DAY == 0 and seconds > DAY:
        return ngettext("%(number)s day", "%(number)s days", seconds // DAY) % {"number": seconds // DAY}
    if seconds % HOUR == 0:
        return ngettext("%(number)s hour", "%(number)s hours", seconds // HOUR) % {"number": seconds // HOUR}
    minutes = round(seconds / 60)
    return ngettext("%(number)s minute", "%(number)s minutes", minutes) % {"number": minutes}


def threshold(codes: Sequence[str], value: float) -> str:
    """The figure with its unit: ``120 %``."""
    units = {str(kinds.KINDS[code].unit) for code in codes if code in kinds.KINDS}
    unit = units.pop() if len(units) == 1 else ""
    return f"{number_format(value, 0 if value.is_integer() else 1)} {unit}".strip()


def any_of(names: Sequence[object], most: int = 4) -> str:
    """``A, B or C``; of many only the first."""
    shown = [str(name) for name in names[:most]]
    if len(names) > most:
        return _("%(names)s or one of %(number)s more") % {
            "names": ", ".join(shown),
            "number": len(names) - most,
        }
    if len(shown) < 2:
        return "".join(shown)
    return _("%(names)s or %(last)s") % {"names": ", ".join(shown[:-1]), "last": shown[-1]}


def _when(values: Mapping[str, Any]) -> str:
    codes = values.get("kinds") or []
    if not codes:
        return _("Choose what the rule is about.")
    parts = [_("On “%(kinds)s”") % {"kinds": any_of([kinds.label_of(code) for code in codes])}]
    least = values.get("threshold")
    if least is not None:
        parts.append(_("when the figure reaches %(value)s") % {"value": threshold(codes, float(least))})
    for name, text in (
        ("accounts", _("for SIMs of the account %(names)s")),
        ("plans", _("with the rate plan %(names)s")),
        ("tags", _("with the tag %(names)s")),
    ):
        if values.get(name):
            parts.append(text % {"names": any_of(values[name])})
    once = values.get("once_per") or 0
    if once:
        parts.append(_("at most once per SIM in %(period)s") % {"period": period(once)})
    return f"{', '.join(parts)}:"


def _who_sees(values: Mapping[str, Any]) -> str:
    severity = str(dict(Severity.choices).get(values.get("severity") or "", ""))
    seen = [*(values.get("roles") or []), *(values.get("users") or [])]
    people = any_of(seen) if seen else _("everybody who may see the SIM")
    words = {"severity": severity.lower(), "people": people}
    within = values.get("group_within") or 0
    if within:
        words["period"] = period(within)
        return _("A notification (%(severity)s) for %(people)s, one line for all within %(period)s.") % words
    return _("A notification (%(severity)s) for %(people)s, a line for each.") % words


def _out(values: Mapping[str, Any]) -> list[str]:
    texts = []
    emails, forwards = values.get("emails") or [], values.get("forwards") or []
    if emails:
        collected = {
            "hourly": _("E-mails to %(names)s, collected every hour."),
            "daily": _("E-mails to %(names)s, collected every day."),
        }
        how = collected.get(values.get("digest") or "", _("An e-mail to %(names)s for each."))
        texts.append(how % {"names": ", ".join(emails[:3]) + (", …" if len(emails) > 3 else "")})
    if forwards:
        texts.append(_("A webhook to %(names)s for each.") % {"names": ", ".join(str(one) for one in forwards)})
    return texts


def operation_words(kind: str, params: Mapping[str, Any]) -> str:
    """The operation with its parameters: ``Change rate plan: EU-1G-M, with the next billing cycle``."""
    if kind not in OPERATION_KINDS:
        return kind
    label = OPERATION_KINDS[kind].label
    if params.get("plan"):
        later = _("with the next billing cycle")
        return f"{label}: {params['plan']}" + (f", {later}" if params.get("effective") == "NEXT_CYCLE" else "")
    if params.get("apn"):
        return f"{label}: {params['apn']} {apn_state_name(str(params.get('apn_status') or ''))}".strip()
    return label


def _operation(values: Mapping[str, Any]) -> str:
    if not values.get("operation_kind"):
        return ""
    words = {"operation": operation_words(values["operation_kind"], values.get("operation_params") or {})}
    if values.get("automatic"):
        return (
            _("“%(operation)s” is sent without approval once an administrator has allowed it; proposed until then.")
            % words
        )
    return _("“%(operation)s” is proposed and waits for a supervisor's approval.") % words


def _quiet(values: Mapping[str, Any]) -> str:
    starts, ends = values.get("quiet_from"), values.get("quiet_until")
    if not isinstance(starts, time) or not isinstance(ends, time) or not values.get("emails"):
        return ""
    if values.get("severity") == Severity.CRITICAL:
        return _("Quiet hours do not hold for the severity “critical”.")
    return _("From %(start)s to %(end)s (%(zone)s) e-mails wait.") % {
        "start": time_format(starts, "H:i"),
        "end": time_format(ends, "H:i"),
        "zone": values.get("quiet_zone") or "UTC",
    }
