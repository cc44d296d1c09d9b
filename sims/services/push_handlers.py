"""What pushes about SIMs lead to: a line in the timeline, and the SIM read again.

A push is a hint. It may be old, doubled or wrong, so what it says never goes into the mirror; the carrier is asked.
Of many pushes at once, each SIM is asked for once, a hundred with one call (:func:`read_ahead`), and a SIM that was
read since the push was stored is not asked for again.

The timeline keeps what a push says even where the SIM does not bear it out: a device that was moved twice in a minute
shows the second IMEI only, and both pushes are true. For the same reason two pushes with different event ids and times
are two changes; copies have the same id, or the same body.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from core import pushes
from core.pushes import PushEvent, PushProblem
from sims.models import Sim, TimelineEvent
from sims.services import timeline
from sims.services.mirror import Source
from sims.services.refresh import read_ahead as read_sims_ahead
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
_MOST_FACTS = 40
_LONGEST_FACT = 500
_LARGEST_FACT = 10**18


def register() -> None:
    """Have these pushes brought here."""
    for kind in _CHANGES:
        pushes.register(kind, take_change)
    for kind in _NEWS:
        pushes.register(kind, take_news)
    pushes.register_preparation((*_CHANGES, *_NEWS), read_ahead)


def read_ahead(events: Sequence[PushEvent]) -> dict[int, Exception | None]:
    """Read the SIMs that the pushes name, each once; answers what went wrong, by the push's id.

    A push is left to its handler where the carrier does not answer for many SIMs at once.
    """
    since: dict[str, datetime] = {}
    for event in events:
        if is_giccid(event.giccid) and event.received_at is not None:
            since[event.giccid] = max(event.received_at, since.get(event.giccid, event.received_at))
    settled = read_sims_ahead(since, lane=Lane.PUSH, source=Source.PUSH)
    return {event.push_id: settled[event.giccid] for event in events if event.giccid in settled}


def take_change(event: PushEvent) -> str:
    """A push about a change of state, APN or device. Raises ``PushProblem`` for an unknown SIM or missing fields."""
    change = _CHANGES[event.kind]
    after = _text(event, change.after)
    if not after or (change.subject and not _text(event, change.subject)):
        wanted = ", ".join(name for name in (change.after, change.subject) if name)
        raise PushProblem(_("The push lacks one of: %(fields)s.") % {"fields": wanted})
    sim = _sim(event)
    news = timeline.record_push(
        sim=sim,
        kind=change.kind,
        from_value=_text(event, change.before),
        to_value=after,
        subject=_text(event, change.subject) if change.subject else "",
        push_key=event.key,
        push_time=event.event_time,
    )
    return _outcome(event, sim, bool(news))


def take_news(event: PushEvent) -> str:
    """A push about usage, silence or an expiring plan. Raises ``PushProblem`` for an unknown SIM."""
    sim = _sim(event)
    before = sim.events.count()
    timeline.record_plain(
        sim=sim,
        kind=_Kind.NOTIFICATION,
        at=event.event_time,
        subject=event.kind,
        detail={"event": event.kind, **_told(event.body)},
        push_key=event.key,
    )
    return _outcome(event, sim, sim.events.count() > before)


def _sim(event: PushEvent) -> Sim:
    """The SIM of the push, read from the carrier when the mirror does not hold it."""
    if not is_giccid(event.giccid):
        raise PushProblem(_("The push names no SIM."))
    sim = Sim.objects.filter(giccid=event.giccid).first()
    if sim is not None:
        return sim
    if event.trouble is not None:
        raise event.trouble
    try:
        if not event.prepared:
            read_sim(event.giccid, lane=Lane.PUSH, source=Source.PUSH)
        return Sim.objects.get(giccid=event.giccid)
    except (NotFound, Sim.DoesNotExist):
        raise PushProblem(_("Neither the portal nor the carrier knows this SIM.")) from None


def _outcome(event: PushEvent, sim: Sim, is_news: bool) -> str:
    """What was done, in words. Raises what the reading met with, now that the timeline has what the push says."""
    words = [_("noted in the timeline") if is_news else _("known already")]
    if event.trouble is not None:
        raise event.trouble
    is_missing = sim.missing_since is not None
    if not event.prepared:
        try:
            read_sim(sim.giccid, lane=Lane.PUSH, source=Source.PUSH)
            is_missing = False
        except NotFound:
            is_missing = True
    words.append(_("the carrier does not know the SIM any more") if is_missing else _("SIM read"))
    return ", ".join(words)


def _told(body: Mapping[str, Any]) -> dict[str, Any]:
    """What the timeline keeps of a push: its plain values, within bounds, since it keeps them for ever.

    The push itself is kept whole for as long as pushes are.
    """
    told: dict[str, Any] = {}
    for name, value in body.items():
        if name in _COMMON or len(name) > _LONGEST_FACT or len(told) == _MOST_FACTS:
            continue
        if isinstance(value, str):
            told[name] = value[:_LONGEST_FACT]
        elif value is None or (isinstance(value, (int, float)) and abs(value) <= _LARGEST_FACT):
            told[name] = value
    return told


def _text(event: PushEvent, name: str) -> str:
    value: Any = event.body.get(name)
    return value if isinstance(value, str) else ""
