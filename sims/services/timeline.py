"""The timeline's doors: whoever knows of a change tells it here, as often and in whatever order it comes.

What is told is joined by ``joining`` (the rules) and ``timeline_store`` (the rows). Values: a state is the
carrier's status; a plan its code; an APN event has the APN's name as subject and ``ENABLED`` or ``DISABLED`` as
values; a subscription has the plan code as target and its id as subject, where known; custom fields stand in
``detail["changes"]`` as ``{"custom1": [old, new]}``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.core.serializers.json import DjangoJSONEncoder
from django.db import IntegrityError, transaction
from django.utils.dateparse import parse_datetime

from sims.models import RatePlan, Sim, TimelineEvent
from sims.services import values
from sims.services.joining import Telling, TellingSource
from sims.services.timeline_store import Told, integrate
from smarthub.contract import ChangeEntry, ChangeStatus, ChangeType

Kind = TimelineEvent.Kind
Outcome = TimelineEvent.Outcome

_LENGTHS = {Kind.STATUS: values.STATUS_LENGTH, Kind.IMEI: values.IDENTIFIER_LENGTH}
_ENTRIES_AT_ONCE = 500


def as_value(kind: str, text: str | None) -> str:
    """A value of a change as every source must write it, so that equal values are equal texts."""
    if kind in (Kind.PLAN, Kind.SUBSCRIPTION):
        return values.code_key(text)
    return values.clip(text, _LENGTHS.get(Kind(kind), values.EVENT_VALUE_LENGTH))


def as_subject(text: str | None) -> str:
    """The name of an APN, or the id of a subscription, as every source must write it."""
    return values.key(text, values.EVENT_SUBJECT_LENGTH)


def record_operation(
    *,
    sim: Sim,
    kind: str,
    operation_id: int,
    at: datetime,
    from_value: str = "",
    to_value: str = "",
    subject: str = "",
    outcome: str,
    actor: AbstractBaseUser | None,
    reason: str,
    ticket: str,
    detail: dict[str, Any] | None = None,
) -> TimelineEvent:
    """Tell of an operation of ours, once or again: a later call updates outcome, target and detail.

    It becomes one event with the log entry, push and reading of the same change. ``at`` is our time of sending or
    acceptance; the first one told stays. A change that is ``scheduled`` for the turn of a cycle may say when in
    ``detail["effective_at"]`` (a datetime or its ISO text); it is then joined with what is told around that time.
    """
    told = operation_told(
        sim_id=sim.pk,
        kind=kind,
        operation_id=operation_id,
        at=at,
        from_value=from_value,
        to_value=to_value,
        subject=subject,
        outcome=outcome,
        actor_id=actor.pk if actor is not None else None,
        reason=reason,
        ticket=ticket,
        detail=detail,
    )
    record_operations([told])
    return TimelineEvent.objects.get(operation_id=operation_id)


def operation_told(
    *,
    sim_id: int,
    kind: str,
    operation_id: int,
    at: datetime,
    from_value: str = "",
    to_value: str = "",
    subject: str = "",
    outcome: str,
    actor_id: int | None,
    reason: str,
    ticket: str,
    detail: dict[str, Any] | None = None,
) -> Told:
    """What :func:`record_operation` tells, to be given to :func:`record_operations` with that of other SIMs."""
    detail = _json(detail)
    effective = parse_datetime(str(detail.get("effective_at", ""))) if detail.get("effective_at") else None
    telling = Telling(
        source=TellingSource.OPERATION,
        key=str(operation_id),
        time=_utc(at),
        from_value=as_value(kind, from_value),
        to_value=as_value(kind, to_value),
        subject=as_subject(subject),
        outcome=str(outcome),
        until=_utc(effective) if effective and effective.tzinfo else None,
        detail=detail,
        actor_id=actor_id,
        reason=values.clean(reason),
        ticket=values.clip(ticket, 60),
    )
    return Told(sim_id, str(kind), telling)


def record_operations(told: Sequence[Told]) -> int:
    """Tell of many operations at once, with a number of queries that does not depend on how many; see above."""
    return integrate(told)


def record_push(
    *,
    sim: Sim,
    kind: str,
    from_value: str = "",
    to_value: str = "",
    subject: str = "",
    push_key: str,
    push_time: datetime,
    detail: dict[str, Any] | None = None,
) -> int:
    """Tell of a change that a push reported; answers 1 when it was news, 0 for a copy of a known one."""
    telling = Telling(
        source=TellingSource.PUSH,
        key=values.key(push_key, 80),
        time=_utc(push_time),
        from_value=as_value(kind, from_value),
        to_value=as_value(kind, to_value),
        subject=as_subject(subject),
        detail=_json(detail),
    )
    return integrate([Told(sim.pk, str(kind), telling)])


def observed(
    sim: Sim,
    kind: str,
    *,
    after: datetime,
    at: datetime,
    from_value: str = "",
    to_value: str = "",
    subject: str = "",
    ident: str = "",
    detail: dict[str, Any] | None = None,
) -> Told:
    """What a reading at ``at`` shows that the one at ``after`` did not, to be given to :func:`record_observed`.

    ``ident`` tells apart what one reading shows twice with the same values; without it the subject does.
    """
    from_value, to_value = as_value(kind, from_value), as_value(kind, to_value)
    subject = as_subject(subject)
    key = f"{_utc(at).isoformat()}|{from_value}|{to_value}|{ident or subject}"
    telling = Telling(
        source=TellingSource.READING,
        key=key,
        time=_utc(at),
        after=_utc(after),
        from_value=from_value,
        to_value=to_value,
        subject=subject,
        detail=_json(detail),
    )
    return Told(sim.pk, str(kind), telling)


def record_observed(readings: Sequence[Told]) -> int:
    """Tell of differences between readings (by ``mirror.apply``, in its transaction); answers how many were news."""
    return integrate(readings)


def record_log_entries(entries: Sequence[ChangeEntry]) -> int:
    """Tell of change-log entries, in any order and as often as they come; answers how many were news.

    Entries of SIMs that the mirror does not hold are left out: read those SIMs first. An entry told again with
    another result updates its event. A type unknown to us is kept as a notification.
    """
    news = 0
    for start in range(0, len(entries), _ENTRIES_AT_ONCE):
        news += integrate(_told_by(entries[start : start + _ENTRIES_AT_ONCE]))
    return news


def untold_entries(entries: Sequence[ChangeEntry]) -> list[ChangeEntry]:
    """Those of ``entries`` that the timeline does not hold yet with this result, unknown SIMs' included."""
    sims = _sim_ids(entries)
    basic = _basic_plans(entries)
    rows = TimelineEvent.objects.filter(
        sim_id__in=sims.values(), log_time__in={entry.created_time for entry in entries}
    ).values_list("sim_id", "kind", "tellings")
    known = {
        (sim_id, kind, telling["key"], telling["outcome"])
        for sim_id, kind, tellings in rows
        for telling in tellings
        if telling["source"] == TellingSource.LOG
    }

    def is_known(entry: ChangeEntry) -> bool:
        if entry.giccid not in sims:
            return False
        told = _told(entry, sims[entry.giccid], basic)
        return (told.sim_id, told.kind, told.telling.key, told.telling.outcome) in known

    return [entry for entry in entries if not is_known(entry)]


