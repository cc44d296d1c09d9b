"""What pushes about SIMs lead to: a line in the timeline, and the SIM read again.

A push is a hint. It may be old, doubled or wrong, so what it says never goes into the mirror; the carrier is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from core import pushes
from core.pushes import PushEvent, PushProblem
from sims.models import Sim, TimelineEvent
from sims.services import timeline
from sims.services.mirror import Source
from sims.services.refresh import read_sim
from smarthub import Lane
from smarthub.contract import is_giccid
from smarthub.errors import NotFound

_Kind = TimelineEvent.Kind


@dataclass(frozen=True)
class _Change:
    """Where a push about a change has its values (names are assumed, see the contract)."""

    kind: str
    before: str
    after: str
    subject: str = ""


_CHANGES: Mapping[str, _Change] = {
    "SIM_STATUS_CHANGE": _Change(_Kind.STATUS, "originalStatus", "targetStatus"),
    "SIM_APN_STATUS_CHANGE": _Change(_Kind.APN, "originalStatus", "targetStatus", subject="apn"),
    "IMEI_CHANGE": _Change(_Kind.IMEI, "originalImei", "targetImei"),
}
_NEWS = (
    "CYCLE_USAGE_TRACKING",
    "NO_SESSION_CONNECTION",
    "PREPAID_SERVICE_PACKAGE_EXPIRED",
    "PREPAID_SERVICE_PACKAGE_TRAFFIC_TRACKING",
)
_COMMON = frozenset({"eventId", "eventType", "accountName", "giccid", "eventTime"})


def register() -> None:
    """Have these pushes brought here."""
    for kind in _CHANGES:
        pushes.register(kind, take_change)
    for kind in _NEWS:
        pushes.register(kind, take_news)


def take_change(event: PushEvent) -> str:
    """A push about a change of state, APN or device. Raises ``PushProblem`` for an unknown SIM or missing fields."""
    change = _CHANGES[event.kind]
    after = _text(event, change.after)
    if not after or (change.subject and not _text(event, change.subject)):
        wanted = ", ".join(name for name in (change.after, change.subject) if name)
        raise PushProblem(_("The push lacks one of: %(fields)s.") % {"fields": wanted})
    sim, was_read = _sim(event)
    news = timeline.record_push(
        sim=sim,
        kind=change.kind,
        from_value=_text(event, change.before),
        to_value=after,
        subject=_text(event, change.subject) if change.subject else "",
        push_key=event.key,
        push_time=event.event_time,
    )
    return _outcome(sim, bool(news), was_read)


def take_news(event: PushEvent) -> str:
    """A push about usage, silence or an expiring plan. Raises ``PushProblem`` for an unknown SIM."""
    sim, was_read = _sim(event)
    before = sim.events.count()
    timeline.record_plain(
        sim=sim,
        kind=_Kind.NOTIFICATION,
        at=event.event_time,
        subject=event.kind,
        detail={"event": event.kind, **{name: v for name, v in event.body.items() if name not in _COMMON}},
        push_key=event.key,
    )
    return _outcome(sim, sim.events.count() > before, was_read)


def _sim(event: PushEvent) -> tuple[Sim, bool]:
    """The SIM of the push, read from the carrier when the mirror does not hold it (then ``True``)."""
    if not is_giccid(event.giccid):
        raise PushProblem(_("The push names no SIM."))
    sim = Sim.objects.filter(giccid=event.giccid).first()
    if sim is not None:
        return sim, False
    try:
        read_sim(event.giccid, lane=Lane.PUSH, source=Source.PUSH)
    except NotFound:
        raise PushProblem(_("Neither the portal nor the carrier knows this SIM.")) from None
    return Sim.objects.get(giccid=event.giccid), True


def _outcome(sim: Sim, is_news: bool, was_read: bool) -> str:
    words = [_("noted in the timeline") if is_news else _("known already")]
    if not was_read:
        try:
            read_sim(sim.giccid, lane=Lane.PUSH, source=Source.PUSH)
        except NotFound:
            return ", ".join([*words, _("the carrier does not know the SIM any more")])
    return ", ".join([*words, _("SIM read")])


def _text(event: PushEvent, name: str) -> str:
    value: Any = event.body.get(name)
    return value if isinstance(value, str) else ""
