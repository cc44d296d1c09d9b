"""What the carrier pushes as events: figure and facts of each kind, read from the push and from the mirror.

Fields of pushes are assumed (see the contract), so each may be missing or of another type: then the figure is unknown
and the fact left out. Texts of messages and numbers of people are never taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from core import pushes
from core.events import Happening, emit
from core.pushes import PushEvent, PushProblem
from notifications.services.reading import read_time
from sims.models import RatePlan, Sim, Subscription

_FACTS: Mapping[str, tuple[str, ...]] = {
    "CYCLE_USAGE_TRACKING": ("dataUsage", "threshold", "thresholdPercent"),
    "IMEI_CHANGE": ("originalImei", "targetImei"),
    "NO_SESSION_CONNECTION": ("lastSessionTime", "noSessionHours"),
    "PREPAID_SERVICE_PACKAGE_EXPIRED": ("servicePackageCode", "expiredTime"),
    "PREPAID_SERVICE_PACKAGE_TRAFFIC_TRACKING": ("servicePackageCode", "dataUsage", "threshold"),
    "SIM_STATUS_CHANGE": ("originalStatus", "targetStatus"),
    "SIM_APN_STATUS_CHANGE": ("apn", "originalStatus", "targetStatus"),
    "MO_SMS": (),
}
"""The fields of each kind that are kept for people to read; ``ruleName`` (the carrier's rule) with all of them."""

_LONGEST = 200


def register() -> None:
    """Have these pushes brought here, after whoever makes their SIM known."""
    for kind in _FACTS:
        pushes.register(kind, take, last=True)


def take(event: PushEvent) -> str:
    """Tell of the push as an event of its SIM. Raises ``PushProblem`` while the mirror does not know the SIM."""
    sim = Sim.objects.filter(giccid=event.giccid).select_related("plan").first()
    if sim is None:
        raise PushProblem(_("The push names no SIM that the portal knows."))
    value, extra = _FIGURES.get(event.kind, _no_figure)(event, sim)
    emit(
        Happening(
            kind=event.kind,
            # With the giccid: a sender may give all pushes of one run the same id.
            key=f"{event.giccid}:{event.key}",
            at=event.event_time,
            sim_id=sim.pk,
            account_name=sim.account_id,
            value=value,
            detail={**_facts(event), **extra},
            push_id=event.push_id,
        )
    )
    return ""


def _facts(event: PushEvent) -> dict[str, Any]:
    """The kept fields that hold a plain value; texts are cut, times put in the form that the portal reads."""
    facts: dict[str, Any] = {}
    for name in (*_FACTS[event.kind], "ruleName"):
        value = event.body.get(name)
        if isinstance(value, str) and value:
            moment = read_time(value) if name.endswith("Time") else None
            facts[name] = moment.isoformat() if moment else value[:_LONGEST]
        elif _number(value) is not None:
            facts[name] = value
    return facts


def _no_figure(event: PushEvent, sim: Sim) -> tuple[float | None, dict[str, Any]]:
    return None, {}


def _cycle_usage(event: PushEvent, sim: Sim) -> tuple[float | None, dict[str, Any]]:
    """Percent of the SIM's quota; of the quota that the push implies where the mirror knows none."""
    quota = _positive(sim.data_quota) or _implied_quota(event)
    percent = _percent(event, quota)
    return (percent if percent is not None else _number(event.body.get("thresholdPercent"))), _quota(quota)


def _implied_quota(event: PushEvent) -> float | None:
    """The threshold is so many percent of the quota; without the percentage it is taken for the quota itself."""
    threshold = _positive(event.body.get("threshold"))
    percent = _positive(event.body.get("thresholdPercent"))
    return threshold * 100 / percent if threshold and percent else threshold


def _prepaid_usage(event: PushEvent, sim: Sim) -> tuple[float | None, dict[str, Any]]:
    """Percent of the plan's quota: of the SIM's subscription, of the plan, else of the threshold."""
    code = event.body.get("servicePackageCode")
    quota: float | None = None
    if isinstance(code, str) and code:
        newest = Subscription.objects.filter(sim=sim, plan_id=code, gone_since=None).order_by("-activated_at", "-id")
        quota = _positive(newest.values_list("data_quota", flat=True).first())
        quota = quota or _positive(RatePlan.objects.filter(pk=code).values_list("data_quota", flat=True).first())
    quota = quota or _positive(event.body.get("threshold"))
    return _percent(event, quota), _quota(quota)


def _silence(event: PushEvent, sim: Sim) -> tuple[float | None, dict[str, Any]]:
    """Hours without a session: as the carrier counts, else since the last one."""
    hours = _number(event.body.get("noSessionHours"))
    last: datetime | None = read_time(event.body.get("lastSessionTime"))
    if hours is None and last is not None:
        hours = round(max(0.0, (event.event_time - last).total_seconds() / 3600), 1)
    return hours, {}


def _percent(event: PushEvent, quota: float | None) -> float | None:
    used = _number(event.body.get("dataUsage"))
    return round(used * 100 / quota, 1) if used is not None and quota else None


def _quota(quota: float | None) -> dict[str, Any]:
    return {"quota": round(quota)} if quota else {}


def _number(value: object) -> float | None:
    """A number that is not negative and that a database holds; it may come as text."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if 0 <= number < 1e18 else None


def _positive(value: object) -> float | None:
    return _number(value) or None


_FIGURES: Mapping[str, Callable[[PushEvent, Sim], tuple[float | None, dict[str, Any]]]] = {
    "CYCLE_USAGE_TRACKING": _cycle_usage,
    "PREPAID_SERVICE_PACKAGE_TRAFFIC_TRACKING": _prepaid_usage,
    "NO_SESSION_CONNECTION": _silence,
}
