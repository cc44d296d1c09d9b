"""What the mirror holds of SIMs that were read, locked. Rows that are as they were get the time of the reading by the
way: of most SIMs of a walk that is all there is to do."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from core.bulk import among, record_class
from sims.models import Sim
from sims.services.reading import Received

COLUMNS = ("id", "giccid", "observed_at", "carrier_updated_at", "missing_since", "raw_digest")
"""What tells of a row whether a reading has to be looked at."""
_Head = record_class(COLUMNS)

_LOCK_AND_RENEW = f"""
    WITH told AS (
      SELECT * FROM unnest(%s::text[], %s::bigint[], %s::timestamptz[]) AS told(giccid, digest, at)
    ), found AS MATERIALIZED (
      SELECT {", ".join(f"sim.{name}" for name in COLUMNS)}, told.at,
        sim.raw_digest = told.digest AND sim.missing_since IS NULL AND sim.observed_at <= told.at AS is_same
      FROM sims_sim sim JOIN told ON told.giccid = sim.giccid
      ORDER BY sim.giccid FOR NO KEY UPDATE OF sim
    ), renewed AS (
      UPDATE sims_sim sim SET observed_at = found.at, observed_by = %s
      FROM found WHERE sim.id = found.id AND found.is_same
    )
    SELECT told.giccid, {", ".join(f"found.{name}" for name in COLUMNS)}
    FROM told LEFT JOIN found ON found.giccid = told.giccid
    WHERE found.is_same IS NOT TRUE ORDER BY told.giccid
"""  # noqa: S608 # names of ours


@dataclass(frozen=True)
class Found:
    """What there is of the SIMs received."""

    heads: list[Any]
    """``COLUMNS`` of the rows that may differ, in the order of giccid."""
    strangers: list[Received]
    """Those that have no row."""
    unchanged: int
    """Rows that are as they were."""


def lock(received: Mapping[str, Received], source: str) -> Found:
    """Lock the rows of ``received``, always in the order of giccid, and renew those that hold the same JSON.

    In the caller's transaction. ``received`` is in the order of giccid.
    """
    if connection.vendor != "postgresql":
        return _lock_portably(received, source)
    told = received.values()
    moments = {moment: moment.isoformat() for moment in {each.observed_at for each in told}}
    # Digits, numbers and times want no quoting, and as one text each they cost a tenth of three lists.
    arrays = (
        received,
        (str(each.digest) if each.raw else "NULL" for each in told),
        (moments[each.observed_at] for each in told),
    )
    with connection.cursor() as cursor:
        cursor.execute(_LOCK_AND_RENEW, [*("{" + ",".join(values) + "}" for values in arrays), source])
        rows = cursor.fetchall()
    return Found(
        [_Head(row[1:]) for row in rows if row[1] is not None],
        [received[row[0]] for row in rows if row[1] is None],
        len(received) - len(rows),
    )


def _lock_portably(received: Mapping[str, Received], source: str) -> Found:
    rows = Sim.objects.select_for_update(no_key=True).filter(among("giccid", list(received)))
    same: dict[datetime, list[int]] = defaultdict(list)
    strangers, heads = dict(received), []
    for head in map(_Head, rows.order_by("giccid").values_list(*COLUMNS)):
        told = strangers.pop(head.giccid)
        is_same = told.raw and head.raw_digest == told.digest and head.missing_since is None
        if is_same and head.observed_at <= told.observed_at:
            same[told.observed_at].append(head.id)
        else:
            heads.append(head)
    renew(same, source)
    return Found(heads, list(strangers.values()), sum(map(len, same.values())))


def renew(ids: Mapping[datetime, list[int]], source: str) -> None:
    """Note that these rows, by the time of their reading, were read as they are."""
    for observed_at, same in ids.items():
        Sim.objects.filter(among("id", same)).update(observed_at=observed_at, observed_by=source)