def record_plain(
    *,
    sim: Sim,
    kind: str,
    at: datetime,
    from_value: str = "",
    to_value: str = "",
    subject: str = "",
    outcome: str = Outcome.SUCCESS,
    actor: AbstractBaseUser | None = None,
    reason: str = "",
    ticket: str = "",
    detail: dict[str, Any] | None = None,
    push_key: str | None = None,
) -> TimelineEvent:
    """An event that nobody else tells of (SMS, notification, note). With a ``push_key`` copies are one event."""
    event = TimelineEvent(
        sim=sim,
        account_name=sim.account_id,
        kind=kind,
        at=at,
        from_value=values.clip(from_value, values.EVENT_VALUE_LENGTH),
        to_value=values.clip(to_value, values.EVENT_VALUE_LENGTH),
        subject=as_subject(subject),
        outcome=outcome,
        actor_id=actor.pk if actor is not None else None,
        reason=values.clean(reason),
        ticket=values.clip(ticket, 60),
        detail=_json(detail),
        push_key=values.key(push_key, 80) or None,
        push_time=at if push_key else None,
    )
    try:
        with transaction.atomic():
            event.save(force_insert=True)
    except IntegrityError:
        return TimelineEvent.objects.get(sim=sim, kind=kind, push_key=event.push_key)
    return event


def _told_by(entries: Sequence[ChangeEntry]) -> list[Told]:
    """The entries as tellings, without those of SIMs unknown to the mirror."""
    sims = _sim_ids(entries)
    basic = _basic_plans(entries)
    return [_told(entry, sims[entry.giccid], basic) for entry in entries if entry.giccid in sims]


def _sim_ids(entries: Sequence[ChangeEntry]) -> dict[str, int]:
    return dict(Sim.objects.filter(giccid__in={entry.giccid for entry in entries}).values_list("giccid", "id"))


def _basic_plans(entries: Sequence[ChangeEntry]) -> set[str]:
    """Codes of basic plans among those that entries with an empty original name.

    An empty original means a subscription (assumed), but the first basic plan of a SIM has none before it either.
    """
    codes = {values.code_key(e.target) for e in entries if e.type == ChangeType.SERVICE_PACKAGE and not e.original}
    if not codes:
        return set()
    return set(RatePlan.objects.filter(code__in=codes, kind=RatePlan.Kind.BASIC).values_list("code", flat=True))


def _told(entry: ChangeEntry, sim_id: int, basic_plans: set[str]) -> Told:
    kind, subject = Kind.NOTIFICATION, ""
    if entry.type == ChangeType.LOCAL_STATUS:
        kind = Kind.STATUS
    elif entry.type == ChangeType.IMEI_CHANGE:
        kind = Kind.IMEI
    elif entry.type == ChangeType.SERVICE_PACKAGE:
        is_plan = (entry.original and entry.target) or values.code_key(entry.target) in basic_plans
        kind = Kind.PLAN if is_plan else Kind.SUBSCRIPTION
    else:
        subject = as_subject(entry.type)
    from_value, to_value = as_value(kind, entry.original), as_value(kind, entry.target)
    time = _utc(entry.created_time)
    telling = Telling(
        source=TellingSource.LOG,
        key=f"{time.isoformat()}|{from_value}|{to_value}|{subject}",
        time=time,
        from_value=from_value,
        to_value=to_value,
        subject=subject,
        outcome=_outcome(entry.status),
        detail={} if entry.status in (ChangeStatus.SUCCESS, None) else {"carrier_status": values.clean(entry.status)},
    )
    return Told(sim_id, str(kind), telling)


def _outcome(status: str | None) -> str:
    """A result that we do not know is not a failure: it may be any step on the way to a success."""
    if status == ChangeStatus.FAILED:
        return str(Outcome.FAILED)
    return str(Outcome.SUCCESS if status in (ChangeStatus.SUCCESS, None) else Outcome.UNCLEAR)


def _json(detail: dict[str, Any] | None) -> dict[str, Any]:
    """As it comes back from the database, so that the same detail told twice is the same."""
    if not detail:
        return {}
    read: dict[str, Any] = values.clean_json(json.loads(json.dumps(detail, cls=DjangoJSONEncoder)))
    return read


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)
