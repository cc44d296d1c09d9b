"""The supplementary plans of SIMs, as a reading lists them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from operator import attrgetter

from core.bulk import among, insert
from sims.models import RatePlan, Sim, Subscription, TimelineEvent
from sims.services import reading as readings
from sims.services import timeline, values
from sims.services.stubs import ensure_stubs
from sims.services.timeline_store import Told
from smarthub import contract

_WRITTEN = ["plan", "status", "activated_at", "expires_at", "data_usage", "data_quota", "gone_since"]
_COLUMNS = [field.attname for field in Subscription._meta.concrete_fields if field.attname not in ("id", "giccid")]
_CREATED = ("giccid", *_COLUMNS)
_created = attrgetter(*_COLUMNS)


def store_subscriptions(items: Sequence[tuple[Sim, contract.Sim, bool]], *, before: dict[Sim, datetime]) -> list[Told]:
    """Write what the snapshots list; answers what is to be told to the timeline.

    ``items`` are stored rows with their snapshots and whether the SIM is new (nothing is told of those); a row has
    the time of its reading, ``before`` has the time of the last reading of the others. A plan no longer listed is
    kept and marked.
    """
    items = [item for item in items if "supplementary_plans" in item[1].model_fields_set]
    if not items:
        return []
    known: dict[int, dict[str, Subscription]] = defaultdict(dict)
    if seen := [sim.pk for sim, _, is_new in items if not is_new]:
        for sub in Subscription.objects.filter(among("sim_id", seen)):
            known[sub.sim_id][sub.carrier_id] = sub
    create: list[Subscription] = []
    update: list[Subscription] = []
    told: list[Told] = []
    names: dict[str, str] = {}
    for sim, snapshot, is_new in items:
        listed = list(snapshot.supplementary_plans or ())
        fresh = _merge(sim, listed, known[sim.pk], create, update)
        names.update({values.code_key(sub.code): values.clip(sub.name, 200) for sub in listed})
        if not is_new:
            told += [_bought(sim, sub, before[sim], sim.observed_at) for sub in fresh]
        partly = any(path.startswith("supplementaryServicePackages[") for path in snapshot.unreadable)
        if not partly:
            update += _gone(known[sim.pk], set(readings.subscription_ids(listed)), sim.observed_at)
    _store(create, update, names)
    return told


def _merge(
    sim: Sim,
    listed: list[contract.Subscription],
    known: dict[str, Subscription],
    create: list[Subscription],
    update: list[Subscription],
) -> list[Subscription]:
    """Note what is to be written; answers the subscriptions not seen before."""
    fresh = []
    for ident, sub in dict(zip(readings.subscription_ids(listed), listed, strict=True)).items():
        put = {**readings.subscription_columns(sub), "gone_since": None}
        row = known.get(ident)
        if row is None:
            row = Subscription(sim=sim, carrier_id=ident, **put)
            create.append(row)
            fresh.append(row)
        elif any(getattr(row, name) != value for name, value in put.items()):
            for name, value in put.items():
                setattr(row, name, value)
            update.append(row)
    return fresh


def _gone(known: dict[str, Subscription], listed: set[str], at: datetime) -> list[Subscription]:
    gone = [sub for ident, sub in known.items() if ident not in listed and sub.gone_since is None]
    for sub in gone:
        sub.gone_since = at
    return gone


def _bought(sim: Sim, sub: Subscription, after: datetime, at: datetime) -> Told:
    return timeline.observed(
        sim,
        TimelineEvent.Kind.SUBSCRIPTION,
        after=after,
        at=at,
        to_value=sub.plan_id,
        # An id that we made up is unknown to everybody else and would keep the purchase from being joined.
        subject="" if readings.is_made_up(sub.carrier_id) else sub.carrier_id,
        ident=sub.carrier_id,
    )


def _store(create: list[Subscription], update: list[Subscription], names: dict[str, str]) -> None:
    codes = {sub.plan_id for sub in (*create, *update)}
    ensure_stubs(RatePlan, "code", {code: {"name": names.get(code, "")} for code in codes if code in names})
    if create:
        insert(Subscription, {}, _CREATED, [(sub.sim.giccid, *_created(sub)) for sub in create])
    if update:
        Subscription.objects.bulk_update(update, _WRITTEN)
