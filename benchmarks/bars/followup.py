"""Bar 7: following the change logs costs what changed, not what there is."""

from __future__ import annotations

import json
import statistics
import time
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from benchmarks.carrier import API_KEY, serving
from benchmarks.rows import Row
from benchmarks.run import Run

_ROUNDS = 3


def follow_up(run: Run) -> list[Row]:
    """Changes of as many SIMs in both fleets, by turns."""
    import requests

    fleets = (run.large, run.small)
    changes = min(run.size.changes, run.small.sims)
    file = run.world.directory / "changes.json"
    seconds: dict[int, list[float]] = {fleet.sims: [] for fleet in fleets}
    with serving(100) as address:
        link = {"SMARTHUB_BASE_URL": f"{address}/v1", "SMARTHUB_API_KEY": API_KEY}
        workers = {fleet.sims: run.world.worker(fleet, **link) for fleet in fleets}
        # The first in each process and database is not counted: it also reads what it needs for the first time.
        for number in range(_ROUNDS + 1):
            for sims, worker in workers.items():
                worker("benchmarks.bars.followup:tell", fleet=sims, changes=changes, path=str(file))
                requests.get(f"{address}/bench/load?{urlencode({'path': str(file)})}", timeout=60).raise_for_status()
                took = worker("benchmarks.bars.followup:follow", changes=changes)
                if number:
                    seconds[sims].append(took)
        for worker in workers.values():
            worker.close()
    large, small = (statistics.median(seconds[fleet.sims]) for fleet in fleets)
    reference = f"{run.small.sims:,} SIMs"
    note = f"{changes:,} changes"
    return [Row(7, "follow-up of the change logs", large * 1000, "ms", reference, small * 1000, 1.3, note=note)]


def tell(fleet: int, changes: int, path: str) -> None:
    """In a worker: write what the carrier tells of ``changes`` SIMs, all over the fleet, whose state is another now."""
    from django.utils import timezone

    from benchmarks.fleet import giccid
    from sims.models import Sim
    from smarthub.values import format_time

    wanted = [giccid(number * fleet // changes) for number in range(changes)]
    moment = timezone.now() - timedelta(seconds=30)
    entries, sims = [], {}
    for start in range(0, changes, 1000):
        for sim in Sim.objects.filter(giccid__in=wanted[start : start + 1000]).defer("search"):
            target = "DEACTIVATED" if sim.status == "ACTIVATED" else "ACTIVATED"
            entry = {"giccid": sim.giccid, "type": "LOCAL_STATUS", "original": sim.status, "target": target}
            entries.append({**entry, "createdTime": format_time(moment), "status": "SUCCESS"})
            sims[sim.giccid] = _wire(sim, target, format_time(moment))
    with open(path, "w") as file:
        json.dump({"entries": entries, "sims": sims}, file)


def _wire(sim: Any, status: str, updated: str) -> dict[str, Any]:
    """The SIM as the carrier tells it: as the mirror has it, but for its state."""
    from smarthub.values import format_time

    session: dict[str, Any] = {"countryCode": sim.country_code, "network": sim.network, "ratType": sim.rat_type}
    if sim.online is not None:
        session["online"] = sim.online
    if sim.last_session_at is not None:
        session["lastSessionTime"] = format_time(sim.last_session_at)
    wire = {
        "giccid": sim.giccid,
        "imsi": sim.imsi,
        "msisdn": sim.msisdn,
        "imei": sim.imei,
        "accountName": sim.account_id,
        "status": status,
        "apns": sim.apns,
        "cycleUsage": {"dataUsage": sim.data_usage, "dataQuota": sim.data_quota},
        "session": session,
        "customFields": {"custom1": sim.custom1, "custom2": sim.custom2},
        "updatedTime": updated,
    }
    if sim.plan_id:
        wire["basicServicePackage"] = {"code": sim.plan_id}
    if sim.pool_id:
        wire["sharePoolCode"] = sim.pool_id
    return wire


def follow(changes: int) -> float:
    """In a worker: read the change logs; the seconds that took."""
    from sims.models import SyncRun
    from sims.services import sync

    began = time.perf_counter()
    ended = sync.run(SyncRun.Kind.CHANGES, trigger="command")
    seconds = time.perf_counter() - began
    run = ended.run
    if run is None or run.state != SyncRun.State.DONE or run.changed < changes:
        raise SystemExit(f"the follow-up ended {ended.end}: {run and (run.read, run.changed, run.message)}")
    return seconds
