"""SIMs seen for the first time, as rows. They are made of what was received alone, so that a walk makes them ahead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from django.utils import timezone

from core import bulk
from sims.models import Sim, SimReading
from sims.services import reading as readings
from sims.services.reading import Received
from sims.services.tallies import Facts, facts_of

COLUMNS = [field.attname for field in Sim._meta.concrete_fields if not field.primary_key]
_BLANK = {field.attname: field.get_default() for field in Sim._meta.concrete_fields}
_in_order = itemgetter(*COLUMNS)
_prepared = bulk.preparer(Sim, COLUMNS)
_prepared_text = bulk.preparer(SimReading, ("raw",))


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A SIM that is not stored and has no key yet."""

    sim: Sim
    row: Sequence[Any]
    """Its ``COLUMNS``, ready for ``bulk.insert_absent``."""
    text: Sequence[Any]
    """The JSON of its reading, ready to be written behind its key."""
    facts: Facts


def newcomer(received: Received, observed_by: str) -> Newcomer:
    """The SIM as a new row, worked out once; asks no database. Raises ValueError when it can't be read."""
    if received.newcomer is None:
        put = {**_BLANK, "giccid": received.giccid, **received.reading.columns}
        [sim] = bulk.bare(Sim, tuple(put), [tuple(put.values())])
        sim.apns = readings.merged_apns(received.snapshot, []) or []
        sim.apn_state = readings.apn_state(sim.apns)
        sim.quota_percent = readings.quota_percent(sim.data_usage, sim.data_quota)
        sim.search = readings.search_text(sim)
        sim.observed_at, sim.observed_by = received.observed_at, observed_by
        sim.changed_at = sim.first_seen_at = timezone.now()
        # Not by the attributes: those of relations look at each value.
        row = _prepared(_in_order(sim.__dict__))
        received.newcomer = Newcomer(sim, row, _prepared_text((bulk.Json(received.text),)), facts_of(sim))
    return received.newcomer
