"""What the mirror holds of a SIM's personal data, to be erased. The SIM itself stays: it is the carrier's.

Besides ``mirror.apply`` this alone writes SIMs. The next reading finds a row that differs and brings back what the
carrier still tells of it, and nothing else.
"""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from django.db.models.functions import Lower

from core.erasing import ERASED, Part, Subject, changing, cutting, delete, setting
from sims.models import Note, Sim, SimReading, TimelineEvent
from sims.models.sim import CUSTOM_FIELDS

Kind = TimelineEvent.Kind

_COLUMNS = ("imsi", "msisdn", "imei", "ip_address", *CUSTOM_FIELDS)
_PLAIN = (Kind.NOTE, Kind.NOTIFICATION)
"""Whose details are texts of people, or what a push said; only what happened is kept of them."""


def subject_of(sims: list[Sim], numbers: list[str]) -> Subject:
    """These SIMs with all the numbers that the portal has known of them, and ``numbers`` besides."""
    found = {number for number in numbers if number}
    for sim in sims:
        found |= {sim.imsi, sim.msisdn, sim.imei}
    events = TimelineEvent.objects.filter(sim__in=sims, kind=Kind.IMEI).values_list("from_value", "to_value")
    found |= {value for pair in events for value in pair}
    # A number of a few digits would be cut out of dates and counts.
    known = sorted(number for number in found if number.isdigit() and len(number) >= 8)
    return Subject(tuple(sim.pk for sim in sims), tuple(sim.giccid for sim in sims), tuple(known))


def find(**by: str) -> list[Sim]:
    """The SIMs with this ``giccid``, ``imsi``, ``msisdn`` or ``imei``, now or, for the last, ever."""
    found = Q(**by)
    if "imei" in by:
        told = TimelineEvent.objects.filter(kind=Kind.IMEI).filter(Q(from_value=by["imei"]) | Q(to_value=by["imei"]))
        found |= Q(pk__in=told.values("sim"))
    return list(Sim.objects.filter(found).order_by("pk"))


def parts(subject: Subject) -> list[Part]:
    """Of the SIMs: their row, what the carrier said last, notes, timeline; and the numbers wherever they stand."""
    sims = Sim.objects.filter(pk__in=subject.sims)
    events = TimelineEvent.objects.filter(sim__in=subject.sims)
    empty = dict.fromkeys(_COLUMNS, "")
    numbers = subject.numbers
    return [
        *cutting(Note, ["text"], numbers),
        *cutting(
            TimelineEvent, ["from_value", "to_value", "detail", "tellings", "reason"], numbers, ~Q(kind=Kind.IMEI)
        ),
        Part("raw", SimReading.objects.filter(sim__in=subject.sims).exclude(raw={}), setting(raw={})),
        Part("text: the notes go", Note.objects.filter(sim__in=subject.sims), delete),
        Part(
            "detail: texts of notes, what pushes said",
            events.filter(kind__in=_PLAIN).exclude(detail__has_key="erased"),
            changing(("detail",), _without_detail),
        ),
        # By these two the numbers are found again after a run that was killed: they come last.
        Part(
            "devices and custom fields, before and after",
            events.filter(kind__in=(Kind.IMEI, Kind.CUSTOM_FIELDS)).exclude(detail__has_key="erased"),
            changing(("from_value", "to_value", "detail", "tellings"), _without_values),
        ),
        *cutting(TimelineEvent, ["from_value", "to_value", "detail", "tellings"], numbers, Q(kind=Kind.IMEI)),
        Part(
            f"{', '.join(_COLUMNS)}, search",
            sims.exclude(**empty),
            setting(**empty, search=Lower("giccid"), raw_digest=0),
        ),
    ]


def _without_values(row: TimelineEvent) -> None:
    """That something changed stays. The row's number keeps two changes of one time apart, as the values did."""
    value = f"[erased {row.pk}]"
    row.from_value, row.to_value = value if row.from_value else "", value if row.to_value else ""
    row.detail = _only_names(row.detail)
    for telling in row.tellings:
        for name in ("from", "to"):
            if name in telling:
                telling[name] = value
        if "detail" in telling:
            telling["detail"] = _only_names(telling["detail"])


def _only_names(detail: Any) -> dict[str, Any]:
    known = detail if isinstance(detail, dict) else {}
    changes = known.get("changes") or {}
    return {**known, "changes": {name: [ERASED, ERASED] for name in changes}, "erased": True}


def _without_detail(row: TimelineEvent) -> None:
    known = row.detail if isinstance(row.detail, dict) else {}
    row.detail = {**({"event": known["event"]} if "event" in known else {}), "erased": True}
